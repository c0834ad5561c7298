using System.Globalization;
using System.IO.Pipelines;

namespace DataPlatform;

/// <summary>What the platform answers by HTTP.</summary>
internal static class Api
{
    private const string Single = "application/cloudevents+json";
    private const string Batch = "application/cloudevents-batch+json";

    private static readonly SemaphoreSlim Bodies = new(Bounds.Bodies);

    public static void Map(WebApplication app)
    {
        app.MapPost("/events", ReceiveAsync);
        app.MapGet("/health/ready", ReadyAsync);

        RouteGroupBuilder reads = app.MapGroup("").AddEndpointFilter(Access.MayReadAsync);
        reads.MapGet("/", PageAsync);
        reads.MapGet("/sales", SalesAsync);
        reads.MapGet("/revenue", RevenueAsync);
        reads.MapGet("/buyers", BuyersAsync);
        reads.MapGet("/totals", (Analytics analytics) => analytics.TotalsAsync());
        reads.MapGet("/events", EventsAsync);

        app.MapGet("/page.css", () => Results.Bytes(Page.Style, "text/css; charset=utf-8"));
        app.MapGet("/icon.svg", () => Results.Bytes(Page.Icon, "image/svg+xml"));
    }

    private static async Task<IResult> ReceiveAsync(HttpContext http, Intake intake, PlatformSettings settings, TimeProvider clock)
    {
        string type = (http.Request.ContentType ?? "").Split(';')[0].Trim().ToLowerInvariant();
        if (type is not (Single or Batch))
        {
            return Refuse(StatusCodes.Status415UnsupportedMediaType, $"The body must be {Batch} or {Single}.");
        }

        // What can be refused without the body is refused before it is read: it may be large, or never come.
        if (settings.Secrets.Count == 0 && !Access.IsLocal(http))
        {
            return Refuse(StatusCodes.Status403Forbidden, "DataPlatform__Secret is not set: only this machine may send.");
        }

        if (settings.Secrets.Count > 0 && Signature.RefusalOf(http.Request.Headers, clock.GetUtcNow()) is { } unsigned)
        {
            return Refuse(StatusCodes.Status401Unauthorized, unsigned);
        }

        (byte[] body, IResult? unread) = await BodyAsync(http);
        if (unread is not null)
        {
            return unread;
        }

        if (settings.Secrets.Count > 0 && Signature.Refusal(settings.Secrets, http.Request.Headers, body) is { } refusal)
        {
            return Refuse(StatusCodes.Status401Unauthorized, refusal);
        }

        List<OrderEvent> events;
        try
        {
            events = type == Batch ? OrderEvent.ReadBatch(body) : [OrderEvent.ReadOne(body)];
        }
        catch (MalformedEventException error)
        {
            return Refuse(StatusCodes.Status400BadRequest, error.Message);
        }

        if (!intake.HasRoomFor(events))
        {
            return Refuse(StatusCodes.Status400BadRequest, Intake.TooMuch);
        }

        try
        {
            return intake.Submit(events) is { } stored ? Results.Ok(await stored) : Later(http, "Too much waits to be stored.");
        }
        catch (Exception error) when (error is System.Data.Common.DbException or IOException or SetupException or InvalidOperationException)
        {
            return Later(http, "The database cannot be used.");
        }
    }

    /// <summary>The body of a request, or the answer when it cannot be had.</summary>
    private static async Task<(byte[] Body, IResult? Unread)> BodyAsync(HttpContext http)
    {
        if (!Bodies.Wait(0))
        {
            return ([], Later(http, "Too many bodies are on their way."));
        }

        try
        {
            return await ReadAsync(http) is { } body
                ? (body, null)
                : ([], Refuse(StatusCodes.Status408RequestTimeout, $"The body did not come within {Bounds.BodySeconds} seconds."));
        }
        catch (BadHttpRequestException error)
        {
            return ([], Refuse(error.StatusCode, error.Message));
        }
        catch (IOException)
        {
            return ([], Refuse(StatusCodes.Status400BadRequest, "The body cannot be read."));
        }
        finally
        {
            Bodies.Release();
        }
    }

    /// <summary>The body of a request; null when it did not come in time.</summary>
    private static async Task<byte[]?> ReadAsync(HttpContext http)
    {
        PipeReader reader = http.Request.BodyReader;
        using var body = new MemoryStream();
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(Bounds.BodySeconds));
        await using CancellationTokenRegistration end = late.Token.Register(reader.CancelPendingRead);
        while (true)
        {
            // Cancelled by a token it would stay in the midst of a read, and the web server logs an error.
            ReadResult read = await reader.ReadAsync(CancellationToken.None);
            foreach (ReadOnlyMemory<byte> part in read.Buffer)
            {
                body.Write(part.Span);
            }

            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return body.ToArray();
            }

            if (late.IsCancellationRequested)
            {
                return null;
            }
        }
    }

    private static async Task<IResult> ReadyAsync(Analytics analytics, AmqpIntake amqp, PlatformSettings settings)
    {
        try
        {
            await analytics.TotalsAsync();
            string? broker = settings.Amqp is null ? null : amqp.IsConnected ? "connected" : "away";
            return Results.Json(new { status = "ready", broker });
        }
        catch (System.Data.Common.DbException)
        {
            return Results.Json(new { status = "the database cannot be used" }, statusCode: StatusCodes.Status503ServiceUnavailable);
        }
    }

    private static async Task<IResult> SalesAsync(Analytics analytics, TimeProvider clock, string? from, string? to)
    {
        DateTimeOffset until = clock.GetUtcNow().AddHours(1);
        if ((to is not null && !IsTime(to, out until)) || !IsTime(from ?? Text(until.AddDays(-1)), out DateTimeOffset since)
            || since >= until || (until - since).TotalDays > Bounds.SalesDays)
        {
            return Refuse(
                StatusCodes.Status400BadRequest, $"from and to must be times such as 2026-11-22T11:00:00Z, {Bounds.SalesDays} days apart at most.");
        }

        List<HourlySales> sales = await analytics.SalesAsync(Hour(since), Hour(until));
        return sales.Count > Bounds.SalesRows
            ? Refuse(StatusCodes.Status400BadRequest, $"There are more than {Bounds.SalesRows} rows: ask for a shorter time.")
            : Results.Ok(new SalesAnswer(Hour(since), Hour(until), sales));
    }

    private static async Task<IResult> RevenueAsync(Analytics analytics, TimeProvider clock, string? from, string? to)
    {
        DateTimeOffset until = clock.GetUtcNow().AddDays(1);
        if ((to is not null && !IsTime(to, out until)) || !IsTime(from ?? Text(until.AddDays(-Bounds.RevenueDays)), out DateTimeOffset since)
            || since >= until || (until - since).TotalDays > Bounds.RevenueDays)
        {
            return Refuse(
                StatusCodes.Status400BadRequest, $"from and to must be times such as 2026-11-22T11:00:00Z, {Bounds.RevenueDays} days apart at most.");
        }

        List<Revenue> days = await analytics.RevenueAsync(Hour(since), Hour(until), hours: 24);
        return Results.Ok(new RevenueAnswer(
            days.Sum(day => day.Orders), days.Sum(day => day.Gross), days.Sum(day => day.Discounts), days.Sum(day => day.Refunds),
            days.Sum(day => day.Refunded), days.Sum(day => day.Net), days));
    }

    private static async Task<IResult> BuyersAsync(Analytics analytics, string? limit) =>
        IsLimit(limit ?? "20", Bounds.Buyers, out int most)
            ? Results.Ok(await analytics.BuyersAsync(most))
            : Refuse(StatusCodes.Status400BadRequest, $"limit must be 1 to {Bounds.Buyers}.");

    private static async Task<IResult> EventsAsync(Analytics analytics, string? after, string? limit)
    {
        if (!Guid.TryParseExact(after ?? Guid.Empty.ToString(), "D", out Guid id) || !IsLimit(limit ?? "1000", Bounds.PageEvents, out int most))
        {
            return Refuse(StatusCodes.Status400BadRequest, $"after must be the id of an event, and limit 1 to {Bounds.PageEvents}.");
        }

        return Results.Ok(await analytics.EventsAsync(id.ToString(), most));
    }

    private static async Task<IResult> PageAsync(HttpContext http, Analytics analytics, TimeProvider clock)
    {
        http.Response.Headers.Vary = "Accept-Language";
        return Results.Text(await Page.RenderAsync(analytics, clock.GetUtcNow(), Texts.For(http.Request)), "text/html; charset=utf-8");
    }

    private static IResult Refuse(int status, string detail) => Results.Problem(detail, statusCode: status);

    private static IResult Later(HttpContext http, string detail)
    {
        http.Response.Headers.RetryAfter = "1";
        return Refuse(StatusCodes.Status503ServiceUnavailable, $"{detail} Send it again later: what was stored is known by its id.");
    }

    private static bool IsTime(string text, out DateTimeOffset time) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time)
        && time.Year is >= 1970 and < 9999;

    private static bool IsLimit(string text, int most, out int limit) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit) && limit > 0 && limit <= most;

    private static DateTimeOffset Hour(DateTimeOffset time) => new(time.Ticks - (time.Ticks % TimeSpan.TicksPerHour), TimeSpan.Zero);

    private static string Text(DateTimeOffset time) => time.ToString("O", CultureInfo.InvariantCulture);
}
