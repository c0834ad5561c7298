using System.Text.Json.Serialization;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Server.Api;

namespace Jumun.Server.DataPlatform;

/// <summary>An event as CloudEvents 1.0 writes it in JSON. A version of a type only ever gains members.</summary>
internal sealed record CloudEvent(
    string Specversion,
    Guid Id,
    string Source,
    string Type,
    Guid Subject,
    DateTimeOffset Time,
    string Datacontenttype,
    string Partitionkey,
    long Sequence,
    CloudEventData Data);

/// <summary>The order, as it was at the event.</summary>
internal sealed record CloudEventData(
    Guid OrderId,
    Guid PaymentId,
    string MemberId,
    IReadOnlyList<OrderLine> Items,
    long Subtotal,
    long Discount,
    long? CouponId,
    long Total,
    DateTimeOffset PaidAt,
    DateTimeOffset? RefundedAt);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(CloudEvent))]
internal sealed partial class CloudEventJson : JsonSerializerContext;

/// <summary>Renders an event, once, when it commits: the bytes are stored and never change.</summary>
internal static class OrderEventJson
{
    /// <summary>The CloudEvents type of an event.</summary>
    public static string TypeName(OrderEventType type) => type switch
    {
        OrderEventType.Completed => "jumun.order.completed.v1",
        OrderEventType.Refunded => "jumun.order.refunded.v1",
    };

    public static byte[] Render(OrderEvent orderEvent, DateTimeOffset now)
    {
        Order order = orderEvent.Order;
        var data = new CloudEventData(
            order.OrderId, Ids.PaymentOf(order.OrderId), order.MemberId, order.Lines, order.Subtotal, order.Discount, order.CouponId,
            order.Total, order.PaidAt ?? now, orderEvent.Type == OrderEventType.Refunded ? now : null);
        var cloudEvent = new CloudEvent(
            "1.0", orderEvent.EventId, "/jumun", TypeName(orderEvent.Type), order.OrderId, now, "application/json", order.MemberId,
            orderEvent.Sequence, data);
        return Json.Render(cloudEvent, CloudEventJson.Default.CloudEvent);
    }
}
