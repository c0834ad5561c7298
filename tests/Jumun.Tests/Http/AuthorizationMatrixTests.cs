using Jumun.Server.Api;
using Microsoft.AspNetCore.Routing;

namespace Jumun.Tests.Http;

/// <summary>Every route of the running server against everybody who may come.</summary>
public sealed class AuthorizationMatrixTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public void Every_route_says_who_may_use_it()
    {
        Assert.NotEmpty(shop.Routes);
        Assert.All(shop.Routes, route => Assert.True(
            route.Metadata.GetMetadata<RouteInfo>() is not null, $"{route.RoutePattern.RawText} has no RouteInfo."));
        Assert.All(shop.Routes.Where(route => AccessOf(route) != Access.Console), route => Assert.NotEmpty(MethodsOf(route)));
    }

    [Fact]
    public void Only_the_routes_of_the_contract_are_open_to_anyone()
    {
        string[] open =
        [
            "/console/language", "/console/sign-in", "/console/sign-in", "/console/sign-in/callback", "/console/sign-in/issuer", "/console/sign-out",
            "/health/live", "/health/ready", "/openapi/v1.json", "/problems/{code}", "/products/top",
        ];
        Assert.Equal(open, Where(Access.Anyone));
    }

    [Fact]
    public void Every_route_of_a_member_is_its_owners_and_every_route_of_administration_an_administrators()
    {
        Assert.All(shop.Routes, route =>
        {
            string path = route.RoutePattern.RawText!;
            Access access = route.Metadata.GetMetadata<RouteInfo>()!.Access;
            Assert.Equal(
                path.StartsWith("/members/{memberId}", StringComparison.Ordinal) || path.StartsWith("/order/{userId}", StringComparison.Ordinal),
                access == Access.Owner);
            Assert.Equal(path.StartsWith("/admin/", StringComparison.Ordinal), access == Access.Administrator);
            Assert.Equal(path.StartsWith("/console", StringComparison.Ordinal) && access != Access.Anyone, access == Access.Console);
        });
    }

    [Fact]
    public async Task Every_route_lets_in_whom_its_access_names_and_nobody_else()
    {
        TestCaller owner = shop.Member("owner");
        (string Name, TestCaller Caller)[] callers =
        [
            ("nobody", shop.AsNobody()), ("owner", owner), ("other member", shop.Member("other")), ("administrator", shop.Administrator()),
        ];
        foreach (RouteEndpoint route in shop.Routes.Where(route => !route.RoutePattern.RawText!.StartsWith("/console", StringComparison.Ordinal)))
        {
            Access access = route.Metadata.GetMetadata<RouteInfo>()!.Access;
            foreach (string method in MethodsOf(route))
            {
                foreach ((string name, TestCaller caller) in callers)
                {
                    string path = PathOf(route);
                    TestAnswer answer = await caller.SendAsync(new HttpMethod(method), path, "{");
                    int? refused = Refused(access, name);
                    if (refused is { } status)
                    {
                        answer.IsProblem(status, status == 401 ? "unauthenticated" : "forbidden");
                    }
                    else
                    {
                        Assert.True(answer.Status is not (401 or 403) and < 500, $"{method} {path} answered {name} {answer.Status}.");
                    }
                }
            }
        }

        Assert.Equal(0, await owner.BalanceAsync());
    }

    [Fact]
    public async Task No_route_of_the_console_is_open_to_a_token_in_a_header()
    {
        RouteEndpoint[] console = [.. shop.Routes.Where(route => AccessOf(route) == Access.Console)];
        Assert.Contains(console, route => route.RoutePattern.RawText == "/console/_blazor");
        foreach (RouteEndpoint route in console)
        {
            string path = PathOf(route).Replace("{Kind}", "coupon", StringComparison.Ordinal)
                .Replace("{Id:long}", "1", StringComparison.Ordinal).Replace("{OrderId:guid}", Guid.Empty.ToString(), StringComparison.Ordinal)
                .Replace("{MemberId}", "owner", StringComparison.Ordinal);
            foreach (TestCaller caller in new[] { shop.AsNobody(), shop.Member("owner"), shop.Administrator() })
            {
                string method = MethodsOf(route).FirstOrDefault() ?? "GET";
                TestAnswer answer = await caller.SendAsync(new HttpMethod(method), path);
                Assert.True(answer.Status is 303 or 401, $"{method} {path} answered {answer.Status}.");
                Assert.True(answer.Status == 401 || answer.Headers.Location?.OriginalString == "/console/sign-in");
            }
        }
    }

    [Fact]
    public async Task Who_is_refused_hears_the_same_whatever_the_path_and_the_body_are()
    {
        TestCaller other = shop.Member("other");
        TestAnswer order = (await shop.Member("owner").OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        string real = (await other.GetAsync($"/members/owner/orders/{order["orderId"]}")).IsProblem(403, "forbidden").WithoutTrace();
        Assert.Equal(real, (await other.GetAsync($"/members/owner/orders/{Guid.CreateVersion7()}")).IsProblem(403, "forbidden").WithoutTrace());
        Assert.Equal(real, (await other.GetAsync("/members/owner/orders/x")).IsProblem(403, "forbidden").WithoutTrace());
        Assert.Equal(real, (await other.GetAsync("/members/never-seen/orders?limit=0")).IsProblem(403, "forbidden").WithoutTrace());
        Assert.Equal(real, (await other.PostAsync("/order/owner", "{", "an idempotency key")).IsProblem(403, "forbidden").WithoutTrace());
    }

    [Theory]
    [InlineData("OWNER")]
    [InlineData("Owner")]
    [InlineData("owner%20")]
    [InlineData("%6Fwner%00")]
    [InlineData("owner.")]
    public async Task A_member_that_is_spelled_another_way_is_another_member(string member)
    {
        TestAnswer answer = await shop.Member("owner").GetAsync($"/members/{member}/points");
        Assert.True(answer.Status is 403 or 400, $"It was answered {answer.Status}.");
    }

    [Fact]
    public async Task The_owner_may_be_spelled_with_escapes() => (await shop.Member("owner").GetAsync("/members/%6Fwner/points")).Is(200);

    private static Access AccessOf(RouteEndpoint route) => route.Metadata.GetMetadata<RouteInfo>()!.Access;

    private IEnumerable<string> Where(Access access) => shop.Routes
        .Where(route => AccessOf(route) == access)
        .Select(route => route.RoutePattern.RawText!)
        .Order(StringComparer.Ordinal);

    private static IReadOnlyList<string> MethodsOf(RouteEndpoint route) => route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [];

    private static int? Refused(Access access, string caller) => (access, caller) switch
    {
        (Access.Anyone, _) => null,
        (_, "nobody") => 401,
        (Access.Member, _) => null,
        (Access.Owner, "other member") => 403,
        (Access.Administrator, "owner" or "other member") => 403,
        (Access.Console, _) => 401,
        _ => null,
    };

    private static string PathOf(RouteEndpoint route) => route.RoutePattern.RawText!
        .Replace("{memberId}", "owner", StringComparison.Ordinal)
        .Replace("{userId}", "owner", StringComparison.Ordinal)
        .Replace("{productId}", "999999999", StringComparison.Ordinal)
        .Replace("{couponId}", "999999999", StringComparison.Ordinal)
        .Replace("{orderId}", Guid.CreateVersion7().ToString(), StringComparison.Ordinal)
        .Replace("{paymentId}", Guid.CreateVersion7().ToString(), StringComparison.Ordinal)
        .Replace("{code}", "forbidden", StringComparison.Ordinal);
}
