using Jumun.Tests.Crashes;

namespace Jumun.Tests.Verbs;

/// <summary>The doctor of a PostgreSQL database finds each setting with which something acknowledged could be lost.</summary>
[Once]
public sealed class PostgresDoctorTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Every_setting_that_weakens_durability_is_named_and_fails()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        using ServerProcess program = On(cluster);
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Assert.Equal(0, (await program.RunAsync(cancellation, "migrate")).ExitCode);
        (int exitCode, string output) = await program.RunAsync(cancellation, "doctor");
        Assert.True(exitCode == 0, output);
        Has(output, "ok", "fsync", "full_page_writes", "synchronous_commit", "role", "clock", "schema", "server", "npgsql", "database", "unlogged");
        Has(output, "note", "synchronous_standby_names");

        await cluster.ExecuteAsync("CREATE UNLOGGED TABLE careless (n int)");
        await cluster.ConfigureAsync(
            "fsync = off", "full_page_writes = off", "synchronous_commit = off", "wal_level = minimal", "max_wal_senders = 0",
            "zero_damaged_pages = on", "ignore_checksum_failure = on", "ignore_invalid_pages = on", "data_sync_retry = on",
            "session_replication_role = replica");
        await cluster.RestartAsync();
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Has(output, "WARN",
            "fsync", "full_page_writes", "synchronous_commit", "wal_level", "zero_damaged_pages", "ignore_checksum_failure",
            "ignore_invalid_pages", "data_sync_retry", "session_replication_role", "unlogged");
        Assert.Contains("careless", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_that_does_not_wait_for_its_standby_and_a_standby_itself_are_found()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        using ServerProcess program = On(cluster);
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Assert.Equal(0, (await program.RunAsync(cancellation, "migrate")).ExitCode);
        await using PostgresCluster standby = await cluster.CreateStandbyAsync(isSynchronous: true);
        (int exitCode, string output) = await program.RunAsync(cancellation, "doctor");
        Assert.True(exitCode == 0, output);
        Has(output, "ok", "synchronous_standby_names");

        // The setting of a role counts as that of the server does: it is what our sessions have.
        await cluster.ExecuteAsync("ALTER ROLE postgres SET synchronous_commit = local");
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Has(output, "WARN", "synchronous_commit");

        using ServerProcess astray = On(standby);
        (exitCode, output) = await astray.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Has(output, "WARN", "role");
    }

    private ServerProcess On(PostgresCluster cluster) =>
        new(folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = cluster.ConnectionString() });

    private static void Has(string output, string mark, params string[] names) =>
        Assert.All(names, name => Assert.Matches($"(?m)^{mark} +{name} ", output));
}
