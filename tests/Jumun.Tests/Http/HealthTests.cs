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

    [Theory]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    public async Task Monitors_may_ask_for_the_head_alone(string path)
    {
        TestAnswer answer = (await shop.AsNobody().SendAsync(HttpMethod.Head, path)).Is(200);
        Assert.Empty(answer.Bytes);
        Assert.Equal("application/json", answer.ContentHeaders.ContentType?.MediaType);
    }

    [Fact]
    [Once]
    public async Task A_server_that_cannot_open_its_data_is_alive_not_ready_and_unavailable_until_it_can()
    {
        using var folder = new TemporaryFolder();
        string data = Path.Combine(folder.FullName, "jumun.db");
        await using TestShop own = await TestShop.StartAsync(
            new() { ["Jumun:Store"] = "sqlite", ["ConnectionStrings:Jumun"] = $"Data Source={data}" });
        TestCaller member = own.Somebody();
        await member.ChargeAsync(5);
        await own.Store.DisposeAsync();
        File.Move(data, $"{data}.aside");
        Directory.CreateDirectory(data);

        TestAnswer ready = (await own.AsNobody().GetAsync("/health/ready")).Is(503);
        Assert.NotEqual("ok", ready.Word("status"));
        (await own.AsNobody().GetAsync("/health/live")).Is(200);
        TestAnswer refused = (await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""")).IsProblem(503, "unavailable");
        Assert.Equal("none", refused.Word("outcome"));
        Assert.True(refused.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1));

        Directory.Delete(data);
        File.Move($"{data}.aside", data);
        await TestShop.UntilAsync(async () => (await own.AsNobody().GetAsync("/health/ready")).Status == 200);
        Assert.Equal(10, await member.ChargeAsync(5));
    }
}
