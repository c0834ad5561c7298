using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Execution;

/// <summary>The executor over a real SQLite file, and every way in which a batch can fail.</summary>
public sealed partial class ExecutorTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("jumun-executor-").FullName;
    private readonly TestClock clock = new();
    private SqliteStore store = null!;
    private Executor executor = null!;

    public ValueTask InitializeAsync()
    {
        store = SqliteStore.Open(Path.Combine(folder, "jumun.db"));
        executor = New();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        store.Fault = null;
        await executor.DisposeAsync();
        Assert.All(await store.AuditAsync(), report => Assert.True(report.Holds, $"{report.Id}: {string.Join("; ", report.Offenders)}"));
        await store.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Commands_that_gather_during_a_commit_are_settled_in_one_batch_with_one_commit()
    {
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("first", 1);
        gate.WaitUntilHeld();

        Task<Settlement>[] gathered = [.. Enumerable.Range(0, 100).Select(i => Charge($"m{i % 10}", 10))];
        Assert.All(gathered, task => Assert.False(task.IsCompleted));
        gate.Open();
        await first;
        Settlement[] settled = await Task.WhenAll(gathered);

        Assert.All(settled, settlement => Assert.NotNull(settlement.Answer));
        Assert.Equal(2, executor.Counters.Commits);
        Assert.Equal(101, executor.Counters.Commands);
        Assert.Equal(100, (await store.PointsAsync("m3")).Balance);
    }

    [Fact]
    public async Task Answers_come_in_order_of_arrival_for_one_member()
    {
        Settlement[] settled = await Task.WhenAll(Enumerable.Range(1, 50).Select(_ => Charge("m", 1)));
        Assert.Equal(Enumerable.Range(1, 50).Select(i => (long)i), settled.Select(settlement => ((PointsCharged)settlement.Answer!).Balance));
    }

    [Fact]
    public async Task A_batch_that_only_refuses_commits_nothing()
    {
        Settlement settlement = await executor.SubmitAsync(new QueryProduct(404));
        Assert.Equal(RefusalCode.ProductNotFound, settlement.Refusal!.Code);
        Assert.Equal(0, executor.Counters.Commits);
    }

    [Fact]
    public async Task A_command_with_a_bug_answers_500_once_and_its_neighbours_live()
    {
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("first", 1);
        gate.WaitUntilHeld();
        Task<Settlement>[] before = [.. Enumerable.Range(0, 10).Select(i => Charge($"b{i}", 5))];
        Task<Settlement> poison = executor.SubmitAsync(new Poison()).AsTask();
        Task<Settlement>[] after = [.. Enumerable.Range(0, 10).Select(i => Charge($"a{i}", 5))];
        gate.Open();

        Assert.Equal(RefusalCode.InternalError, (await poison).Refusal!.Code);
        Assert.All(await Task.WhenAll([first, .. before, .. after]), settlement => Assert.NotNull(settlement.Answer));
        Assert.Equal(5, (await store.PointsAsync("a9")).Balance);
        Assert.Equal(5, (await store.PointsAsync("b0")).Balance);
    }

    [Fact]
    public async Task A_row_that_makes_no_sense_answers_500_and_costs_its_neighbours_nothing()
    {
        long product = ((ProductView)(await executor.SubmitAsync(new CreateProduct("mug", 1, 5))).Answer!).ProductId;
        var order = (OrderView)(await executor.SubmitAsync(new PlaceOrder(
            "m", new OrderIds(clock).Next(), [new OrderItem(product, 1)], null, null, TimeSpan.FromMinutes(10)))).Answer!;
        using SqliteConnection db = SqliteConnection.Open(Path.Combine(folder, "jumun.db"), readOnly: false);
        string lines = db.Scalar("SELECT lines FROM orders")!;
        db.Execute("UPDATE orders SET lines = '{'");
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("first", 1);
        gate.WaitUntilHeld();
        Task<Settlement>[] neighbours = [.. Enumerable.Range(0, 3).Select(i => Charge($"b{i}", 5))];
        Task<Settlement> damaged = executor.SubmitAsync(new ExpireOrder("m", order.OrderId)).AsTask();
        gate.Open();
        Assert.Equal(RefusalCode.InternalError, (await damaged).Refusal!.Code);
        Assert.All(await Task.WhenAll([first, .. neighbours]), settlement => Assert.NotNull(settlement.Answer));

        // The rest of the books is as it should be.
        db.Execute($"UPDATE orders SET lines = '{lines}'");
    }

    [Fact]
    public async Task A_command_whose_write_breaks_a_constraint_answers_500_and_its_neighbours_live()
    {
        long product = ((ProductView)(await executor.SubmitAsync(new CreateProduct("mug", 1, 5))).Answer!).ProductId;
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("first", 1);
        gate.WaitUntilHeld();
        Task<Settlement> neighbour = Charge("neighbour", 7);
        Task<Settlement> breaker = executor.SubmitAsync(new BreakSchema(product)).AsTask();
        gate.Open();
        await first;

        Assert.Equal(RefusalCode.InternalError, (await breaker).Refusal!.Code);
        Assert.NotNull((await neighbour).Answer);
        Assert.Equal(5, (await store.ProductAsync(product))!.Stock);
    }

    [Theory]
    [InlineData((int)SqliteStore.FaultPoint.Load)]
    [InlineData((int)SqliteStore.FaultPoint.Write)]
    [InlineData((int)SqliteStore.FaultPoint.BeforeCommit)]
    public async Task A_store_that_fails_before_the_commit_answers_503_without_effect_and_the_next_batch_goes_on(int point)
    {
        store.Fault = FailOnce((SqliteStore.FaultPoint)point);
        Settlement failed = await Charge("m", 100);
        Assert.Equal(RefusalCode.Unavailable, failed.Refusal!.Code);
        Assert.Equal(RequestOutcome.None, failed.Refusal.Outcome);
        Assert.Equal(0, (await store.PointsAsync("m")).Balance);

        Assert.NotNull((await Charge("m", 3)).Answer);
        Assert.Equal(3, (await store.PointsAsync("m")).Balance);
    }

    [Theory]
    [InlineData((int)SqliteStore.FaultPoint.Abandon)]
    [InlineData((int)SqliteStore.FaultPoint.Maintain)]
    public async Task A_store_that_throws_where_it_must_not_ends_no_lane_and_leaves_nobody_waiting(int point)
    {
        store.Fault = at =>
        {
            if (at == (SqliteStore.FaultPoint)point)
            {
                throw new InvalidOperationException("A bug.");
            }
        };
        KeyedRequest keyed = Keyed("m", "key", 1, ApiJson.Default.ProductView);
        Settlement refused = await Soon(executor.SubmitAsync(new QueryProduct(404), keyed).AsTask());
        bool isAnswered = point == (int)SqliteStore.FaultPoint.Maintain;
        Assert.Equal(isAnswered ? RefusalCode.ProductNotFound : RefusalCode.Unavailable, refused.Refusal!.Code);
        Assert.Equal(isAnswered ? null : RequestOutcome.Unknown, refused.Refusal.Outcome);

        // What was left open is dropped by the next batch, and the one after it is settled. The key is nobody's any more.
        store.Fault = null;
        await Soon(Charge("m", 1));
        Assert.NotNull((await Soon(Charge("m", 3, "key"))).Stored);
    }

    [Fact]
    public async Task A_listener_that_throws_ends_no_lane()
    {
        executor.Committed += _ => throw new InvalidOperationException("A bug.");
        Assert.NotNull((await Charge("m", 1)).Answer);
        Assert.NotNull((await Soon(Charge("m", 1))).Answer);
        Assert.Equal(2, (await store.PointsAsync("m")).Balance);
    }

    [Fact]
    public async Task An_outage_ends_in_a_shop_in_which_nobody_asks_for_anything()
    {
        using var pulse = new Pulse(executor, store, clock, NullLogger<Pulse>.Instance);
        await pulse.StartAsync(CancellationToken.None);
        store.Fault = FailOnce(SqliteStore.FaultPoint.Load);
        Assert.Equal(RefusalCode.Unavailable, (await Charge("m", 100)).Refusal!.Code);
        Assert.True(executor.Outage.Lasts);
        await TestShop.UntilAsync(() => Task.FromResult(!executor.Outage.Lasts));
        await pulse.StopAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Bounds.BatchTries - 1)]
    public async Task A_batch_in_which_another_process_was_first_is_settled_anew(int races)
    {
        store.Fault = RaceAt(SqliteStore.FaultPoint.BeforeCommit, races);
        Settlement[] settled = await Task.WhenAll(Charge("m", 100, "key"), Charge("m", 100, "key"), Charge("n", 1));
        Assert.All(settled, settlement => Assert.Null(settlement.Refusal));
        Assert.Equal((100, 1), ((await store.PointsAsync("m")).Balance, (await store.PointsAsync("n")).Balance));
        Assert.Equal(races, executor.Counters.Races);
    }

    [Fact]
    public async Task A_batch_in_which_others_are_always_first_answers_503_without_effect()
    {
        store.Fault = RaceAt(SqliteStore.FaultPoint.Load, int.MaxValue);
        Settlement failed = await Charge("m", 100);
        Assert.Equal(RefusalCode.Unavailable, failed.Refusal!.Code);
        Assert.Equal(RequestOutcome.None, failed.Refusal.Outcome);
        store.Fault = null;
        Assert.Equal(0, (await store.PointsAsync("m")).Balance);
        Assert.NotNull((await Charge("m", 3)).Answer);
    }

    [Fact]
    public async Task A_commit_that_succeeded_without_telling_is_looked_up_and_answered_once()
    {
        store.Fault = FailOnce(SqliteStore.FaultPoint.AfterCommit);
        Settlement settlement = await Charge("m", 100);
        Assert.Equal(100, ((PointsCharged)settlement.Answer!).Balance);
        Assert.Equal(100, (await store.PointsAsync("m")).Balance);
        Assert.Null(await store.ProbeAsync());
    }

    [Fact]
    public async Task A_commit_that_cannot_be_looked_up_answers_503_unknown_and_a_retry_under_its_key_finds_the_effect()
    {
        int failures = 0;
        store.Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.AfterCommit || (point == SqliteStore.FaultPoint.Reopen && failures++ == 0))
            {
                throw new SqliteException(10, "disk I/O error");
            }
        };
        Settlement unknown = await Charge("m", 100, "key");
        Assert.Equal(RequestOutcome.Unknown, unknown.Refusal!.Outcome);
        Assert.NotNull(await store.ProbeAsync());

        store.Fault = null;
        Settlement retried = await Charge("m", 100, "key");
        Assert.True(retried.Replayed);
        Assert.Equal(100, (await store.PointsAsync("m")).Balance);
        Assert.Null(await store.ProbeAsync());
    }

    [Fact]
    public async Task A_full_queue_is_refused_at_once_without_effect()
    {
        await executor.DisposeAsync();
        executor = New(queueLength: 4);
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("first", 1);
        gate.WaitUntilHeld();
        Task<Settlement>[] waiting = [.. Enumerable.Range(0, 4).Select(_ => Charge("m", 1))];

        Task<Settlement> overflow = Charge("m", 1);
        Assert.True(overflow.IsCompleted);
        Refusal refusal = (await overflow).Refusal!;
        Assert.Equal((RefusalCode.Unavailable, RequestOutcome.None), (refusal.Code, refusal.Outcome!.Value));
        Assert.NotNull(refusal.RetryAfterSeconds);

        gate.Open();
        await Task.WhenAll([first, .. waiting]);
        Assert.Equal(4, (await store.PointsAsync("m")).Balance);
    }

    [Fact]
    public async Task What_waited_for_too_long_is_refused_without_effect_and_what_follows_is_settled()
    {
        await executor.DisposeAsync();
        var longestWait = TimeSpan.FromSeconds(2);
        executor = New(longestWait: longestWait);
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("m", 1);
        gate.WaitUntilHeld();
        Task<Settlement>[] waiting = [Charge("m", 10, "key"), Charge("m", 100)];
        await Task.Delay(longestWait + TimeSpan.FromMilliseconds(100), TestContext.Current.CancellationToken);
        gate.Open();

        Assert.NotNull((await first).Answer);
        Assert.All(await Task.WhenAll(waiting), late => Assert.Equal(RequestOutcome.None, late.Refusal!.Outcome));
        Assert.False((await Charge("m", 10, "key")).Replayed);
        Assert.Equal(11, (await store.PointsAsync("m")).Balance);
    }

    [Fact]
    public async Task At_shutdown_what_waits_is_settled_and_what_comes_later_is_refused()
    {
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("m", 1);
        gate.WaitUntilHeld();
        Task<Settlement> waiting = Charge("m", 1);
        Task draining = executor.DisposeAsync().AsTask();
        Settlement late = await Charge("m", 1);
        Assert.Equal(RequestOutcome.None, late.Refusal!.Outcome);
        Assert.False(draining.IsCompleted);

        gate.Open();
        await draining;
        Assert.NotNull((await first).Answer);
        Assert.NotNull((await waiting).Answer);
        Assert.Equal(2, (await store.PointsAsync("m")).Balance);
        executor = New();
    }

    [Fact]
    public async Task Duplicates_under_one_key_in_one_batch_have_one_effect_and_equal_answers()
    {
        Settlement[] settled = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Charge("m", 10, "key")));
        Assert.Single(settled, settlement => !settlement.Replayed);
        Assert.All(settled, settlement => Assert.Equal(settled[0].Stored!.Body, settlement.Stored!.Body));
        Assert.Equal(10, (await store.PointsAsync("m")).Balance);
    }

    [Fact]
    public async Task Another_request_under_a_used_key_is_refused_in_the_same_batch_too()
    {
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> blocker = Charge("blocker", 1);
        gate.WaitUntilHeld();
        Task<Settlement> first = Charge("m", 10, "key");
        Task<Settlement> other = Charge("m", 11, "key");
        gate.Open();
        await blocker;
        Assert.NotNull((await first).Stored);
        Assert.Equal(RefusalCode.IdempotencyKeyReused, (await other).Refusal!.Code);
        Assert.Equal(RefusalCode.IdempotencyKeyReused, (await Charge("m", 12, "key")).Refusal!.Code);
    }

    [Fact]
    public async Task A_duplicate_waits_for_the_first_and_gives_up_after_its_time()
    {
        await executor.DisposeAsync();
        executor = New(duplicateWait: TimeSpan.FromMilliseconds(50));
        using var gate = new Gate();
        store.Fault = gate.Hold(SqliteStore.FaultPoint.BeforeCommit);
        Task<Settlement> first = Charge("m", 10, "key");
        gate.WaitUntilHeld();
        Settlement duplicate = await Charge("m", 10, "key");
        Assert.Equal(RefusalCode.IdempotencyKeyInUse, duplicate.Refusal!.Code);

        gate.Open();
        Assert.NotNull((await first).Stored);
        await TestShop.UntilAsync(() => Task.FromResult(executor.Counters.Commands == 2));
        Assert.True((await Charge("m", 10, "key")).Replayed);
        Assert.Equal(10, (await store.PointsAsync("m")).Balance);
    }

    [Fact]
    public async Task A_refused_request_leaves_its_key_free()
    {
        KeyedRequest keyed = Keyed("m", "key", 1, ApiJson.Default.ProductView);
        Assert.NotNull((await executor.SubmitAsync(new QueryProduct(1), keyed)).Refusal);
        await executor.SubmitAsync(new CreateProduct("mug", 1, 1));
        Assert.NotNull((await executor.SubmitAsync(new QueryProduct(1), keyed)).Stored);
    }

    [Fact]
    public async Task Time_never_runs_backwards_between_batches_unless_the_clock_was_wrong()
    {
        DateTimeOffset first = await ChargedAtAsync();
        clock.Advance(TimeSpan.FromSeconds(-0.9));
        DateTimeOffset second = await ChargedAtAsync();
        Assert.True(second >= first);
        Assert.Equal(0, second.Ticks % TimeSpan.TicksPerMillisecond);

        // A clock that was an hour ahead for a moment does not keep windows open, or closed, for that hour.
        clock.Advance(TimeSpan.FromHours(1));
        Assert.True(await ChargedAtAsync() >= first.AddHours(1).AddSeconds(-0.9));
        clock.Advance(TimeSpan.FromHours(-1));
        Assert.InRange(await ChargedAtAsync(), first.AddSeconds(-0.9), first.AddMinutes(30));

        async Task<DateTimeOffset> ChargedAtAsync() => ((PointsCharged)(await Charge("m", 1)).Answer!).Entry.CreatedAt;
    }

    private static Task<Settlement> Soon(Task<Settlement> settled) => settled.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    private static Action<SqliteStore.FaultPoint> FailOnce(SqliteStore.FaultPoint where)
    {
        int failures = 0;
        return point =>
        {
            if (point == where && failures++ == 0)
            {
                throw new SqliteException(10, "disk I/O error");
            }
        };
    }

    /// <summary>Another process is first, so often: what a store does then it has done, its transaction is rolled back.</summary>
    private Action<SqliteStore.FaultPoint> RaceAt(SqliteStore.FaultPoint where, int times)
    {
        int races = 0;
        return point =>
        {
            if (point == where && races++ < times)
            {
                store.AbandonAsync();
                throw new StoreRaceException(new InvalidOperationException("Another process was first."));
            }
        };
    }

    private static KeyedRequest Keyed<T>(string member, string key, long fingerprint, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> json)
        where T : Answer =>
        new(new IdempotencyKey(member, key), BitConverter.GetBytes(fingerprint), new Reply<T>(200, json).Render);

    private Executor New(int queueLength = Bounds.QueuedCommands, TimeSpan? duplicateWait = null, TimeSpan? longestWait = null) =>
        new(store, clock, NullLogger<Executor>.Instance, queueLength, duplicateWait, longestWait);

    private Task<Settlement> Charge(string member, long amount, string? key = null) => executor.SubmitAsync(
        new ChargePoints(member, amount), key is null ? null : Keyed(member, key, amount, ApiJson.Default.PointsCharged)).AsTask();

    /// <summary>A command that throws: a bug.</summary>
    private sealed record Poison : Command
    {
        public override void Declare(Keys keys)
        {
        }

        public override Decision Decide(WorkingSet rows) => throw new InvalidOperationException("A bug.");
    }

    /// <summary>A command whose change the schema refuses: pieces of a product that does not exist.</summary>
    private sealed record BreakSchema(long ProductId) : Command
    {
        public override void Declare(Keys keys) => keys.Product(ProductId);

        public override Decision Decide(WorkingSet rows)
        {
            rows.StockChanges.Add(new StockChange(ProductId + 1_000, 1, "a product that does not exist", rows.Now));
            return Done.Instance;
        }
    }

    /// <summary>Holds the lane at a point of its batch until it is opened.</summary>
    private sealed class Gate : IDisposable
    {
        private readonly ManualResetEventSlim held = new();
        private readonly ManualResetEventSlim open = new();

        public Action<SqliteStore.FaultPoint> Hold(SqliteStore.FaultPoint where) => point =>
        {
            if (point == where && !open.IsSet)
            {
                held.Set();
                open.Wait(TimeSpan.FromSeconds(30));
            }
        };

        public void WaitUntilHeld() => Assert.True(held.Wait(TimeSpan.FromSeconds(30)));

        public void Open() => open.Set();

        public void Dispose()
        {
            open.Set();
            held.Dispose();
            open.Dispose();
        }
    }
}
