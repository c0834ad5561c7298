using Jumun.Points;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Tests.Stores;

/// <summary>Sessions that are ended, answers that are lost and networks that are cut, each at its worst moment.</summary>
public sealed class PostgresFaultTests : IAsyncLifetime
{
    private string database = "";
    private CutProxy network = null!;
    private PostgresStore store = null!;
    private Executor executor = null!;

    public async ValueTask InitializeAsync()
    {
        database = await PostgresServer.CreateShopAsync();
        var settings = new NpgsqlConnectionStringBuilder(database);
        network = new CutProxy(settings.Host!, settings.Port);
        settings.Port = network.Port;
        store = await PostgresStore.OpenAsync(settings.ConnectionString, "test");
        executor = New(store);
        Assert.Equal(1, await ChargedAsync(1));
    }

    public async ValueTask DisposeAsync()
    {
        store.Fault = null;
        await executor.DisposeAsync();
        await store.DisposeAsync();
        await network.DisposeAsync();
        await using (PostgresStore direct = await PostgresStore.OpenForReadingAsync(database))
        {
            Assert.All(await direct.AuditAsync(), report => Assert.True(report.Holds, $"{report.Id}: {string.Join("; ", report.Offenders)}"));
        }

        await PostgresServer.DropDatabaseAsync(database);
    }

    [Fact]
    public async Task A_session_that_ended_between_batches_is_opened_again_unnoticed()
    {
        int? first = Session;
        await TerminateAsync();
        Assert.Equal(3, await ChargedAsync(2));
        Assert.NotEqual(first, Session);
        Assert.Null(await store.ProbeAsync());
    }

    [Fact]
    public async Task A_session_that_ends_between_load_and_write_has_no_effect()
    {
        At(PostgresStore.FaultPoint.Write, TerminateAsync);
        Assert.Equal(RequestOutcome.None, (await ChargeAsync(2)).Refusal!.Outcome);
        Assert.Equal(1, await BalanceAsync());
        Assert.Equal(3, await ChargedAsync(2));
    }

    [Fact]
    public async Task A_session_that_ends_while_it_writes_has_no_effect()
    {
        // Somebody else is inserting the same wallet, so that the write waits.
        await using var other = new NpgsqlConnection(database);
        await other.OpenAsync(TestContext.Current.CancellationToken);
        await using NpgsqlTransaction transaction = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using var insert = new NpgsqlCommand("INSERT INTO wallets VALUES ('n', 0, 0, 0)", other);
        await insert.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        Task<Settlement> waiting = executor.SubmitAsync(new ChargePoints("n", 5)).AsTask();
        await Task.Delay(200, TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);

        await TerminateAsync();
        Assert.Equal(RequestOutcome.None, (await waiting).Refusal!.Outcome);
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, (await store.PointsAsync("n")).Balance);
        Assert.Equal(3, await ChargedAsync(2));
    }

    [Fact]
    public async Task A_commit_whose_answer_is_lost_is_looked_up_and_answered_once()
    {
        At(PostgresStore.FaultPoint.Write, () => LoseTheAnswer(refuses: false));
        Assert.Equal(3, ((PointsCharged)(await ChargeAsync(2)).Answer!).Balance);
        Assert.Equal(3, await BalanceAsync());
        Assert.Equal(4, await ChargedAsync(1));
    }

    [Fact]
    public async Task A_commit_that_cannot_be_looked_up_is_unknown_and_a_retry_under_its_key_finds_the_effect()
    {
        At(PostgresStore.FaultPoint.Write, () => LoseTheAnswer(refuses: true));
        Settlement unknown = await ChargeAsync(2, "key");
        Assert.Equal(RequestOutcome.Unknown, unknown.Refusal!.Outcome);
        Assert.NotNull(await store.ProbeAsync());
        network.Refuses = false;

        Assert.True((await ChargeAsync(2, "key")).Replayed);
        Assert.Equal(3, await BalanceAsync());
        Assert.Null(await store.ProbeAsync());
    }

    /// <summary>By the clock of a process that is far behind, others may have swept the row away by which its commit is looked up.</summary>
    [Fact]
    public async Task A_commit_whose_row_may_have_been_swept_away_is_unknown()
    {
        var clock = new TestClock();
        clock.Advance(TimeSpan.FromSeconds(-Bounds.PostgresBatchSeconds - 60));
        await executor.DisposeAsync();
        executor = New(store, clock);
        At(PostgresStore.FaultPoint.Write, () => LoseTheAnswer(refuses: false, () => RunAsync("DELETE FROM batches")));
        Assert.Equal(RequestOutcome.Unknown, (await ChargeAsync(2)).Refusal!.Outcome);
        Assert.Equal(3, await BalanceAsync());
    }

    [Fact]
    public async Task A_write_that_never_arrives_has_no_effect()
    {
        At(PostgresStore.FaultPoint.Write, () =>
        {
            network.Passes = 0;
            _ = Later(200, () =>
            {
                network.CutProgram();
                network.Passes = null;
            });
            return Task.CompletedTask;
        });
        Assert.Equal(RequestOutcome.None, (await ChargeAsync(2)).Refusal!.Outcome);
        Assert.Equal(3, await ChargedAsync(2));
    }

    /// <summary>The batch's row and its changes arrive, the commit does not, and the database believes that more will come.</summary>
    [Fact]
    public async Task A_session_that_hangs_with_a_written_batch_is_waited_for_and_does_not_commit_later()
    {
        // Once, to know the size: all statements are prepared by then.
        Assert.Equal(2, await ChargedAsync(1));
        Assert.Equal(3, await ChargedAsync(1));
        bool ends = false;
        At(PostgresStore.FaultPoint.Write, () =>
        {
            network.Passes = 200;
            network.KeepsDatabase = true;
            Action cut = network.CutDatabase();
            _ = Later(1_500, () =>
            {
                Volatile.Write(ref ends, true);
                cut();
            });
            _ = Later(200, () =>
            {
                network.CutProgram();
                network.Passes = null;
            });
            return Task.CompletedTask;
        });
        Settlement settlement = await ChargeAsync(2);
        Assert.True(Volatile.Read(ref ends));
        Assert.Equal(RequestOutcome.None, settlement.Refusal!.Outcome);
        Assert.Equal(5, await ChargedAsync(2));
    }

    /// <summary>So PostgreSQL reports a wait for a standby that was cut short: as a warning, and a success.</summary>
    [Fact]
    public async Task A_commit_with_a_warning_is_looked_up()
    {
        await RunAsync("""
            CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN RAISE WARNING 'canceling wait for synchronous replication due to user request'; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON batches DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn();
            """);
        int? first = Session;
        Assert.Equal(3, await ChargedAsync(2));
        Assert.NotEqual(first, Session);

        // Also where the operator wants to hear of no warnings.
        await RunAsync("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET client_min_messages = error', current_database()); END $$");
        await TerminateAsync();
        Assert.Equal(6, await ChargedAsync(3));
        first = Session;
        Assert.Equal(10, await ChargedAsync(4));
        Assert.NotEqual(first, Session);
    }

    [Fact]
    public async Task A_process_that_stops_with_locks_holds_up_the_others_only_so_long()
    {
        await using PostgresStore beside = await PostgresStore.OpenAsync(database, "beside");
        await using Executor other = New(beside);
        long product = ((ProductView)(await executor.SubmitAsync(new CreateProduct("mug", 1, 1))).Answer!).ProductId;
        var loaded = new TaskCompletionSource();
        var stopped = new TaskCompletionSource();
        At(PostgresStore.FaultPoint.Write, () =>
        {
            loaded.SetResult();
            return stopped.Task;
        });
        Task<Settlement> waiting = executor.SubmitAsync(new ChangeStock(product, 2, "stopped")).AsTask();
        await loaded.Task;
        Assert.Equal(11, ((ProductView)(await other.SubmitAsync(new ChangeStock(product, 10, "held up"))).Answer!).Stock);
        stopped.SetResult();
        Assert.Equal(RequestOutcome.None, (await waiting).Refusal!.Outcome);
        Assert.Equal(13, ((ProductView)(await executor.SubmitAsync(new ChangeStock(product, 2, "again"))).Answer!).Stock);
    }

    [Fact]
    public async Task A_wallet_that_another_process_changed_meanwhile_begins_its_batch_anew()
    {
        await using PostgresStore beside = await PostgresStore.OpenAsync(database, "beside");
        await using Executor other = New(beside);
        At(PostgresStore.FaultPoint.Write, async () =>
            Assert.Equal(11, ((PointsCharged)(await other.SubmitAsync(new ChargePoints("m", 10))).Answer!).Balance));
        Assert.Equal(13, await ChargedAsync(2));
        Assert.Equal(1, executor.Counters.Races);
    }

    [Fact]
    public async Task A_command_that_the_schema_refuses_answers_500_and_its_neighbours_live()
    {
        var loaded = new TaskCompletionSource();
        At(PostgresStore.FaultPoint.Write, () => loaded.Task);
        Task<Settlement> first = ChargeAsync(1);
        Task<Settlement> neighbour = ChargeAsync(1);
        Task<Settlement> breaker = executor.SubmitAsync(new BreakSchema()).AsTask();
        Task<Settlement> other = ChargeAsync(1);
        loaded.SetResult();
        Assert.All(await Task.WhenAll(first, neighbour, other), settlement => Assert.NotNull(settlement.Answer));
        Assert.Equal(RefusalCode.InternalError, (await breaker).Refusal!.Code);
        Assert.Equal(4, await BalanceAsync());
    }

    [Fact]
    public async Task A_read_whose_database_is_gone_is_unavailable_and_the_probe_says_so()
    {
        network.Refuses = true;
        network.CutProgram();
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.PointsAsync("m"));
        Assert.Equal("the database cannot be reached", await store.ProbeAsync());
        Assert.Equal(RequestOutcome.None, (await ChargeAsync(1)).Refusal!.Outcome);
        network.Refuses = false;
        Assert.Equal(3, await ChargedAsync(2));
        Assert.Equal(3, (await store.PointsAsync("m")).Balance);
    }

    private static Executor New(PostgresStore store, TimeProvider? clock = null) =>
        new(store, clock ?? TimeProvider.System, NullLogger<Executor>.Instance);

    private static async Task Later(int milliseconds, Action act)
    {
        await Task.Delay(milliseconds);
        act();
    }

    /// <summary>Does something once, at a point of the next batch that comes there.</summary>
    private void At(PostgresStore.FaultPoint where, Func<Task> act) => store.Fault = point =>
    {
        if (point != where)
        {
            return Task.CompletedTask;
        }

        store.Fault = null;
        return act();
    };

    /// <summary>The commit arrives; what is said of it does not, and when it has happened the network is cut.</summary>
    private Task LoseTheAnswer(bool refuses, Func<Task>? meanwhile = null)
    {
        network.LosesAnswers = true;
        _ = CutAsync();
        return Task.CompletedTask;

        async Task CutAsync()
        {
            await TestShop.UntilAsync(async () => await BalanceAsync() == 3);
            await (meanwhile?.Invoke() ?? Task.CompletedTask);
            network.Refuses = refuses;
            network.LosesAnswers = false;
            network.CutProgram();
        }
    }

    private Task<Settlement> ChargeAsync(long amount, string? key = null) => executor.SubmitAsync(
        new ChargePoints("m", amount),
        key is null ? null : new KeyedRequest(
            new IdempotencyKey("m", key), BitConverter.GetBytes(amount), new Reply<PointsCharged>(200, ApiJson.Default.PointsCharged).Render)).AsTask();

    private async Task<long> ChargedAsync(long amount) => ((PointsCharged)(await ChargeAsync(amount)).Answer!).Balance;

    /// <summary>The balance as the database has it, past the network.</summary>
    private async Task<long> BalanceAsync()
    {
        await using PostgresStore direct = await PostgresStore.OpenForReadingAsync(database);
        return (await direct.PointsAsync("m")).Balance;
    }

    /// <summary>The lane of charges has it.</summary>
    private int? Session => store.BackendOf(lane: 0);

    private Task TerminateAsync() => RunAsync($"SELECT pg_terminate_backend({Session}, 5000)");

    private async Task RunAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>A command whose change the schema refuses: pieces of a product that does not exist.</summary>
    private sealed record BreakSchema : Command
    {
        public override void Declare(Keys keys)
        {
        }

        public override Decision Decide(WorkingSet rows)
        {
            rows.StockChanges.Add(new Jumun.Products.StockChange(1_000, 1, "a product that does not exist", rows.Now));
            return Done.Instance;
        }
    }
}
