namespace Jumun.Tests.Http;

/// <summary>Headers that every answer carries.</summary>
public sealed class HeaderTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Theory]
    [InlineData("GET", "/products/top", 200)]
    [InlineData("GET", "/health/live", 200)]
    [InlineData("GET", "/health/ready", 200)]
    [InlineData("GET", "/openapi/v1.json", 200)]
    [InlineData("GET", "/problems/forbidden", 200)]
    [InlineData("GET", "/products?limit=0", 401)]
    [InlineData("GET", "/nothing", 404)]
    [InlineData("DELETE", "/products", 405)]
    [InlineData("GET", "/products/top?days=0", 400)]
    public async Task Answers_to_anyone_carry_the_security_headers(string method, string path, int status) =>
        IsSafe((await shop.AsNobody().SendAsync(new HttpMethod(method), path)).Is(status));

    [Fact]
    public async Task Answers_to_members_carry_the_security_headers_whatever_their_status()
    {
        TestCaller member = shop.Somebody();
        string charge = $"/members/{member.Member}/points/charge";
        long product = await shop.Administrator().CreateProductAsync(stock: 1);
        IsSafe((await member.PostAsync(charge, """{"amount":5}""")).Is(200));
        IsSafe((await member.OrderAsync(product)).Is(201));
        IsSafe((await member.DeleteAsync($"/members/{member.Member}/cart")).Is(204));
        IsSafe((await member.PostAsync(charge, "{")).Is(400));
        IsSafe((await member.GetAsync("/members/other/points")).Is(403));
        IsSafe((await member.GetAsync("/products/999999999")).Is(404));
        IsSafe((await member.OrderAsync(product)).Is(409));
        IsSafe((await member.PostAsync(charge, new string(' ', 70_000))).Is(413));
        IsSafe((await member.PostAsync(charge, """{"amount":5}""", "k")).Is(200));
        IsSafe((await member.PostAsync(charge, """{"amount":5}""", "k")).Is(200));
        IsSafe((await member.PostAsync(charge, """{"amount":6}""", "k")).Is(422));
        IsSafe((await member.SendAsync(new HttpRequestMessage(HttpMethod.Post, charge))).Is(415));
    }

    [Fact]
    public async Task Where_hosts_are_named_a_request_to_another_is_refused()
    {
        await using TestShop own = await TestShop.StartAsync(new() { ["AllowedHosts"] = "shop.example" });
        (await own.AsNobody().GetAsync("/health/live")).Is(400);
        var request = new HttpRequestMessage(HttpMethod.Get, "/health/live");
        request.Headers.Host = "shop.example";
        (await own.AsNobody().SendAsync(request)).Is(200);
    }

    [Fact]
    public async Task An_internal_error_carries_the_security_headers()
    {
        await using TestShop own = await TestShop.StartAsync();
        own.Clock.IsBroken = true;
        TestAnswer answer = await own.AsNobody().GetAsync("/products/top");
        own.Clock.IsBroken = false;
        IsSafe(answer.Is(500));
    }

    [Fact]
    public async Task Pages_allow_no_script_from_elsewhere_and_answers_none_at_all()
    {
        TestAnswer docs = (await shop.AsNobody().GetAsync("/docs/index.html")).Is(200);
        Assert.Contains("script-src 'self';", Policy(docs), StringComparison.Ordinal);
        TestAnswer problem = (await shop.AsNobody().GetAsync("/problems/forbidden")).Is(200);
        Assert.DoesNotContain("script-src", Policy(problem), StringComparison.Ordinal);
        TestAnswer answer = (await shop.AsNobody().GetAsync("/health/live")).Is(200);
        Assert.Equal("default-src 'none'; frame-ancestors 'none'", Policy(answer));
    }

    [Theory]
    [InlineData("/docs")]
    [InlineData("/docs/index.html")]
    [InlineData("/docs/swagger-ui-bundle.js")]
    public async Task The_docs_page_and_its_scripts_carry_them_and_may_be_kept_by_a_browser(string path) =>
        IsSafe((await shop.AsNobody().GetAsync(path)).Is(200), isKept: true);

    private static void IsSafe(TestAnswer answer, bool isKept = false)
    {
        Assert.True(isKept || answer.Headers.CacheControl?.NoStore == true);
        Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(["no-referrer"], answer.Headers.GetValues("Referrer-Policy"));
        Assert.StartsWith("default-src 'none';", Policy(answer), StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", Policy(answer), StringComparison.Ordinal);
        Assert.Empty(answer.Headers.Server);
        Assert.False(answer.Headers.Contains("X-Powered-By"));
    }

    private static string Policy(TestAnswer answer) => Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
}
