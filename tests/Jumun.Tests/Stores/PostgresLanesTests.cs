using Jumun.Points;
using Jumun.Products;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Tests.Stores;

/// <summary>Two lanes of one process beside each other: what goes which, and what they do to each other.</summary>
public sealed class PostgresLanesTests : IAsyncLifetime
{
    private const int SecondLaneFrom = 3;

    private static readonly ChargePoints Charge = new("m", 5);

    private string database = "";
    private PostgresStore store = null!;
    private Executor executor = null!;

    public async ValueTask InitializeAsync()
    {
        database = await PostgresServer.CreateShopAsync();
        store = await PostgresStore.OpenAsync(database, "test", secondLaneFrom: SecondLaneFrom);
        executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        store.Fault = null;
        await executor.DisposeAsync();
        await store.DisposeAsync();
        await using (PostgresStore direct = await PostgresStore.OpenForReadingAsync(database))
        {
            Assert.All(await direct.AuditAsync(), report => Assert.True(report.Holds, $"{report.Id}: {string.Join("; ", report.Offenders)}"));
        }

        await PostgresServer.DropDatabaseAsync(database);
    }

    [Fact]
    public async Task Much_work_goes_two_lanes_and_little_one()
    {
        Assert.Equal(0, store.LaneOf(Charge));
        await WorkAsync();
        Assert.Equal(1, store.LaneOf(Charge));
        Assert.Equal(0, store.LaneOf(new CreateProduct("mug", 1, 1)));
        await ChargedAsync();
        await LittleAsync();
        Assert.Equal(0, store.LaneOf(Charge));
    }

    [Fact]
    public async Task A_duplicate_goes_behind_the_first_wherever_its_like_goes_meanwhile()
    {
        using var gate = new Gate();
        using var next = new Gate();
        Task[] held = [SubmitAsync(gate)];
        await gate.ThereAsync();
        Task<Settlement> first = KeyedAsync();
        held = [.. held, LittleAsync(), SubmitAsync(next)];
        gate.Open();
        await next.ThereAsync();
        Assert.Equal(1, store.LaneOf(Charge));
        Task<Settlement> again = KeyedAsync();
        await ChargedAsync();
        Assert.False(again.IsCompleted);
        next.Open();
        await Task.WhenAll(held);
        Assert.Equal((false, true), ((await first).Replayed, (await again).Replayed));
        Assert.Equal((await first).Stored!.Body, (await again).Stored!.Body);
    }

    [Fact]
    public async Task While_the_second_lane_cannot_be_opened_the_first_does_all_and_then_both_do()
    {
        await WorkAsync();
        await using (var connection = new NpgsqlConnection($"{database};Pooling=false"))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var end = new NpgsqlCommand($"SELECT pg_terminate_backend({store.BackendOf(lane: 1)}, 5000)", connection);
            Assert.Equal(true, await end.ExecuteScalarAsync(TestContext.Current.CancellationToken));
        }

        // As on a database that has no further session to give.
        store.Fault = point => point == PostgresStore.FaultPoint.Reopen ? throw new NpgsqlException("too many clients already") : Task.CompletedTask;
        Settlement refused = await executor.SubmitAsync(Charge);
        Assert.Equal(RequestOutcome.None, refused.Refusal!.Outcome);
        Assert.True(executor.Outage.Lasts);
        Assert.Null(store.BackendOf(lane: 1));
        Assert.Equal(0, store.LaneOf(Charge));
        await ChargedAsync();
        Assert.Null(await store.ProbeAsync());

        // What the pulse does while an outage lasts.
        store.Fault = null;
        Assert.True(await executor.TouchAsync());
        await WorkAsync();
        Assert.Equal(1, store.LaneOf(Charge));
        await ChargedAsync();
    }

    /// <summary>A batch so large that what comes next goes two lanes.</summary>
    private async Task WorkAsync()
    {
        using var gate = new Gate();
        Task held = SubmitAsync(gate);
        await gate.ThereAsync();
        Task[] some = [held, .. Enumerable.Range(0, SecondLaneFrom).Select(_ => LittleAsync())];
        gate.Open();
        await Task.WhenAll(some);
    }

    private Task LittleAsync() => SubmitAsync(new CreateProduct("mug", 1, 1));

    private Task ChargedAsync() => SubmitAsync(Charge);

    private async Task SubmitAsync(Command command) => Assert.NotNull((await executor.SubmitAsync(command)).Answer);

    private Task<Settlement> KeyedAsync() => executor.SubmitAsync(
        Charge, new KeyedRequest(new IdempotencyKey("m", "k"), [1], new Reply<PointsCharged>(200, ApiJson.Default.PointsCharged).Render)).AsTask();

    /// <summary>Holds the first lane while its batch is decided, with what was decided before it.</summary>
    private sealed record Gate : Command, IDisposable
    {
        private readonly TaskCompletionSource there = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim open = new();

        public Task ThereAsync() => there.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        public void Open() => open.Set();

        public override void Declare(Keys keys)
        {
        }

        public override Decision Decide(WorkingSet rows)
        {
            there.TrySetResult();
            Assert.True(open.Wait(TimeSpan.FromSeconds(20)));
            return Done.Instance;
        }

        public void Dispose() => open.Dispose();
    }
}
