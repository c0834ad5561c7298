using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Unicode;
using Jumun.Server.Api;
using Jumun.Server.Problems;

namespace Jumun.Server.Operators;

/// <summary>The door of the console: plain pages and forms, the only ones of it that anybody may see.</summary>
internal sealed class SignIn(Shop shop, Auth auth, CodeFlow flow, SignOuts signOuts, ILogger<SignIn> log)
{
    private const string Door = "/console/sign-in";
    private const int CookieLength = 3_800;

    private static readonly SearchValues<char> TokenCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);

    private static readonly Text NoToken = new(
        "This is no token that counts here: it is not signed for this shop, or has expired.", "유효한 토큰이 아닙니다. 이 상점을 위해 서명되지 않았거나 만료되었습니다.");

    private static readonly Text Away = new(
        "The issuer cannot be reached, so that no token can be checked. Try again in a moment.",
        "발급자에 연결할 수 없어 토큰을 확인할 수 없습니다. 잠시 후 다시 시도하세요.");

    private static readonly Text NotAToken = new(
        "This is no token: it has three parts with dots between them. Copy the whole of it.",
        "토큰이 아닙니다. 토큰은 점으로 이어진 세 부분입니다. 전체를 복사하세요.");

    private static readonly Text NoAdministrator = new(
        "This token is a member's. The console is for administrators: their tokens carry the role admin.",
        "회원의 토큰입니다. 콘솔은 관리자 전용이며, 관리자 토큰에는 admin 역할이 있어야 합니다.");

    private static readonly Text TooLong = new("This token is too long for a browser to keep.", "토큰이 너무 길어 브라우저에 보관할 수 없습니다.");
    private static readonly Text Ended = new("The session has ended. Sign in again.", "세션이 끝났습니다. 다시 로그인하세요.");
    private static readonly Text NotSignedIn = new("The issuer did not sign you in. Try again.", "발급자가 로그인을 완료하지 못했습니다. 다시 시도하세요.");

    private readonly Lock telling = new();
    private long? told;
    private long untold;

    /// <summary>Sends whoever has no session to the door.</summary>
    public static Task AskAsync(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = http.Request.Cookies.ContainsKey(Session.Cookie) ? $"{Door}?ended" : Door;
        return Task.CompletedTask;
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(Door, PageAsync).WithMetadata(Open("signInPage", "The page where operators sign in."));
        routes.MapPost(Door, TokenAsync).WithMetadata(Open("signIn", "Begins a session with a pasted token."));
        routes.MapPost("/console/sign-out", OutAsync).WithMetadata(Open("signOut", "Ends the session."));
        routes.MapPost("/console/language", LanguageAsync).WithMetadata(Open("chooseLanguage", "Chooses the console's language."));
        routes.MapGet($"{Door}/issuer", ToIssuerAsync).WithMetadata(Open("signInAtIssuer", "Sends the operator to the issuer."));
        routes.MapGet($"{Door}/callback", FromIssuerAsync).WithMetadata(Open("signedInAtIssuer", "Where the issuer sends the operator back to."));
    }

    private static RouteInfo Open(string name, string summary) => new(Access.Anyone, name, summary) { Tag = "console" };

    private Task PageAsync(HttpContext http) =>
        WriteAsync(http, StatusCodes.Status200OK, http.Request.Query.ContainsKey("ended") ? Ended : null);

    private async Task TokenAsync(HttpContext http)
    {
        if (!Session.IsOfThisSite(http.Request) || flow.IsSet || !http.Request.HasFormContentType)
        {
            await http.RefuseAsync(new Refusal(RefusalCode.Forbidden)).ConfigureAwait(false);
            return;
        }

        if (await FormAsync(http).ConfigureAwait(false) is not { } form)
        {
            return;
        }

        string token = TokenIn(form["token"].ToString());
        if (await BeginAsync(http, token).ConfigureAwait(false))
        {
            http.Response.StatusCode = StatusCodes.Status303SeeOther;
            http.Response.Headers.Location = "/console/";
        }
    }

    private async Task ToIssuerAsync(HttpContext http)
    {
        if (await flow.BeginAsync(http).ConfigureAwait(false) is { } address)
        {
            http.Response.StatusCode = StatusCodes.Status303SeeOther;
            http.Response.Headers.Location = address;
            return;
        }

        await WriteAsync(http, StatusCodes.Status503ServiceUnavailable, NotSignedIn).ConfigureAwait(false);
    }

    private async Task FromIssuerAsync(HttpContext http)
    {
        (string? token, string reason) = await flow.FinishAsync(http).ConfigureAwait(false);
        if (token is null)
        {
            TellRefused(reason);
            await WriteAsync(http, StatusCodes.Status403Forbidden, NotSignedIn).ConfigureAwait(false);
        }
        else if (await BeginAsync(http, token).ConfigureAwait(false))
        {
            // A redirect would still be the issuer's doing, and the browser would leave the new cookie behind: this page goes on by itself.
            await WritePageAsync(http, StatusCodes.Status200OK, "", "<meta http-equiv=\"refresh\" content=\"0;url=/console/\">").ConfigureAwait(false);
        }
    }

    private async Task OutAsync(HttpContext http)
    {
        if (!Session.IsOfThisSite(http.Request))
        {
            await http.RefuseAsync(new Refusal(RefusalCode.Forbidden)).ConfigureAwait(false);
            return;
        }

        // Only a session that counts is remembered: anybody may send anything.
        if (Session.NameOf(http.Request) is { } session
            && await auth.AuthenticateAsync(Session.AuthorizationOf(http.Request)).ConfigureAwait(false) is { IsAdministrator: true })
        {
            signOuts.Add(session, shop.Now);
        }

        Session.End(http);
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = Door;
    }

    private static async Task LanguageAsync(HttpContext http)
    {
        if (!Session.IsOfThisSite(http.Request) || !http.Request.HasFormContentType)
        {
            await http.RefuseAsync(new Refusal(RefusalCode.Forbidden)).ConfigureAwait(false);
            return;
        }

        if (await FormAsync(http).ConfigureAwait(false) is not { } form)
        {
            return;
        }

        Session.Choose(http, form["to"] == "ko" ? Language.Korean : Language.English);
        string back = form["back"].ToString();
        http.Response.StatusCode = StatusCodes.Status303SeeOther;

        // A page of the console and nothing else: what a form brings may be anybody's.
        bool isPage = !back.StartsWith('/') && back.All(c => char.IsAsciiLetterOrDigit(c) || "/-._~%?=&".Contains(c, StringComparison.Ordinal));
        http.Response.Headers.Location = isPage ? $"/console/{back}" : "/console/";
    }

    /// <summary>The form that was sent; null when it cannot be read, which was answered.</summary>
    private static async ValueTask<IFormCollection?> FormAsync(HttpContext http)
    {
        try
        {
            return await http.Request.ReadFormAsync(http.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception error) when (error is InvalidDataException or IOException and not BadHttpRequestException)
        {
            // Cut short, without a boundary, or with more or longer names than a form may have: the client's doing, not a bug.
            await http.RefuseAsync(Refusal.Invalid("", FieldRule.Form)).ConfigureAwait(false);
            return null;
        }
    }

    /// <summary>The token in what was pasted: without the scheme, and without a bracket or a quotation mark that was copied along.</summary>
    private static string TokenIn(string pasted)
    {
        string text = pasted.Trim();
        text = text.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? text["Bearer ".Length..] : text;
        int first = text.AsSpan().IndexOfAny(TokenCharacters);
        return first < 0 ? "" : text[first..(text.AsSpan().LastIndexOfAny(TokenCharacters) + 1)];
    }

    /// <summary>Begins a session when the token is an administrator's; otherwise says what is wrong with it.</summary>
    private async ValueTask<bool> BeginAsync(HttpContext http, string token)
    {
        Caller? caller = await auth.AuthenticateAsync($"Bearer {token}").ConfigureAwait(false);
        Text? wrong = token.Count(c => c == '.') != 2 ? NotAToken
            : caller is null && !auth.CanCheck ? Away
            : caller is null ? NoToken
            : !caller.IsAdministrator ? NoAdministrator
            : token.Length > CookieLength ? TooLong
            : null;
        if (wrong is { } text)
        {
            TellRefused(text.English);
            int status = wrong == Away ? StatusCodes.Status503ServiceUnavailable
                : caller is null ? StatusCodes.Status401Unauthorized
                : StatusCodes.Status403Forbidden;
            await WriteAsync(http, status, text).ConfigureAwait(false);
            return false;
        }

        Session.Begin(http, token, caller!, shop.Now);
        Log.SignedIn(log, caller!.MemberId);
        return true;
    }

    /// <summary>Tells the log of a refused sign-in: the first at once, and then one now and then, with how many others there were. Anybody may try.</summary>
    private void TellRefused(string reason)
    {
        lock (telling)
        {
            if (told is { } last && shop.Clock.GetElapsedTime(last) < TimeSpan.FromSeconds(Bounds.SignInLogSeconds))
            {
                untold++;
                return;
            }

            Log.SignInRefused(log, reason, untold);
            (told, untold) = (shop.Clock.GetTimestamp(), 0);
        }
    }

    private Task WriteAsync(HttpContext http, int status, Text? note)
    {
        Language language = Session.LanguageOf(http.Request);
        string noted = note is { } text ? $"""<p class="note bad" role="alert">{Html(text.In(language))}</p>""" : "";
        string way = flow.IsSet
            ? $"""<p><a class="button primary wide" href="/console/sign-in/issuer">{Html(Say("Sign in", "로그인"))}</a></p>"""
            : $"""
                <form class="stack" method="post" action="/console/sign-in">
                <div class="field">
                <label for="token">{Html(Say("An administrator's token", "관리자 토큰"))}</label>
                <input id="token" name="token" type="password" autocomplete="off" required autofocus aria-describedby="token-hint">
                <span class="hint" id="token-hint">{Html(Say(
                    "The server prints one at its start in Development; elsewhere: Jumun.Server token --member NAME --admin",
                    "개발 환경에서는 서버가 시작할 때 출력합니다. 그 밖에는: Jumun.Server token --member 이름 --admin"))}</span>
                </div>
                <button class="button primary" type="submit">{Html(Say("Sign in", "로그인"))}</button>
                </form>
                """;
        string body = $"""
            <main class="page door stack">
            <p class="brand">Jumun</p>
            <h1>{Html(Say("The operators' console", "운영자 콘솔"))}</h1>
            {noted}
            {way}
            </main>
            """;
        return WritePageAsync(http, status, body);

        string Say(string english, string korean) => new Text(english, korean).In(language);
    }

    private static Task WritePageAsync(HttpContext http, int status, string body, string head = "")
    {
        Language language = Session.LanguageOf(http.Request);
        http.Response.StatusCode = status;
        http.Response.ContentType = "text/html; charset=utf-8";
        http.Response.Headers.ContentLanguage = Session.TagOf(language);
        ConsoleWeb.Secure(http.Response.Headers);
        return http.Response.WriteAsync($"""
            <!doctype html>
            <html lang="{Session.TagOf(language)}">
            <head>
            <meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>{Html(new Text("Sign in", "로그인").In(language))} · Jumun</title>
            <link rel="icon" href="data:,">
            <link rel="stylesheet" href="/jumun.css"><link rel="stylesheet" href="/console/console.css">
            {head}
            </head>
            <body>
            {body}
            </body>
            </html>
            """);
    }

    private static string Html(string text) => Encoder.Encode(text);
}
