namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// The invariants that the file can show. Each is a query for its offenders, and one that counts what was checked; all
/// run in one snapshot, so that they hold while the shop runs.
/// </summary>
internal static class SqliteAudit
{
    private static readonly (string Id, string Name, string Figure, string Offenders)[] Invariants =
    [
        ("I1", "the balance is the sum of the ledger, per member",
            "SELECT count(DISTINCT member_id) FROM ledger",
            """
            SELECT 'member ' || l.member_id || ': balance ' || l.balance || ', ledger ' || s.total
            FROM (SELECT member_id, sum(amount) AS total, max(entry) AS last FROM ledger GROUP BY member_id) s
            JOIN ledger l ON l.member_id = s.member_id AND l.entry = s.last
            WHERE l.balance <> s.total
            """),
        ("I2", "the balance stays between 0 and its cap; each entry follows from the one before, without gaps",
            "SELECT count(*) FROM ledger",
            """
            SELECT 'member ' || member_id || ', entry ' || entry || ': balance ' || balance || ' after ' || amount FROM (
              SELECT member_id, entry, amount, balance,
                lag(balance, 1, 0) OVER (PARTITION BY member_id ORDER BY entry) AS balance_before,
                lag(entry, 1, 0) OVER (PARTITION BY member_id ORDER BY entry) AS entry_before
              FROM ledger)
            WHERE balance <> balance_before + amount OR entry <> entry_before + 1 OR balance NOT BETWEEN 0 AND 9007199254740991
            """),
        ("I3", "stock is never negative, and received = available + held + sold, per product",
            "SELECT count(*) FROM products",
            """
            SELECT 'product ' || coalesce(product_id, 'without a number') || ': received ' || received || ', available ' || available
              || ', held ' || held || ', sold ' || sold || CASE known WHEN 0 THEN ', and there is no such product' ELSE '' END
            FROM (SELECT product_id, sum(received) AS received, sum(available) AS available, sum(held) AS held, sum(sold) AS sold, sum(known) AS known
                  FROM (SELECT product_id, 0 AS received, stock AS available, 0 AS held, 0 AS sold, 1 AS known FROM products
                        UNION ALL
                        SELECT product_id, sum(change), 0, 0, 0, 0 FROM stock_changes GROUP BY product_id
                        UNION ALL
                        SELECT line.value ->> 'productId', 0, 0,
                          sum(CASE o.status WHEN 0 THEN line.value ->> 'quantity' ELSE 0 END),
                          sum(CASE o.status WHEN 1 THEN line.value ->> 'quantity' ELSE 0 END), 0
                        FROM orders o, json_each(o.lines) line GROUP BY 1
                        UNION ALL
                        SELECT DISTINCT product_id, 0, 0, 0, 0, 0 FROM sales)
                  GROUP BY product_id)
            WHERE known = 0 OR available < 0 OR received <> available + held + sold
            """),
        ("I4", "issued ≤ quantity; one a member; numbers 1 to issued without a gap; used exactly by one completed order",
            "SELECT count(*) FROM issued_coupons",
            """
            SELECT 'coupon ' || c.coupon_id || ': quantity ' || c.quantity || ', issued ' || c.issued || ', held by members '
              || coalesce(i.members, 0) || ', last number ' || coalesce(i.last, 0)
            FROM coupons c
            LEFT JOIN (SELECT coupon_id, count(*) AS members, max(number) AS last FROM issued_coupons GROUP BY coupon_id) i ON i.coupon_id = c.coupon_id
            WHERE c.issued > c.quantity OR c.issued <> coalesce(i.members, 0) OR c.issued <> coalesce(i.last, 0)
            UNION ALL
            SELECT 'coupon ' || i.coupon_id || ' of member ' || i.member_id || ': issued, and there is no such coupon'
            FROM issued_coupons i LEFT JOIN coupons c ON c.coupon_id = i.coupon_id WHERE c.coupon_id IS NULL
            UNION ALL
            SELECT 'coupon ' || i.coupon_id || ' of member ' || i.member_id || ': used, and order ' || lower(hex(i.order_id)) || ' is not completed with it'
            FROM issued_coupons i LEFT JOIN orders o ON o.member_id = i.member_id AND o.order_id = i.order_id
            WHERE i.status = 2 AND (o.status IS NULL OR o.status <> 1 OR o.coupon_id IS NOT i.coupon_id)
            UNION ALL
            SELECT 'order ' || lower(hex(o.order_id)) || ' of member ' || o.member_id || ': completed with coupon ' || o.coupon_id
              || ', which is not used by it'
            FROM orders o LEFT JOIN issued_coupons i ON i.member_id = o.member_id AND i.coupon_id = o.coupon_id
            WHERE o.coupon_id IS NOT NULL AND o.status = 1 AND (i.status IS NOT 2 OR i.order_id IS NOT o.order_id)
            """),
        ("I5", "an order was completed exactly when it has one debit of its total, and refunded exactly when it has one credit of it",
            "SELECT count(*) FROM orders",
            """
            SELECT 'order ' || lower(hex(o.order_id)) || ' of member ' || o.member_id || ': status ' || o.status || ', total ' || (o.subtotal - o.discount)
              || ', debits ' || coalesce(l.debits, 0) || ' of ' || coalesce(l.debited, 0)
              || ', credits ' || coalesce(l.credits, 0) || ' of ' || coalesce(l.credited, 0)
            FROM orders o
            LEFT JOIN (SELECT member_id, order_id, sum(kind = 1) AS debits, -sum(CASE kind WHEN 1 THEN amount ELSE 0 END) AS debited,
                         sum(kind = 2) AS credits, sum(CASE kind WHEN 2 THEN amount ELSE 0 END) AS credited
                       FROM ledger WHERE order_id IS NOT NULL GROUP BY member_id, order_id) l ON l.member_id = o.member_id AND l.order_id = o.order_id
            WHERE coalesce(l.debits, 0) <> (o.status IN (1, 4)) OR coalesce(l.credits, 0) <> (o.status = 4)
               OR (o.status IN (1, 4) AND l.debited <> o.subtotal - o.discount) OR (o.status = 4 AND l.credited <> o.subtotal - o.discount)
            UNION ALL
            SELECT 'member ' || l.member_id || ', entry ' || l.entry || ': names an order that is not there'
            FROM ledger l LEFT JOIN orders o ON o.member_id = l.member_id AND o.order_id = l.order_id
            WHERE l.order_id IS NOT NULL AND o.order_id IS NULL
            """),
        ("I6", "the total is Σ price × quantity less what the coupon takes off, and not negative",
            "SELECT count(*) FROM orders",
            """
            SELECT 'order ' || lower(hex(order_id)) || ' of member ' || member_id || ': subtotal ' || subtotal || ', lines ' || total
              || ', discount ' || discount || ', by the coupon ' || coalesce(off, 'none')
            FROM (SELECT o.order_id, o.member_id, o.subtotal, o.discount,
                    (SELECT coalesce(sum((line.value ->> 'price') * (line.value ->> 'quantity')), 0) FROM json_each(o.lines) line) AS total,
                    CASE WHEN o.coupon_id IS NULL THEN 0 ELSE min(o.subtotal, CASE c.discount_kind
                      WHEN 0 THEN c.discount_value
                      ELSE min(o.subtotal * c.discount_value / 100, coalesce(c.discount_maximum, o.subtotal)) END) END AS off
                  FROM orders o LEFT JOIN coupons c ON c.coupon_id = o.coupon_id)
            WHERE subtotal <> total OR discount IS NOT off OR discount < 0
            """),
        ("I7", "one completed event an order ever completed, one refunded event a refund, none for any other; numbered as the ledger has them; "
            + "none is missing but delivered ones that were forgotten",
            "SELECT count(*) FROM outbox",
            """
            SELECT 'order ' || lower(hex(o.order_id)) || ' of member ' || o.member_id || ': status ' || o.status || ', completed events '
              || coalesce(e.completed, 0) || ', refunded events ' || coalesce(e.refunded, 0)
            FROM orders o
            LEFT JOIN (SELECT order_id, sum(type = 0) AS completed, sum(type = 1) AS refunded FROM outbox GROUP BY order_id) e ON e.order_id = o.order_id
            WHERE coalesce(e.completed, 0) > (o.status IN (1, 4)) OR coalesce(e.refunded, 0) > (o.status = 4)
               OR (coalesce(e.completed, 0) < (o.status IN (1, 4)) AND o.paid_at >= coalesce((SELECT before FROM forgotten_events), 0))
               OR (coalesce(e.refunded, 0) < (o.status = 4) AND o.ended_at >= coalesce((SELECT before FROM forgotten_events), 0))
            UNION ALL
            SELECT 'event ' || lower(hex(e.event_id)) || ': names an order that is not there'
            FROM outbox e LEFT JOIN orders o ON o.member_id = e.member_id AND o.order_id = e.order_id WHERE o.order_id IS NULL
            UNION ALL
            SELECT 'position ' || q.position || ': queued, and not there'
            FROM outbox_queue q LEFT JOIN outbox e ON e.position = q.position WHERE e.position IS NULL
            UNION ALL
            SELECT 'position ' || d.position || ': given up, and not there'
            FROM outbox_dead d LEFT JOIN outbox e ON e.position = d.position WHERE e.position IS NULL
            UNION ALL
            SELECT 'position ' || d.position || ': queued and given up at once' FROM outbox_dead d JOIN outbox_queue q ON q.position = d.position
            UNION ALL
            SELECT 'event ' || lower(hex(event_id)) || ' of member ' || member_id || ': not the id of such an event of order ' || lower(hex(order_id))
            FROM outbox WHERE substr(event_id, 1, 15) <> substr(order_id, 1, 15)
               OR instr('0123456789ABCDEF', substr(hex(event_id), 32)) <> instr('0123456789ABCDEF', substr(hex(order_id), 32)) + type + 2
            UNION ALL
            SELECT 'event ' || lower(hex(e.event_id)) || ' of member ' || e.member_id || ': number ' || e.sequence
              || ', by the ledger ' || coalesce(l.number, 'none')
            FROM outbox e
            LEFT JOIN (SELECT member_id, order_id, kind, row_number() OVER (PARTITION BY member_id ORDER BY entry) AS number
                       FROM ledger WHERE kind <> 0) l ON l.order_id = e.order_id AND l.kind = e.type + 1 AND l.member_id = e.member_id
            WHERE e.sequence IS NOT l.number
            UNION ALL
            SELECT 'member ' || member_id || ': ' || events || ' events counted, ' || made || ' payments and refunds'
            FROM (SELECT member_id, events, sum(kind <> 0) OVER (PARTITION BY member_id ORDER BY entry) AS made FROM ledger)
            WHERE events <> made
            """),
        ("I11", "what an ended order held is back, once",
            "SELECT count(*) FROM orders WHERE status IN (2, 3, 4)",
            """
            SELECT 'coupon ' || i.coupon_id || ' of member ' || i.member_id || ': held, and order ' || lower(hex(i.order_id)) || ' is not pending with it'
            FROM issued_coupons i LEFT JOIN orders o ON o.member_id = i.member_id AND o.order_id = i.order_id
            WHERE i.status = 1 AND (o.status IS NOT 0 OR o.coupon_id IS NOT i.coupon_id)
            UNION ALL
            SELECT 'order ' || lower(hex(o.order_id)) || ' of member ' || o.member_id || ': pending with coupon ' || o.coupon_id || ', which is not held by it'
            FROM orders o LEFT JOIN issued_coupons i ON i.member_id = o.member_id AND i.coupon_id = o.coupon_id
            WHERE o.coupon_id IS NOT NULL AND o.status = 0 AND (i.status IS NOT 1 OR i.order_id IS NOT o.order_id)
            UNION ALL
            SELECT 'product ' || product_id || ', hour ' || hour || ': sold ' || sold || ' for ' || earned || ', counted ' || counted || ' for ' || amount
            FROM (SELECT product_id, hour, sum(sold) AS sold, sum(earned) AS earned, sum(counted) AS counted, sum(amount) AS amount
                  FROM (SELECT line.value ->> 'productId' AS product_id, o.paid_at / 3600000 AS hour, sum(line.value ->> 'quantity') AS sold,
                          sum((line.value ->> 'price') * (line.value ->> 'quantity')) AS earned, 0 AS counted, 0 AS amount
                        FROM orders o, json_each(o.lines) line WHERE o.status = 1 GROUP BY 1, 2
                        UNION ALL
                        SELECT product_id, hour, 0, 0, quantity, amount FROM sales)
                  GROUP BY product_id, hour)
            WHERE sold IS NOT counted OR earned IS NOT amount
            """),
    ];

    public static List<InvariantReport> Run(SqliteConnection db)
    {
        var reports = new List<InvariantReport>();

        // Where this fails the connection is closed, and what it began with it.
        db.Execute("BEGIN");
        foreach ((string id, string name, string figure, string offenders) in Invariants)
        {
            try
            {
                reports.Add(Check(db, id, name, figure, offenders));
            }
            catch (SqliteException error) when (error.IsOfContent)
            {
                // One value that cannot be read breaks what it belongs to, and hides nothing of the rest.
                reports.Add(new InvariantReport(id, name, 0, Holds: false, [$"cannot be checked: {error.Message}"]));
            }
        }

        db.Execute("COMMIT");
        return reports;
    }

    private static InvariantReport Check(SqliteConnection db, string id, string name, string figure, string offenders)
    {
        SqliteStatement count = db[figure];
        count.Step();
        long checkedRows = count.Int64(0);
        count.Reset();

        var found = new List<string>();
        SqliteStatement rows = db[offenders];
        while (rows.Step())
        {
            found.Add(rows.TextOrNull(0) ?? "a row without what names it");
            if (found.Count == Bounds.AuditOffenders)
            {
                rows.Reset();
                break;
            }
        }

        return new InvariantReport(id, name, checkedRows, found.Count == 0, found);
    }
}
