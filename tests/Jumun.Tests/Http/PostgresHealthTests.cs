using Jumun.Server;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Tests.Http;

/// <summary>A server outlives its PostgreSQL.</summary>
[Once]
public sealed class PostgresHealthTests
{
    [Fact]
    public async Task While_PostgreSQL_is_down_the_server_is_alive_not_ready_and_unavailable_and_then_goes_on()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        await PostgresStore.MigrateAsync(cluster.ConnectionString());
        await using TestShop shop = await TestShop.StartAsync(new()
        {
            ["Jumun:Store"] = "postgres",
            ["ConnectionStrings:Jumun"] = cluster.ConnectionString(),
        });
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(5);
        await cluster.StopAsync(StopMode.Immediate);

        TestAnswer ready = (await shop.AsNobody().GetAsync("/health/ready")).Is(503);
        Assert.NotEqual("ok", ready.Word("status"));
        (await shop.AsNobody().GetAsync("/health/live")).Is(200);
        TestAnswer refused = (await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""", "k")).IsProblem(503, "unavailable");
        Assert.Equal("none", refused.Word("outcome"));
        Assert.True(refused.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1));
        (await member.GetAsync($"/members/{member.Member}/points")).IsProblem(503, "unavailable");

        await cluster.StartAsync();
        await TestShop.UntilAsync(async () => (await shop.AsNobody().GetAsync("/health/ready")).Status == 200, seconds: 30);
        TestAnswer charged = (await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""", "k")).Is(200);
        Assert.Equal(10, charged.Number("balance"));
        await shop.AuditAsync();
    }

    /// <summary>Nobody needs a token for it, and members' reads need the connections.</summary>
    [Fact]
    public async Task However_many_ask_whether_it_is_ready_the_database_is_asked_once_at_a_time()
    {
        string database = await PostgresServer.CreateShopAsync();
        try
        {
            await using TestShop shop = await TestShop.StartAsync(new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = database });
            TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 300).Select(_ => shop.AsNobody().GetAsync("/health/ready")));
            Assert.All(answers, answer => answer.Is(200));
            await using var connection = new NpgsqlConnection($"{database};Pooling=false");
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var count = new NpgsqlCommand("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()", connection);
            Assert.InRange((long)(await count.ExecuteScalarAsync(TestContext.Current.CancellationToken))!, 2, 10);
        }
        finally
        {
            await PostgresServer.DropDatabaseAsync(database);
        }
    }

    /// <summary>Nobody needs a token for it, and a long window takes long.</summary>
    [Fact]
    public async Task However_many_ask_for_the_top_products_one_query_runs_at_a_time()
    {
        string database = await PostgresServer.CreateShopAsync();
        try
        {
            await using TestShop shop = await TestShop.StartAsync(new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = database });
            await using var connection = new NpgsqlConnection($"{database};Pooling=false");
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using NpgsqlTransaction held = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
            await ScalarAsync("LOCK TABLE sales IN ACCESS EXCLUSIVE MODE");
            Task<TestAnswer>[] asked = [.. Enumerable.Range(0, 90).Select(i => shop.AsNobody().GetAsync($"/products/top?days={(i % 30) + 1}"))];
            await TestShop.UntilAsync(async () => await WaitingAsync() > 0);

            // Longer than a list is good for.
            await Task.Delay(Bounds.TopProductsAgeMilliseconds * 2, TestContext.Current.CancellationToken);
            asked = [.. asked, .. Enumerable.Range(0, 90).Select(i => shop.AsNobody().GetAsync($"/products/top?days={(i % 30) + 1}"))];
            (await shop.Somebody().GetAsync("/products")).Is(200);
            Assert.Equal(1, await WaitingAsync());
            await held.RollbackAsync(TestContext.Current.CancellationToken);
            Assert.All(await Task.WhenAll(asked), answer => answer.Is(200));

            async Task<object?> ScalarAsync(string sql)
            {
                await using var command = new NpgsqlCommand(sql, connection);
                return await command.ExecuteScalarAsync(TestContext.Current.CancellationToken);
            }

            async Task<long> WaitingAsync() => (long)(await ScalarAsync("SELECT count(*) FROM pg_locks WHERE relation = 'sales'::regclass AND NOT granted"))!;
        }
        finally
        {
            await PostgresServer.DropDatabaseAsync(database);
        }
    }
}
