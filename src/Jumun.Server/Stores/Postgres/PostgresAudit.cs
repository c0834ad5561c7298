using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The invariants that the database can show. Each is a query for its offenders, and one that counts what was checked; all
/// run in one snapshot, so that they hold while the shop runs. On Citus each node has a snapshot of its own, and a commit that
/// is on its way to two of them may be seen by half: there they hold when nothing is written meanwhile.
/// </summary>
internal static class PostgresAudit
{
    // Whole tables are read here: the planner may choose again.
    private const string Begin = """
        BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
        SET LOCAL enable_seqscan = on;
        SET LOCAL enable_mergejoin = on;
        SET LOCAL enable_bitmapscan = on
        """;

    private const string OrdersWithCoupon = "(SELECT member_id, order_id, status, coupon_id FROM orders WHERE coupon_id IS NOT NULL OFFSET 0)";
    private const string HeldCoupons = "(SELECT member_id, coupon_id, status, order_id FROM issued_coupons WHERE status <> 0 OFFSET 0)";

    // An order and its member's coupon lie apart on Citus: one of the two is fetched there before they are joined.
    private static (string Id, string Name, string Figure, string Offenders)[] Invariants(string ordersWithCoupon, string heldCoupons) =>
    [
        ("I1", "the balance is the sum of the ledger, per member",
            "SELECT count(DISTINCT member_id) FROM ledger",
            """
            SELECT 'member ' || coalesce(w.member_id, s.member_id) || ': balance ' || coalesce(w.balance, 0) || ', ledger ' || coalesce(s.total, 0)
            FROM wallets w FULL JOIN (SELECT member_id, sum(amount) AS total FROM ledger GROUP BY member_id) s ON s.member_id = w.member_id
            WHERE coalesce(w.balance, 0) <> coalesce(s.total, 0)
            """),
        ("I2", "the balance stays between 0 and its cap; each entry follows from the one before, without gaps",
            "SELECT count(*) FROM ledger",
            """
            SELECT 'member ' || member_id || ', entry ' || entry || ': balance ' || balance || ' after ' || amount FROM (
              SELECT member_id, entry, amount, balance,
                lag(balance, 1, 0::bigint) OVER (PARTITION BY member_id ORDER BY entry) AS balance_before,
                lag(entry, 1, 0::bigint) OVER (PARTITION BY member_id ORDER BY entry) AS entry_before
              FROM ledger) l
            WHERE balance <> balance_before + amount OR entry <> entry_before + 1 OR balance NOT BETWEEN 0 AND 9007199254740991
            UNION ALL
            SELECT 'member ' || w.member_id || ': ' || w.entries || ' entries counted, last is ' || coalesce(l.last, 0)
            FROM wallets w LEFT JOIN (SELECT member_id, max(entry) AS last FROM ledger GROUP BY member_id) l ON l.member_id = w.member_id
            WHERE w.entries <> coalesce(l.last, 0) OR w.balance NOT BETWEEN 0 AND 9007199254740991
            """),
        ("I3", "stock is never negative, and received = available + held + sold, per product",
            "SELECT count(*) FROM products",
            """
            SELECT 'product ' || coalesce(product_id::text, 'without a number') || ': received ' || received || ', available ' || available
              || ', held ' || held || ', sold ' || sold || CASE known WHEN 0 THEN ', and there is no such product' ELSE '' END
            FROM (SELECT product_id, sum(received) AS received, sum(available) AS available, sum(held) AS held, sum(sold) AS sold, sum(known) AS known
                  FROM (SELECT product_id, 0::numeric AS received, stock AS available, 0::numeric AS held, 0::numeric AS sold, 1 AS known FROM products
                        UNION ALL
                        SELECT product_id, sum(change), 0, 0, 0, 0 FROM stock_changes GROUP BY product_id
                        UNION ALL
                        SELECT (line ->> 'productId')::bigint, 0, 0,
                          sum(CASE o.status WHEN 0 THEN (line ->> 'quantity')::bigint ELSE 0 END),
                          sum(CASE o.status WHEN 1 THEN (line ->> 'quantity')::bigint ELSE 0 END), 0
                        FROM orders o, json_array_elements(o.lines::json) line GROUP BY 1
                        UNION ALL
                        SELECT product_id, 0, 0, 0, 0, 0 FROM sales GROUP BY product_id) parts
                  GROUP BY product_id) p
            WHERE known = 0 OR available < 0 OR received <> available + held + sold
            """),
        ("I4", "issued ≤ quantity; one a member; numbers 1 to issued without a gap; used exactly by one completed order",
            "SELECT count(*) FROM issued_coupons",
            $"""
            SELECT 'coupon ' || c.coupon_id || ': quantity ' || c.quantity || ', issued ' || c.issued || ', held by members '
              || coalesce(i.members, 0) || ', numbers ' || coalesce(i.numbers, 0) || ', last number ' || coalesce(i.last, 0)
            FROM coupons c
            LEFT JOIN (SELECT coupon_id, count(*) AS members, count(DISTINCT number) AS numbers, max(number) AS last
                       FROM issued_coupons GROUP BY coupon_id) i ON i.coupon_id = c.coupon_id
            WHERE c.issued > c.quantity OR c.issued <> coalesce(i.members, 0) OR c.issued <> coalesce(i.numbers, 0) OR c.issued <> coalesce(i.last, 0)
            UNION ALL
            SELECT 'coupon ' || i.coupon_id || ' of member ' || i.member_id || ': issued, and there is no such coupon'
            FROM issued_coupons i LEFT JOIN (SELECT coupon_id FROM coupons OFFSET 0) c ON c.coupon_id = i.coupon_id WHERE c.coupon_id IS NULL
            UNION ALL
            SELECT 'coupon ' || i.coupon_id || ' of member ' || i.member_id || ': used, and order ' || i.order_id || ' is not completed with it'
            FROM issued_coupons i LEFT JOIN {ordersWithCoupon} o ON o.member_id = i.member_id AND o.order_id = i.order_id
            WHERE i.status = 2 AND (o.status IS NULL OR o.status <> 1 OR o.coupon_id IS DISTINCT FROM i.coupon_id)
            UNION ALL
            SELECT 'order ' || o.order_id || ' of member ' || o.member_id || ': completed with coupon ' || o.coupon_id
              || ', which is not used by it'
            FROM orders o LEFT JOIN {heldCoupons} i ON i.member_id = o.member_id AND i.coupon_id = o.coupon_id
            WHERE o.coupon_id IS NOT NULL AND o.status = 1 AND (i.status IS DISTINCT FROM 2 OR i.order_id IS DISTINCT FROM o.order_id)
            """),
        ("I5", "an order was completed exactly when it has one debit of its total, and refunded exactly when it has one credit of it",
            "SELECT count(*) FROM orders",
            """
            SELECT 'order ' || o.order_id || ' of member ' || o.member_id || ': status ' || o.status || ', total ' || (o.subtotal - o.discount)
              || ', debits ' || coalesce(l.debits, 0) || ' of ' || coalesce(l.debited, 0)
              || ', credits ' || coalesce(l.credits, 0) || ' of ' || coalesce(l.credited, 0)
            FROM orders o
            LEFT JOIN (SELECT member_id, order_id, count(*) FILTER (WHERE kind = 1) AS debits, -sum(amount) FILTER (WHERE kind = 1) AS debited,
                         count(*) FILTER (WHERE kind = 2) AS credits, sum(amount) FILTER (WHERE kind = 2) AS credited
                       FROM ledger WHERE order_id IS NOT NULL GROUP BY member_id, order_id) l ON l.member_id = o.member_id AND l.order_id = o.order_id
            WHERE coalesce(l.debits, 0) <> (o.status IN (1, 4))::int OR coalesce(l.credits, 0) <> (o.status = 4)::int
               OR (o.status IN (1, 4) AND l.debited <> o.subtotal - o.discount) OR (o.status = 4 AND l.credited <> o.subtotal - o.discount)
            UNION ALL
            SELECT 'member ' || l.member_id || ', entry ' || l.entry || ': names an order that is not there'
            FROM ledger l LEFT JOIN orders o ON o.member_id = l.member_id AND o.order_id = l.order_id
            WHERE l.order_id IS NOT NULL AND o.order_id IS NULL
            """),
        ("I6", "the total is Σ price × quantity less what the coupon takes off, and not negative",
            "SELECT count(*) FROM orders",
            """
            SELECT 'order ' || order_id || ' of member ' || member_id || ': subtotal ' || subtotal || ', lines ' || total
              || ', discount ' || discount || ', by the coupon ' || coalesce(off::text, 'none')
            FROM (SELECT o.order_id, o.member_id, o.subtotal, o.discount,
                    (SELECT coalesce(sum((line ->> 'price')::bigint * (line ->> 'quantity')::bigint), 0)
                     FROM json_array_elements(o.lines::json) line) AS total,
                    CASE WHEN o.coupon_id IS NULL THEN 0 WHEN c.discount_kind = 0 THEN least(o.subtotal, c.discount_value)
                      WHEN c.discount_kind = 1 THEN least(o.subtotal, o.subtotal * c.discount_value / 100, c.discount_maximum) END AS off
                  FROM orders o LEFT JOIN (SELECT coupon_id, discount_kind, discount_value, discount_maximum FROM coupons OFFSET 0) c
                    ON c.coupon_id = o.coupon_id) o
            WHERE subtotal <> total OR discount IS DISTINCT FROM off OR discount < 0
            """),
        ("I7", "one completed event an order ever completed, one refunded event a refund, none for any other; numbered as the ledger has them; "
            + "none is missing but delivered ones that were forgotten",
            "SELECT count(*) FROM outbox",
            """
            SELECT 'order ' || o.order_id || ' of member ' || o.member_id || ': status ' || o.status || ', completed events '
              || coalesce(e.completed, 0) || ', refunded events ' || coalesce(e.refunded, 0)
            FROM orders o
            LEFT JOIN (SELECT member_id, order_id, count(*) FILTER (WHERE type = 0) AS completed, count(*) FILTER (WHERE type = 1) AS refunded
                       FROM outbox GROUP BY member_id, order_id) e ON e.member_id = o.member_id AND e.order_id = o.order_id
            WHERE coalesce(e.completed, 0) > (o.status IN (1, 4))::int OR coalesce(e.refunded, 0) > (o.status = 4)::int
               OR (coalesce(e.completed, 0) < (o.status IN (1, 4))::int AND o.paid_at >= coalesce((SELECT before FROM forgotten_events), 0))
               OR (coalesce(e.refunded, 0) < (o.status = 4)::int AND o.ended_at >= coalesce((SELECT before FROM forgotten_events), 0))
            UNION ALL
            SELECT 'event ' || e.event_id || ': names an order that is not there'
            FROM outbox e LEFT JOIN orders o ON o.member_id = e.member_id AND o.order_id = e.order_id WHERE o.order_id IS NULL
            UNION ALL
            SELECT 'event ' || q.event_id || ': queued, and not there'
            FROM outbox_queue q LEFT JOIN outbox e ON e.member_id = q.member_id AND e.event_id = q.event_id
            WHERE e.event_id IS NULL OR e.sequence <> q.sequence
            UNION ALL
            SELECT 'event ' || d.event_id || ': given up, and not there'
            FROM outbox_dead d LEFT JOIN outbox e ON e.member_id = d.member_id AND e.event_id = d.event_id
            WHERE e.event_id IS NULL OR e.sequence <> d.sequence
            UNION ALL
            SELECT 'event ' || d.event_id || ': queued and given up at once'
            FROM outbox_dead d JOIN outbox_queue q ON q.member_id = d.member_id AND q.sequence = d.sequence
            UNION ALL
            SELECT 'event ' || event_id || ' of member ' || member_id || ': not the id of such an event of order ' || order_id
            FROM outbox WHERE left(event_id::text, 35) <> left(order_id::text, 35)
               OR strpos('0123456789abcdef', right(event_id::text, 1)) <> strpos('0123456789abcdef', right(order_id::text, 1)) + type + 2
            UNION ALL
            SELECT 'event ' || e.event_id || ' of member ' || e.member_id || ': number ' || e.sequence
              || ', by the ledger ' || coalesce(l.number::text, 'none')
            FROM outbox e
            LEFT JOIN (SELECT member_id, order_id, kind, row_number() OVER (PARTITION BY member_id ORDER BY entry) AS number
                       FROM ledger WHERE kind <> 0) l ON l.member_id = e.member_id AND l.order_id = e.order_id AND l.kind = e.type + 1
            WHERE e.sequence IS DISTINCT FROM l.number
            UNION ALL
            SELECT 'member ' || coalesce(w.member_id, l.member_id) || ': ' || coalesce(w.events, 0) || ' events counted, '
              || coalesce(l.made, 0) || ' payments and refunds'
            FROM wallets w FULL JOIN (SELECT member_id, count(*) AS made FROM ledger WHERE kind <> 0 GROUP BY member_id) l ON l.member_id = w.member_id
            WHERE coalesce(w.events, 0) <> coalesce(l.made, 0)
            """),
        ("I11", "what an ended order held is back, once",
            "SELECT count(*) FROM orders WHERE status IN (2, 3, 4)",
            $"""
            SELECT 'coupon ' || i.coupon_id || ' of member ' || i.member_id || ': held, and order ' || i.order_id || ' is not pending with it'
            FROM issued_coupons i LEFT JOIN {ordersWithCoupon} o ON o.member_id = i.member_id AND o.order_id = i.order_id
            WHERE i.status = 1 AND (o.status IS DISTINCT FROM 0 OR o.coupon_id IS DISTINCT FROM i.coupon_id)
            UNION ALL
            SELECT 'order ' || o.order_id || ' of member ' || o.member_id || ': pending with coupon ' || o.coupon_id || ', which is not held by it'
            FROM orders o LEFT JOIN {heldCoupons} i ON i.member_id = o.member_id AND i.coupon_id = o.coupon_id
            WHERE o.coupon_id IS NOT NULL AND o.status = 0 AND (i.status IS DISTINCT FROM 1 OR i.order_id IS DISTINCT FROM o.order_id)
            UNION ALL
            SELECT 'product ' || coalesce(t.product_id, s.product_id) || ', hour ' || coalesce(t.hour, s.hour) || ': sold ' || coalesce(t.sold, 0)
              || ' for ' || coalesce(t.amount, 0) || ', counted ' || coalesce(s.sold, 0) || ' for ' || coalesce(s.amount, 0)
            FROM (SELECT (line ->> 'productId')::bigint AS product_id, o.paid_at / 3600000 AS hour, sum((line ->> 'quantity')::bigint) AS sold,
                    sum((line ->> 'price')::bigint * (line ->> 'quantity')::bigint) AS amount
                  FROM orders o, json_array_elements(o.lines::json) line WHERE o.status = 1 GROUP BY 1, 2) t
            FULL JOIN (SELECT product_id, hour, sum(quantity) AS sold, sum(amount) AS amount FROM sales GROUP BY product_id, hour) s
              ON s.product_id = t.product_id AND s.hour = t.hour
            WHERE coalesce(t.sold, 0) <> coalesce(s.sold, 0) OR coalesce(t.amount, 0) <> coalesce(s.amount, 0)
            """),
    ];

    public static async Task<List<InvariantReport>> RunAsync(NpgsqlConnection connection, bool isDivided)
    {
        await RunAsync(connection, Begin).ConfigureAwait(false);
        List<InvariantReport> reports = await CheckAsync(connection, isDivided).ConfigureAwait(false);
        await RunAsync(connection, "COMMIT").ConfigureAwait(false);
        return reports;
    }

    /// <summary>The same in a transaction that is open already, with what it wrote.</summary>
    public static async Task<List<InvariantReport>> CheckAsync(NpgsqlConnection connection, bool isDivided)
    {
        var reports = new List<InvariantReport>();
        foreach ((string id, string name, string figure, string offenders) in
            isDivided ? Invariants(OrdersWithCoupon, HeldCoupons) : Invariants("orders", "issued_coupons"))
        {
            await RunAsync(connection, "SAVEPOINT invariant").ConfigureAwait(false);
            try
            {
                reports.Add(await CheckAsync(connection, id, name, figure, offenders).ConfigureAwait(false));
            }
            catch (PostgresException error) when (IsOfContent(error))
            {
                // One value that cannot be read breaks what it belongs to, and hides nothing of the rest.
                await RunAsync(connection, "ROLLBACK TO SAVEPOINT invariant").ConfigureAwait(false);
                reports.Add(new InvariantReport(id, name, 0, Holds: false, [$"cannot be checked: {error.Message}"]));
            }
        }

        return reports;
    }

    /// <summary>Whether what is stored makes no sense (classes 22 and XX): a text that is no JSON, or a page that is damaged.</summary>
    private static bool IsOfContent(PostgresException error) => PostgresErrors.IsStatementError(error) && error.SqlState[..2] is "22" or "XX";

    private static async Task RunAsync(NpgsqlConnection connection, string text)
    {
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
    }

    private static async Task<InvariantReport> CheckAsync(NpgsqlConnection connection, string id, string name, string figure, string offenders)
    {
        // Whole tables take their time.
        await using var count = new NpgsqlCommand(figure, connection) { CommandTimeout = 0 };
        long checkedRows = (long)(await count.ExecuteScalarAsync().ConfigureAwait(false))!;
        var found = new List<string>();
        string limited = string.Create(
            System.Globalization.CultureInfo.InvariantCulture, $"SELECT * FROM ({offenders}) offenders LIMIT {Bounds.AuditOffenders}");
        await using var query = new NpgsqlCommand(limited, connection) { CommandTimeout = 0 };
        await using NpgsqlDataReader rows = await query.ExecuteReaderAsync().ConfigureAwait(false);
        while (await rows.ReadAsync().ConfigureAwait(false))
        {
            found.Add(rows.IsDBNull(0) ? "a row without what names it" : rows.GetString(0));
        }

        return new InvariantReport(id, name, checkedRows, found.Count == 0, found);
    }
}
