using System.Diagnostics;
using Jumun.Points;
using Jumun.Server;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Tests.Stores;

/// <summary>What PostgreSQL would wait for without end, Jumun does not: it says so, and holds up nobody else.</summary>
[Once]
public sealed class PostgresWaitTests
{
    [Fact]
    public async Task A_commit_that_waits_for_a_lost_standby_is_unknown_and_its_effect_is_found_when_the_standby_is_back()
    {
        await using PostgresCluster primary = await PostgresCluster.CreateAsync();
        await using PostgresCluster standby = await primary.CreateStandbyAsync(isSynchronous: true);
        await PostgresStore.MigrateAsync(primary.ConnectionString());
        await using PostgresStore store = await PostgresStore.OpenAsync(primary.ConnectionString(), "test");
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        Task<Settlement> ChargeAsync(string member) => executor.SubmitAsync(
            new ChargePoints(member, 5),
            new KeyedRequest(new IdempotencyKey(member, "key"), [1], new Reply<PointsCharged>(200, ApiJson.Default.PointsCharged).Render)).AsTask();
        await standby.StopAsync();

        // The wait, and the lookup's; sessions that wait so are left alone until there are too many, and then nothing is tried.
        int waiting = 0;
        for (; waiting < Bounds.PostgresLostSessions / 2; waiting++)
        {
            Assert.Equal(RequestOutcome.Unknown, (await ChargeAsync($"m{waiting}")).Refusal!.Outcome);
            Assert.Equal(0, (await store.PointsAsync($"m{waiting}")).Balance);
        }

        long begun = Stopwatch.GetTimestamp();
        Assert.Equal(RequestOutcome.None, (await ChargeAsync("refused")).Refusal!.Outcome);
        Assert.True(Stopwatch.GetElapsedTime(begun).TotalSeconds < 2);
        Assert.NotNull(await store.ProbeAsync());
        Assert.Equal(
            $"{Bounds.PostgresLostSessions}",
            await primary.ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = 'jumun'"));

        await standby.StartAsync();
        await TestShop.UntilAsync(async () => (await ChargeAsync("refused")).Refusal is null);
        for (int member = 0; member < waiting; member++)
        {
            Assert.True((await ChargeAsync($"m{member}")).Replayed);
            Assert.Equal(5, (await store.PointsAsync($"m{member}")).Balance);
        }

        Assert.Null(await store.ProbeAsync());
    }

    [Fact]
    public async Task A_migration_does_not_wait_long_for_a_table_that_is_in_use()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string database = await PostgresServer.CreateShopAsync();
        await using var other = new NpgsqlConnection($"{database};Pooling=false");
        await other.OpenAsync(cancellation);
        await using NpgsqlTransaction transaction = await other.BeginTransactionAsync(cancellation);
        await using var use = new NpgsqlCommand("LOCK TABLE schema_migrations", other);
        await use.ExecuteNonQueryAsync(cancellation);
        SetupException refused = await Assert.ThrowsAsync<SetupException>(() => PostgresStore.MigrateAsync(database));
        Assert.Contains("try again", refused.Message, StringComparison.Ordinal);
        await transaction.RollbackAsync(cancellation);
        Assert.Empty(await PostgresStore.MigrateAsync(database));
    }
}
