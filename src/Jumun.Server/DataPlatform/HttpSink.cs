using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Posts events to a receiver: a batch of CloudEvents, made of the stored bytes as they are, signed as Standard Webhooks say.
/// What the receiver answers in its body is not read.
/// </summary>
internal sealed class HttpSink : ISink, IDisposable
{
    private static readonly MediaTypeHeaderValue Batch = new("application/cloudevents-batch+json");

    private readonly Uri url;
    private readonly WebhookSignature? signature;
    private readonly TimeProvider clock;

    // Addresses are looked up again now and then; the URL is the operator's, and no answer leads anywhere else.
    private readonly HttpClient http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(Bounds.ConnectSeconds),
        PooledConnectionLifetime = TimeSpan.FromSeconds(Bounds.ConnectionLifetimeSeconds),
        MaxResponseHeadersLength = Bounds.HeaderBytes / 1024,
        MaxResponseDrainSize = 0,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <param name="url">Where the receiver is.</param>
    /// <param name="secrets">What deliveries are signed with; without any they are not.</param>
    /// <param name="clock">Stamps them.</param>
    public HttpSink(Uri url, IReadOnlyList<byte[]> secrets, TimeProvider clock)
    {
        this.url = url;
        this.clock = clock;
        signature = secrets.Count > 0 ? new WebhookSignature(secrets) : null;
        http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("Jumun", typeof(HttpSink).Assembly.GetName().Version?.ToString(3)));
    }

    public async ValueTask<DeliveryOutcome> DeliverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cancellation)
    {
        byte[] body = BodyOf(events);
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = Batch;
        string id = IdOf(events);
        long timestamp = clock.GetUtcNow().ToUnixTimeSeconds();
        request.Headers.Add("webhook-id", id);
        request.Headers.Add("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        if (signature is not null)
        {
            request.Headers.TryAddWithoutValidation("webhook-signature", signature.Of(id, timestamp, body));
        }

        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
        await DrainAsync(response, cancellation).ConfigureAwait(false);
        return DeliveryOutcome.Of(VerdictOf(response.StatusCode, events.Count), events.Count, ReasonOf(response), RetryAfterOf(response));
    }

    public void Dispose() => http.Dispose();

    /// <summary>A JSON array of the events.</summary>
    private static byte[] BodyOf(IReadOnlyList<PendingEvent> events)
    {
        byte[] body = new byte[events.Sum(pending => pending.Body.Length + 1) + 1];
        body[0] = (byte)'[';
        int end = 1;
        foreach (PendingEvent pending in events)
        {
            pending.Body.CopyTo(body, end);
            end += pending.Body.Length + 1;
            body[end - 1] = (byte)',';
        }

        body[^1] = (byte)']';
        return body;
    }

    /// <summary>The same events in the same order have the same id, whenever and by whomever they are sent.</summary>
    private static string IdOf(IReadOnlyList<PendingEvent> events)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> id = stackalloc byte[16];
        foreach (PendingEvent pending in events)
        {
            pending.EventId.TryWriteBytes(id);
            hash.AppendData(id);
        }

        return $"msg_{Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16))}";
    }

    /// <summary>
    /// Throws away what the receiver says beside its status, so that the connection can be used again. When there is much of it,
    /// or it takes long, the connection is thrown away instead.
    /// </summary>
    private static async ValueTask DrainAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        late.CancelAfter(TimeSpan.FromSeconds(Bounds.DrainedSeconds));
        try
        {
            await using Stream body = await response.Content.ReadAsStreamAsync(late.Token).ConfigureAwait(false);
            byte[] discarded = new byte[Bounds.DrainedBytes];
            await body.ReadAtLeastAsync(discarded, discarded.Length, throwOnEndOfStream: false, late.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or OperationCanceledException)
        {
            // Its status was heard, and that is what counts.
        }
    }

    private static Verdict VerdictOf(HttpStatusCode status, int events) => (int)status switch
    {
        >= 200 and < 300 => Verdict.Taken,
        410 => Verdict.Gone,

        // Too slow, too early, too much: about the moment, and not about the events.
        408 or 425 or 429 => Verdict.Failed,
        >= 400 and < 500 => events > 1 ? Verdict.OneRefused : Verdict.Refused,
        _ => Verdict.Failed,
    };

    private static string ReasonOf(HttpResponseMessage response)
    {
        int status = (int)response.StatusCode;
        string answer = string.Create(CultureInfo.InvariantCulture, $"the receiver answered {status}");
        return status is >= 300 and < 400 ? $"{answer}: a redirect, which is not followed; set Jumun__DataPlatform__Url to where it leads" : answer;
    }

    private TimeSpan? RetryAfterOf(HttpResponseMessage response)
    {
        RetryConditionHeaderValue? header = response.Headers.RetryAfter;
        TimeSpan? asked = header?.Delta ?? (header?.Date - clock.GetUtcNow());
        return asked > TimeSpan.FromSeconds(Bounds.RetryAfterSeconds) ? TimeSpan.FromSeconds(Bounds.RetryAfterSeconds) : asked;
    }
}
