using System.Security.Cryptography;
using System.Text;
using Jumun.Server.Problems;

namespace Jumun.Server.Operators;

/// <summary>
/// An operator's session: a cookie that no script can read, that is sent to the console alone and from its own pages alone,
/// and that holds the administrator's token, which is checked at each request as any other. So a session ends when its token does, and
/// any server process knows it.
/// </summary>
internal static class Session
{
    /// <summary>The cookie.</summary>
    public const string Cookie = "jumun-console";

    private const string Path = "/console";
    private const string LanguageCookie = "jumun-language";

    /// <summary>A name for the token of the session, that does not tell it; null without one.</summary>
    public static string? NameOf(HttpRequest request) =>
        request.Cookies[Cookie] is { Length: > 0 } token ? Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token))) : null;

    /// <summary>The token of the session, as a header would carry it; null without one.</summary>
    public static string? AuthorizationOf(HttpRequest request) =>
        request.Cookies[Cookie] is { Length: > 0 } token ? $"Bearer {token}" : null;

    /// <summary>
    /// Whether a request comes from a page of this very host. Browsers send the cookie for no other site; a neighbour under the same
    /// domain is another host all the same.
    /// </summary>
    public static bool IsOfThisSite(HttpRequest request)
    {
        string? origin = request.Headers.Origin;
        return string.IsNullOrEmpty(origin)
            || (Uri.TryCreate(origin, UriKind.Absolute, out Uri? from) && from.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Begins a session.</summary>
    /// <param name="http">The request that signed in.</param>
    /// <param name="token">An administrator's token, found valid.</param>
    /// <param name="caller">Whom it names.</param>
    /// <param name="now">Now.</param>
    public static void Begin(HttpContext http, string token, Caller caller, DateTimeOffset now) =>
        http.Response.Cookies.Append(Cookie, token, Options(http, EndOf(caller, now) - now));

    /// <summary>Ends it.</summary>
    public static void End(HttpContext http) => http.Response.Cookies.Delete(Cookie, Options(http, maxAge: null));

    /// <summary>When a session of this token ends.</summary>
    public static DateTimeOffset EndOf(Caller caller, DateTimeOffset now)
    {
        DateTimeOffset latest = now.AddHours(Bounds.SessionHours);
        return caller.ExpiresAt < latest ? caller.ExpiresAt : latest;
    }

    /// <summary>The language that an operator chose, or else the one that the browser prefers.</summary>
    public static Language LanguageOf(HttpRequest request) => request.Cookies[LanguageCookie] switch
    {
        "ko" => Language.Korean,
        "en" => Language.English,
        _ => ProblemAnswer.LanguageOf(request),
    };

    /// <summary>Remembers the language that an operator chose.</summary>
    public static void Choose(HttpContext http, Language language) => http.Response.Cookies.Append(
        LanguageCookie, TagOf(language), Options(http, TimeSpan.FromDays(365)));

    /// <summary>The language's tag.</summary>
    public static string TagOf(Language language) => language switch
    {
        Language.English => "en",
        Language.Korean => "ko",
    };

    /// <summary>
    /// Whether a cookie is for https alone. A proxy that ends TLS need not say that it did, so that it is, but for what a browser opened over
    /// http on the server's own machine, or a developer anywhere: not every browser takes such a cookie from http://localhost.
    /// </summary>
    public static bool IsForHttpsAlone(HttpContext http) =>
        http.Request.IsHttps
        || !(http.Request.Host.Host is "localhost" or "127.0.0.1" or "[::1]" || http.RequestServices.GetRequiredService<Settings>().IsDevelopment);

    private static CookieOptions Options(HttpContext http, TimeSpan? maxAge) => new()
    {
        HttpOnly = true,
        Secure = IsForHttpsAlone(http),
        SameSite = SameSiteMode.Strict,
        Path = Path,
        MaxAge = maxAge,
        IsEssential = true,
    };
}
