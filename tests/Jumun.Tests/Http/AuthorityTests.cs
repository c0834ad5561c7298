using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Jumun.Server;

namespace Jumun.Tests.Http;

/// <summary>Bearer tokens of an OpenID Connect issuer: a real one on a socket, with an RSA key.</summary>
public sealed class AuthorityTests
{
    [Fact]
    public async Task A_token_of_the_issuer_is_accepted_and_an_administrators_too()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await StartAsync(issuer);
        (await As(shop, issuer.Token("alice")).GetAsync("/members/alice/points")).Is(200);
        (await As(shop, issuer.Token("alice")).GetAsync("/members/bob/points")).IsProblem(403, "forbidden");
        (await As(shop, issuer.Token("alice")).GetAsync("/admin/orders")).IsProblem(403, "forbidden");
        (await As(shop, issuer.Token("root", role: "admin")).GetAsync("/admin/orders")).Is(200);
    }

    [Fact]
    public async Task A_token_signed_with_a_shared_key_is_refused_whatever_the_key()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await StartAsync(issuer);
        JsonObject claims = issuer.Claims("alice");
        await IsRefusedAsync(shop, Jwt.Signed(claims));
        await IsRefusedAsync(shop, Jwt.Signed(claims, key: issuer.PublicKeyPem));
        await IsRefusedAsync(shop, Jwt.Signed(claims, "none"));
        await IsRefusedAsync(shop, Jwt.Of("alice"));
    }

    [Fact]
    public async Task A_token_of_another_RSA_key_is_refused_even_under_the_issuers_key_id()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await StartAsync(issuer);
        using var foreign = RSA.Create(2048);
        await IsRefusedAsync(shop, Jwt.Signed(issuer.Claims("alice"), foreign, issuer.KeyId));
        await IsRefusedAsync(shop, Jwt.Signed(issuer.Claims("alice"), foreign, "foreign"));
    }

    [Fact]
    public async Task A_token_with_another_issuer_audience_or_an_expiry_in_the_past_is_refused()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await StartAsync(issuer);
        foreach ((string claim, JsonNode value) in new (string, JsonNode)[] { ("iss", "jumun"), ("aud", "another"), ("exp", 1_000_000_000) })
        {
            JsonObject claims = issuer.Claims("alice");
            claims[claim] = value;
            await IsRefusedAsync(shop, issuer.Sign(claims));
        }
    }

    [Fact]
    public async Task A_new_key_of_the_issuer_is_found_and_a_withdrawn_one_counts_no_more()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await StartAsync(issuer);
        string before = issuer.Token("alice");
        (await As(shop, before).GetAsync("/products")).Is(200);
        issuer.Rotate();
        string after = issuer.Token("alice");
        await TestShop.UntilAsync(async () => (await As(shop, after).GetAsync("/products")).Status == 200);
        await IsRefusedAsync(shop, before);
    }

    [Fact]
    public async Task A_withdrawn_key_counts_for_minutes_at_most_where_nobody_brings_a_token_of_a_new_one()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        issuer.Announce();
        await using TestShop shop = await StartAsync(issuer);
        GoByTheClockOf(shop);
        string withdrawn = issuer.Token("alice");
        (await As(shop, withdrawn).GetAsync("/products")).Is(200);
        issuer.Rotate();
        string good = issuer.Token("alice");
        (await As(shop, good).GetAsync("/products")).Is(200);
        shop.Clock.Advance(TimeSpan.FromSeconds(60 * 11));
        await TestShop.UntilAsync(async () => (await As(shop, withdrawn).GetAsync("/products")).Status == 401);
        (await As(shop, good).GetAsync("/products")).Is(200);
    }

    [Fact]
    public async Task Whoever_names_an_unknown_key_keeps_no_new_key_of_the_issuer_from_being_found()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await StartAsync(issuer);
        GoByTheClockOf(shop);
        (await As(shop, issuer.Token("alice")).GetAsync("/products")).Is(200);
        using var foreign = RSA.Create(2048);
        await IsRefusedAsync(shop, Jwt.Signed(issuer.Claims("alice"), foreign, "foreign"));
        await TestShop.UntilAsync(() => Task.FromResult(issuer.KeysAsked == 2));
        issuer.Rotate();
        string after = issuer.Token("alice");
        await IsRefusedAsync(shop, after);
        shop.Clock.Advance(TimeSpan.FromSeconds(31));
        await TestShop.UntilAsync(async () => (await As(shop, after).GetAsync("/products")).Status == 200);
    }

    [Fact]
    public async Task Tokens_stay_remembered_while_the_issuer_has_the_same_keys()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        issuer.Announce();
        await using TestShop shop = await StartAsync(issuer);
        GoByTheClockOf(shop);
        JsonObject claims = issuer.Claims("alice");
        claims["nbf"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        string remembered = issuer.Sign(claims);
        (await As(shop, remembered).GetAsync("/products")).Is(200);

        object? before = await shop.Tokens.IssuerAsync(TestContext.Current.CancellationToken);
        shop.Clock.Advance(TimeSpan.FromSeconds(60 * 11));
        await TestShop.UntilAsync(async () => !ReferenceEquals(before, await shop.Tokens.IssuerAsync(TestContext.Current.CancellationToken)));

        // A day before it counts a token is refused that is looked at anew.
        shop.Clock.Advance(-TimeSpan.FromDays(1));
        claims["jti"] = "another";
        await IsRefusedAsync(shop, issuer.Sign(claims));
        (await As(shop, remembered).GetAsync("/products")).Is(200);
    }

    [Fact]
    public async Task A_remembered_token_is_refused_after_its_expiry()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await StartAsync(issuer);
        JsonObject claims = issuer.Claims("alice");
        claims["exp"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 600;
        string token = issuer.Sign(claims);
        (await As(shop, token).GetAsync("/products")).Is(200);
        shop.Clock.Advance(TimeSpan.FromSeconds(631));
        await IsRefusedAsync(shop, token);
    }

    [Fact]
    public async Task Nobody_is_let_in_while_the_issuer_cannot_be_reached_and_open_routes_stay_open()
    {
        Issuer issuer = await Issuer.StartAsync();
        string token = issuer.Token("alice");
        await issuer.DisposeAsync();
        await using TestShop shop = await StartAsync(issuer);
        TestAnswer answer = (await As(shop, token).GetAsync("/products")).IsProblem(503, "unavailable");
        Assert.Equal("none", (string?)answer["outcome"]);
        Assert.True(answer.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1));
        (await shop.AsNobody().GetAsync("/products")).IsProblem(401, "unauthenticated");
        (await shop.AsNobody().GetAsync("/products/top")).Is(200);
    }

    [Fact]
    public async Task An_issuer_that_is_broken_is_asked_once_for_everybody_and_again_after_a_pause()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        issuer.IsBroken = true;
        await using TestShop shop = await StartAsync(issuer);
        string token = issuer.Token("alice");
        for (int crowd = 0; crowd < 2; crowd++)
        {
            TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => As(shop, token).GetAsync("/products")));
            Assert.All(answers, answer => answer.IsProblem(503, "unavailable"));

            // One attempt, which may repeat what was answered 500.
            Assert.InRange(issuer.Asked, 1, 2);
        }

        issuer.IsBroken = false;
        shop.Clock.Advance(TimeSpan.FromSeconds(60));
        (await As(shop, token).GetAsync("/products")).Is(200);
        await IsRefusedAsync(shop, "x");
    }

    [Fact]
    public async Task An_issuer_that_never_answers_keeps_nobody_for_long()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await using TestShop shop = await TestShop.StartAsync(new()
        {
            ["Jumun:Auth:SigningKey"] = "",
            ["Jumun:Auth:Authority"] = $"http://{silent.LocalEndpoint}",
        });
        Task<TestAnswer[]> crowd = Task.WhenAll(Enumerable.Range(0, 40).Select(_ => As(shop, "x").GetAsync("/products")));
        Assert.All(await crowd.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken), answer => answer.IsProblem(503, "unavailable"));
    }

    private static Task<TestShop> StartAsync(Issuer issuer) => TestShop.StartAsync(new()
    {
        ["Jumun:Auth:SigningKey"] = "",
        ["Jumun:Auth:Authority"] = issuer.Url,
    });

    /// <summary>The issuer's keys are read by the clock of the test, too. What reads them has a clock, and no way to be given another.</summary>
    private static void GoByTheClockOf(TestShop shop)
    {
        const BindingFlags inside = BindingFlags.Instance | BindingFlags.NonPublic;
        object reader = typeof(Auth).GetField("issuer", inside)!.GetValue(shop.Tokens)!;
        reader.GetType().GetField("TimeProvider", inside)!.SetValue(reader, shop.Clock);
    }

    private static TestCaller As(TestShop shop, string token) => new(shop, "alice", token);

    private static async Task IsRefusedAsync(TestShop shop, string token) =>
        (await As(shop, token).GetAsync("/products")).IsProblem(401, "unauthenticated");
}
