using Jumun.Server.Api;
using Microsoft.IdentityModel.JsonWebTokens;

namespace Jumun.Tests.Http;

/// <summary>Signing in without a token: on a developer's machine, as a demo member, and nowhere else.</summary>
public sealed class DemoSignInTests
{
    private const string Path = "/shop/demo-sign-in";

    [Fact]
    public async Task On_a_developers_machine_a_demo_member_gets_a_token_that_is_no_administrators()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        TestAnswer answer = (await shop.AsNobody().PostAsync(Path, """{"memberId":"alice"}""")).Is(200).Has("memberId", "token", "expiresAt");
        Assert.True(answer.Headers.CacheControl!.NoStore);
        Assert.InRange((answer["expiresAt"].Time() - DateTimeOffset.UtcNow).TotalHours, 1, 9);
        var alice = new TestCaller(shop, "alice", answer.Word("token"));
        Assert.Equal(5, await alice.ChargeAsync(5));
        (await alice.GetAsync("/members/bob/points")).IsProblem(403, "forbidden");
        (await alice.GetAsync("/admin/audit")).IsProblem(403, "forbidden");
        Assert.DoesNotContain(new JsonWebToken(answer.Word("token")).Claims, claim => claim.Type == "role");
        Assert.Contains("data-demo-members=\"alice ", (await shop.AsNobody().GetAsync("/shop")).Is(200).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_crowd_has_numbers()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        TestAnswer answer = (await shop.AsNobody().PostAsync(Path, """{"memberId":"crowd-9999"}""")).Is(200);
        Assert.Equal(5, await new TestCaller(shop, "crowd-9999", answer.Word("token")).ChargeAsync(5));
    }

    [Theory]
    [InlineData("""{"memberId":"admin"}""")]
    [InlineData("""{"memberId":"Alice"}""")]
    [InlineData("""{"memberId":""}""")]
    [InlineData("""{"memberId":"crowd-0"}""")]
    [InlineData("""{"memberId":"crowd-10000"}""")]
    [InlineData("""{"memberId":"crowd-1\n"}""")]
    public async Task Nobody_else_gets_one(string body)
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        (await shop.AsNobody().PostAsync(Path, body)).IsInvalid("memberId");
        (await shop.AsNobody().PostAsync(Path, """{"memberId":"alice","role":"admin"}""")).IsInvalid("role");
    }

    [Fact]
    public async Task Elsewhere_there_is_no_such_route_and_the_page_offers_none()
    {
        await using TestShop shop = await TestShop.StartAsync();
        (await shop.AsNobody().PostAsync(Path, """{"memberId":"alice"}""")).IsProblem(404, "not_found");
        Assert.Contains("data-demo-members=\"\"", (await shop.AsNobody().GetAsync("/shop")).Is(200).Text, StringComparison.Ordinal);
        Assert.DoesNotContain(shop.Routes, route => route.RoutePattern.RawText == Path);
    }

    [Fact]
    public async Task An_issuer_of_its_own_signs_in_its_own_members()
    {
        await using TestShop shop = await TestShop.StartAsync(
            new() { ["Jumun:Auth:SigningKey"] = "", ["Jumun:Auth:Authority"] = "https://issuer.example" }, isDevelopment: true);
        (await shop.AsNobody().PostAsync(Path, """{"memberId":"alice"}""")).IsProblem(404, "not_found");
        Assert.Contains("data-demo-members=\"\"", (await shop.AsNobody().GetAsync("/shop")).Is(200).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_says_who_may_use_it_like_every_route()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        Assert.All(shop.Routes, route => Assert.NotNull(route.Metadata.GetMetadata<RouteInfo>()));
        Assert.Equal(Access.Anyone, shop.Routes.Single(route => route.RoutePattern.RawText == Path).Metadata.GetMetadata<RouteInfo>()!.Access);
    }
}
