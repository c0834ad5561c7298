using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
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
    // One here, since each takes twenty seconds; JUMUN_TEST_LOST_COMMITS says how many, and with 5 none is tried in the end.
    private static readonly int Waits = int.Parse(
        Environment.GetEnvironmentVariable("JUMUN_TEST_LOST_COMMITS") ?? "1", CultureInfo.InvariantCulture);

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

        // Each takes its time: the wait, and the lookup's. Their sessions are left alone until there are too many: then nothing is tried.
        int waits = 0;
        long begun = Stopwatch.GetTimestamp();
        while (waits < Waits && (await ChargeAsync($"m{waits}")).Refusal!.Outcome == RequestOutcome.Unknown)
        {
            Assert.Equal(0, (await store.PointsAsync($"m{waits}")).Balance);
            waits += 1;
            begun = Stopwatch.GetTimestamp();
        }

        Assert.InRange(waits, 1, Bounds.PostgresLostSessions);
        Assert.True(waits == Waits || Stopwatch.GetElapsedTime(begun).TotalSeconds < 2);
        Assert.NotNull(await store.ProbeAsync());

        await standby.StartAsync();
        await TestShop.UntilAsync(async () => (await ChargeAsync("afterwards")).Refusal is null);
        for (int member = 0; member <= waits; member++)
        {
            Assert.Equal(member < waits, (await ChargeAsync($"m{member}")).Replayed);
            Assert.Equal(5, (await store.PointsAsync($"m{member}")).Balance);
        }

        Assert.Null(await store.ProbeAsync());
    }

    [Fact]
    public async Task A_host_that_is_gone_without_a_word_is_not_asked_again_and_again()
    {
        // It takes connections and says nothing, as a machine that vanished.
        using var deaf = new TcpListener(IPAddress.Loopback, 0);
        deaf.Start();
        string database = await PostgresServer.CreateShopAsync();
        var settings = new NpgsqlConnectionStringBuilder(database);
        settings.Host = $"{deaf.LocalEndpoint},{settings.Host}:{settings.Port}";
        await using PostgresStore store = await PostgresStore.OpenAsync(settings.ConnectionString, "test");
        long begun = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => store.OrderAsync("m", Guid.Empty, DateTimeOffset.UnixEpoch).AsTask()));
        Assert.Null(await store.ProbeAsync());
        Assert.True(Stopwatch.GetElapsedTime(begun).TotalSeconds < Bounds.PostgresConnectSeconds);
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
