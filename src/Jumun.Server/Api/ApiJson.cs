using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;
using Jumun.Server.Problems;
using Jumun.Server.Web;

namespace Jumun.Server.Api;

/// <summary>How the API reads and writes JSON. The code is generated when the program is built.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters =
    [
        typeof(UtcTimeConverter),
        typeof(SnakeCase<LedgerKind>),
        typeof(SnakeCase<DiscountKind>),
        typeof(SnakeCase<IssuedCouponStatus>),
        typeof(SnakeCase<OrderStatus>),
        typeof(SnakeCase<PaymentStatus>),
        typeof(SnakeCase<OutboxState>),
        typeof(SnakeCase<CouponNotUsableReason>),
        typeof(SnakeCase<RequestOutcome>),
        typeof(OrderEventTypeConverter),
    ],
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = Bounds.JsonDepth)]
[JsonSerializable(typeof(ChargeRequest))]
[JsonSerializable(typeof(CartLineRequest))]
[JsonSerializable(typeof(OrderRequest))]
[JsonSerializable(typeof(CreateProductRequest))]
[JsonSerializable(typeof(ChangeProductRequest))]
[JsonSerializable(typeof(ChangeStockRequest))]
[JsonSerializable(typeof(CreateCouponRequest))]
[JsonSerializable(typeof(ChangeCouponRequest))]
[JsonSerializable(typeof(ReplayRequest))]
[JsonSerializable(typeof(PointsCharged))]
[JsonSerializable(typeof(PointsView))]
[JsonSerializable(typeof(ProductView))]
[JsonSerializable(typeof(CouponView))]
[JsonSerializable(typeof(IssuedCouponView))]
[JsonSerializable(typeof(LiveProduct))]
[JsonSerializable(typeof(LiveCoupon))]
[JsonSerializable(typeof(DemoSignInRequest))]
[JsonSerializable(typeof(DemoToken))]
[JsonSerializable(typeof(CartView))]
[JsonSerializable(typeof(OrderView))]
[JsonSerializable(typeof(PaymentCompleted))]
[JsonSerializable(typeof(PaymentView))]
[JsonSerializable(typeof(TopProducts))]
[JsonSerializable(typeof(EventsReplayed))]
[JsonSerializable(typeof(AuditAnswer))]
[JsonSerializable(typeof(HealthAnswer))]
[JsonSerializable(typeof(Page<LedgerEntry>))]
[JsonSerializable(typeof(Page<ProductView>))]
[JsonSerializable(typeof(Page<CouponView>))]
[JsonSerializable(typeof(Page<IssuedCouponView>))]
[JsonSerializable(typeof(Page<OrderView>))]
[JsonSerializable(typeof(Page<OutboxEventView>))]
[JsonSerializable(typeof(ProblemAnswer))]
internal sealed partial class ApiJson : JsonSerializerContext;

/// <summary>
/// Reads requests strictly: beside what <see cref="ApiJson"/> says, no member may stand there twice, and a word of an
/// enumeration is spelled exactly.
/// </summary>
internal static class StrictJson
{
    private static readonly ApiJson Context = new(Options());

    /// <summary>How a request of this type is read.</summary>
    public static JsonTypeInfo<T> Of<T>() => (JsonTypeInfo<T>)Context.Options.GetTypeInfo(typeof(T));

    private static JsonSerializerOptions Options()
    {
        var options = new JsonSerializerOptions(ApiJson.Default.Options) { AllowDuplicateProperties = false, TypeInfoResolver = null };
        options.Converters.Insert(0, new ExactWord<DiscountKind>());
        return options;
    }
}

/// <summary>Reads the words of an enumeration as they are written. The framework's reader also takes 'Percent' and 'amount,percent'.</summary>
internal sealed class ExactWord<T> : JsonConverter<T>
    where T : struct, Enum
{
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            foreach (T value in Enum.GetValues<T>())
            {
                if (reader.ValueTextEquals(JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString())))
                {
                    return value;
                }
            }
        }

        throw new JsonException();
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
        throw new NotSupportedException("Requests are only read.");
}

/// <summary>Times are read and written as RFC 3339 has them: with an offset when read, in UTC when written.</summary>
internal sealed class UtcTimeConverter : JsonConverter<DateTimeOffset>
{
    private static readonly string[] Formats = ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"];

    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String && TryParse(reader.GetString(), out DateTimeOffset time))
        {
            return time;
        }

        throw new JsonException(BadTime);
    }

    /// <summary>The message by which the reader of requests knows a time from any other error.</summary>
    public const string BadTime = "not a time";

    /// <summary>Reads a time with its offset, to the millisecond. Of a second it may have nine digits.</summary>
    public static bool TryParse(string? text, out DateTimeOffset time)
    {
        // The formats accept a time without an offset; RFC 3339 does not.
        bool hasOffset = text is { Length: > 19 and <= 40 } && (text[^1] is 'Z' or 'z' || text[^6] is '+' or '-');
        if (!hasOffset || !DateTimeOffset.TryParseExact(
                Cut(text!).ToUpperInvariant(), Formats, CultureInfo.InvariantCulture, DateTimeStyles.None, out time))
        {
            time = default;
            return false;
        }

        time = time.ToUniversalTime();
        time = new DateTimeOffset(time.Ticks - (time.Ticks % TimeSpan.TicksPerMillisecond), TimeSpan.Zero);
        return true;
    }

    /// <summary>The formats know seven digits of a second, and clocks that count nanoseconds write nine.</summary>
    private static string Cut(string text)
    {
        const int first = 20;
        int end = first;
        while (end < text.Length && char.IsAsciiDigit(text[end]))
        {
            end++;
        }

        return text[first - 1] == '.' && end - first is 8 or 9 ? text.Remove(first + 7, end - first - 7) : text;
    }

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options)
    {
        // The format that .NET writes fastest has seven digits of a second; three of them stay.
        Span<byte> text = stackalloc byte["2026-01-01T00:00:00.0000000Z".Length];
        value.UtcDateTime.TryFormat(text, out _, "O", CultureInfo.InvariantCulture);
        int end = "2026-01-01T00:00:00.000".Length;
        text[end] = (byte)'Z';
        writer.WriteStringValue(text[..(end + 1)]);
    }
}

/// <summary>Enumerations are written and read as their names in snake_case, never as numbers.</summary>
internal sealed class SnakeCase<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

/// <summary>The type of an event is written as CloudEvents has it.</summary>
internal sealed class OrderEventTypeConverter : JsonConverter<OrderEventType>
{
    public override OrderEventType Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("Events are only written.");

    public override void Write(Utf8JsonWriter writer, OrderEventType value, JsonSerializerOptions options) =>
        writer.WriteStringValue(DataPlatform.OrderEventJson.TypeName(value));
}
