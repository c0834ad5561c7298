using Jumun.Server.Execution;
using Jumun.Server.Operators;

namespace Jumun.Server.Api;

/// <summary>Who may use a route. A route that does not say is closed to everybody.</summary>
internal enum Access
{
    /// <summary>Anybody, without a token.</summary>
    Anyone,

    /// <summary>Any member.</summary>
    Member,

    /// <summary>The member that the path names, or an administrator.</summary>
    Owner,

    /// <summary>An administrator.</summary>
    Administrator,

    /// <summary>An administrator who has signed in to the console: by its cookie, never by a header.</summary>
    Console,
}

/// <summary>Lets a request through to its route, or refuses it before anything is read.</summary>
internal sealed class AccessControl(RequestDelegate next, Auth auth)
{
    public Task InvokeAsync(HttpContext http)
    {
        // No route, or the framework's own answer to a method that the path does not have: there is nothing to guard.
        if (http.GetEndpoint() is not RouteEndpoint endpoint)
        {
            return next(http);
        }

        RouteInfo? route = endpoint.Metadata.GetMetadata<RouteInfo>();
        if (route?.Access == Access.Anyone)
        {
            return next(http);
        }

        ValueTask<Caller?> authentication = auth.AuthenticateAsync(AuthorizationOf(http, route));
        return authentication.IsCompletedSuccessfully ? Admit(http, route, authentication.Result) : AdmitLater(http, route, authentication);
    }

    private async Task AdmitLater(HttpContext http, RouteInfo? route, ValueTask<Caller?> authentication) =>
        await Admit(http, route, await authentication.ConfigureAwait(false)).ConfigureAwait(false);

    private Task Admit(HttpContext http, RouteInfo? route, Caller? caller)
    {
        if (route?.Access == Access.Console && !Session.IsOfThisSite(http.Request))
        {
            return http.RefuseAsync(new Refusal(RefusalCode.Forbidden));
        }

        if (caller is null && !auth.CanCheck && AuthorizationOf(http, route) is not null)
        {
            // Nobody can say yet whether the token is good: whoever holds a good one must not throw it away.
            return http.RefuseAsync(Refusal.Unavailable(RequestOutcome.None, Bounds.IssuerPauseSeconds));
        }

        if (caller is null)
        {
            return route is { Access: Access.Console, Tag: ConsoleWeb.Page }
                ? SignIn.AskAsync(http)
                : http.RefuseAsync(new Refusal(RefusalCode.Unauthenticated));
        }

        bool allowed = route?.Access switch
        {
            Access.Anyone or Access.Member => true,
            Access.Owner => caller.IsAdministrator || OwnerOf(http) == caller.MemberId,
            Access.Administrator or Access.Console => caller.IsAdministrator,
            null => false,
        };
        if (!allowed)
        {
            return http.RefuseAsync(new Refusal(RefusalCode.Forbidden));
        }

        if (route!.Access == Access.Owner && !Ids.IsMemberId(OwnerOf(http)))
        {
            return http.RefuseAsync(Refusal.Invalid(http.Request.RouteValues.ContainsKey("userId") ? "userId" : "memberId", FieldRule.MemberId));
        }

        http.Features.Set(caller);
        return next(http);
    }

    private static string? AuthorizationOf(HttpContext http, RouteInfo? route) =>
        route?.Access == Access.Console ? Session.AuthorizationOf(http.Request) : http.Request.Headers.Authorization;

    /// <summary>The member that the path names; the seed calls it userId for orders.</summary>
    public static string OwnerOf(HttpContext http) =>
        (string)(http.Request.RouteValues["memberId"] ?? http.Request.RouteValues["userId"] ?? "")!;
}

/// <summary>The edge of every request: safe headers on every answer, and a problem for whatever went wrong.</summary>
internal sealed class Edge(RequestDelegate next, Executor executor, ILogger<Edge> log)
{
    public async Task InvokeAsync(HttpContext http)
    {
        IHeaderDictionary headers = http.Response.Headers;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        headers["Referrer-Policy"] = "no-referrer";
        if (HttpMethods.IsHead(http.Request.Method) && http.Request.Path.StartsWithSegments("/health"))
        {
            // Monitors ask so. The web server knows that no body follows.
            http.Request.Method = HttpMethods.Get;
        }

        if (http.Request.ContentLength > Bounds.BodyBytes)
        {
            // Nobody reads it to its end, so that the connection cannot go on: the client is told, and does not use it again.
            headers.Connection = "close";
        }

        try
        {
            await next(http).ConfigureAwait(false);
            if (!http.Response.HasStarted && http.Response.ContentLength is null && Missing(http.Response.StatusCode) is { } code)
            {
                await http.RefuseAsync(new Refusal(code)).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client is gone; what was submitted is settled all the same.
        }
        catch (BadHttpRequestException error)
        {
            await AnswerAsync(http, error.StatusCode switch
            {
                StatusCodes.Status413PayloadTooLarge => new Refusal(RefusalCode.PayloadTooLarge),
                StatusCodes.Status408RequestTimeout => Refusal.Invalid("", FieldRule.InTime),
                _ => Refusal.Invalid("", FieldRule.Json),
            }).ConfigureAwait(false);
        }
        catch (Stores.StoreUnavailableException error)
        {
            executor.Outage.Refused(error, requests: 1);
            await AnswerAsync(http, Refusal.Unavailable(error.Outcome, retryAfterSeconds: 1)).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            Log.RequestFailed(log, error, http.Request.Method, http.Request.Path);
            await AnswerAsync(http, new Refusal(RefusalCode.InternalError)).ConfigureAwait(false);
        }
    }

    private static RefusalCode? Missing(int status) => status switch
    {
        StatusCodes.Status404NotFound => RefusalCode.NotFound,
        StatusCodes.Status405MethodNotAllowed => RefusalCode.MethodNotAllowed,
        _ => null,
    };

    private static Task AnswerAsync(HttpContext http, Refusal refusal)
    {
        if (http.Response.HasStarted)
        {
            http.Abort();
            return Task.CompletedTask;
        }

        return http.RefuseAsync(refusal);
    }
}
