using System.Text.Json;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server.Stores.Sqlite;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>From columns to rows and views: each list of columns stands beside the code that reads it.</summary>
internal static class PostgresRows
{
    public const string ProductColumns = "product_id, name, price, stock, on_sale";

    public const string CouponColumns =
        "coupon_id, name, discount_kind, discount_value, discount_maximum, minimum_order_amount, quantity, issued, issue_from, issue_until, usable_until";

    public const string IssuedCouponColumns = "i.member_id, i.coupon_id, i.number, i.status, i.order_id, i.issued_at";

    public const string OrderColumns =
        "member_id, order_id, status, lines, subtotal, discount, coupon_id, created_at, pay_before, paid_at, ended_at";

    public const string LedgerColumns = "entry, kind, amount, balance, order_id, created_at";

    /// <summary>Events with what is known of their delivery.</summary>
    public const string EventsWithState = """
        outbox o LEFT JOIN outbox_queue q ON q.member_id = o.member_id AND q.sequence = o.sequence
        LEFT JOIN outbox_dead d ON d.member_id = o.member_id AND d.sequence = o.sequence
        """;

    /// <summary>The <see cref="OutboxState"/> of such an event.</summary>
    public const string EventState = "CASE WHEN q.member_id IS NOT NULL THEN 0 WHEN d.member_id IS NOT NULL THEN 2 ELSE 1 END";

    public const string PendingEventColumns = "q.member_id, q.event_id, q.sequence, o.type, o.body, q.created_at, q.failed_at";

    public static Product ProductRow(NpgsqlDataReader row) =>
        new(row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetBoolean(4));

    public static ProductView Product(NpgsqlDataReader row) =>
        new(row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetBoolean(4));

    public static PointsView Points(NpgsqlDataReader row) => new(row.GetString(0), row.GetInt64(1));

    public static Coupon CouponRow(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.GetString(1), new Discount((DiscountKind)row.GetInt16(2), row.GetInt64(3), row.Int64OrNull(4)),
        row.GetInt64(5), row.GetInt64(6), row.GetInt64(7), row.Time(8), row.Time(9), row.Time(10));

    public static CouponView Coupon(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.GetString(1), new Discount((DiscountKind)row.GetInt16(2), row.GetInt64(3), row.Int64OrNull(4)),
        row.GetInt64(5), row.GetInt64(6), row.GetInt64(6) - row.GetInt64(7), row.Time(8), row.Time(9), row.Time(10));

    public static IssuedCoupon IssuedCouponRow(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetInt64(1), row.GetInt64(2), (IssuedCouponStatus)row.GetInt16(3), row.GuidOrNull(4), row.Time(5));

    public static Order OrderRow(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetGuid(1), (OrderStatus)row.GetInt16(2), Lines(row, 3), row.GetInt64(4), row.GetInt64(5),
        row.Int64OrNull(6), row.Time(7), row.Time(8), row.TimeOrNull(9), row.TimeOrNull(10));

    public static OrderView Order(NpgsqlDataReader row, DateTimeOffset now)
    {
        Guid orderId = row.GetGuid(1);
        DateTimeOffset payBefore = row.Time(8);
        OrderStatus status = Orders.Order.StatusAt((OrderStatus)row.GetInt16(2), payBefore, now);
        return new OrderView(
            orderId, row.GetString(0), Ids.PaymentOf(orderId), status, Lines(row, 3), row.GetInt64(4), row.GetInt64(5),
            row.GetInt64(4) - row.GetInt64(5), row.Int64OrNull(6), row.Time(7), payBefore, row.TimeOrNull(9), row.TimeOrNull(10));
    }

    public static LedgerEntry LedgerEntry(NpgsqlDataReader row) => new(
        row.GetInt64(0), (LedgerKind)row.GetInt16(1), row.GetInt64(2), row.GetInt64(3), row.GuidOrNull(4), row.Time(5));

    public static PendingEvent PendingEvent(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetGuid(1), row.GetInt64(2), (OrderEventType)row.GetInt16(3), row.GetFieldValue<byte[]>(4), row.Time(5),
        row.TimeOrNull(6));

    public static OrderLine[] Lines(NpgsqlDataReader row, int column) =>
        JsonSerializer.Deserialize(row.GetFieldValue<byte[]>(column), OrderLinesJson.Default.OrderLineArray)
        ?? throw new InvalidDataException("An order has no lines.");

    public static long? Int64OrNull(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);

    public static Guid? GuidOrNull(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetGuid(column);

    public static DateTimeOffset Time(this NpgsqlDataReader row, int column) => DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));

    public static DateTimeOffset? TimeOrNull(this NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.Time(column);
}
