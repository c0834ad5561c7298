using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>The read half: each read is one statement, in its own snapshot, begun after the request came.</summary>
internal sealed partial class SqliteStore
{
    public ValueTask<PointsView> PointsAsync(string memberId) => pointReads.PointsAsync(memberId);

    public ValueTask<ProductView?> ProductAsync(long productId) => pointReads.ProductAsync(productId);

    public ValueTask<CouponView?> CouponAsync(long couponId) => pointReads.CouponAsync(couponId);

    public ValueTask<CartView> CartAsync(string memberId) => ReadAsync(memberId, static (db, memberId) =>
    {
        List<CartLineView> lines = All(
            db["""
                SELECT product_id, p.name, p.price, c.quantity, p.stock
                FROM cart_lines c JOIN products p USING (product_id)
                WHERE c.member_id = ?1 ORDER BY product_id
                """].Bind(1, memberId),
            static row => new CartLineView(row.Int64(0), row.Text(1), row.Int64(2), row.Int64(3), row.Int64(4)));
        return new CartView(memberId, lines, lines.Sum(line => line.Price * line.Quantity));
    });

    public ValueTask<OrderView?> OrderAsync(string memberId, Guid orderId, DateTimeOffset now) =>
        ReadAsync((memberId, orderId, now), static (db, a) => First(
            db[$"SELECT {SqliteRows.OrderColumns} FROM orders WHERE member_id = ?1 AND order_id = ?2"].Bind(1, a.memberId).Bind(2, a.orderId),
            row => SqliteRows.Order(row, a.now)));

    public ValueTask<PaymentView?> PaymentAsync(string memberId, Guid orderId, DateTimeOffset now) =>
        ReadAsync((memberId, orderId, now), static (db, a) => First(
            db["""
                SELECT o.status, o.subtotal - o.discount, l.balance, o.pay_before, o.paid_at
                FROM orders o LEFT JOIN ledger l ON l.order_id = o.order_id AND l.kind = 1
                WHERE o.member_id = ?1 AND o.order_id = ?2
                """].Bind(1, a.memberId).Bind(2, a.orderId),
            row => new PaymentView(
                Ids.PaymentOf(a.orderId), a.orderId,
                PaymentView.StatusOf(Order.StatusAt((OrderStatus)row.Int64(0), row.Time(3), a.now)),
                row.Int64(1), row.Int64OrNull(2), row.Time(3), row.TimeOrNull(4))));

    public ValueTask<List<LedgerEntry>> HistoryAsync(string memberId, long? below, int limit) =>
        ReadAsync((memberId, below, limit), static (db, a) => All(
            db[$"SELECT {SqliteRows.LedgerColumns} FROM ledger WHERE member_id = ?1 AND entry < ?2 ORDER BY entry DESC LIMIT ?3"]
                .Bind(1, a.memberId).Bind(2, a.below ?? long.MaxValue).Bind(3, a.limit),
            SqliteRows.LedgerEntry));

    public ValueTask<List<ProductView>> ProductsAsync(string? query, long? above, int limit) =>
        ReadAsync((query, above, limit), static (db, a) => All(
            db[$"""
                SELECT {SqliteRows.ProductColumns} FROM products
                WHERE on_sale = 1 AND product_id > ?1 AND (?2 IS NULL OR name LIKE ?2 ESCAPE '\') ORDER BY product_id LIMIT ?3
                """]
                .Bind(1, a.above ?? 0).Bind(2, a.query is null ? null : LikePattern.Containing(a.query)).Bind(3, a.limit),
            SqliteRows.Product));

    public ValueTask<List<ProductView>> AllProductsAsync(long? above, int limit) =>
        ReadAsync((above, limit), static (db, a) => All(
            db[$"SELECT {SqliteRows.ProductColumns} FROM products WHERE product_id > ?1 ORDER BY product_id LIMIT ?2"].Bind(1, a.above ?? 0).Bind(2, a.limit),
            SqliteRows.Product));

    public ValueTask<List<CouponView>> CouponsAsync(long? below, int limit) =>
        ReadAsync((below, limit), static (db, a) => All(
            db[$"SELECT {SqliteRows.CouponColumns} FROM coupons WHERE coupon_id < ?1 ORDER BY coupon_id DESC LIMIT ?2"]
                .Bind(1, a.below ?? long.MaxValue).Bind(2, a.limit),
            SqliteRows.Coupon));

    public ValueTask<List<IssuedCouponView>> IssuedCouponsAsync(
        string memberId, IssuedCouponStatus? status, (DateTimeOffset IssuedAt, long CouponId)? after, DateTimeOffset now, int limit) =>
        ReadAsync((memberId, status, after, now, limit), static (db, a) => All(
            db["""
                SELECT coupon_id, i.number, CASE WHEN i.status = 0 AND c.usable_until <= ?5 THEN 3 ELSE i.status END AS now_status,
                  c.discount_kind, c.discount_value, c.discount_maximum, c.minimum_order_amount, i.issued_at, c.usable_until, c.name, i.order_id
                FROM issued_coupons i JOIN coupons c USING (coupon_id)
                WHERE i.member_id = ?1 AND (i.issued_at, coupon_id) < (?2, ?3) AND (?4 IS NULL OR now_status = ?4)
                ORDER BY i.issued_at DESC, coupon_id DESC LIMIT ?6
                """]
                .Bind(1, a.memberId).Bind(2, a.after?.IssuedAt.ToUnixTimeMilliseconds() ?? long.MaxValue)
                .Bind(3, a.after?.CouponId ?? long.MaxValue).Bind(4, (long?)a.status).Bind(5, a.now).Bind(6, a.limit),
            row => new IssuedCouponView(
                row.Int64(0), a.memberId, row.Int64(1), (IssuedCouponStatus)row.Int64(2),
                new Discount((DiscountKind)row.Int64(3), row.Int64(4), row.Int64OrNull(5)), row.Int64(6), row.Time(7), row.Time(8),
                row.Text(9), row.GuidOrNull(10))));

    public ValueTask<List<((long First, long Second) Place, OrderView Order)>> OrdersAsync(
        string? memberId, OrderStatus? status, (long First, long Second)? after, DateTimeOffset now, int limit) =>
        ReadAsync((memberId, status, after, now, limit), static (db, a) =>
        {
            SqliteStatement orders = db[OrdersText(a.memberId is not null, a.status)].Bind(2, a.limit).Bind(3, a.now);
            return a.memberId is null
                ? All(orders.Bind(1, a.after?.First ?? long.MaxValue), row => ((row.Int64(11), 0L), SqliteRows.Order(row, a.now)))
                : All(
                    orders.Bind(1, a.after is { } place ? OrderAt(db, place) : Guid.AllBitsSet).Bind(4, a.memberId),
                    row => (IdPlace.Of(row.Guid(1)), SqliteRows.Order(row, a.now)));
        });

    public ValueTask<List<TopProduct>> TopProductsAsync(SalesWindow window, int limit) =>
        ReadAsync((window, limit), static (db, a) =>
        {
            int rank = 0;
            return All(
                db["""
                    SELECT t.product_id, p.name, p.price, t.sold, t.amount
                    FROM (SELECT product_id, sum(quantity) AS sold, sum(amount) AS amount FROM sales
                          WHERE hour >= ?1 AND hour < ?2 GROUP BY product_id HAVING sold > 0
                          ORDER BY sold DESC, amount DESC, product_id LIMIT ?3) t
                    JOIN products p USING (product_id)
                    ORDER BY t.sold DESC, t.amount DESC, t.product_id
                    """].Bind(1, a.window.FromHour).Bind(2, a.window.ToHour).Bind(3, a.limit),
                row => new TopProduct(++rank, row.Int64(0), row.Text(1), row.Int64(2), row.Int64(3), row.Int64(4)));
        });

    public ValueTask<List<(string MemberId, Guid OrderId)>> ExpiredOrdersAsync(DateTimeOffset now, int limit) =>
        ReadAsync((now, limit), static (db, a) => All(
            db["SELECT member_id, order_id FROM orders WHERE status = 0 AND pay_before <= ?1 ORDER BY pay_before LIMIT ?2"]
                .Bind(1, a.now).Bind(2, a.limit),
            static row => (row.Text(0), row.Guid(1))));

    public async ValueTask<List<PendingEvent>> PendingEventsAsync(IReadOnlyList<short> partitions, IReadOnlySet<string> held, bool anew, int limit)
    {
        // Positions grow with each commit. Behind the last that was read are only events that were passed over.
        long from = anew ? 0 : relayedTo;
        (List<PendingEvent> events, relayedTo) = await ReadAsync((from, held, limit), static (db, a) =>
        {
            var events = new List<PendingEvent>();
            long position = a.from;
            SqliteStatement row = db[$"""
                SELECT {SqliteRows.PendingEventColumns} FROM outbox_queue q JOIN outbox o USING (position) WHERE q.position > ?1 ORDER BY q.position
                """].Bind(1, a.from);
            while (events.Count < a.limit && row.Step())
            {
                position = row.Int64(7);
                if (!a.held.Contains(row.Text(0)))
                {
                    events.Add(SqliteRows.PendingEvent(row));
                }
            }

            row.Reset();
            return (events, position);
        }).ConfigureAwait(false);
        return events;
    }

    public ValueTask<List<PendingEvent>> PendingEventsAsync(IReadOnlyList<short> partitions, IReadOnlyList<Delivery> events) =>
        ReadAsync(events, static (db, events) =>
        {
            var pending = new List<PendingEvent>(events.Count);
            SqliteStatement row = db[$"SELECT {SqliteRows.PendingEventColumns} FROM outbox o JOIN outbox_queue q USING (position) WHERE o.event_id = ?1"];
            foreach (Delivery one in events)
            {
                if (First(row.Bind(1, one.EventId), SqliteRows.PendingEvent) is { } found)
                {
                    pending.Add(found);
                }
            }

            return pending;
        });

    public ValueTask<List<((long First, long Second) Place, OutboxEventView Event)>> EventsAsync(
        OutboxState? state, (long First, long Second)? after, int limit) =>
        ReadAsync((state, after, limit), static (db, a) => All(
            EventsStatement(db, a.state).Bind(1, a.after?.First ?? long.MaxValue).Bind(2, a.limit),
            static row => ((row.Int64(0), 0L), new OutboxEventView(
                row.Guid(1), (OrderEventType)row.Int64(2), row.Guid(3), row.Text(4), row.Int64(5), (OutboxState)row.Int64(6),
                row.Time(7)))));

    public ValueTask<List<(Guid EventId, DateTimeOffset CreatedAt)>> EventIdsAsync(DateTimeOffset from, DateTimeOffset to, int limit) =>
        ReadAsync((from, to, limit), static (db, a) => All(
            db["SELECT event_id, created_at FROM outbox WHERE created_at >= ?1 AND created_at < ?2 ORDER BY created_at, position LIMIT ?3"]
                .Bind(1, a.from).Bind(2, a.to).Bind(3, a.limit),
            static row => (row.Guid(0), row.Time(1))));

    public ValueTask<List<((long First, long Second) Place, Guid EventId, OutboxState State)>> OldEventsAsync(
        DateTimeOffset before, (long First, long Second)? after, int limit) => ReadAsync((before, after, limit), static (db, a) =>
    {
        // Rows stand in the order of their time: at the first that is too young the rest is not looked at. One of a clock that was
        // ahead, younger than the newest, is passed over. The newest stays, because a position that was the greatest would be given
        // again, and the relay looks for greater ones.
        var events = new List<((long First, long Second) Place, Guid EventId, OutboxState State)>();
        SqliteStatement row = db[$"""
            SELECT o.position, o.event_id, {SqliteRows.EventState}, o.created_at FROM {SqliteRows.EventsWithState}
            WHERE o.position > ?1 AND o.position < (SELECT max(position) FROM outbox)
              AND o.created_at <= (SELECT created_at FROM outbox ORDER BY position DESC LIMIT 1)
            ORDER BY o.position LIMIT ?2
            """].Bind(1, a.after?.First ?? 0).Bind(2, a.limit);
        while (row.Step() && row.Time(3) < a.before)
        {
            events.Add(((row.Int64(0), 0), row.Guid(1), (OutboxState)row.Int64(2)));
        }

        row.Reset();
        return events;
    });

    public ValueTask<bool> HasKeysBeforeAsync(DateTimeOffset moment) => ReadAsync(moment, static (db, moment) =>
        First(
            db[$"SELECT created_at NOT BETWEEN ?1 AND ({NewestKeyText}) FROM idempotency_keys ORDER BY position LIMIT 1"].Bind(1, moment),
            static row => row.Int64(0)) != 0);

    public ValueTask<List<InvariantReport>> AuditAsync() => ReadAsync(0, static (db, _) => SqliteAudit.Run(db));

    /// <summary>Point reads that came together, in one snapshot.</summary>
    private async ValueTask ReadPointsAsync(PointRound round) => await ReadAsync(round, static (db, round) =>
    {
        db["BEGIN"].Run();
        foreach (long productId in round.Products)
        {
            if (First(db[$"SELECT {SqliteRows.ProductColumns} FROM products WHERE product_id = ?1"].Bind(1, productId), SqliteRows.Product) is { } product)
            {
                round.Found(product);
            }
        }

        foreach (long couponId in round.Coupons)
        {
            if (First(db[$"SELECT {SqliteRows.CouponColumns} FROM coupons WHERE coupon_id = ?1"].Bind(1, couponId), SqliteRows.Coupon) is { } coupon)
            {
                round.Found(coupon);
            }
        }

        foreach (string memberId in round.Members)
        {
            SqliteStatement row = db["SELECT balance FROM ledger WHERE member_id = ?1 ORDER BY entry DESC LIMIT 1"].Bind(1, memberId);
            round.Found(new PointsView(memberId, First(row, static row => row.Int64(0))));
        }

        db["COMMIT"].Run();
        return true;
    }).ConfigureAwait(false);

    // A cursor that was given before a member's orders went by their id holds a position. No id ends in so many zeros.
    private static Guid OrderAt(SqliteConnection db, (long First, long Second) place) => place.Second == 0
        ? First(db["SELECT order_id FROM orders WHERE position = ?1"].Bind(1, place.First), static row => row.Guid(0))
        : IdPlace.IdOf(place);

    /// <summary>
    /// A text for each question, so that each finds its index: all orders go by their position, a member's by their id, as its index
    /// has them. ?1 is the place, ?2 the limit, ?3 now and ?4 the member. Every caller binds ?3, so that every text names it.
    /// </summary>
    internal static string OrdersText(bool isOfMember, OrderStatus? status)
    {
        string which = status is not { } one ? "?3 IS NOT NULL" : one switch
        {
            OrderStatus.PendingPayment => "status = 0 AND pay_before > ?3",
            OrderStatus.Completed => "?3 IS NOT NULL AND status = 1",
            OrderStatus.Expired => "(status = 2 OR (status = 0 AND pay_before <= ?3))",
            OrderStatus.Cancelled => "?3 IS NOT NULL AND status >= 2 AND status = 3",
            OrderStatus.Refunded => "?3 IS NOT NULL AND status >= 2 AND status = 4",
        };
        return isOfMember
            ? $"SELECT {SqliteRows.OrderColumns} FROM orders WHERE member_id = ?4 AND order_id < ?1 AND {which} ORDER BY order_id DESC LIMIT ?2"
            : $"SELECT {SqliteRows.OrderColumns}, position FROM orders WHERE position < ?1 AND {which} ORDER BY position DESC LIMIT ?2";
    }

    private static SqliteStatement EventsStatement(SqliteConnection db, OutboxState? state)
    {
        const string Columns = "o.position, o.event_id, o.type, o.order_id, o.member_id, o.sequence";
        const string All = $"SELECT {Columns}, {SqliteRows.EventState}, o.created_at FROM {SqliteRows.EventsWithState} WHERE o.position < ?1";
        const string Pending = $"SELECT {Columns}, 0, o.created_at FROM outbox_queue q JOIN outbox o USING (position) WHERE q.position < ?1";
        const string Dead = $"SELECT {Columns}, 2, o.created_at FROM outbox_dead d JOIN outbox o USING (position) WHERE d.position < ?1";
        const string Page = "ORDER BY o.position DESC LIMIT ?2";
        if (state is not { } one)
        {
            return db[$"{All} {Page}"];
        }

        return one switch
        {
            OutboxState.Pending => db[$"{Pending} ORDER BY q.position DESC LIMIT ?2"],
            OutboxState.Delivered => db[$"{All} AND q.position IS NULL AND d.position IS NULL {Page}"],
            OutboxState.Dead => db[$"{Dead} ORDER BY d.position DESC LIMIT ?2"],
        };
    }

    private static T? First<T>(SqliteStatement statement, Func<SqliteStatement, T> read)
    {
        if (!statement.Step())
        {
            return default;
        }

        T row = read(statement);
        statement.Reset();
        return row;
    }

    private static List<T> All<T>(SqliteStatement statement, Func<SqliteStatement, T> read)
    {
        var rows = new List<T>();
        while (statement.Step())
        {
            rows.Add(read(statement));
        }

        return rows;
    }
}
