using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Jumun.Orders;
using Jumun.Server.Execution;
using Jumun.Server.Problems;
using Microsoft.Extensions.Primitives;

namespace Jumun.Server.Api;

/// <summary>What all handlers need: where commands are settled, where reads come from, and what the operator set.</summary>
internal sealed record Shop(Executor Executor, Stores.IStore Store, OrderIds OrderIds, TimeProvider Clock, Leases Leases, Settings Settings)
{
    /// <summary>Now, for reads: commands are stamped by their batch.</summary>
    public DateTimeOffset Now => Clock.GetUtcNow();

    /// <summary>
    /// An order as it is now. Where its window is over and nothing says yet how it ended, its end is settled first: a payment of the
    /// last moment may be about to commit, and nobody may be told that an order has expired which is paid after all. Only where the
    /// clock is known to be right: by one that is ahead it would end what others may still pay.
    /// </summary>
    public async ValueTask<(OrderView? Order, Refusal? Refusal)> OrderAsync(string memberId, Guid orderId)
    {
        OrderView? order = await Store.OrderAsync(memberId, orderId, Now).ConfigureAwait(false);
        if (order is not { Status: OrderStatus.Expired, EndedAt: null } || !Leases.StandsIn)
        {
            return (order, null);
        }

        Settlement settlement = await Executor.SubmitAsync(new ExpireOrder(memberId, orderId)).ConfigureAwait(false);
        return ((OrderView?)settlement.Answer, settlement.Refusal);
    }
}

/// <summary>How the answer of a command goes over the wire.</summary>
/// <param name="status">The status of success.</param>
/// <param name="json">How it is written.</param>
/// <param name="location">Where what was made can be read.</param>
internal sealed class Reply<T>(int status, JsonTypeInfo<T> json, Func<T, string>? location = null)
    where T : Answer
{
    /// <summary>Renders an answer to be stored; it is sent as the same bytes.</summary>
    public StoredAnswer Render(Answer answer)
    {
        var typed = (T)answer;
        return new StoredAnswer(status, location?.Invoke(typed), Json.Render(typed, json));
    }

    public Task WriteAsync(HttpContext http, Answer answer)
    {
        var typed = (T)answer;
        if (location is not null)
        {
            http.Response.Headers.Location = location(typed);
        }

        return http.AnswerAsync(status, typed, json);
    }
}

/// <summary>Writes JSON with buffers that each thread keeps.</summary>
internal static class Json
{
    [ThreadStatic]
    private static ArrayBufferWriter<byte>? buffer;

    [ThreadStatic]
    private static Utf8JsonWriter? writer;

    /// <summary>How large a buffer the thread keeps, in bytes.</summary>
    public static int KeptBytes => buffer?.Capacity ?? 0;

    /// <summary>The bytes of a value; valid until the thread writes the next.</summary>
    public static ReadOnlySpan<byte> Write<T>(T value, JsonTypeInfo<T> json)
    {
        buffer ??= new ArrayBufferWriter<byte>(1024);
        buffer.ResetWrittenCount();

        // Relaxed: answers are JSON and never part of a page, so that Korean may stand as it is.
        writer ??= new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true });
        writer.Reset(buffer);
        JsonSerializer.Serialize(writer, value, json);
        writer.Flush();
        ReadOnlySpan<byte> written = buffer.WrittenSpan;
        if (buffer.Capacity > Bounds.KeptAnswerBytes)
        {
            // One large answer must not cost every thread as much for ever.
            (buffer, writer) = (null, null);
        }

        return written;
    }

    /// <summary>The bytes of a value, to keep.</summary>
    public static byte[] Render<T>(T value, JsonTypeInfo<T> json) => Write(value, json).ToArray();
}

/// <summary>Requests in, answers out.</summary>
internal static partial class Http
{
    private const string JsonContentType = "application/json";

    /// <summary>Who makes the request. Only where the route's access asked for a token.</summary>
    public static Caller Caller(this HttpContext http) =>
        http.Features.Get<Caller>() ?? throw new InvalidOperationException("The route did not ask for a token.");

    /// <summary>A value of the path.</summary>
    public static string PathText(this HttpContext http, string name) => (string)http.Request.RouteValues[name]!;

    /// <summary>A positive number in the path; 0 when it is none.</summary>
    public static long PathNumber(this HttpContext http, string name) =>
        long.TryParse(http.PathText(name), System.Globalization.NumberStyles.None, null, out long number) ? number : 0;

    /// <summary>A UUID in the path; null when it is none.</summary>
    public static Guid? PathGuid(this HttpContext http, string name) =>
        Guid.TryParseExact(http.PathText(name), "D", out Guid id) ? id : null;

    /// <summary>Answers with a value.</summary>
    public static Task AnswerAsync<T>(this HttpContext http, int status, T value, JsonTypeInfo<T> json)
    {
        Send(http, status, JsonContentType, Json.Write(value, json));
        return Task.CompletedTask;
    }

    /// <summary>Answers without a body.</summary>
    public static Task AnswerNothingAsync(this HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    /// <summary>Answers with a problem.</summary>
    public static Task RefuseAsync(this HttpContext http, Refusal refusal)
    {
        Language language = ProblemAnswer.LanguageOf(http.Request);
        string traceId = Activity.Current?.TraceId.ToHexString() ?? http.TraceIdentifier;
        ProblemAnswer problem = ProblemAnswer.Of(refusal, language, traceId);
        http.Response.Headers.ContentLanguage = language == Language.Korean ? "ko" : "en";
        if (refusal.RetryAfterSeconds is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        if (refusal.Code == RefusalCode.Unauthenticated)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
        }

        Send(http, problem.Status, ProblemAnswer.ContentType, Json.Write(problem, ApiJson.Default.ProblemAnswer));
        return Task.CompletedTask;
    }

    /// <summary>Answers with a value, or with the refusal of a read that found nothing.</summary>
    public static Task AnswerAsync<T>(this HttpContext http, T? value, JsonTypeInfo<T> json, RefusalCode otherwise)
        where T : class =>
        value is null ? http.RefuseAsync(new Refusal(otherwise)) : http.AnswerAsync(StatusCodes.Status200OK, value, json);

    /// <summary>Reads the body of a request, whatever is in it.</summary>
    public static async ValueTask<byte[]> ReadBytesAsync(this HttpContext http)
    {
        ReadOnlySequence<byte> body = await http.BodyAsync().ConfigureAwait(false);
        byte[] bytes = body.IsEmpty ? [] : body.ToArray();
        http.Request.BodyReader.AdvanceTo(body.End);
        return bytes;
    }

    /// <summary>Waits until the body of a request is here, and leaves it to be read.</summary>
    public static async ValueTask AwaitBodyAsync(this HttpContext http)
    {
        ReadOnlySequence<byte> body = await http.BodyAsync().ConfigureAwait(false);
        http.Request.BodyReader.AdvanceTo(body.Start, body.End);
    }

    /// <summary>The whole body of a request, once it is here; then its reader has to be told how much of it was taken.</summary>
    private static async ValueTask<ReadOnlySequence<byte>> BodyAsync(this HttpContext http)
    {
        System.IO.Pipelines.PipeReader reader = http.Request.BodyReader;
        while (true)
        {
            System.IO.Pipelines.ReadResult read;
            try
            {
                // It ends with the connection. Cancelled by a token it would stay in the midst of a read, and the web server logs an error.
                read = await reader.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (IOException error) when (error is not BadHttpRequestException)
            {
                // The connection was cut, or a chunk claims to be larger than a number can say: the client's doing, not a bug.
                throw new BadHttpRequestException("The body cannot be read.", error);
            }

            if (read.IsCompleted)
            {
                return read.Buffer;
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>Reads a JSON body strictly.</summary>
    public static async ValueTask<Body<T>> ReadAsync<T>(this HttpContext http)
        where T : class
    {
        if (!IsJson(http.Request))
        {
            return new Body<T>([], null, new Refusal(RefusalCode.UnsupportedMediaType));
        }

        byte[] bytes = await http.ReadBytesAsync().ConfigureAwait(false);
        try
        {
            return JsonSerializer.Deserialize(bytes, StrictJson.Of<T>()) is { } value
                ? new Body<T>(bytes, value, null)
                : new Body<T>(bytes, null, Refusal.Invalid("", FieldRule.Json));
        }
        catch (JsonException error)
        {
            return new Body<T>(bytes, null, JsonErrors.Explain(error));
        }
        catch (InvalidOperationException)
        {
            // A text with half a surrogate pair.
            return new Body<T>(bytes, null, Refusal.Invalid("", FieldRule.Json));
        }
    }

    /// <summary>Settles a command and answers.</summary>
    /// <param name="http">The request.</param>
    /// <param name="shop">Where commands are settled.</param>
    /// <param name="command">The command.</param>
    /// <param name="reply">How its answer goes over the wire.</param>
    /// <param name="body">The request's body, if it was read; without, it is read when an idempotency key asks for it.</param>
    public static async Task SettleAsync<T>(this HttpContext http, Shop shop, Command command, Reply<T> reply, byte[]? body = null)
        where T : Answer
    {
        KeyedRequest? keyed = null;
        StringValues header = http.Request.Headers["Idempotency-Key"];
        if (header.Count > 0 && HttpMethods.IsPost(http.Request.Method))
        {
            if (ReadKey(header) is not { } key)
            {
                await http.RefuseAsync(Refusal.Invalid("Idempotency-Key", FieldRule.IdempotencyKey)).ConfigureAwait(false);
                return;
            }

            body ??= await http.ReadBytesAsync().ConfigureAwait(false);
            keyed = new KeyedRequest(new IdempotencyKey(http.Caller().MemberId, key), Fingerprint(http.Request, body), reply.Render);
        }

        http.TellOfOperator(command);
        Settlement settlement = await shop.Executor.SubmitAsync(command, keyed).ConfigureAwait(false);
        if (settlement.Refusal is { } refusal)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
        }
        else if (settlement.Stored is { } stored)
        {
            if (stored.Location is not null)
            {
                http.Response.Headers.Location = stored.Location;
            }

            if (settlement.Replayed)
            {
                http.Response.Headers["Idempotency-Replayed"] = "true";
            }

            Send(http, stored.Status, JsonContentType, stored.Body);
        }
        else
        {
            await reply.WriteAsync(http, settlement.Answer!).ConfigureAwait(false);
        }
    }

    /// <summary>Settles a command whose answer is elsewhere: null when it was carried out, otherwise the refusal.</summary>
    public static async ValueTask<Refusal?> SettleAsync(this HttpContext http, Shop shop, Command command)
    {
        http.TellOfOperator(command);
        return (await shop.Executor.SubmitAsync(command).ConfigureAwait(false)).Refusal;
    }

    /// <summary>Tells the log what an administrator does to the shop, or to what is another member's. Of members it asks one question.</summary>
    private static void TellOfOperator(this HttpContext http, Command command)
    {
        if (http.Caller() is { IsAdministrator: true } caller
            && http.GetEndpoint()?.Metadata.GetMetadata<RouteInfo>()?.Access is { } access
            && (access == Access.Administrator || (access == Access.Owner && AccessControl.OwnerOf(http) != caller.MemberId)))
        {
            Log.OperatorDid(http.RequestServices.GetRequiredService<ILogger<Shop>>(), caller.MemberId, command, "over the API");
        }
    }

    private static void Send(HttpContext http, int status, string contentType, ReadOnlySpan<byte> body)
    {
        HttpResponse response = http.Response;
        response.StatusCode = status;
        response.ContentType = contentType;
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
        {
            response.BodyWriter.Write(body);
        }
    }

    private static bool IsJson(HttpRequest request)
    {
        if (request.Headers.ContentEncoding.Count > 0)
        {
            return false;
        }

        if (request.ContentType == JsonContentType)
        {
            return true;
        }

        return Microsoft.Net.Http.Headers.MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            && (type.MediaType.Equals(JsonContentType, StringComparison.OrdinalIgnoreCase)
                || (type.Type.Equals("application", StringComparison.OrdinalIgnoreCase) && type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase)))
            && (!type.Charset.HasValue || type.Charset.Value.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>The key in the header: bare, or quoted as a structured field is; null when it is neither.</summary>
    private static string? ReadKey(StringValues header)
    {
        if (header.Count != 1 || header[0] is not { } key)
        {
            return null;
        }

        if (key.Length >= 2 && key[0] == '"' && key[^1] == '"')
        {
            key = Escapes().Replace(key[1..^1], "$1");
        }

        return key.Length is >= 1 and <= 255 && key.All(c => c is > ' ' and <= '~') ? key : null;
    }

    [GeneratedRegex(@"\\([""\\])")]
    private static partial Regex Escapes();

    /// <summary>What request this is: method, concrete path and raw body.</summary>
    private static byte[] Fingerprint(HttpRequest request, byte[] body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method}\n{request.Path.Value}\n"));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }
}

/// <summary>A body that was read: a value or a refusal, and its raw bytes.</summary>
internal readonly record struct Body<T>(byte[] Bytes, T? Value, Refusal? Refusal)
    where T : class;
