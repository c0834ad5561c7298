using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Tests.Crashes;

/// <summary>
/// The database goes away in the middle of a storm, and comes back or is replaced by its standby. The server stays, answers
/// everything meanwhile, if only by 503, and finds the database again by itself; then nothing acknowledged may be lost, and
/// nothing may have happened twice.
/// </summary>
[Once]
public sealed class DatabaseLossTests
{
    private const int Clients = 24;

    // What an outage may say in all; there are thousands of requests meanwhile.
    private const int LinesPerLoss = 15;

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    private readonly Random random = new(20_261_122);

    /// <summary>How a disk is made full, and what is on it.</summary>
    public static TheoryData<string, string> FullDisks => new(
        from kind in SmallDisk.Kinds
        from part in Enum.GetValues<FullPart>()
        where part != FullPart.Whole || kind == DiskKind.Mount
        select ($"{kind}", $"{part}"));

    [Fact]
    public async Task Stops_of_PostgreSQL_in_a_storm_lose_and_double_nothing_acknowledged()
    {
        int stops = Number("JUMUN_TEST_DATABASE_STOPS", otherwise: 3);
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        await StormAsync([cluster], stops, async (loss, shop) =>
        {
            await cluster.StopAsync(StopMode.Immediate);
            await shop.IsDownAsync(loss);
            await cluster.StartAsync();
        });
    }

    [Fact]
    public async Task Sessions_that_are_ended_and_killed_in_a_storm_lose_and_double_nothing_acknowledged()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        await StormAsync([cluster], losses: 4, async (loss, _) =>
        {
            const string sessions = "FROM pg_stat_activity WHERE application_name = 'jumun'";
            if (int.IsEvenInteger(loss))
            {
                await cluster.ExecuteAsync($"SELECT pg_terminate_backend(pid) {sessions}");
                return;
            }

            // One in a transaction, if there is one: PostgreSQL ends all others and starts itself anew, since its memory may be damaged.
            string session = (await cluster.ScalarAsync($"SELECT pid {sessions} ORDER BY xact_start LIMIT 1"))!;
            using Process kill = Process.Start("kill", ["-KILL", session]);
            await kill.WaitForExitAsync();
            Assert.Equal(0, kill.ExitCode);
        });
    }

    [Fact]
    public async Task Failovers_to_a_synchronous_standby_in_a_storm_lose_and_double_nothing_acknowledged()
    {
        int failovers = Number("JUMUN_TEST_FAILOVERS", otherwise: 1);
        await using PostgresCluster one = await PostgresCluster.CreateAsync();
        await using PostgresCluster other = await one.CreateStandbyAsync(isSynchronous: true);
        (PostgresCluster primary, PostgresCluster standby) = (one, other);
        await StormAsync(
            [one, other], failovers,
            async (loss, shop) =>
            {
                await primary.StopAsync(StopMode.Immediate);
                await shop.IsDownAsync(loss);
                await standby.PromoteAsync();
            },
            async isLast =>
            {
                (primary, standby) = (standby, primary);
                if (!isLast)
                {
                    await standby.FollowAsync(primary, isSynchronous: true);
                }
            });
    }

    [Theory]
    [MemberData(nameof(FullDisks))]
    public async Task A_full_disk_of_PostgreSQL_in_a_storm_loses_and_doubles_nothing_acknowledged_and_with_room_again_the_server_goes_on(
        string kind, string part)
    {
        int times = Number("JUMUN_TEST_FULL_DISKS", otherwise: 1);
        FullPart full = Enum.Parse<FullPart>(part);
        await using SmallCluster small = await SmallCluster.CreateAsync(Enum.Parse<DiskKind>(kind), full);
        IReadOnlyCollection<string> said = await StormAsync(
            [small.Cluster], times, (loss, shop) => FillAndGrowAsync(small, full, loss, shop), longestAway: TimeSpan.FromSeconds(40));
        if (full == FullPart.Data && kind == nameof(DiskKind.Mount))
        {
            Assert.Contains(said, line => line.Contains("PostgreSQL's disk is full: make room there", StringComparison.Ordinal));
        }

        Assert.DoesNotContain(said, line => line.Contains("bug", StringComparison.Ordinal));
    }

    /// <summary>
    /// The disk is full and has room again. Where the tables alone have none, PostgreSQL goes on, and <c>doctor</c> can say what is missing; now and
    /// then it cannot, and then the disk is filled again.
    /// </summary>
    private static async Task FillAndGrowAsync(SmallCluster small, FullPart full, int loss, Downtime shop)
    {
        try
        {
            for (int fill = 1; ; fill++)
            {
                await small.FillAsync();
                await shop.RefusesAsync();
                Exception? stopped = full == FullPart.Data ? await Record.ExceptionAsync(() => shop.QueriesGoOnAsync(small.Cluster)) : null;
                await shop.LastsAsync(loss);
                string complaint = await DoctorAsync(small.Cluster, exitCode: 1);
                bool saysRoom = Warns(complaint, "room");
                Assert.True(stopped is null || small.HasPanicked, $"Queries did not go on: {stopped}");
                Assert.True(full switch
                {
                    FullPart.Data => saysRoom || TakesNoSession(complaint) || (Warns(complaint, "database") && small.HasPanicked),
                    FullPart.Log or FullPart.Whole => saysRoom || Warns(complaint, "database") || Warns(complaint, "schema"),
                }, complaint);
                await small.GrowAsync();
                Assert.Contains("ok   room ", await DoctorAsync(small.Cluster, exitCode: 0), StringComparison.Ordinal);
                if (saysRoom || full != FullPart.Data)
                {
                    return;
                }

                Assert.True(fill < 3, $"The disk was full {fill} times, and each time doctor could say no more than this: {complaint}");
                await shop.IsBackAsync();
            }
        }
        catch
        {
            TestContext.Current.TestOutputHelper!.WriteLine(small.LastSaid);
            throw;
        }
    }

    private static bool Warns(string complaint, string of) => complaint.Contains($"WARN {of} ", StringComparison.Ordinal);

    /// <summary>
    /// At times PostgreSQL ends a new session on a full disk: the first one after its catalogue's cache became old writes that anew.
    /// </summary>
    private static bool TakesNoSession(string complaint) => complaint.Contains("could not write init file", StringComparison.Ordinal);

    private static async Task<string> DoctorAsync(PostgresCluster cluster, int exitCode)
    {
        using var folder = new TemporaryFolder();
        using var program = new ServerProcess(
            folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = cluster.ConnectionString() });
        (int exited, string output) = await program.RunAsync(TestContext.Current.CancellationToken, "doctor");
        Assert.True(exited == exitCode, output);
        return output;
    }

    private static int Number(string variable, int otherwise) =>
        int.Parse(Environment.GetEnvironmentVariable(variable) ?? $"{otherwise}", CultureInfo.InvariantCulture);

    /// <summary>Loses the database so many times under load.</summary>
    /// <param name="hosts">Where it may be; the first has it.</param>
    /// <param name="losses">How often it is lost.</param>
    /// <param name="lose">Takes it away and gives it back.</param>
    /// <param name="mend">Readies it for the next loss, under load; told whether that was the last.</param>
    /// <param name="longestAway">How long an outage may last.</param>
    /// <returns>What the server said.</returns>
    private async Task<IReadOnlyCollection<string>> StormAsync(
        PostgresCluster[] hosts, int losses, Func<int, Downtime, Task> lose, Func<bool, Task>? mend = null, TimeSpan? longestAway = null)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await PostgresStore.MigrateAsync(hosts[0].ConnectionString());
        using var folder = new TemporaryFolder();
        using var server = new ServerProcess(folder.FullName, new()
        {
            ["Jumun:Store"] = "postgres",
            ["ConnectionStrings:Jumun"] = $"Host={string.Join(',', hosts.Select(host => $"127.0.0.1:{host.Port}"))};Username=postgres;Database=postgres"
                + (hosts.Length > 1 ? ";Target Session Attributes=primary" : ""),
            // Longer than the longest outage, on a busy machine, too: a client that pays at once never comes too late.
            ["Jumun:Orders:PaymentWindow"] = (longestAway ?? TimeSpan.FromSeconds(losses < 10 ? 20 : 40)).ToString(),
            ["Logging:LogLevel:Default"] = "Warning",
        });
        await server.StartAsync(cancellation);
        using var storm = new Storm(server, Clients, serverStays: true);
        await storm.BeginAsync(cancellation);
        long held = await HoldAsync(storm, cancellation);
        var shop = new Downtime(storm);
        TimeSpan longest = default;
        for (int loss = 0; loss < losses; loss++)
        {
            await Task.Delay(random.Next(300, 900), cancellation);
            long lost = Stopwatch.GetTimestamp();
            await lose(loss, shop);
            TimeSpan recovered = await storm.AcknowledgedAsync().WaitAsync(Soon, cancellation);
            longest = recovered > longest ? recovered : longest;
            TestContext.Current.TestOutputHelper!.WriteLine(
                $"{loss + 1}: {Stopwatch.GetElapsedTime(lost).TotalSeconds:0.00} s without, {recovered.TotalSeconds:0.00} s to recover; {storm.Figures}");
            await shop.IsReadyAsync();
            await (mend?.Invoke(loss == losses - 1) ?? Task.CompletedTask);
        }

        await storm.EndAsync();
        Assert.True(storm.Log.Count > 100 * losses, $"The storm was a breeze: {storm.Figures}.");
        Assert.True(storm.Refusals > 0, $"Nobody noticed that the database was lost: {storm.Figures}.");
        await storm.ReconcileAsync(cancellation);
        await BothLanesPaidAsync(hosts);

        // The sweep has gone on, too: what nobody paid for is back.
        await TestShop.UntilAsync(async () => (long)(await storm.Admin.GetAsync($"/products/{held}", cancellation))["stock"]! == 1, seconds: 90);
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{losses} losses; {storm.Figures}; {longest.TotalSeconds:0.00} s at most until the first 2xx; {server.Said.Count} lines; the audit holds");
        Assert.True(server.Said.Count <= LinesPerLoss * (losses + shop.MoreLosses), string.Join('\n', server.Said.Take(100)));
        return server.Said;
    }

    /// <summary>Each lane counts its sales in a slot of its own: both were there to be lost.</summary>
    private static async Task BothLanesPaidAsync(PostgresCluster[] hosts)
    {
        const string Slots = "SELECT count(DISTINCT slot) FROM sales WHERE NOT pg_is_in_recovery() HAVING NOT pg_is_in_recovery()";
        string?[] slots = await Task.WhenAll(hosts.Where(host => host.ProcessId is not null).Select(host => host.ScalarAsync(Slots)));
        Assert.Equal(["2"], slots.Where(count => count is not null));
    }

    /// <summary>An order that nobody pays for, of the only piece of a product: the product.</summary>
    private static async Task<long> HoldAsync(Storm storm, CancellationToken cancellation)
    {
        long product = await storm.Admin.MakeAsync("/admin/products", """{"name":"held","price":1,"stock":1}""", "productId", cancellation);
        string items = $$"""{"items":[{"productId":{{product}},"quantity":1}]}""";
        var request = new Acknowledged(TestShop.Token("idle"), "/order/idle", items, "held", default, "");
        using HttpResponseMessage order = await request.RepeatAsync(storm.Http, cancellation);
        Assert.Equal(HttpStatusCode.Created, order.StatusCode);
        return product;
    }

    /// <summary>What the shop must look like while its database is away, and afterwards.</summary>
    private sealed class Downtime(Storm storm)
    {
        /// <summary>How often it was lost once more where once would have been enough.</summary>
        public int MoreLosses { get; private set; }

        /// <summary>Nothing is acknowledged, and the server is alive and not ready; for a while of no fixed length.</summary>
        public async Task IsDownAsync(int loss)
        {
            Task<TimeSpan> acknowledged = storm.AcknowledgedAsync();
            await TestShop.UntilAsync(async () => await StatusAsync("/health/ready") == HttpStatusCode.ServiceUnavailable);
            Assert.Equal(HttpStatusCode.OK, await StatusAsync("/health/live"));

            // The tenth is longer than the outcome of a commit is looked up: some clients are told that it is unknown.
            await Task.Delay(loss % 10 == 9 ? 12_000 : 300 * (loss % 5));
            Assert.False(acknowledged.IsCompleted, "A command was acknowledged although there was no database.");
        }

        /// <summary>Many are refused; others may still be served.</summary>
        public async Task RefusesAsync()
        {
            long before = storm.Refusals;
            await TestShop.UntilAsync(() => Task.FromResult(storm.Refusals >= before + (2 * Clients)), seconds: 20);
            Assert.Equal(HttpStatusCode.OK, await StatusAsync("/health/live"));
        }

        /// <summary>Queries are answered from a database that takes no commands.</summary>
        public async Task QueriesGoOnAsync(PostgresCluster database)
        {
            Exception? failed = await Record.ExceptionAsync(() => storm.Admin.GetAsync("/products/1", CancellationToken.None));
            if (failed is not null)
            {
                // It met no session at rest. That is right only where PostgreSQL takes no new one from anybody.
                Assert.Contains("\"outcome\":\"none\"", failed.Message, StringComparison.Ordinal);
                PostgresException refused = await Assert.ThrowsAsync<PostgresException>(() => database.ScalarAsync("SELECT 1"));
                Assert.True(TakesNoSession(refused.MessageText), failed.Message);
            }

            await IsReadyAsync();
        }

        /// <summary>So it stays, for a while of no fixed length.</summary>
        public Task LastsAsync(int loss) => Task.Delay(500 + (1_500 * (loss % 3)));

        /// <summary>All goes on, for long enough that what was ordered before is paid for; then it is lost once more.</summary>
        public async Task IsBackAsync()
        {
            await storm.AcknowledgedAsync().WaitAsync(Soon);
            await IsReadyAsync();
            await Task.Delay(1_000);
            MoreLosses += 1;
        }

        public Task IsReadyAsync() => TestShop.UntilAsync(async () => await StatusAsync("/health/ready") == HttpStatusCode.OK);

        private async Task<HttpStatusCode> StatusAsync(string path)
        {
            using HttpResponseMessage answer = await storm.Http.GetAsync(path);
            string status = (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["status"]!;
            Assert.Equal(answer.StatusCode == HttpStatusCode.OK, status == "ok");
            return answer.StatusCode;
        }
    }
}
