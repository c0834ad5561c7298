using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Jumun.Server.Operators;
using Jumun.Tests.Http;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jumun.Tests.Operators;

/// <summary>The door of the console, as a browser without scripts meets it.</summary>
[Once]
public sealed class SessionTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task An_administrators_token_begins_a_session_that_no_script_and_no_other_site_can_use()
    {
        TestAnswer answer = (await SignInAsync(shop, Jwt.Of("admin", isAdministrator: true))).Is(303);
        Assert.Equal("/console/", answer.Headers.Location!.OriginalString);
        string cookie = Assert.Single(answer.Headers.GetValues("Set-Cookie"));
        Assert.StartsWith("jumun-console=", cookie, StringComparison.Ordinal);
        foreach (string part in new[] { "path=/console", "httponly", "samesite=strict", "max-age=" })
        {
            Assert.Contains(part, cookie, StringComparison.Ordinal);
        }

        TestAnswer page = (await PageAsync(shop, "/console/", CookieOf(answer))).Is(200);
        Assert.DoesNotContain(CookieOf(answer)["jumun-console=".Length..], page.Text, StringComparison.Ordinal);
        Assert.Contains("/console/_framework/blazor.web.js", page.Text, StringComparison.Ordinal);
        string policy = Assert.Single(page.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Behind_a_proxy_that_ends_TLS_the_cookies_are_for_https_alone_and_on_the_servers_own_machine_they_are_not()
    {
        string token = Jwt.Of("admin", isAdministrator: true);
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop own = await StartAsync(issuer);
        foreach ((string host, bool isForHttps) in new[] { ("shop.example", true), ("10.0.0.7:5080", true), ("localhost:5080", false), ("127.0.0.1", false) })
        {
            var pasted = new HttpRequestMessage(HttpMethod.Post, "/console/sign-in") { Content = new FormUrlEncodedContent([new("token", token)]) };
            pasted.Headers.Host = host;
            TestAnswer answer = (await shop.AsNobody().SendAsync(pasted)).Is(303);
            Assert.Equal(isForHttps, Assert.Single(answer.Headers.GetValues("Set-Cookie")).Contains("; secure", StringComparison.Ordinal));

            var begun = new HttpRequestMessage(HttpMethod.Get, "/console/sign-in/issuer");
            begun.Headers.Host = host;
            string cookie = Assert.Single((await own.AsNobody().SendAsync(begun)).Is(303).Headers.GetValues("Set-Cookie"));
            Assert.StartsWith("jumun-sign-in=", cookie, StringComparison.Ordinal);
            Assert.Equal(isForHttps, cookie.Contains("; secure", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_console_starts_nothing_and_keeps_no_keys()
    {
        var services = new ServiceCollection();
        services.AddConsole();
        Assert.DoesNotContain(services, service => service.ServiceType == typeof(IHostedService));
        ServiceDescriptor keys = services.Last(service => service.ServiceType == typeof(IDataProtectionProvider));
        Assert.Equal(typeof(EphemeralDataProtectionProvider), keys.ImplementationType ?? keys.ImplementationInstance?.GetType());
    }

    [Fact]
    public async Task A_members_token_is_refused_and_told_why()
    {
        TestAnswer answer = (await SignInAsync(shop, Jwt.Of("alice"))).Is(403);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        Assert.Contains("The console is for administrators", answer.Text, StringComparison.Ordinal);
        (await PageAsync(shop, "/console/", $"jumun-console={Jwt.Of("alice")}")).IsProblem(403, "forbidden");
    }

    [Fact]
    public async Task Nobody_is_let_in_without_a_token_that_counts()
    {
        foreach (string bad in new[] { "", "nonsense", Jwt.Signed(Jwt.Claims("admin"), key: "another key, which is long enough to be one") })
        {
            TestAnswer answer = (await SignInAsync(shop, bad)).Is(401);
            Assert.False(answer.Headers.Contains("Set-Cookie"));
        }

        TestAnswer asked = (await PageAsync(shop, "/console/orders", "jumun-console=nonsense")).Is(303);
        Assert.Equal("/console/sign-in?ended", asked.Headers.Location!.OriginalString);
        (await PageAsync(shop, "/console/_blazor", "jumun-console=nonsense")).IsProblem(401, "unauthenticated");
        TestAnswer door = (await shop.AsNobody().GetAsync("/console/sign-in?ended")).Is(200);
        Assert.Contains("The session has ended", door.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_cookie_opens_the_console_alone_and_a_page_of_another_host_opens_nothing()
    {
        string cookie = CookieOf(await SignInAsync(shop, Jwt.Of("admin", isAdministrator: true)));
        (await PageAsync(shop, "/admin/orders", cookie)).IsProblem(401, "unauthenticated");
        (await PageAsync(shop, "/console/_blazor", cookie, origin: "https://evil.example")).IsProblem(403, "forbidden");
        (await PageAsync(shop, "/console/", cookie, origin: shop.Http.BaseAddress!.GetLeftPart(UriPartial.Authority))).Is(200);
        (await SignInAsync(shop, Jwt.Of("admin", isAdministrator: true), origin: "https://evil.example")).IsProblem(403, "forbidden");
    }

    [Fact]
    public async Task A_session_ends_with_its_token_and_when_its_operator_says_so()
    {
        await using TestShop own = await TestShop.StartAsync();
        JsonObject claims = Jwt.Claims("admin");
        claims["role"] = "admin";
        claims["exp"] = DateTimeOffset.UtcNow.AddMinutes(5).ToUnixTimeSeconds();
        string cookie = CookieOf((await SignInAsync(own, Jwt.Signed(claims))).Is(303));
        (await PageAsync(own, "/console/", cookie)).Is(200);
        TestAnswer gone = (await FormAsync(own, "/console/sign-out", [], cookie)).Is(303);
        Assert.Contains(gone.Headers.GetValues("Set-Cookie"), set => set.StartsWith("jumun-console=;", StringComparison.Ordinal));

        // The browser has nothing any more, to load a page or to connect one again. A copy is a token like any other.
        (await PageAsync(own, "/console/", cookie: "")).Is(303);
        (await PageAsync(own, "/console/_blazor", cookie: "")).IsProblem(401, "unauthenticated");
        (await PageAsync(own, "/console/", cookie)).Is(200);
        own.Clock.Advance(TimeSpan.FromMinutes(6));
        (await PageAsync(own, "/console/", cookie)).Is(303);
    }

    [Fact]
    public async Task The_door_speaks_the_language_of_the_browser_until_another_is_chosen()
    {
        Assert.Contains("운영자 콘솔", (await PageAsync(shop, "/console/sign-in", cookie: "", language: "ko-KR")).Is(200).Text, StringComparison.Ordinal);
        TestAnswer chosen = (await FormAsync(shop, "/console/language", new() { ["to"] = "ko", ["back"] = "orders?member=%40alice" }, cookie: "")).Is(303);
        Assert.Equal("/console/orders?member=%40alice", chosen.Headers.Location!.OriginalString);
        Assert.Contains("운영자 콘솔", (await PageAsync(shop, "/console/sign-in", CookieOf(chosen), language: "en")).Text, StringComparison.Ordinal);
        TestAnswer elsewhere = (await FormAsync(shop, "/console/language", new() { ["to"] = "en", ["back"] = "//evil.example" }, cookie: "")).Is(303);
        Assert.Equal("/console/", elsewhere.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("multipart/form-data", "x")]
    [InlineData("multipart/form-data; boundary=x", "x")]
    [InlineData("application/x-www-form-urlencoded", "a key of 2,100")]
    [InlineData("application/x-www-form-urlencoded", "1,100 pairs")]
    public async Task A_form_that_cannot_be_read_is_an_invalid_request_and_no_bug(string type, string what)
    {
        string body = what switch
        {
            "a key of 2,100" => $"{new string('k', 2_100)}=v",
            "1,100 pairs" => string.Join('&', Enumerable.Range(0, 1_100).Select(number => $"k{number}=v")),
            _ => what,
        };
        foreach (string path in new[] { "/console/sign-in", "/console/language" })
        {
            var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
            TestAnswer answer = await shop.AsNobody().SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = content });
            answer.IsProblem(400, "invalid_request");
            Assert.Contains("must be a form", answer.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Operators_sign_in_at_the_issuer_with_a_code_and_its_verifier()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop own = await StartAsync(issuer);
        Assert.DoesNotContain("<form", (await own.AsNobody().GetAsync("/console/sign-in")).Is(200).Text, StringComparison.Ordinal);
        (await SignInAsync(own, issuer.Token("root", "admin"))).IsProblem(403, "forbidden");

        (string callback, string begun) = await AtIssuerAsync(own);
        TestAnswer back = (await PageAsync(own, callback, begun)).Is(200);
        (await PageAsync(own, "/console/", SessionOf(back))).Is(200);

        // A code counts once, a state only in the browser that asked, and an answer only from the issuer.
        (await PageAsync(own, callback, begun)).Is(403);
        (callback, begun) = await AtIssuerAsync(own);
        (await PageAsync(own, callback, "")).Is(403);
        (await PageAsync(own, callback, begun.Replace("jumun-sign-in=", "jumun-sign-in=x", StringComparison.Ordinal))).Is(403);
        (await PageAsync(own, callback, $"{begun}x")).Is(403);
        (await PageAsync(own, callback.Replace("iss=http", "iss=https", StringComparison.Ordinal), begun)).Is(403);
        (await PageAsync(own, "/console/sign-in/callback?error=access_denied", begun)).Is(403);
    }

    [Fact]
    public async Task A_member_who_signs_in_at_the_issuer_is_refused_and_an_issuer_that_is_away_is_told()
    {
        Issuer issuer = await Issuer.StartAsync();
        await using TestShop own = await StartAsync(issuer);
        issuer.Operator = ("alice", null);
        (string callback, string begun) = await AtIssuerAsync(own);
        TestAnswer refused = (await PageAsync(own, callback, begun)).Is(403);
        Assert.Contains("The console is for administrators", refused.Text, StringComparison.Ordinal);
        (callback, begun) = await AtIssuerAsync(own);
        await issuer.DisposeAsync();
        (await PageAsync(own, callback, begun)).Is(403);
        await using TestShop lonely = await StartAsync(issuer);
        (await lonely.AsNobody().GetAsync("/console/sign-in/issuer")).Is(503);
    }

    internal static Task<TestShop> StartAsync(Issuer issuer) => TestShop.StartAsync(new()
    {
        ["Jumun:Auth:SigningKey"] = "",
        ["Jumun:Auth:Authority"] = issuer.Url,
        ["Jumun:Console:ClientId"] = Issuer.ClientId,
        ["Jumun:Console:ClientSecret"] = Issuer.ClientSecret,
    });

    /// <summary>Goes to the issuer and is sent back: to where, and with which cookie.</summary>
    private static async Task<(string Callback, string Cookie)> AtIssuerAsync(TestShop shop)
    {
        TestAnswer away = (await shop.AsNobody().GetAsync("/console/sign-in/issuer")).Is(303);
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using HttpResponseMessage back = await http.GetAsync(away.Headers.Location, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Found, back.StatusCode);
        return (back.Headers.Location!.PathAndQuery, CookieOf(away));
    }

    private static string SessionOf(TestAnswer answer) =>
        answer.Headers.GetValues("Set-Cookie").Single(set => set.StartsWith("jumun-console=", StringComparison.Ordinal)).Split(';')[0];

    private static string CookieOf(TestAnswer answer) => answer.Headers.GetValues("Set-Cookie").First().Split(';')[0];

    private static Task<TestAnswer> SignInAsync(TestShop shop, string token, string? origin = null) =>
        FormAsync(shop, "/console/sign-in", new() { ["token"] = token }, cookie: "", origin);

    private static async Task<TestAnswer> FormAsync(
        TestShop shop, string path, Dictionary<string, string> form, string cookie, string? origin = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(form) };
        return await shop.AsNobody().SendAsync(With(request, cookie, origin));
    }

    private static Task<TestAnswer> PageAsync(TestShop shop, string path, string cookie, string? origin = null, string? language = null)
    {
        HttpRequestMessage request = With(new HttpRequestMessage(HttpMethod.Get, path), cookie, origin);
        if (language is not null)
        {
            request.Headers.TryAddWithoutValidation("Accept-Language", language);
        }

        return shop.AsNobody().SendAsync(request);
    }

    private static HttpRequestMessage With(HttpRequestMessage request, string cookie, string? origin)
    {
        if (cookie.Length > 0)
        {
            request.Headers.TryAddWithoutValidation("Cookie", cookie);
        }

        if (origin is not null)
        {
            request.Headers.TryAddWithoutValidation("Origin", origin);
        }

        return request;
    }
}
