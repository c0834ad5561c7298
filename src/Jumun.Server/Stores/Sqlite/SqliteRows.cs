using System.Text.Json;
using System.Text.Json.Serialization;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>How the lines of an order are stored: the same JSON as in the API.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IReadOnlyList<OrderLine>))]
[JsonSerializable(typeof(OrderLine[]))]
internal sealed partial class OrderLinesJson : JsonSerializerContext;

/// <summary>From columns to rows and views: each list of columns stands beside the code that reads it.</summary>
internal static class SqliteRows
{
    public const string ProductColumns = "product_id, name, price, stock, on_sale";

    public const string CouponColumns =
        "coupon_id, name, discount_kind, discount_value, discount_maximum, minimum_order_amount, quantity, issued, issue_from, issue_until, usable_until";

    public const string OrderColumns =
        "member_id, order_id, status, lines, subtotal, discount, coupon_id, created_at, pay_before, paid_at, ended_at";

    public const string LedgerColumns = "entry, kind, amount, balance, order_id, created_at";

    /// <summary>Events with what is known of their delivery.</summary>
    public const string EventsWithState =
        "outbox o LEFT JOIN outbox_queue q ON q.position = o.position LEFT JOIN outbox_dead d ON d.position = o.position";

    /// <summary>The <see cref="OutboxState"/> of such an event.</summary>
    public const string EventState = "CASE WHEN q.position IS NOT NULL THEN 0 WHEN d.position IS NOT NULL THEN 2 ELSE 1 END";

    public const string PendingEventColumns = "o.member_id, o.event_id, o.sequence, o.type, o.body, o.created_at, q.failed_at, q.position";

    public static Product ProductRow(SqliteStatement row) =>
        new(row.Int64(0), row.Text(1), row.Int64(2), row.Int64(3), row.Int64(4) != 0);

    public static ProductView Product(SqliteStatement row) =>
        new(row.Int64(0), row.Text(1), row.Int64(2), row.Int64(3), row.Int64(4) != 0);

    public static Coupon CouponRow(SqliteStatement row) => new(
        row.Int64(0), row.Text(1), new Discount((DiscountKind)row.Int64(2), row.Int64(3), row.Int64OrNull(4)), row.Int64(5),
        row.Int64(6), row.Int64(7), row.Time(8), row.Time(9), row.Time(10));

    public static CouponView Coupon(SqliteStatement row) => new(
        row.Int64(0), row.Text(1), new Discount((DiscountKind)row.Int64(2), row.Int64(3), row.Int64OrNull(4)), row.Int64(5),
        row.Int64(6), row.Int64(6) - row.Int64(7), row.Time(8), row.Time(9), row.Time(10));

    public static Order OrderRow(SqliteStatement row) => new(
        row.Text(0), row.Guid(1), (OrderStatus)row.Int64(2), Lines(row.Bytes(3)), row.Int64(4), row.Int64(5), row.Int64OrNull(6),
        row.Time(7), row.Time(8), row.TimeOrNull(9), row.TimeOrNull(10));

    public static OrderView Order(SqliteStatement row, DateTimeOffset now)
    {
        Guid orderId = row.Guid(1);
        DateTimeOffset payBefore = row.Time(8);
        OrderStatus status = Orders.Order.StatusAt((OrderStatus)row.Int64(2), payBefore, now);
        return new OrderView(
            orderId, row.Text(0), Ids.PaymentOf(orderId), status, Lines(row.Bytes(3)), row.Int64(4), row.Int64(5),
            row.Int64(4) - row.Int64(5), row.Int64OrNull(6), row.Time(7), payBefore, row.TimeOrNull(9), row.TimeOrNull(10));
    }

    public static LedgerEntry LedgerEntry(SqliteStatement row) => new(
        row.Int64(0), (LedgerKind)row.Int64(1), row.Int64(2), row.Int64(3), row.GuidOrNull(4), row.Time(5));

    public static PendingEvent PendingEvent(SqliteStatement row) => new(
        row.Text(0), row.Guid(1), row.Int64(2), (OrderEventType)row.Int64(3), row.Bytes(4).ToArray(), row.Time(5), row.TimeOrNull(6));

    private static OrderLine[] Lines(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize(json, OrderLinesJson.Default.OrderLineArray) ?? throw new InvalidDataException("An order has no lines.");
}
