using Npgsql;

namespace Jumun.Tests;

/// <summary>The clusters that other tests rest on do what these take for granted.</summary>
public sealed class PostgresClusterTests
{
    [Fact]
    public async Task What_was_committed_is_there_after_a_crash_and_on_the_standby_that_takes_over()
    {
        await using PostgresCluster primary = await PostgresCluster.CreateAsync();
        Assert.Equal("on on on", await primary.ScalarAsync(
            "SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'))"));
        await using PostgresCluster standby = await primary.CreateStandbyAsync(isSynchronous: true);
        await primary.ExecuteAsync("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)");
        await primary.RestartAsync(StopMode.Immediate);
        Assert.Equal("1", await primary.ScalarAsync("SELECT sum(n) FROM kept"));
        await TestShop.UntilAsync(async () => await primary.ScalarAsync("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1");
        await primary.ExecuteAsync("INSERT INTO kept VALUES (2)");

        await primary.StopAsync(StopMode.Immediate);
        Assert.Equal("t", (await standby.ScalarAsync("SELECT pg_is_in_recovery()::text"))![..1]);
        await standby.PromoteAsync();
        await standby.ExecuteAsync("INSERT INTO kept VALUES (4)");
        Assert.Equal("7", await standby.ScalarAsync("SELECT sum(n) FROM kept"));
    }

    [Fact]
    public async Task Nothing_of_a_cluster_is_left_when_it_ends()
    {
        PostgresCluster cluster = await PostgresCluster.CreateAsync();
        string folder = cluster.Folder;
        await cluster.DisposeAsync();
        Assert.False(Directory.Exists(folder));
        await Assert.ThrowsAsync<NpgsqlException>(() => cluster.ExecuteAsync("SELECT 1"));
    }

    [Fact]
    public async Task Databases_of_the_shared_cluster_are_apart_and_can_be_dropped_in_use()
    {
        string one = await PostgresServer.CreateDatabaseAsync();
        string other = await PostgresServer.CreateDatabaseAsync();
        Assert.NotEqual(one, other);
        await using var connection = new NpgsqlConnection(one);
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await connection.OpenAsync(cancellation);
        await PostgresServer.DropDatabaseAsync(one);
        await PostgresServer.DropDatabaseAsync(other);
        await Assert.ThrowsAsync<PostgresException>(() => new NpgsqlConnection(other).OpenAsync(cancellation));
    }
}
