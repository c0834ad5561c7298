using System.Globalization;
using System.Text.Json;

namespace DataPlatform;

/// <summary>A line of an order, at the price it was ordered for.</summary>
internal sealed record OrderLine(long ProductId, string Name, long Price, long Quantity);

/// <summary>The order, as it was at the event. Money is whole won.</summary>
internal sealed record OrderData(
    Guid OrderId,
    Guid PaymentId,
    string MemberId,
    IReadOnlyList<OrderLine> Items,
    long Subtotal,
    long Discount,
    long Total,
    DateTimeOffset PaidAt,
    long? CouponId = null,
    DateTimeOffset? RefundedAt = null);

/// <summary>An event as CloudEvents 1.0 writes it in JSON. Members that are not named here may be there.</summary>
internal sealed record CloudEvent(
    string Specversion,
    Guid Id,
    string Source,
    string Type,
    Guid Subject,
    DateTimeOffset Time,
    string Partitionkey,
    long Sequence,
    OrderData Data);

/// <summary>Something that was sent is not what it should be. The message says what.</summary>
internal sealed class MalformedEventException(string message) : Exception(message);

/// <summary>An event that makes sense.</summary>
/// <param name="Cloud">What it says.</param>
/// <param name="Line">The same as it came, on one line.</param>
internal sealed record OrderEvent(CloudEvent Cloud, string Line)
{
    public const string CompletedType = "jumun.order.completed.v1";
    public const string RefundedType = "jumun.order.refunded.v1";

    private const long LargestAmount = 9_007_199_254_740_991;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = Bounds.JsonDepth };

    private static readonly JsonSerializerOptions Names = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    public string Id { get; } = Cloud.Id.ToString("D", CultureInfo.InvariantCulture);

    /// <summary>The most that it adds to any sum.</summary>
    public Int128 Weight { get; } = Cloud.Data.Items.Aggregate((Int128)Cloud.Data.Subtotal, (sum, line) => sum + line.Quantity);

    public bool IsRefund { get; } = Cloud.Type == RefundedType;

    /// <summary>Reads one event.</summary>
    /// <exception cref="MalformedEventException">It is none.</exception>
    public static OrderEvent ReadOne(ReadOnlyMemory<byte> json) => Read(json, one => [ReadElement(one, "the event")])[0];

    /// <summary>Reads an array of events.</summary>
    /// <exception cref="MalformedEventException">It is none, or one of them makes no sense.</exception>
    public static List<OrderEvent> ReadBatch(ReadOnlyMemory<byte> json) => Read(json, batch =>
    {
        Require(batch.ValueKind == JsonValueKind.Array, "the body", "is not a JSON array of events");
        Require(batch.GetArrayLength() <= Bounds.RequestEvents, "the body", $"has more than {Bounds.RequestEvents} events");
        return [.. batch.EnumerateArray().Select((one, index) => ReadElement(one, $"event {index}"))];
    });

    private static List<OrderEvent> Read(ReadOnlyMemory<byte> json, Func<JsonElement, List<OrderEvent>> read)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            return read(document.RootElement);
        }
        catch (JsonException error)
        {
            throw new MalformedEventException($"The body is not JSON: {error.Message}");
        }
    }

    private static OrderEvent ReadElement(JsonElement json, string name)
    {
        CloudEvent cloud;
        string raw;
        try
        {
            cloud = json.Deserialize<CloudEvent>(Names) ?? throw new JsonException("null");
            raw = json.GetRawText();
            raw = raw.AsSpan().ContainsAny('\n', '\r') ? JsonSerializer.Serialize(json) : raw;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // The second is a text with half a character, or with bytes that are none, also in what is not read here.
            throw new MalformedEventException($"{name}: {error.Message}");
        }

        Check(cloud, name);
        return new OrderEvent(cloud, raw);
    }

    private static void Check(CloudEvent cloud, string name)
    {
        OrderData data = cloud.Data;
        Require(cloud.Specversion == "1.0", name, "specversion is not 1.0");
        Require(cloud.Source.Length > 0, name, "source is empty");
        Require(cloud.Type is CompletedType or RefundedType, name, $"type is neither {CompletedType} nor {RefundedType}");
        Require(cloud.Sequence > 0, name, "sequence is not above 0");
        Require(IsName(data.MemberId), name, "data.memberId is empty or too long");
        Require(cloud.Partitionkey == data.MemberId, name, "partitionkey is not data.memberId");
        Require(cloud.Subject == data.OrderId, name, "subject is not data.orderId");
        Require(cloud.Time.Year is >= 2000 and < 9000, name, "time is not of this age");
        Require(data.PaidAt.Year is >= 2000 and < 9000, name, "data.paidAt is not of this age");
        Require(data.Items.Count > 0, name, "data.items is empty");
        Int128 sum = 0;
        foreach (OrderLine? line in data.Items)
        {
            Require(line is not null, name, "data.items has a null");
            Require(line!.ProductId > 0 && line.Quantity > 0 && line.Price >= 0, name, "data.items has a number that is too small");
            Require(IsName(line.Name), name, "data.items has a name that is empty or too long");
            sum += (Int128)line.Price * line.Quantity;
        }

        Require(data.Subtotal == sum && sum <= LargestAmount, name, "data.subtotal is not the sum of price × quantity");
        Require(data.Discount >= 0 && data.Discount <= data.Subtotal, name, "data.discount is not between 0 and data.subtotal");
        Require(data.Total == data.Subtotal - data.Discount, name, "data.total is not data.subtotal less data.discount");
        Require(cloud.Type != RefundedType || data.RefundedAt is not null, name, "data.refundedAt is missing");
    }

    /// <summary>200 characters, of which each may take two places. A database takes no NUL in a text.</summary>
    private static bool IsName(string text) => text.Length is > 0 and <= 400 && !text.Contains('\0', StringComparison.Ordinal);

    private static void Require(bool holds, string name, string otherwise)
    {
        if (!holds)
        {
            throw new MalformedEventException($"{name}: {otherwise}");
        }
    }
}
