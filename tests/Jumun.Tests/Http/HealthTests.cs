namespace Jumun.Tests.Http;

/// <summary>Health.</summary>
public sealed class HealthTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Theory]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    public async Task A_server_that_runs_is_alive_and_ready_for_anyone(string path) =>
        Assert.Equal("""{"status":"ok"}""", (await shop.AsNobody().GetAsync(path)).Is(200).Text);

    [Fact]
    public async Task A_server_whose_store_is_gone_is_alive_and_not_ready()
    {
        TestShop own = await TestShop.StartAsync();
        await own.Store.DisposeAsync();
        TestAnswer ready = (await own.AsNobody().GetAsync("/health/ready")).Is(503);
        Assert.NotEqual("ok", ready.Word("status"));
        (await own.AsNobody().GetAsync("/health/live")).Is(200);
        await own.DisposeAsync();
    }
}
