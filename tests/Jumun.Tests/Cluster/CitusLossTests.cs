using System.Globalization;
using Jumun.Tests.Processes;
using Npgsql;

namespace Jumun.Tests.Cluster;

/// <summary>
/// What happens to a cluster under load: a worker stops as in a crash and comes back, a shard moves to another worker, a shard is
/// cut in two. Several processes serve meanwhile; afterwards nothing that was acknowledged is lost and every invariant holds.
/// </summary>
public sealed class CitusLossTests
{
    private const int Members = 16;

    // Two here; a longer run sets JUMUN_TEST_WORKER_STOPS.
    private static readonly int Stops = int.Parse(Environment.GetEnvironmentVariable("JUMUN_TEST_WORKER_STOPS") ?? "2", CultureInfo.InvariantCulture);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>
    /// The administrator's session has the worker's own machine stop it, immediately, and start it again two seconds later. What
    /// is between two nodes at that moment is settled by the cluster once both are there.
    /// </summary>
    [Fact]
    public async Task A_worker_that_stops_as_in_a_crash_loses_and_doubles_nothing_acknowledged() => await UnderLoadAsync(async servers =>
    {
        string[] workers = await CitusServer.WorkersAsync(servers.Address);
        for (int stop = 0; stop < Stops; stop++)
        {
            string worker = workers[stop % workers.Length];
            string before = await ScalarAsync(worker, "SELECT pg_postmaster_start_time()::text");
            await StopAsync(worker);
            await TestShop.UntilAsync(
                async () =>
                {
                    try
                    {
                        return await ScalarAsync(worker, "SELECT pg_postmaster_start_time()::text") != before;
                    }
                    catch (NpgsqlException)
                    {
                        return false;
                    }
                },
                seconds: 60);
            await Task.Delay(2_000, Cancellation);
        }
    });

    [Fact]
    public async Task A_shard_that_moves_to_another_worker_keeps_nobody_from_the_right_answer() => await UnderLoadAsync(async servers =>
    {
        const string move = """
            SELECT citus_move_shard_placement(s.shardid, s.nodename, s.nodeport, other.nodename, other.nodeport, 'force_logical')
            FROM (SELECT * FROM citus_shards WHERE table_name = 'wallets'::regclass ORDER BY shardid LIMIT 1) s
            CROSS JOIN LATERAL (SELECT * FROM pg_dist_node n WHERE shouldhaveshards AND (n.nodename, n.nodeport) <> (s.nodename, s.nodeport) LIMIT 1) other
            """;
        await CitusServer.ExecuteAsync(servers.Address, move);
        await Task.Delay(1_000, Cancellation);
    });

    [Fact]
    public async Task A_shard_that_is_cut_in_two_makes_the_servers_read_their_map_anew() => await UnderLoadAsync(async servers =>
    {
        const string cut = """
            SELECT citus_split_shard_by_split_points(s.shardid, ARRAY[s.middle::text], ARRAY[p.nodeid, p.nodeid], 'block_writes')
            FROM (SELECT *, (shardminvalue::bigint + shardmaxvalue::bigint) / 2 AS middle FROM pg_dist_shard
                  WHERE logicalrelid = 'wallets'::regclass ORDER BY shardid LIMIT 1) s
            CROSS JOIN LATERAL (SELECT nodeid::int FROM pg_dist_placement JOIN pg_dist_node USING (groupid) WHERE shardid = s.shardid LIMIT 1) p
            """;
        string shards = await ScalarAsync(servers.Address, "SELECT count(*)::text FROM pg_dist_shard WHERE logicalrelid = 'wallets'::regclass");
        await CitusServer.ExecuteAsync(servers.Address, cut);
        Assert.NotEqual(shards, await ScalarAsync(servers.Address, "SELECT count(*)::text FROM pg_dist_shard WHERE logicalrelid = 'wallets'::regclass"));
        await Task.Delay(2_000, Cancellation);
    }, isKept: false);

    private static async Task UnderLoadAsync(Func<Servers, Task> disturb, bool isKept = true)
    {
        Assert.False(CitusServer.Coordinator is null, "JUMUN_TEST_CITUS names no coordinator.");
        await using Servers servers = await Servers.StartAsync(3, new() { ["Jumun:Orders:PaymentWindow"] = "00:10:00" });
        long product = await servers[0].AsAdmin().CreateProductAsync(price: 10, stock: 1_000_000);
        var shoppers = new Shoppers(servers, "m", product);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        Task load = shoppers.LiveAsync(Members, over.Token);
        await TestShop.UntilAsync(() => Task.FromResult(shoppers.Paid.Count >= Members), seconds: 60);
        int before = shoppers.Paid.Count;
        await disturb(servers);
        int during = shoppers.Paid.Count;
        // It goes on afterwards, and with everybody.
        await shoppers.BuyAsync(Members, 1).WaitAsync(TimeSpan.FromSeconds(60), Cancellation);
        await over.CancelAsync();
        await load.WaitAsync(TimeSpan.FromSeconds(60), Cancellation);
        Assert.Equal(1_000_000 - shoppers.Paid.Count, await servers[1].AsAdmin().StockAsync(product));
        Assert.Equal(shoppers.Paid.Count, shoppers.Paid.Distinct().Count());
        await servers.AuditAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"{before} purchases before, {during - before} during, {shoppers.Paid.Count} in all; the audit holds.");
        if (!isKept)
        {
            CitusServer.Forget(servers.Address);
        }
    }

    /// <summary>Ends the worker as a crash does; a process that it leaves behind starts it again.</summary>
    private static async Task StopAsync(string worker)
    {
        string data = await ScalarAsync(worker, "SHOW data_directory");
        string programs = await ScalarAsync(worker, "SELECT setting FROM pg_config WHERE name = 'BINDIR'");
        string control = $"{programs}/pg_ctl -D {data}";
        string script = $"sleep 0.2; {control} -m immediate -w stop; sleep 2; {control} -l {data}/restarted.log -w start";
        await CitusServer.ExecuteAsync(worker, $"COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; setsid sh -c \"{script}\" >/dev/null 2>&1 &'");
    }

    private static async Task<string> ScalarAsync(string address, string sql)
    {
        await using var connection = new NpgsqlConnection($"{address};Pooling=false;Timeout=3");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        return (string)(await command.ExecuteScalarAsync(Cancellation))!;
    }
}
