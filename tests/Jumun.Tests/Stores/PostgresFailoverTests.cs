using Jumun.Points;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Tests.Stores;

/// <summary>A primary with a synchronous standby: what is acknowledged is on both, and the standby can take over.</summary>
public sealed class PostgresFailoverTests
{
    [Fact]
    public async Task What_was_acknowledged_is_on_the_standby_that_takes_over()
    {
        await using PostgresCluster primary = await PostgresCluster.CreateAsync();
        await PostgresStore.MigrateAsync(primary.ConnectionString());
        await using PostgresCluster standby = await primary.CreateStandbyAsync(isSynchronous: true);
        var settings = new NpgsqlConnectionStringBuilder(primary.ConnectionString());
        settings.Host = string.Create(
            System.Globalization.CultureInfo.InvariantCulture, $"{settings.Host}:{standby.Port},{settings.Host}:{primary.Port}");
        settings.TargetSessionAttributes = "primary";
        await using PostgresStore store = await PostgresStore.OpenAsync(settings.ConnectionString, "test");
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        async Task<long?> ChargedAsync(long amount) => ((await executor.SubmitAsync(new ChargePoints("m", amount))).Answer as PointsCharged)?.Balance;
        Assert.Equal(1, await ChargedAsync(1));

        // A wait for the standby that is cut short is no success: the answer comes when the standby has the commit.
        await standby.StopAsync();
        Task<long?> waiting = ChargedAsync(2);
        await TestShop.UntilAsync(async () => await primary.ScalarAsync(
            $"SELECT wait_event FROM pg_stat_activity WHERE pid = {store.BackendOf(lane: 0)}") == "SyncRep");
        await primary.ExecuteAsync($"SELECT pg_cancel_backend({store.BackendOf(lane: 0)})");
        await Task.Delay(300, TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        await standby.StartAsync();
        Assert.Equal(3, await waiting);

        await primary.StopAsync(StopMode.Immediate);
        Assert.NotNull(await store.ProbeAsync());
        await standby.PromoteAsync();

        // At once: nothing is remembered of what the hosts were.
        Assert.Equal(7, await ChargedAsync(4));
        Assert.Null(await store.ProbeAsync());
        Assert.Equal(7, (await store.PointsAsync("m")).Balance);
        Assert.All(await store.AuditAsync(), report => Assert.True(report.Holds));
    }
}
