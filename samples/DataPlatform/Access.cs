using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace DataPlatform;

/// <summary>Who may read: whoever brings the token, or, when none is set, this machine.</summary>
internal static class Access
{
    /// <summary>Refuses a request that may not read.</summary>
    public static async ValueTask<object?> MayReadAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        HttpContext http = context.HttpContext;
        string? token = http.RequestServices.GetRequiredService<PlatformSettings>().ReadToken;
        if (token is null)
        {
            return IsLocal(http)
                ? await next(context)
                : Results.Problem("DataPlatform__ReadToken is not set: only this machine may read.", statusCode: StatusCodes.Status403Forbidden);
        }

        if (IsToken(http.Request.Headers.Authorization.ToString(), token))
        {
            return await next(context);
        }

        // A person's browser asks for the token as a password; programs bring it as a bearer.
        http.Response.Headers.WWWAuthenticate = new(["Bearer", "Basic realm=\"data platform\", charset=\"UTF-8\""]);
        return Results.Problem("The bearer token is missing or is not the one that was set.", statusCode: StatusCodes.Status401Unauthorized);
    }

    /// <summary>
    /// Whether a request comes from this machine, and was meant for it: a page from elsewhere, open in a browser here, may have its own
    /// name lead to this address, and then it brings that name along.
    /// </summary>
    public static bool IsLocal(HttpContext http) => http.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address)
        && http.Request.Host.Host.ToLowerInvariant() is "localhost" or "127.0.0.1" or "[::1]";

    /// <summary>Every answer: nothing is kept, and the page runs nothing and loads nothing from elsewhere.</summary>
    public static Task AddHeadersAsync(HttpContext http, RequestDelegate next)
    {
        IHeaderDictionary headers = http.Response.Headers;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.ContentSecurityPolicy =
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        return next(http);
    }

    private static bool IsToken(string authorization, string token)
    {
        string given = "";
        if (authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            given = authorization["Bearer ".Length..].Trim();
        }
        else if (authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            Span<byte> bytes = stackalloc byte[1_024];
            if (Convert.TryFromBase64String(authorization["Basic ".Length..], bytes, out int length))
            {
                string text = Encoding.UTF8.GetString(bytes[..length]);
                given = text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..];
            }
        }

        // Of equal length, whatever was given: the comparison tells nothing by its time.
        return CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(Encoding.UTF8.GetBytes(token)));
    }
}
