using System.Globalization;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Postgres;
using Jumun.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Tests.Cluster;

/// <summary>Nodes that are away while others are there, and nodes that move to another address.</summary>
public sealed class CitusNodesTests : IAsyncLifetime
{
    private string database = "";
    private (long Id, string Host, int Port)[] nodes = [];
    private (long Id, string Host, int Port) worker;
    private PostgresStore? store;
    private Executor? executor;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.False(CitusServer.Coordinator is null, "JUMUN_TEST_CITUS names no coordinator.");
        database = await CitusServer.CreateShopAsync();
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(
            "SELECT nodeid, nodename, nodeport FROM pg_dist_node WHERE shouldhaveshards AND groupid > 0 ORDER BY groupid", connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(Cancellation);
        while (await rows.ReadAsync(Cancellation))
        {
            nodes = [.. nodes, (rows.GetInt32(0), rows.GetString(1), rows.GetInt32(2))];
        }

        worker = nodes[0];
    }

    public async ValueTask DisposeAsync()
    {
        if (executor is not null)
        {
            await executor.DisposeAsync();
            await store!.DisposeAsync();
        }

        // Nodes would go on asking for one that is nowhere. What they know of one another may still be on its way.
        await CitusServer.ExecuteAsync(
            database,
            [.. nodes.Select(node => $"SELECT citus_update_node({Number(node.Id)}, '{node.Host}', {Number(node.Port)})")]);
        CitusServer.Forget(database);
        await CitusServer.DropAsync(database);
    }

    [Fact]
    public async Task A_server_starts_while_a_worker_is_away_and_finds_it_once_it_is_back()
    {
        await MoveAsync(FreePort.Next());
        await StartAsync(database);
        Assert.NotNull(await RefusalAsync(Away()));
        Assert.Null(await RefusalAsync(There()));
        await MoveAsync(worker.Port);
        await TestShop.UntilAsync(async () => await RefusalAsync(Away()) is null, seconds: 5);
        Assert.Null(await store!.ProbeAsync());
    }

    [Fact]
    public async Task A_server_does_not_start_while_every_worker_is_away_and_names_one()
    {
        int port = FreePort.Next();
        await CitusServer.ExecuteAsync(
            database,
            $"SELECT citus_update_node(nodeid, nodename, {Number(port)} + rank() OVER (ORDER BY groupid)::int) FROM pg_dist_node WHERE groupid > 0");
        SetupException error = await Assert.ThrowsAsync<SetupException>(() => PostgresStore.OpenAsync(database, "test"));
        Assert.Contains($"{worker.Host}:{Number(port + 1)}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_shares_a_batch_with_those_that_need_a_worker_which_is_away_is_settled()
    {
        await CitusServer.ExecuteAsync(database, "INSERT INTO products SELECT i, 1, 100, true, 'mug' FROM generate_series(1, 40) i");
        ShardMap map;
        await using (var connection = new NpgsqlConnection($"{database};Pooling=false"))
        {
            await connection.OpenAsync(Cancellation);
            map = await ShardMap.ReadAsync(connection);
        }

        int port = FreePort.Next();
        await MoveAsync(port);
        string other = (await CitusServer.WorkersAsync(database)).First(
            address => new NpgsqlConnectionStringBuilder(address) is var node && (node.Host, node.Port) != (worker.Host, port));
        await TestShop.UntilAsync(() => KnowsAsync(other, port), seconds: 60);
        await StartAsync(database);
        string member = There().MemberId;
        var ids = new OrderIds(TimeProvider.System);
        Command[] commands = [.. Enumerable.Range(1, 40).Select(id =>
            new PlaceOrder(member, ids.Next(), [new OrderItem(id, 1)], null, null, TimeSpan.FromMinutes(1)))];
        bool[] needs = [.. Enumerable.Range(1, 40).Select(id => map.Products.GroupOf(map.Products.Of((long)id)) == map.Nodes[0].Group)];
        Assert.Equal([false, true], needs.Distinct().Order());
        var gate = new TaskCompletionSource();
        store!.Fault = point => point == PostgresStore.FaultPoint.Load ? gate.Task : Task.CompletedTask;
        Task<Settlement>[] settling = [.. commands.Select(command => executor!.SubmitAsync(command).AsTask())];
        gate.SetResult();
        Settlement[] settled = await Task.WhenAll(settling);
        Assert.Equal(needs, settled.Select(one => one.Refusal is { Outcome: RequestOutcome.None }));
        Assert.All(settled.Zip(needs).Where(one => !one.Second), one => Assert.NotNull(one.First.Answer));
    }

    /// <summary>As when its standby takes its place: the old address answers no more.</summary>
    [Fact]
    public async Task A_lane_follows_its_worker_to_another_address()
    {
        await using (var before = new CutProxy(worker.Host, worker.Port))
        {
            await MoveAsync(before.Port);
            await StartAsync(database);
            Assert.Null(await RefusalAsync(Away()));
            await MoveAsync(worker.Port);
        }

        await TestShop.UntilAsync(async () => await RefusalAsync(Away()) is null, seconds: 5);
        Assert.Null(await RefusalAsync(There()));
    }

    /// <summary>The map of shards counts as old every ten seconds; without the coordinator there is no other.</summary>
    [Fact]
    public async Task Without_the_coordinator_commands_go_on_by_the_map_that_is_there()
    {
        var settings = new NpgsqlConnectionStringBuilder(database);
        await using var network = new CutProxy(settings.Host!, settings.Port);
        settings.Port = network.Port;
        await StartAsync(settings.ConnectionString);
        network.Refuses = true;
        network.CutProgram();
        for (int i = 0; i < 120; i++)
        {
            Assert.Null(await RefusalAsync(Away()));
            Assert.Null(await RefusalAsync(There()));
            await Task.Delay(100, Cancellation);
        }
    }

    /// <summary>Whether a node knows already where the worker is said to be.</summary>
    private async Task<bool> KnowsAsync(string node, int port)
    {
        await using var connection = new NpgsqlConnection($"{node};Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand($"SELECT nodeport FROM pg_dist_node WHERE nodeid = {Number(worker.Id)}", connection);
        return await command.ExecuteScalarAsync(Cancellation) is int there && there == port;
    }

    private async Task StartAsync(string address)
    {
        store = await PostgresStore.OpenAsync(address, "test");
        executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
    }

    private Task MoveAsync(int port) =>
        CitusServer.ExecuteAsync(database, $"SELECT citus_update_node({worker.Id}, '{worker.Host}', {Number(port)})");

    /// <summary>A charge of a member whose node is the worker; lanes are in the order of the nodes.</summary>
    private ChargePoints Away() => Charge(lane: 0);

    /// <summary>A charge of a member of another.</summary>
    private ChargePoints There() => Charge(lane: 1);

    private ChargePoints Charge(int lane) => Enumerable.Range(0, 100)
        .Select(i => new ChargePoints($"m{Number(i)}", 1)).First(charge => store!.LaneOf(charge) == lane);

    private async Task<object?> RefusalAsync(ChargePoints charge) => (await executor!.SubmitAsync(charge)).Refusal;

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
