using Jumun.Orders;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Tests.Processes;

/// <summary>How processes hold their leases while they work.</summary>
[Once]
public sealed class LeaseHoldersTests : IAsyncLifetime
{
    private string database = "";
    private PostgresStore[] stores = [];
    private Leases one = null!;
    private Leases two = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        database = await PostgresServer.CreateShopAsync();
        stores = [await PostgresStore.OpenAsync(database, "one"), await PostgresStore.OpenAsync(database, "two")];
        one = new Leases(stores[0], NullLogger<Leases>.Instance);

        // Process ids sort by the millisecond in which they were made, and timers may be early by one.
        await Task.Delay(20, Cancellation);
        two = new Leases(stores[1], NullLogger<Leases>.Instance);
        await one.StartAsync(Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Leases leases in (Leases[])[one, two])
        {
            await leases.StopAsync(CancellationToken.None);
            leases.Dispose();
        }

        foreach (PostgresStore store in stores)
        {
            await store.DisposeAsync();
        }

        await PostgresServer.DropDatabaseAsync(database);
    }

    [Fact]
    public async Task One_that_is_never_at_rest_gives_another_its_share_all_the_same_and_never_in_the_midst_of_its_work()
    {
        using var stop = new CancellationTokenSource();
        Task working = WorkAsync(one, stop.Token);
        Assert.Equal(Bounds.Partitions, one.Partitions.Count);
        await two.StartAsync(Cancellation);
        await TestShop.UntilAsync(() => Task.FromResult(two.Partitions.Count == Bounds.Partitions / 2), seconds: 4);
        await stop.CancelAsync();
        await working;
        Assert.Equal(Bounds.Partitions / 2, one.Partitions.Count);
        Assert.Empty(one.Partitions.Intersect(two.Partitions));
        Assert.Equal((true, false), (one.Sweeps, two.Sweeps));
    }

    [Fact]
    public async Task When_one_stops_the_other_has_all_soon()
    {
        await two.StartAsync(Cancellation);
        await TestShop.UntilAsync(() => Task.FromResult(two.Partitions.Count == Bounds.Partitions / 2), seconds: 4);
        await one.StopAsync(Cancellation);
        Assert.Empty(one.Partitions);
        await TestShop.UntilAsync(() => Task.FromResult(two.Partitions.Count == Bounds.Partitions), seconds: 2);
        Assert.True(two.Sweeps);
        Assert.Equal(1, two.Processes);
    }

    [Fact]
    public async Task One_that_cannot_ask_holds_nothing_until_it_can()
    {
        await RunAsync("ALTER TABLE leases RENAME TO hidden");
        await TestShop.UntilAsync(() => Task.FromResult(one.Partitions.Count == 0), seconds: 3);
        Assert.False(one.Sweeps);
        await RunAsync("ALTER TABLE hidden RENAME TO leases");
        await TestShop.UntilAsync(() => Task.FromResult(one.Partitions.Count == Bounds.Partitions), seconds: 3);
    }

    [Fact]
    public async Task What_the_one_that_sweeps_leaves_for_too_long_another_ends()
    {
        await two.StartAsync(Cancellation);
        await TestShop.UntilAsync(() => Task.FromResult(two.Processes == 2));
        Assert.Equal((true, false), (one.Sweeps, two.Sweeps));
        var clock = new TestClock();
        await using var executor = new Executor(stores[1], clock, NullLogger<Executor>.Instance);
        using var sweep = new ExpirySweep(executor, stores[1], two, clock, NullLogger<ExpirySweep>.Instance);
        var product = (ProductView)(await executor.SubmitAsync(new CreateProduct("mug", 1_000, 5))).Answer!;
        var place = new PlaceOrder(
            "m", new OrderIds(clock).Next(), [new OrderItem(product.ProductId, 2)], CouponId: null, ExpectedTotal: null, TimeSpan.FromHours(1));
        var placed = (OrderView)(await executor.SubmitAsync(place)).Answer!;
        Guid order = placed.OrderId;

        clock.Advance(placed.PayBefore - clock.GetUtcNow());
        await sweep.SweepAsync();
        Assert.Null((await stores[1].OrderAsync("m", order, clock.GetUtcNow()))!.EndedAt);
        clock.Advance(TimeSpan.FromSeconds(1));
        await sweep.SweepAsync();
        Assert.NotNull((await stores[1].OrderAsync("m", order, clock.GetUtcNow()))!.EndedAt);
        Assert.Equal(5, (await stores[1].ProductAsync(product.ProductId))!.Stock);
    }

    /// <summary>Works as a relay with a long queue does: what it holds when it begins, it holds when it is done.</summary>
    private static async Task WorkAsync(Leases leases, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await leases.UseAsync(CancellationToken.None);
            IReadOnlyList<short> begun = leases.Partitions;
            await Task.Delay(20, CancellationToken.None);

            // Or nothing: where leases could not be renewed in time, they end.
            IReadOnlyList<short> left = leases.Partitions;
            Assert.True(left.Count == 0 || !begun.Except(left).Any());
            leases.Release();
        }
    }

    private async Task RunAsync(string sql)
    {
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }
}
