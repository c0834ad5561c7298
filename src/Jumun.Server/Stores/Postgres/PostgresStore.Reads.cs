using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Server.Stores.Postgres;

/// <summary>The read half: each read is one statement on the primary, in its own snapshot, begun after the request came.</summary>
internal sealed partial class PostgresStore
{
    public ValueTask<PointsView> PointsAsync(string memberId) => pointReads.PointsAsync(memberId);

    public ValueTask<ProductView?> ProductAsync(long productId) => pointReads.ProductAsync(productId);

    public ValueTask<CouponView?> CouponAsync(long couponId) => pointReads.CouponAsync(couponId);

    public async ValueTask<CartView> CartAsync(string memberId)
    {
        List<CartLineView> lines = await AllAsync(
            new Query("""
                WITH c AS MATERIALIZED (SELECT product_id, quantity FROM cart_lines WHERE member_id = $1)
                SELECT c.product_id, p.name, p.price, c.quantity, p.stock
                FROM c JOIN products p ON p.product_id = c.product_id ORDER BY c.product_id
                """).With(memberId),
            static row => new CartLineView(row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4))).ConfigureAwait(false);
        return new CartView(memberId, lines, lines.Sum(line => line.Price * line.Quantity));
    }

    public ValueTask<OrderView?> OrderAsync(string memberId, Guid orderId, DateTimeOffset now) => FirstAsync(
        new Query($"SELECT {PostgresRows.OrderColumns} FROM orders WHERE member_id = $1 AND order_id = $2").With(memberId).With(orderId),
        row => PostgresRows.Order(row, now));

    public ValueTask<PaymentView?> PaymentAsync(string memberId, Guid orderId, DateTimeOffset now) => FirstAsync(
        new Query("""
            SELECT o.status, o.subtotal - o.discount, l.balance, o.pay_before, o.paid_at
            FROM orders o LEFT JOIN ledger l ON l.member_id = o.member_id AND l.order_id = o.order_id AND l.kind = 1
            WHERE o.member_id = $1 AND o.order_id = $2
            """).With(memberId).With(orderId),
        row => new PaymentView(
            Ids.PaymentOf(orderId), orderId, PaymentView.StatusOf(Order.StatusAt((OrderStatus)row.GetInt16(0), row.Time(3), now)),
            row.GetInt64(1), row.Int64OrNull(2), row.Time(3), row.TimeOrNull(4)));

    public ValueTask<List<LedgerEntry>> HistoryAsync(string memberId, long? below, int limit) => AllAsync(
        new Query($"SELECT {PostgresRows.LedgerColumns} FROM ledger WHERE member_id = $1 AND entry < $2 ORDER BY entry DESC LIMIT $3")
            .With(memberId).With(below ?? long.MaxValue).With(limit),
        PostgresRows.LedgerEntry);

    public ValueTask<List<ProductView>> ProductsAsync(string? query, long? above, int limit)
    {
        const string Select = $"SELECT {PostgresRows.ProductColumns} FROM products WHERE product_id > $1 AND on_sale";
        const string Page = "ORDER BY product_id LIMIT $2";
        return AllAsync(
            query is null
                ? new Query($"{Select} {Page}").With(above ?? 0).With(limit)
                : new Query($@"{Select} AND name ILIKE $3 ESCAPE '\' {Page}").With(above ?? 0).With(limit).With(LikePattern.Containing(query)),
            PostgresRows.Product);
    }

    public ValueTask<List<ProductView>> AllProductsAsync(long? above, int limit) => AllAsync(
        new Query($"SELECT {PostgresRows.ProductColumns} FROM products WHERE product_id > $1 ORDER BY product_id LIMIT $2").With(above ?? 0).With(limit),
        PostgresRows.Product);

    public ValueTask<List<CouponView>> CouponsAsync(long? below, int limit) => AllAsync(
        new Query($"SELECT {PostgresRows.CouponColumns} FROM coupons WHERE coupon_id < $1 ORDER BY coupon_id DESC LIMIT $2")
            .With(below ?? long.MaxValue).With(limit),
        PostgresRows.Coupon);

    public ValueTask<List<IssuedCouponView>> IssuedCouponsAsync(
        string memberId, IssuedCouponStatus? status, (DateTimeOffset IssuedAt, long CouponId)? after, DateTimeOffset now, int limit) => AllAsync(
        new Query($"""
            WITH i AS {(map.IsDivided ? "NOT " : "")}MATERIALIZED (SELECT * FROM issued_coupons WHERE member_id = $1)
            SELECT coupon_id, number, now_status, discount_kind, discount_value, discount_maximum, minimum_order_amount, issued_at,
              usable_until, name, order_id
            FROM (SELECT i.*, c.name, c.discount_kind, c.discount_value, c.discount_maximum, c.minimum_order_amount, c.usable_until,
                    CASE WHEN i.status = 0 AND c.usable_until <= $5 THEN 3::smallint ELSE i.status END AS now_status
                  FROM i JOIN coupons c ON c.coupon_id = i.coupon_id) held
            WHERE (issued_at, coupon_id) < ($2, $3) AND ($4 IS NULL OR now_status = $4)
            ORDER BY issued_at DESC, coupon_id DESC LIMIT $6
            """)
            .With(memberId).With(after?.IssuedAt.ToUnixTimeMilliseconds() ?? long.MaxValue).With(after?.CouponId ?? long.MaxValue)
            .With((short?)status).With(now.ToUnixTimeMilliseconds()).With(limit),
        row => new IssuedCouponView(
            row.GetInt64(0), memberId, row.GetInt64(1), (IssuedCouponStatus)row.GetInt16(2),
            new Discount((DiscountKind)row.GetInt16(3), row.GetInt64(4), row.Int64OrNull(5)), row.GetInt64(6), row.Time(7), row.Time(8),
            row.GetString(9), row.GuidOrNull(10)));

    public ValueTask<List<((long First, long Second) Place, OrderView Order)>> OrdersAsync(
        string? memberId, OrderStatus? status, (long First, long Second)? after, DateTimeOffset now, int limit) => AllAsync(
        OrdersQuery(memberId, status, after is { } place ? IdPlace.IdOf(place) : Guid.AllBitsSet, limit, now),
        row => (IdPlace.Of(row.GetGuid(1)), PostgresRows.Order(row, now)));

    public async ValueTask<List<TopProduct>> TopProductsAsync(SalesWindow window, int limit)
    {
        int rank = 0;
        return await AllAsync(
            new Query("""
                SELECT t.product_id, p.name, p.price, t.sold::bigint, t.amount::bigint
                FROM (SELECT product_id, sum(quantity) AS sold, sum(amount) AS amount FROM sales
                      WHERE hour >= $1 AND hour < $2 GROUP BY product_id HAVING sum(quantity) > 0
                      ORDER BY sold DESC, amount DESC, product_id LIMIT $3) t
                JOIN products p ON p.product_id = t.product_id
                ORDER BY t.sold DESC, t.amount DESC, t.product_id
                """).With(window.FromHour).With(window.ToHour).With(limit),
            row => new TopProduct(++rank, row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4))).ConfigureAwait(false);
    }

    public async ValueTask<List<(string MemberId, Guid OrderId)>> ExpiredOrdersAsync(DateTimeOffset now, int limit)
    {
        long moment = now.ToUnixTimeMilliseconds();
        List<(string MemberId, Guid OrderId, long PayBefore)> orders = await AllAsync(
            new Query("""
                SELECT member_id, order_id, pay_before FROM orders WHERE status = 0 AND pay_before >= $3 AND pay_before <= $1
                ORDER BY pay_before LIMIT $2
                """).With(moment).With(limit).With(pendingOrders.From(moment)),
            static row => (row.GetString(0), row.GetGuid(1), row.GetInt64(2))).ConfigureAwait(false);

        // An order may be committed some time after its batch was stamped.
        pendingOrders.Reached((orders.Count > 0 ? orders[0].PayBefore : moment) - LateMs);
        return orders.ConvertAll(static order => (order.MemberId, order.OrderId));
    }

    public ValueTask<List<((long First, long Second) Place, OutboxEventView Event)>> EventsAsync(
        OutboxState? state, (long First, long Second)? after, int limit) => AllAsync(
        EventsQuery(state).With(after?.First ?? long.MaxValue).With(LastBytes(after?.Second ?? -1)).With(limit),
        static row => ((row.GetInt64(6), IdPlace.Of(row.GetGuid(0)).Second), new OutboxEventView(
            row.GetGuid(0), (OrderEventType)row.GetInt16(1), row.GetGuid(2), row.GetString(3), row.GetInt64(4), (OutboxState)row.GetInt32(5),
            row.Time(6))));

    public ValueTask<List<(Guid EventId, DateTimeOffset CreatedAt)>> EventIdsAsync(DateTimeOffset from, DateTimeOffset to, int limit) => AllAsync(
        new Query("SELECT event_id, created_at FROM outbox WHERE created_at >= $1 AND created_at < $2 ORDER BY created_at, event_id LIMIT $3")
            .With(from.ToUnixTimeMilliseconds()).With(to.ToUnixTimeMilliseconds()).With(limit),
        static row => (row.GetGuid(0), row.Time(1)));

    public ValueTask<List<((long First, long Second) Place, Guid EventId, OutboxState State)>> OldEventsAsync(
        DateTimeOffset before, (long First, long Second)? after, int limit) => AllAsync(
        new Query(map.IsDivided ? OldDividedEvents : OldEvents)
            .With(after?.First ?? 0).With(LastBytes(after?.Second ?? 0)).With(before.ToUnixTimeMilliseconds()).With(limit),
        static row => ((row.GetInt64(0), IdPlace.Of(row.GetGuid(1)).Second), row.GetGuid(1), (OutboxState)row.GetInt32(2)));

    public async ValueTask<bool> HasKeysBeforeAsync(DateTimeOffset moment)
    {
        long before = moment.ToUnixTimeMilliseconds();
        long? oldest = await FirstAsync(
            new Query("SELECT created_at FROM idempotency_keys WHERE created_at >= $2 AND created_at < $1 ORDER BY created_at LIMIT 1")
                .With(before).With(keys.From(before)),
            static row => (long?)row.GetInt64(0)).ConfigureAwait(false);
        keys.Reached(oldest ?? 0);
        return oldest is not null;
    }

    public ValueTask<List<InvariantReport>> AuditAsync() => UseAsync(connection => PostgresAudit.RunAsync(connection, map.IsDivided));

    /// <inheritdoc cref="ReadLedgerPage"/>
    public ValueTask<LedgerPage> LedgerPageAsync(Guid after, int limit) =>
        UseAsync(connection => PostgresLedgerEvents.ReadAsync(connection, after, limit));

    /// <inheritdoc cref="IsEventKept"/>
    public ValueTask<bool> IsEventKeptAsync(LedgerEvent one) => UseAsync(connection => PostgresLedgerEvents.IsKeptAsync(connection, one));

    private const string OldEvents = $"""
        SELECT o.created_at, o.event_id, {PostgresRows.EventState}
        FROM (SELECT member_id, sequence, created_at, event_id, substring(uuid_send(event_id) FROM 9) AS second FROM outbox
              WHERE (created_at, substring(uuid_send(event_id) FROM 9)) > ($1, $2) AND created_at >= $1 AND created_at < $3
              ORDER BY created_at, second LIMIT $4) o
        LEFT JOIN LATERAL (SELECT member_id FROM outbox_queue WHERE member_id = o.member_id AND sequence = o.sequence OFFSET 0) q ON true
        LEFT JOIN LATERAL (SELECT member_id FROM outbox_dead WHERE member_id = o.member_id AND sequence = o.sequence OFFSET 0) d ON true
        ORDER BY o.created_at, o.second
        """;

    // Each shard finds its own first, with what became of them: what was cut to a length before could not be joined any more.
    private const string OldDividedEvents = $"""
        SELECT o.created_at, o.event_id, {PostgresRows.EventState} FROM {PostgresRows.EventsWithState}
        WHERE (o.created_at, substring(uuid_send(o.event_id) FROM 9)) > ($1, $2) AND o.created_at >= $1 AND o.created_at < $3
        ORDER BY o.created_at, substring(uuid_send(o.event_id) FROM 9) LIMIT $4
        """;

    // A text for each question, so that each finds its index. $1 to $3 are the place, the limit and now; $4 is the member.
    private static Query OrdersQuery(string? memberId, OrderStatus? status, Guid place, int limit, DateTimeOffset now)
    {
        const string Select = $"SELECT {PostgresRows.OrderColumns} FROM orders WHERE order_id < $1";
        const string Page = "ORDER BY order_id DESC LIMIT $2";
        const string Any = "AND $3 IS NOT NULL";
        string member = memberId is null ? "" : "AND member_id = $4";
        string text = status is not { } one ? $"{Select} {Any} {member} {Page}" : one switch
        {
            OrderStatus.PendingPayment => $"{Select} AND status = 0 AND pay_before > $3 {member} {Page}",
            OrderStatus.Completed => $"{Select} {Any} AND status = 1 {member} {Page}",
            OrderStatus.Expired =>
                $"({Select} AND status = 2 {member} {Page}) UNION ALL ({Select} AND status = 0 AND pay_before <= $3 {member} {Page}) {Page}",
            OrderStatus.Cancelled => $"{Select} {Any} AND status = 3 {member} {Page}",
            OrderStatus.Refunded => $"{Select} {Any} AND status = 4 {member} {Page}",
        };
        Query query = new Query(text).With(place).With(limit).With(now.ToUnixTimeMilliseconds());
        return memberId is null ? query : query.With(memberId);
    }

    private Query EventsQuery(OutboxState? state)
    {
        const string Columns = "o.event_id, o.type, o.order_id, o.member_id, o.sequence";
        const string After = "(o.created_at, substring(uuid_send(o.event_id) FROM 9)) < ($1, $2) AND o.created_at <= $1";
        const string Page = "ORDER BY o.created_at DESC, substring(uuid_send(o.event_id) FROM 9) DESC LIMIT $3";
        const string All = $"SELECT {Columns}, {PostgresRows.EventState}, o.created_at FROM {PostgresRows.EventsWithState} WHERE {After}";

        // What waits or is dead is chosen where it stands: the outbox grows for ever, and has next to none of it.
        string body = $"CROSS JOIN LATERAL (SELECT * FROM outbox WHERE member_id = k.member_id AND event_id = k.event_id{Apart}) o";
        string pending = $"SELECT {Columns}, 0, o.created_at FROM (SELECT * FROM outbox_queue o WHERE {After} {Page}) k {body} {Page}";
        string dead = $"SELECT {Columns}, 2, o.created_at FROM (SELECT * FROM outbox_dead o WHERE {After} {Page}) k {body} {Page}";
        return new Query(state is not { } one ? $"{All} {Page}" : one switch
        {
            OutboxState.Pending => pending,
            OutboxState.Delivered => $"{All} AND q.member_id IS NULL AND d.member_id IS NULL {Page}",
            OutboxState.Dead => dead,
        });
    }

    // What keeps PostgreSQL's planner from its own idea of a lookup by key keeps Citus from finding the shards.
    private string Apart => map.IsDivided ? "" : " OFFSET 0";

    private static byte[] LastBytes(long number)
    {
        byte[] bytes = new byte[sizeof(long)];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        return bytes;
    }
}
