using Jumun.Server.Stores.Postgres;
using Jumun.Tests.Crashes;
using Npgsql;

namespace Jumun.Tests.Cluster;

/// <summary>The program's verbs on a cluster: dividing the tables of a shop that is there already, and what the doctor says of it.</summary>
public sealed class CitusDoctorTests
{
    [Fact]
    public async Task A_shop_that_is_there_is_divided_with_its_rows_and_the_doctor_knows_its_nodes()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string database = await CitusServer.CreateDatabaseAsync();
        using var folder = new TemporaryFolder();
        using var program = new ServerProcess(folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = database });
        (int exitCode, string output) = await program.RunAsync(cancellation, "migrate");
        Assert.True(exitCode == 0, output);
        Assert.Equal(0, (await program.RunAsync(cancellation, "seed")).ExitCode);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Assert.Contains("not divided", output, StringComparison.Ordinal);

        (exitCode, output) = await program.RunAsync(cancellation, "migrate", "--distributed");
        Assert.True(exitCode == 0, output);
        Assert.Contains("wallets by member_id", output, StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "migrate", "--distributed");
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("by member_id", output, StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "audit");
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("(0 checked)", output.Split('\n').Single(line => line.Contains(" I3 ", StringComparison.Ordinal)), StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.True(exitCode == 0, output);
        Assert.Contains("shard map", output, StringComparison.Ordinal);
        foreach (string worker in await CitusServer.WorkersAsync(database))
        {
            var settings = new NpgsqlConnectionStringBuilder(worker);
            Assert.Equal(2, output.Split('\n').Count(line => line.StartsWith("ok", StringComparison.Ordinal)
                && line.Contains($" {settings.Host}:{settings.Port} ", StringComparison.Ordinal)));
        }
    }

    /// <summary>Citus keeps what a lookup calls from users who are no administrators, until one grants it.</summary>
    [Fact]
    public async Task A_plain_user_looks_commits_up_once_it_was_granted_and_migrate_and_the_doctor_say_so()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string database = await CitusServer.CreateDatabaseAsync();
        string[] nodes = [database, .. await CitusServer.WorkersAsync(database)];
        const string ownRole = """
            DO $$BEGIN
              IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jumun-plain') THEN CREATE ROLE "jumun-plain" LOGIN; END IF;
            END$$
            """;
        string name = new NpgsqlConnectionStringBuilder(database).Database!;
        await OnAllAsync("SET citus.enable_create_role_propagation = off", ownRole);
        await OnAllAsync(
            "SET citus.enable_ddl_propagation = off", $"ALTER DATABASE {name} OWNER TO \"jumun-plain\"", "GRANT ALL ON SCHEMA public TO \"jumun-plain\"");
        string plain = new NpgsqlConnectionStringBuilder(database) { Username = "jumun-plain", Password = null }.ConnectionString;
        using var folder = new TemporaryFolder();
        using var program = new ServerProcess(folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = plain });

        const string Grant = "GRANT EXECUTE ON FUNCTION recover_prepared_transactions() TO \"jumun-plain\"";
        (int exitCode, string output) = await program.RunAsync(cancellation, "migrate", "--distributed");
        Assert.True(exitCode == 0, output);
        Assert.Contains(Grant, output, StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Assert.Contains(Grant, output, StringComparison.Ordinal);

        await OnAllAsync("SET citus.enable_ddl_propagation = off", Grant);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.True(exitCode == 0, output);
        await using var connection = new NpgsqlConnection($"{plain};Pooling=false");
        await connection.OpenAsync(cancellation);
        ShardMap map = await ShardMap.ReadAsync(connection);
        foreach (ShardMap.Node node in map.Nodes)
        {
            await using PostgresHosts hosts = PostgresConnections.Lane(PostgresConnections.At(plain, node.Host, node.Port), isDivided: true);
            using PostgresLane lane = await PostgresLane.OpenAsync(hosts, map, slot: 0, new SweepMark());
            Assert.False(await lane.HasCommittedAsync(Guid.CreateVersion7(), DateTimeOffset.UtcNow, TimeSpan.FromSeconds(10)));
        }

        async Task OnAllAsync(params string[] statements)
        {
            foreach (string node in nodes)
            {
                await CitusServer.ExecuteAsync(node, statements);
            }
        }
    }

    [Fact]
    public async Task A_cluster_that_keeps_claims_by_member_is_refused_until_they_have_moved_beside_their_coupons()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string database = await CitusServer.CreateShopAsync();
        await CitusServer.ExecuteAsync(
            database,
            "INSERT INTO coupons SELECT i, 1, NULL, 0, 100, 50, 0, 1, 1, 0, 'x' FROM generate_series(1, 4) i",
            "INSERT INTO issued_coupons SELECT 'm' || n, i, n, 0, NULL, 0 FROM generate_series(1, 4) i, generate_series(1, 50) n",
            "SELECT alter_distributed_table('issued_coupons', distribution_column => 'member_id', colocate_with => 'wallets')");
        using var folder = new TemporaryFolder();
        using var program = new ServerProcess(folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = database });
        foreach (string verb in (string[])["doctor", "audit"])
        {
            (int refused, string words) = await program.RunAsync(cancellation, verb);
            Assert.NotEqual(0, refused);
            Assert.Contains("Stop all servers and run 'migrate --distributed'", words, StringComparison.Ordinal);
        }

        (int exitCode, string output) = await program.RunAsync(cancellation, "migrate", "--distributed");
        Assert.True(exitCode == 0, output);
        Assert.Contains("issued_coupons by coupon_id beside coupons", output, StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "audit");
        Assert.True(exitCode == 0, output);
        Assert.Contains("(200 checked)", output.Split('\n').Single(line => line.Contains(" I4 ", StringComparison.Ordinal)), StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.True(exitCode == 0, output);
        await CitusServer.DropAsync(database);
    }
}
