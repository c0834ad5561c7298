using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Jumun.Server.Stores.Postgres;

namespace Jumun.Tests.Crashes;

/// <summary>
/// A kill leaves what the system has not yet written to the disk; the power going does not. So the calls that ask for
/// the disk are counted, as the system sees them.
/// </summary>
[Once]
public sealed class SyncTests : IDisposable
{
    private const int Charges = 20;

    private readonly TemporaryFolder folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Every_acknowledged_commit_is_synced()
    {
        string data = Path.Combine(folder.FullName, "jumun.db");
        using var server = new ServerProcess(folder.FullName, new() { ["ConnectionStrings:Jumun"] = $"Data Source={data}" });
        await server.StartAsync(Cancellation);
        using HttpClient http = Client(server);
        await ChargeAsync(http);
        using var trace = await Trace.StartAsync(Path.Combine(folder.FullName, "trace"), server.ProcessId);
        await EachIsSyncedAsync(http, trace);
        await trace.EndAsync();
    }

    /// <summary>A clean stop deletes the log. What the next one holds is of no use to a crash that forgets its name.</summary>
    [Fact]
    public async Task The_name_of_a_new_log_is_synced_with_its_first_commit()
    {
        string data = Path.Combine(folder.FullName, "data", "jumun.db");
        using var server = new ServerProcess(folder.FullName, new() { ["ConnectionStrings:Jumun"] = $"Data Source={data}" });
        await server.StartAsync(Cancellation);
        await server.TerminateAsync(Cancellation);
        Assert.False(File.Exists(data + "-wal"));
        await server.StartAsync(Cancellation);
        using HttpClient http = Client(server);
        using var trace = await Trace.StartAsync(Path.Combine(folder.FullName, "trace"), ["-y"], server.ProcessId);
        await ChargeAsync(http);
        await TestShop.UntilAsync(async () => await trace.SyncsAsync($"<{Path.GetDirectoryName(data)}>") == 1, seconds: 5);
        await ChargeAsync(http);
        await TestShop.UntilAsync(async () => await trace.SyncsAsync($"<{data}-wal>") >= 2, seconds: 5);
        Assert.Equal(1, await trace.SyncsAsync($"<{Path.GetDirectoryName(data)}>"));
        await trace.EndAsync();
    }

    [Fact]
    public async Task A_commit_whose_sync_failed_is_said_to_have_no_effect_and_a_kill_does_not_bring_it_back()
    {
        string data = Path.Combine(folder.FullName, "jumun.db");
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:Jumun"] = $"Data Source={data}" };
        using (var server = new ServerProcess(folder.FullName, settings))
        {
            await server.StartAsync(Cancellation);
            using HttpClient http = Client(server);
            await ChargeAsync(http);
            using var trace = await Trace.StartAsync(
                Path.Combine(folder.FullName, "trace"), ["-e", "inject=fdatasync:error=EIO:when=1"], server.ProcessId);
            using var body = new StringContent("""{"amount":1000}""", Encoding.UTF8, "application/json");
            using HttpResponseMessage refused = await http.PostAsync("/members/m/points/charge", body, Cancellation);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Contains("\"outcome\":\"none\"", await refused.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
            await server.KillAsync(Cancellation);
        }

        using var again = new ServerProcess(folder.FullName, settings);
        await again.StartAsync(Cancellation);
        using HttpClient asks = Client(again);
        Assert.Contains("\"balance\":1}", await asks.GetStringAsync("/members/m/points", Cancellation), StringComparison.Ordinal);
        (int exitCode, string output) = await again.RunAsync(Cancellation, "audit");
        Assert.True(exitCode == 0, output);
    }

    /// <summary>The system does not try again, and a later sync succeeds: what relied on it would lose what was copied.</summary>
    [Fact]
    public async Task A_server_whose_file_cannot_be_synced_ends_and_the_next_start_has_all_that_was_acknowledged()
    {
        string data = Path.Combine(folder.FullName, "jumun.db");
        using var server = new ServerProcess(folder.FullName, new() { ["ConnectionStrings:Jumun"] = $"Data Source={data}" });
        await server.StartAsync(Cancellation);
        string path = Path.Combine(folder.FullName, "trace");
        using var trace = await Trace.StartAsync(path, ["-P", data, "-e", "inject=fsync,fdatasync:error=EIO:when=1"], server.ProcessId);
        var acknowledged = new ConcurrentBag<(int Client, string Key)>();
        await ChargeUntilAsync(server, acknowledged, () => Task.FromResult(server.HasEnded));
        Assert.Equal(134, await server.EndAsync(Cancellation));
        Assert.Contains(server.Errors, line => line.Contains("The database file could not be synced", StringComparison.Ordinal));
        Assert.Contains("(INJECTED)", await File.ReadAllTextAsync(path, Cancellation), StringComparison.Ordinal);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{acknowledged.Count} acknowledged, log of {new FileInfo(data + "-wal").Length / 4_120} pages: {string.Join('\n', server.Errors)}");

        await server.StartAsync(Cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        foreach ((int client, string key) in acknowledged)
        {
            TestAnswer again = (await ChargeAsync(http, client, key)).Is(200);
            Assert.True(again.Headers.Contains("Idempotency-Replayed"), $"{key} was acknowledged, and is lost.");
        }

        (int exitCode, string output) = await server.RunAsync(Cancellation, "audit");
        Assert.True(exitCode == 0, output);
    }

    [Fact]
    public async Task Copies_that_fail_are_told_of_once_and_again_when_they_succeed_and_charges_go_on()
    {
        string data = Path.Combine(folder.FullName, "jumun.db");
        using var server = new ServerProcess(folder.FullName, new()
        {
            ["ConnectionStrings:Jumun"] = $"Data Source={data}",
            ["Logging:LogLevel:Default"] = "Warning",
        });
        await server.StartAsync(Cancellation);
        string path = Path.Combine(folder.FullName, "trace");
        using var trace = await Trace.StartAsync(path, ["-P", data, "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=EIO"], server.ProcessId);
        var acknowledged = new ConcurrentBag<(int Client, string Key)>();
        await ChargeUntilAsync(
            server, acknowledged,
            async () => (await File.ReadAllLinesAsync(path, Cancellation)).Count(line => line.Contains("(INJECTED)", StringComparison.Ordinal)) >= 3);
        Assert.Single(server.Said, line => line.Contains("cannot be copied into the database file", StringComparison.Ordinal));
        await trace.EndAsync();
        await ChargeUntilAsync(
            server, acknowledged,
            () => Task.FromResult(server.Said.Any(line => line.Contains("is copied into the database file again", StringComparison.Ordinal))));
        (int exitCode, string output) = await server.RunAsync(Cancellation, "audit");
        Assert.True(exitCode == 0, output);
    }

    [Fact]
    public async Task Every_acknowledged_commit_of_PostgreSQL_is_synced_by_its_session_and_a_batch_costs_one_sync()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        await PostgresStore.MigrateAsync(cluster.ConnectionString());
        // One lane: a sync may be for the commits of two.
        using var server = new ServerProcess(folder.FullName, new()
        {
            ["Jumun:Store"] = "postgres",
            ["ConnectionStrings:Jumun"] = cluster.ConnectionString(),
            ["Jumun:SecondLaneFrom"] = "1000000",
        });
        await server.StartAsync(Cancellation);
        using HttpClient http = Client(server);
        await ChargeAsync(http);
        using var trace = await Trace.StartAsync(Path.Combine(folder.FullName, "trace"), await CommittersAsync(cluster));
        await EachIsSyncedAsync(http, trace);

        // Many at once commit together: one sync for all that one batch settles.
        int syncsBefore = await trace.SyncsAsync();
        long batchesBefore = await BatchesAsync(cluster);
        await Task.WhenAll(Enumerable.Range(0, 50 * Charges).Select(_ => ChargeAsync(http)));
        long batches = await BatchesAsync(cluster) - batchesBefore;
        await TestShop.UntilAsync(async () => await trace.SyncsAsync() - syncsBefore >= batches, seconds: 5);
        int syncs = await trace.SyncsAsync() - syncsBefore;
        TestContext.Current.TestOutputHelper?.WriteLine($"{50 * Charges} charges at once: {batches} commits, {syncs} syncs");
        Assert.InRange(syncs, batches, 20 * Charges);
        await trace.EndAsync();
    }

    /// <summary>The database is told not to wait for its disk; the shop waits all the same, and so does who asked it.</summary>
    [Fact]
    public async Task An_answer_waits_for_the_sync_of_a_PostgreSQL_whose_commits_do_not_wait_by_themselves()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync("synchronous_commit = off");
        Assert.Equal("off", await cluster.ScalarAsync("SHOW synchronous_commit"));
        await PostgresStore.MigrateAsync(cluster.ConnectionString());
        using var server = new ServerProcess(
            folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = cluster.ConnectionString() });
        await server.StartAsync(Cancellation);
        using HttpClient http = Client(server);
        await ChargeAsync(http);

        // A sync takes three tenths of a second from now on.
        using var trace = await Trace.StartAsync(
            Path.Combine(folder.FullName, "trace"), ["-e", "inject=fdatasync:delay_enter=300000"], await CommittersAsync(cluster));
        for (int charge = 0; charge < 3; charge++)
        {
            long sent = Stopwatch.GetTimestamp();
            await ChargeAsync(http);
            TimeSpan took = Stopwatch.GetElapsedTime(sent);
            Assert.True(took >= TimeSpan.FromMilliseconds(150), $"It was answered after {took.TotalMilliseconds} ms, before it was on the disk.");
        }

        await trace.EndAsync();
    }

    /// <summary>The session that commits, and the process that may write its log before it does. Nobody else syncs for a commit.</summary>
    private static async Task<int[]> CommittersAsync(PostgresCluster cluster)
    {
        string sessions = (await cluster.ScalarAsync(
            "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'walwriter' OR application_name = 'jumun' AND pid IN "
            + "(SELECT pid FROM pg_stat_activity WHERE query LIKE '%batches%' OR query LIKE '%COMMIT%')"))!;
        int[] processes = [.. sessions.Split(' ').Select(id => int.Parse(id, CultureInfo.InvariantCulture))];
        Assert.True(processes.Length >= 2, $"The lane's session was not found: {sessions}.");
        return processes;
    }

    private static HttpClient Client(ServerProcess server)
    {
        var http = new HttpClient { BaseAddress = server.Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestShop.Token("m"));
        return http;
    }

    private static async Task<long> BatchesAsync(PostgresCluster cluster) =>
        long.Parse((await cluster.ScalarAsync("SELECT count(*) FROM batches"))!, CultureInfo.InvariantCulture);

    private static async Task EachIsSyncedAsync(HttpClient http, Trace trace)
    {
        for (int charge = 1; charge <= Charges; charge++)
        {
            await ChargeAsync(http);

            // The trace is written by another process, which may be a moment behind.
            int wanted = charge;
            await TestShop.UntilAsync(async () => await trace.SyncsAsync() >= wanted, seconds: 5);
        }
    }

    /// <summary>Four members charge, each under a new key each time; an answer that does not come because the server ended is none.</summary>
    private static async Task ChargeUntilAsync(
        ServerProcess server, ConcurrentBag<(int Client, string Key)> acknowledged, Func<Task<bool>> isEnough)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        using var late = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async client =>
        {
            while (!await isEnough())
            {
                Assert.False(late.IsCancellationRequested, "It did not come to that.");
                try
                {
                    for (int i = 0; i < 50; i++)
                    {
                        string key = Guid.NewGuid().ToString();
                        (await ChargeAsync(http, client, key)).Is(200);
                        acknowledged.Add((client, key));
                    }
                }
                catch (Exception error) when (error is HttpRequestException or IOException)
                {
                    await TestShop.UntilAsync(() => Task.FromResult(server.HasEnded));
                }
            }
        }));
    }

    private static Task<TestAnswer> ChargeAsync(HttpClient http, int client, string key) =>
        new TestCaller(http, $"m{client}", TestShop.Token($"m{client}")).PostAsync($"/members/m{client}/points/charge", """{"amount":1}""", key);

    private static async Task ChargeAsync(HttpClient http)
    {
        using var body = new StringContent("""{"amount":1}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await http.PostAsync("/members/m/points/charge", body, Cancellation);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>What processes ask of the disk, written down by strace.</summary>
    private sealed class Trace : IDisposable
    {
        private readonly Process strace;
        private readonly string path;

        private Trace(Process strace, string path)
        {
            this.strace = strace;
            this.path = path;
        }

        public static Task<Trace> StartAsync(string path, params int[] processes) => StartAsync(path, [], processes);

        public static async Task<Trace> StartAsync(string path, string[] more, params int[] processes)
        {
            IEnumerable<string> those = processes.SelectMany(process => new[] { "-p", process.ToString(CultureInfo.InvariantCulture) });
            Process strace = Process.Start(
                new ProcessStartInfo("strace", ["-f", "-e", "trace=fsync,fdatasync", "-o", path, .. more, .. those]) { RedirectStandardError = true })!;
            for (int attached = 0; attached < processes.Length;)
            {
                string line = await strace.StandardError.ReadLineAsync(Cancellation) ?? throw new InvalidOperationException("strace ended.");
                attached += line.Contains("attached", StringComparison.Ordinal) ? 1 : 0;
            }

            _ = strace.StandardError.ReadToEndAsync(Cancellation);
            return new Trace(strace, path);
        }

        /// <summary>How many there were, of all or of a file.</summary>
        public async Task<int> SyncsAsync(string of = "") =>
            (await File.ReadAllLinesAsync(path, Cancellation)).Count(line => line.Contains(of, StringComparison.Ordinal)
                && (line.Contains("fdatasync(", StringComparison.Ordinal) || line.Contains("fsync(", StringComparison.Ordinal)));

        public async Task EndAsync()
        {
            using Process stop = Process.Start("kill", ["-INT", strace.Id.ToString(CultureInfo.InvariantCulture)]);
            await strace.WaitForExitAsync(Cancellation);
        }

        public void Dispose() => strace.Dispose();
    }
}
