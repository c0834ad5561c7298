using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using Jumun.Coupons;
using Jumun.Products;
using Jumun.Server.Live;

namespace Jumun.Server.Api;

/// <summary>A product as it is, and the server's time, to which countdowns keep.</summary>
internal sealed record LiveProduct(DateTimeOffset Now, ProductView Product);

/// <summary>A coupon as it is, sold out or not, and the server's time, to which countdowns keep.</summary>
internal sealed record LiveCoupon(DateTimeOffset Now, CouponView Coupon);

/// <summary>
/// Products and coupons while they change, as server-sent events. Each event is the whole state at that moment: whoever reads
/// slowly misses some in between and gets the newest, and what is on its way to a reader is never more than one connection holds.
/// </summary>
internal sealed class LiveApi(Shop shop, LiveHub hub)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/products/{productId}/live", http => StreamAsync(http, hub.Products, "productId", "product", RefusalCode.ProductNotFound)).Is(
            new(Access.Member, "watchProduct", "A product while it changes: an event at once, one after each change, a comment now and then.")
            {
                Tag = "products",
                Gives = typeof(LiveProduct),
                IsStream = true,
                Refuses = [RefusalCode.ProductNotFound],
            });
        routes.MapGet("/coupons/{couponId}/live", http => StreamAsync(http, hub.Coupons, "couponId", "coupon", RefusalCode.CouponNotFound)).Is(
            new(Access.Member, "watchCoupon", "A coupon while it changes, none left or not: an event at once, one after each change, a comment now and then.")
            {
                Tag = "coupons",
                Gives = typeof(LiveCoupon),
                IsStream = true,
                Refuses = [RefusalCode.CouponNotFound],
            });
    }

    private async Task StreamAsync<T>(HttpContext http, LiveRows<T> rows, string parameter, string name, RefusalCode unknown)
        where T : class
    {
        long id = http.PathNumber(parameter);
        if (id == 0)
        {
            await http.RefuseAsync(Refusal.Invalid(parameter, FieldRule.Range, 1, long.MaxValue)).ConfigureAwait(false);
            return;
        }

        Caller caller = http.Caller();
        if (hub.Open(caller.MemberId) is { } refusal)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        Watched<T> watched = rows.Join(id);
        try
        {
            await watched.ArriveAsync().ConfigureAwait(false);
            if (watched.IsEnded)
            {
                await http.RefuseAsync(Refusal.Unavailable(RequestOutcome.None, retryAfterSeconds: 2)).ConfigureAwait(false);
            }
            else if (watched.Latest.Value is null)
            {
                await http.RefuseAsync(new Refusal(unknown)).ConfigureAwait(false);
            }
            else
            {
                await SendAsync(http, watched, name, caller.ExpiresAt).ConfigureAwait(false);
            }
        }
        finally
        {
            rows.Leave(id);
            hub.Close(caller.MemberId);
        }
    }

    /// <summary>Sends states until the client goes, the server stops, or the token ends.</summary>
    private async Task SendAsync<T>(HttpContext http, Watched<T> watched, string name, DateTimeOffset until)
        where T : class
    {
        http.Response.ContentType = Documentation.StreamContentType;

        // Proxies that gather answers before they pass them on know this word.
        http.Response.Headers["X-Accel-Buffering"] = "no";
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, hub.Stopping);
        PipeWriter writer = http.Response.BodyWriter;
        LiveState<T>? sent = null;
        long beats = watched.Beats;
        while (!watched.IsEnded && shop.Now < until)
        {
            Task announced = watched.Announced;
            LiveState<T> latest = watched.Latest;
            if (!ReferenceEquals(latest, sent))
            {
                WriteEvent(writer, name, latest.Json);
                sent = latest;
            }
            else if (watched.Beats != beats)
            {
                writer.Write(": still here\n\n"u8);
            }
            else
            {
                await announced.WaitAsync(http.RequestAborted).ConfigureAwait(false);
                continue;
            }

            beats = watched.Beats;

            // A reader that takes nothing holds up this stream alone. Stopping, it is cut off.
            try
            {
                await writer.FlushAsync(end.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (hub.Stopping.IsCancellationRequested)
            {
                http.Abort();
                return;
            }
        }
    }

    /// <summary>One event: the time at which it is written, and the state's JSON.</summary>
    private void WriteEvent(PipeWriter writer, string name, byte[] json)
    {
        Span<byte> now = stackalloc byte[24];
        shop.Now.UtcDateTime.TryFormat(now, out int length, "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        writer.Write("data: {\"now\":\""u8);
        writer.Write(now[..length]);
        writer.Write("\",\""u8);
        writer.Write(System.Text.Encoding.ASCII.GetBytes(name));
        writer.Write("\":"u8);
        writer.Write(json);
        writer.Write("}\n\n"u8);
    }
}
