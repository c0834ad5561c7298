using System.Buffers;
using Jumun.Server;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Bench;

/// <summary>
/// What a request costs before it does anything: the same web server, the same token check, a small JSON answer. No
/// routes, no store, nothing else. It answers an order with a payment to pay and a claim with a
/// coupon, so that the same load scripts run on it.
/// </summary>
internal static class Ceiling
{
    public static async Task<int> RunAsync(string url, string key)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls(url).ConfigureKestrel(options => options.AddServerHeader = false);
        WebApplication app = builder.Build();
        var auth = new Auth(new AuthSettings(key, null, "jumun", "jumun"), TimeProvider.System, NullLogger<Auth>.Instance);
        app.Run(http => AnswerAsync(http, auth));
        await app.RunAsync();
        return 0;
    }

    private static async Task AnswerAsync(HttpContext http, Auth auth)
    {
        Caller? caller = await auth.AuthenticateAsync(http.Request.Headers.Authorization);
        if (caller is null)
        {
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        bool isOrder = http.Request.Path.StartsWithSegments("/order");
        bool isClaim = HttpMethods.IsPost(http.Request.Method) && http.Request.Path.StartsWithSegments("/coupons");
        ReadOnlySpan<byte> answer = isOrder ? """{"paymentId":"01a202e2-658e-7000-a7fa-90d9bcd5d041","memberId":"m"}"""u8
            : isClaim ? """{"couponId":1,"memberId":"m"}"""u8
            : """{"memberId":"m","balance":1}"""u8;
        http.Response.StatusCode = isOrder || isClaim ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = answer.Length;
        http.Response.BodyWriter.Write(answer);
    }
}
