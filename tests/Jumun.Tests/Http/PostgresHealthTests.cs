using Jumun.Server.Stores.Postgres;

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
}
