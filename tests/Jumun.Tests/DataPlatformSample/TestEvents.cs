using System.Globalization;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Platform;

/// <summary>A line of an order.</summary>
internal sealed record TestLine(long ProductId, string Name, long Price, long Quantity = 1);

/// <summary>Order events as the shop writes them.</summary>
internal static class TestEvents
{
    /// <summary>A paid order of this moment, of one piece.</summary>
    public static JsonObject Some(string member = "alice", long sequence = 1) =>
        Completed(member, sequence, DateTimeOffset.UtcNow, discount: 0, new TestLine(1, "mug", 1_000));

    /// <summary>A paid order.</summary>
    public static JsonObject Completed(string member, long sequence, DateTimeOffset time, long discount, params TestLine[] lines)
    {
        Guid orderId = Ids.ToOrderId(Guid.CreateVersion7());
        long subtotal = lines.Sum(line => line.Price * line.Quantity);
        return new JsonObject
        {
            ["specversion"] = "1.0",
            ["id"] = Ids.CompletedEventOf(orderId).ToString(),
            ["source"] = "/jumun",
            ["type"] = "jumun.order.completed.v1",
            ["subject"] = orderId.ToString(),
            ["time"] = Text(time),
            ["datacontenttype"] = "application/json",
            ["partitionkey"] = member,
            ["sequence"] = sequence,
            ["data"] = new JsonObject
            {
                ["orderId"] = orderId.ToString(),
                ["paymentId"] = Ids.PaymentOf(orderId).ToString(),
                ["memberId"] = member,
                ["items"] = new JsonArray([.. lines.Select(line => new JsonObject
                {
                    ["productId"] = line.ProductId,
                    ["name"] = line.Name,
                    ["price"] = line.Price,
                    ["quantity"] = line.Quantity,
                })]),
                ["subtotal"] = subtotal,
                ["discount"] = discount,
                ["total"] = subtotal - discount,
                ["paidAt"] = Text(time),
            },
        };
    }

    /// <summary>The same order, given back.</summary>
    public static JsonObject Refunded(JsonObject completed, long sequence, DateTimeOffset time)
    {
        JsonObject refunded = completed.DeepClone().AsObject();
        refunded["id"] = Ids.RefundedEventOf(Guid.Parse((string)completed["subject"]!)).ToString();
        refunded["type"] = "jumun.order.refunded.v1";
        refunded["sequence"] = sequence;
        refunded["time"] = Text(time);
        refunded["data"]!["refundedAt"] = Text(time);
        return refunded;
    }

    public static string IdOf(JsonObject one) => (string)one["id"]!;

    /// <summary>A batch as it goes over the wire.</summary>
    public static string BatchOf(params IEnumerable<JsonObject> events) => $"[{string.Join(',', events.Select(one => one.ToJsonString()))}]";

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
