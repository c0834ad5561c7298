using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Jumun.Server.Operators;

/// <summary>
/// The authorization code flow with PKCE (RFC 6749, 7636), as far as the console needs it: the operator signs in at the issuer, and
/// what comes back is exchanged for an access token, which counts for what any token counts for. State and verifier wait in a
/// cookie of ten minutes.
/// </summary>
internal sealed class CodeFlow(Settings settings, Auth auth) : IDisposable
{
    private const string Cookie = "jumun-sign-in";
    private const string Callback = "/console/sign-in/callback";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
    {
        Timeout = TimeSpan.FromSeconds(Bounds.IssuerSeconds),
        MaxResponseContentBufferSize = Bounds.BodyBytes,
    };

    /// <summary>Whether operators sign in so.</summary>
    public bool IsSet => settings.SignIn is not null;

    /// <summary>Where to send the operator; null when the issuer cannot be reached or has no such way in.</summary>
    public async ValueTask<string?> BeginAsync(HttpContext context)
    {
        if (settings.SignIn is not { } client
            || await auth.IssuerAsync(context.RequestAborted).ConfigureAwait(false) is not { AuthorizationEndpoint: { Length: > 0 } endpoint })
        {
            return null;
        }

        string state = Random();
        string verifier = Random();
        context.Response.Cookies.Append(Cookie, $"{state}.{verifier}", Options(context, Patience));
        return QueryHelpers.AddQueryString(endpoint, new Dictionary<string, string?>
        {
            ["response_type"] = "code",
            ["client_id"] = client.ClientId,
            ["redirect_uri"] = CallbackOf(context.Request),
            ["scope"] = client.Scope,
            ["state"] = state,
            ["code_challenge"] = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier))),
            ["code_challenge_method"] = "S256",
        });
    }

    /// <summary>The access token for what the issuer sent the operator back with; null, and why, when there is none.</summary>
    public async ValueTask<(string? Token, string Reason)> FinishAsync(HttpContext context)
    {
        IQueryCollection query = context.Request.Query;
        string[] begun = (context.Request.Cookies[Cookie] ?? "").Split('.');
        context.Response.Cookies.Delete(Cookie, Options(context, maxAge: null));
        if (begun.Length != 2 || !IsSame(begun[0], query["state"]))
        {
            return (null, "it was not begun in this browser, or too long ago");
        }

        if (query["error"] is { Count: > 0 } error)
        {
            return (null, $"the issuer answered {Short(error)}");
        }

        if (settings.SignIn is not { } client || query["code"] is not { Count: 1 } code
            || await auth.IssuerAsync(context.RequestAborted).ConfigureAwait(false) is not { } issuer)
        {
            return (null, "the issuer sent no code, or cannot be reached");
        }

        if (query["iss"] is { Count: > 0 } from && from != issuer.Issuer)
        {
            return (null, "the answer is another issuer's");
        }

        return await ExchangeAsync(context, client, issuer, code!, begun[1]).ConfigureAwait(false);
    }

    public void Dispose() => http.Dispose();

    private async ValueTask<(string? Token, string Reason)> ExchangeAsync(
        HttpContext context, SignInSettings client, OpenIdConnectConfiguration issuer, string code, string verifier)
    {
        var form = new Dictionary<string, string>
        {
            ["grant_type"] = "authorization_code",
            ["code"] = code,
            ["redirect_uri"] = CallbackOf(context.Request),
            ["client_id"] = client.ClientId,
            ["code_verifier"] = verifier,
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, issuer.TokenEndpoint) { Content = new FormUrlEncodedContent(form) };
        request.Headers.Accept.ParseAdd("application/json");
        if (client.ClientSecret is { } secret)
        {
            string pair = $"{Uri.EscapeDataString(client.ClientId)}:{Uri.EscapeDataString(secret)}";
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(pair)));
        }

        try
        {
            using HttpResponseMessage response = await http.SendAsync(request, context.RequestAborted).ConfigureAwait(false);
            byte[] body = await response.Content.ReadAsByteArrayAsync(context.RequestAborted).ConfigureAwait(false);
            using JsonDocument answer = JsonDocument.Parse(body);
            return response.IsSuccessStatusCode && answer.RootElement.TryGetProperty("access_token", out JsonElement token)
                ? (token.GetString(), "")
                : (null, $"the issuer answered {(int)response.StatusCode} to the code");
        }
        catch (Exception error) when (error is HttpRequestException or JsonException or InvalidOperationException or TaskCanceledException)
        {
            return (null, "the issuer did not answer the code");
        }
    }

    private static bool IsSame(string one, string? other) => one.Length > 0 && other is not null
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(one), Encoding.UTF8.GetBytes(other));

    private static string Random() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    /// <summary>An error's name, for the log: what a browser brought may be anything.</summary>
    private static string Short(string? error) => new([.. (error ?? "").Where(c => char.IsAsciiLetterOrDigit(c) || c == '_').Take(40)]);

    private static string CallbackOf(HttpRequest request) => $"{request.Scheme}://{request.Host}{Callback}";

    /// <summary>Lax, because the issuer sends the operator back: a strict cookie would stay behind.</summary>
    private static CookieOptions Options(HttpContext context, TimeSpan? maxAge) => new()
    {
        HttpOnly = true,
        Secure = Session.IsForHttpsAlone(context),
        SameSite = SameSiteMode.Lax,
        Path = Callback,
        MaxAge = maxAge,
        IsEssential = true,
    };
}
