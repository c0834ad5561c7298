using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;

namespace Jumun.Tests.Http;

/// <summary>
/// An OpenID Connect issuer, as far as a shop needs one: its keys, and the code flow with PKCE for one client. Whoever comes to
/// it is signed in as <see cref="Operator"/> at once.
/// </summary>
internal sealed class Issuer : IAsyncDisposable
{
    public const string ClientId = "jumun-console";
    public const string ClientSecret = "a secret: with %";

    // To make keys takes far longer than to use them: all issuers begin with the same one, and go on to the same other one.
    private static readonly RSA First = RSA.Create(2048);
    private static readonly RSA Second = RSA.Create(2048);

    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, string> challenges = new();
    private volatile (string Id, RSA Key)[] published = [("first", First)];
    private RSA key = First;
    private int asked;
    private int keysAsked;

    private Issuer(WebApplication app) => this.app = app;

    public string Url { get; private set; } = "";

    public string KeyId { get; private set; } = "first";

    /// <summary>Who signs in, and as what.</summary>
    public (string Name, string? Role) Operator { get; set; } = ("root", "admin");

    /// <summary>Whether it is broken: it answers 500.</summary>
    public bool IsBroken { get; set; }

    /// <summary>How often it was asked what it is.</summary>
    public int Asked => asked;

    /// <summary>How often it has said which keys it has.</summary>
    public int KeysAsked => keysAsked;

    public string PublicKeyPem => key.ExportSubjectPublicKeyInfoPem();

    public static async Task<Issuer> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        WebApplication app = builder.Build();
        var issuer = new Issuer(app);
        app.MapGet("/.well-known/openid-configuration", http =>
        {
            Interlocked.Increment(ref issuer.asked);
            http.Response.StatusCode = issuer.IsBroken ? StatusCodes.Status500InternalServerError : StatusCodes.Status200OK;
            return http.Response.WriteAsync(
                $$"""
                {"issuer":"{{issuer.Url}}","jwks_uri":"{{issuer.Url}}/keys",
                 "authorization_endpoint":"{{issuer.Url}}/authorize","token_endpoint":"{{issuer.Url}}/token"}
                """,
                http.RequestAborted);
        });
        app.MapGet("/keys", http =>
        {
            string keys = issuer.Keys();
            Interlocked.Increment(ref issuer.keysAsked);
            return http.Response.WriteAsync(keys, http.RequestAborted);
        });
        app.MapGet("/authorize", http => issuer.Authorize(http));
        app.MapPost("/token", issuer.ExchangeAsync);
        await app.StartAsync();

        // By name, so that a browser takes it for another site than the shop, which it knows by its number.
        issuer.Url = app.Urls.Single().Replace("127.0.0.1", "localhost", StringComparison.Ordinal);
        return issuer;
    }

    /// <summary>Tells of its second key, and goes on with the first.</summary>
    public void Announce() => published = [("first", First), ("second", Second)];

    /// <summary>Withdraws its first key, and goes on with the second.</summary>
    public void Rotate()
    {
        key = Second;
        KeyId = "second";
        published = [("second", Second)];
    }

    public JsonObject Claims(string member)
    {
        JsonObject claims = Jwt.Claims(member);
        claims["iss"] = Url;
        return claims;
    }

    public string Token(string member, string? role = null)
    {
        JsonObject claims = Claims(member);
        claims["role"] = role;
        return Sign(claims);
    }

    public string Sign(JsonObject claims) => Jwt.Signed(claims, key, KeyId);

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private Task Authorize(HttpContext http)
    {
        IQueryCollection query = http.Request.Query;
        Assert.Equal(("code", ClientId, "S256"), ((string?)query["response_type"], (string?)query["client_id"], (string?)query["code_challenge_method"]));
        string code = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        challenges[code] = query["code_challenge"]!;
        http.Response.Redirect(QueryHelpers.AddQueryString(
            query["redirect_uri"]!, new Dictionary<string, string?> { ["code"] = code, ["state"] = query["state"], ["iss"] = Url }));
        return Task.CompletedTask;
    }

    /// <summary>A token for a code, once, for the client that knows its secret and what the challenge was made from.</summary>
    private async Task ExchangeAsync(HttpContext http)
    {
        IFormCollection form = await http.Request.ReadFormAsync(http.RequestAborted);
        string pair = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Uri.EscapeDataString(ClientId)}:{Uri.EscapeDataString(ClientSecret)}"));
        string verified = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(form["code_verifier"].ToString())));
        bool isGood = http.Request.Headers.Authorization == $"Basic {pair}" && form["grant_type"] == "authorization_code"
            && challenges.TryRemove(form["code"].ToString(), out string? challenge) && challenge == verified;
        http.Response.StatusCode = isGood ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
        await http.Response.WriteAsync(
            isGood ? $$"""{"token_type":"Bearer","access_token":"{{Token(Operator.Name, Operator.Role)}}"}""" : """{"error":"invalid_grant"}""",
            http.RequestAborted);
    }

    private string Keys()
    {
        IEnumerable<string> keys = published.Select(one =>
        {
            RSAParameters parameters = one.Key.ExportParameters(includePrivateParameters: false);
            return $$"""
                {"kty":"RSA","use":"sig","alg":"RS256","kid":"{{one.Id}}",
                 "n":"{{Base64Url.EncodeToString(parameters.Modulus)}}","e":"{{Base64Url.EncodeToString(parameters.Exponent)}}"}
                """;
        });
        return $$"""{"keys":[{{string.Join(',', keys)}}]}""";
    }
}
