using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>Bearer tokens for a signing key.</summary>
public sealed class TokenTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_token_of_the_command_line_is_accepted() => (await shop.As("alice").GetAsync("/members/alice/points")).Is(200);

    [Fact]
    public async Task No_token_is_unauthenticated_and_says_Bearer()
    {
        TestAnswer answer = (await shop.AsNobody().GetAsync("/members/alice/points")).IsProblem(401, "unauthenticated");
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Bearer x")]
    [InlineData("Bearer a.b")]
    [InlineData("Bearer a.b.c")]
    [InlineData("Bearer a.b.c.d.e")]
    [InlineData("Bearer ..")]
    [InlineData("Basic YWxpY2U6c2VjcmV0")]
    public async Task A_malformed_token_is_unauthenticated(string authorization) => await IsRefusedAsync(authorization, isWhole: true);

    [Fact]
    public async Task The_scheme_is_Bearer_in_any_case_and_nothing_else()
    {
        string token = Jwt.Of("alice");
        (await GetAsync($"bearer {token}")).Is(200);
        (await GetAsync($"BEARER {token}")).Is(200);
        await IsRefusedAsync($"Token {token}", isWhole: true);
        await IsRefusedAsync(token, isWhole: true);
        await IsRefusedAsync($"Bearer {token} {token}", isWhole: true);
        await IsRefusedAsync($"Bearer {token}.x", isWhole: true);
        await IsRefusedAsync($"Bearer {new string('x', 9_000)}", isWhole: true);
    }

    [Fact]
    public async Task A_token_in_the_query_is_not_read() =>
        (await shop.AsNobody().GetAsync($"/members/alice/points?access_token={Jwt.Of("alice")}")).IsProblem(401, "unauthenticated");

    [Theory]
    [InlineData(-25, true)]
    [InlineData(-35, false)]
    [InlineData(-3600, false)]
    public async Task A_token_counts_until_30_seconds_after_its_expiry(int seconds, bool isAccepted) =>
        await IsAsync(isAccepted, With("exp", Now(seconds)));

    /// <summary>The last second of the year 9999, and one that no calendar has: tokens that never end are issued so.</summary>
    [Theory]
    [InlineData(253_402_300_799)]
    [InlineData(9_999_999_999_999)]
    public async Task A_token_that_never_ends_counts(long end) => await IsAsync(true, With("exp", end));

    [Theory]
    [InlineData(25, true)]
    [InlineData(35, false)]
    [InlineData(3600, false)]
    public async Task A_token_counts_from_30_seconds_before_its_beginning(int seconds, bool isAccepted) =>
        await IsAsync(isAccepted, With("nbf", Now(seconds)));

    [Fact]
    public async Task A_token_without_an_expiry_is_refused() => await IsAsync(false, Without("exp"));

    [Fact]
    public async Task A_token_of_another_issuer_or_without_one_is_refused()
    {
        await IsAsync(false, With("iss", "another"));
        await IsAsync(false, Without("iss"));
    }

    [Fact]
    public async Task A_token_for_another_audience_or_for_none_is_refused_and_one_for_several_is_accepted()
    {
        await IsAsync(false, With("aud", "another"));
        await IsAsync(false, Without("aud"));
        await IsAsync(false, With("aud", new JsonArray("another", "more")));
        await IsAsync(true, With("aud", new JsonArray("another", "jumun")));
    }

    [Fact]
    public async Task Issuer_and_audience_are_settings()
    {
        await using TestShop own = await TestShop.StartAsync(new()
        {
            ["Jumun:Auth:Issuer"] = "https://issuer.example",
            ["Jumun:Auth:Audience"] = "shop",
        });
        JsonObject claims = Jwt.Claims("alice");
        (await new TestCaller(own, "alice", Jwt.Signed(claims)).GetAsync("/products")).IsProblem(401, "unauthenticated");
        claims["iss"] = "https://issuer.example";
        claims["aud"] = "shop";
        (await new TestCaller(own, "alice", Jwt.Signed(claims)).GetAsync("/products")).Is(200);
    }

    [Fact]
    public async Task A_token_of_another_key_is_refused() =>
        await IsRefusedAsync(Jwt.Signed(Jwt.Claims("alice"), key: "another-key-that-is-also-long-enough-for-hs256"));

    [Fact]
    public async Task A_token_with_any_part_changed_is_refused()
    {
        string[] parts = Jwt.Of("alice").Split('.');
        string bob = Jwt.Of("bob").Split('.')[1];
        await IsRefusedAsync($"{parts[0]}.{bob}.{parts[2]}");
        await IsRefusedAsync($"{parts[0]}.{parts[1]}.");
        await IsRefusedAsync($"{parts[0]}.{parts[1]}");
        await IsRefusedAsync($"{parts[0]}.{parts[1]}.{parts[2][1..]}");
        await IsRefusedAsync($"{parts[0]}.{parts[1]}.{(parts[2][0] == 'A' ? 'B' : 'A')}{parts[2][1..]}");
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("NONE")]
    [InlineData("nOnE")]
    public async Task An_unsigned_token_is_refused(string algorithm) => await IsRefusedAsync(Jwt.Signed(Jwt.Claims("alice"), algorithm));

    [Theory]
    [InlineData("HS384")]
    [InlineData("HS512")]
    public async Task Another_algorithm_with_the_right_key_is_refused(string algorithm) => await IsRefusedAsync(Jwt.Signed(
        Jwt.Claims("alice"), algorithm));

    [Fact]
    public async Task An_RSA_signature_is_refused()
    {
        using var key = RSA.Create(2048);
        await IsRefusedAsync(Jwt.Signed(Jwt.Claims("alice"), key, "key"));
    }

    [Theory]
    [InlineData("JWT", true)]
    [InlineData("at+jwt", true)]
    [InlineData("id+jwt", false)]
    [InlineData("dpop+jwt", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public async Task The_types_JWT_and_at_jwt_are_accepted_and_no_other(string? type, bool isAccepted) =>
        await IsAsync(isAccepted, Jwt.Claims("alice"), type);

    [Fact]
    public async Task A_token_without_a_usable_subject_is_refused()
    {
        await IsAsync(false, Without("sub"));
        foreach (string subject in new[] { "", " ", "a b", "한글", "a/b", "a\n", "a%20b", "\u0000", new string('x', 65) })
        {
            await IsAsync(false, Jwt.Claims(subject), path: "/products");
        }

        await IsAsync(true, Jwt.Claims(new string('x', 64)), path: "/products");
        await IsAsync(true, Jwt.Claims("aZ09._~@|:-"), path: "/products");
        await IsAsync(false, With("sub", new JsonArray("alice")));
        await IsAsync(false, With("sub", null));
    }

    [Fact]
    public async Task An_administrator_carries_the_role_admin_alone_or_among_others()
    {
        await IsAdministratorAsync(true, "admin");
        await IsAdministratorAsync(true, new JsonArray("buyer", "admin"));
        await IsAdministratorAsync(false, "Admin");
        await IsAdministratorAsync(false, "admin,buyer");
        await IsAdministratorAsync(false, new JsonArray("buyer"));
        await IsAdministratorAsync(false, true);
        await IsAdministratorAsync(false, new JsonObject { ["admin"] = true });
        await IsAdministratorAsync(false, new JsonArray(new JsonArray("admin")));
        await IsAdministratorAsync(false, null);
    }

    [Fact]
    public async Task The_role_counts_under_its_own_name_only()
    {
        JsonObject claims = Jwt.Claims("alice");
        claims["roles"] = new JsonArray("admin");
        claims["http://schemas.microsoft.com/ws/2008/06/identity/claims/role"] = "admin";
        (await new TestCaller(shop, "alice", Jwt.Signed(claims)).GetAsync("/admin/audit")).IsProblem(403, "forbidden");
    }

    [Fact]
    public async Task A_remembered_token_is_refused_after_its_expiry()
    {
        await using TestShop own = await TestShop.StartAsync();
        var caller = new TestCaller(own, "alice", Jwt.Signed(With("exp", Now(600))));
        (await caller.GetAsync("/products")).Is(200);
        own.Clock.Advance(TimeSpan.FromSeconds(600));
        (await caller.GetAsync("/products")).Is(200);
        own.Clock.Advance(TimeSpan.FromSeconds(31));
        (await caller.GetAsync("/products")).IsProblem(401, "unauthenticated");
        (await caller.GetAsync("/products")).IsProblem(401, "unauthenticated");
    }

    [Fact]
    public async Task A_refused_token_is_refused_again()
    {
        string token = Jwt.Signed(With("iss", "another"));
        await IsRefusedAsync(token);
        await IsRefusedAsync(token);
    }

    [Fact]
    public async Task A_bad_token_does_no_harm_where_none_is_needed()
    {
        (await GetAsync("Bearer x", "/products/top")).Is(200);
        (await GetAsync("Bearer x", "/health/live")).Is(200);
    }

    private static long Now(int seconds) => DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds;

    private static JsonObject With(string claim, JsonNode? value)
    {
        JsonObject claims = Jwt.Claims("alice");
        claims[claim] = value;
        return claims;
    }

    private static JsonObject Without(string claim)
    {
        JsonObject claims = Jwt.Claims("alice");
        claims.Remove(claim);
        return claims;
    }

    private async Task IsAsync(bool isAccepted, JsonObject claims, string? type = "JWT", string path = "/members/alice/points")
    {
        TestAnswer answer = await GetAsync($"Bearer {Jwt.Signed(claims, type: type)}", path);
        Assert.True(answer.Status == (isAccepted ? 200 : 401), $"{claims.ToJsonString()} was answered {answer.Status}.");
    }

    private async Task IsRefusedAsync(string token, bool isWhole = false)
    {
        TestAnswer answer = (await GetAsync(isWhole ? token : $"Bearer {token}")).IsProblem(401, "unauthenticated");
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().ToString());
        answer.Json.HasOnly("type", "title", "status", "detail", "code", "traceId");
    }

    private async Task IsAdministratorAsync(bool isAdministrator, JsonNode? role)
    {
        TestAnswer answer = await GetAsync($"Bearer {Jwt.Signed(With("role", role))}", "/admin/orders");
        Assert.Equal(isAdministrator ? 200 : 403, answer.Status);
    }

    private Task<TestAnswer> GetAsync(string authorization, string path = "/members/alice/points")
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return shop.AsNobody().SendAsync(request);
    }
}
