using Jumun.Cart;
using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Sqlite;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The second round trip of a batch: its id, all changes, and the commit as the last command. An error skips what
/// follows it, the commit too. Rows that another process may be inserting at this moment come first, each sort in the
/// order of its keys; counters, for which processes might wait for one another, come last.
/// </summary>
/// <param name="connection">The lane's.</param>
/// <param name="map">Where rows lie. Only what is changed in place goes slice by slice: inserts find their shards themselves.</param>
/// <param name="slot">Where this process counts its sales.</param>
/// <param name="keysForgotten">Up to where old idempotency keys are forgotten.</param>
internal sealed partial class PostgresWrite(NpgsqlConnection connection, ShardMap map, short slot, SweepMark keysForgotten) : IDisposable
{
    // No timeout: a commit is never cancelled.
    private readonly NpgsqlBatch batch = new(connection) { Timeout = 0 };
    private readonly NpgsqlParameter<Guid> batchId = new();
    private readonly NpgsqlParameter<long> batchTime = new();
    private readonly NpgsqlBatchCommand insertBatch = new("INSERT INTO batches (batch_id, created_at, committed) VALUES ($1, $2, true)");
    private readonly NpgsqlBatchCommand commit = new("COMMIT");
    private readonly NpgsqlBatchCommand rollback = new("ROLLBACK");
    private readonly NpgsqlBatchCommand savepoint = new("SAVEPOINT refusals");
    private readonly NpgsqlBatchCommand rollbackToSavepoint = new("ROLLBACK TO SAVEPOINT refusals");

    private readonly PostgresStatement insertWallets = new("""
        INSERT INTO wallets (member_id, balance, entries, events) SELECT * FROM unnest($1, $2, $3, $4)
        """);

    private readonly PostgresStatement insertKeys = new("""
        INSERT INTO idempotency_keys (subject, key, fingerprint, status, location, body, created_at)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
        """);

    // On Citus, where nodes show a commit one after the other: what a request did may be seen already on one, and its key not yet on
    // another. This waits for such a key, and for one that is there it is a race. Nothing of it stays.
    private readonly PostgresStatement tryRefusedKeys = new("""
        INSERT INTO idempotency_keys (subject, key, created_at, status, fingerprint, body)
        SELECT k.subject, k.key, 0, 0, '', '' FROM unnest($1, $2) AS k(subject, key)
        """);

    private readonly PostgresStatement insertProducts = new("""
        INSERT INTO products (product_id, name, price, stock, on_sale) SELECT * FROM unnest($1, $2, $3, $4, $5)
        """);

    private readonly PostgresStatement updateProducts = new("""
        UPDATE products t SET name = v.name, price = v.price, stock = v.stock, on_sale = v.on_sale
        FROM unnest($1, $2, $3, $4, $5) AS v(product_id, name, price, stock, on_sale)
        WHERE t.product_id = v.product_id AND t.product_id = ANY($1)
        """, map.Products.Count);

    private readonly PostgresStatement insertStockChanges = new("""
        INSERT INTO stock_changes (product_id, batch_id, line, change, reason, created_at) SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
        """);

    private readonly PostgresStatement insertCoupons = new($"""
        INSERT INTO coupons ({PostgresRows.CouponColumns}) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """);

    private readonly PostgresStatement updateCoupons = new("""
        UPDATE coupons t SET name = v.name, quantity = v.quantity, issued = v.issued, issue_from = v.issue_from,
          issue_until = v.issue_until, usable_until = v.usable_until
        FROM unnest($1, $2, $3, $4, $5, $6, $7) AS v(coupon_id, name, quantity, issued, issue_from, issue_until, usable_until)
        WHERE t.coupon_id = v.coupon_id AND t.coupon_id = ANY($1)
        """, map.Coupons.Count);

    // A hot coupon on Citus, which keeps the plan of what names one key by its value.
    private readonly PostgresUpsert.Values updateOneCoupon = new("""
        UPDATE coupons SET name = $2, quantity = $3, issued = $4, issue_from = $5, issue_until = $6, usable_until = $7 WHERE coupon_id = $1
        """);

    private readonly PostgresStatement insertIssuedCoupons = new("""
        INSERT INTO issued_coupons (member_id, coupon_id, number, status, order_id, issued_at) SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
        """);

    private readonly PostgresStatement updateIssuedCoupons = new($"""
        UPDATE issued_coupons t SET status = v.status, order_id = v.order_id
        FROM unnest($1, $2, $3, $4) AS v(member_id, coupon_id, status, order_id)
        WHERE t.member_id = v.member_id AND t.coupon_id = v.coupon_id AND t.member_id = ANY($1){map.Within("t.coupon_id", "$2")}
        """, map.IssuedCoupons.Count);

    private readonly PostgresStatement updateWallets = new("""
        UPDATE wallets t SET balance = v.balance, entries = v.entries, events = v.events
        FROM unnest($1, $2, $3, $4) AS v(member_id, balance, entries, events)
        WHERE t.member_id = v.member_id AND t.member_id = ANY($1)
        """, map.Members.Count);

    private readonly PostgresStatement insertLedger = new("""
        INSERT INTO ledger (member_id, entry, kind, amount, balance, order_id, created_at) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
        """);

    private readonly PostgresStatement insertOrders = new($"""
        INSERT INTO orders ({PostgresRows.OrderColumns})
        SELECT v.member_id, v.order_id, v.status, convert_from(v.lines, 'UTF8'), v.subtotal, v.discount, v.coupon_id, v.created_at,
          v.pay_before, v.paid_at, v.ended_at
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
          AS v({PostgresRows.OrderColumns})
        """);

    // Found by their ids, which grow with time and lie close together, however many orders their members have. The member is
    // compared in a way that offers the planner no other index: on a table of a few rows it would go through all of it, for ever.
    private readonly PostgresStatement updateOrders = new($"""
        UPDATE orders t SET status = v.status, paid_at = v.paid_at, ended_at = v.ended_at
        FROM unnest($1, $2, $3, $4, $5) AS v(member_id, order_id, status, paid_at, ended_at)
        WHERE t.order_id = v.order_id AND t.order_id = ANY($2) AND (t.member_id = v.member_id) IS TRUE{map.Within("t.member_id", "$1")}
        """, map.Members.Count);

    private readonly PostgresStatement clearCarts = new("DELETE FROM cart_lines WHERE member_id = ANY($1)", map.Members.Count);

    private readonly PostgresStatement deleteCartLines = new("""
        DELETE FROM cart_lines t USING unnest($1, $2) AS v(member_id, product_id)
        WHERE t.member_id = v.member_id AND t.product_id = v.product_id AND t.member_id = ANY($1)
        """, map.Members.Count);

    private readonly PostgresUpsert putCartLines = new(
        "INSERT INTO cart_lines (member_id, product_id, quantity)", 3,
        "ON CONFLICT (member_id, product_id) DO UPDATE SET quantity = excluded.quantity");

    // Shards are gone through without a lock beforehand: whoever holds the lease forgets, and a key is never written twice.
    private readonly PostgresStatement forgetKeys = new($"""
        DELETE FROM idempotency_keys t USING (
          SELECT subject, key FROM idempotency_keys WHERE created_at >= ($3)[1] AND created_at < ($1)[1] ORDER BY created_at LIMIT ($2)[1]
          {(map.IsDivided ? "" : "FOR UPDATE SKIP LOCKED")}) old
        WHERE t.subject = old.subject AND t.key = old.key
        """);

    private readonly PostgresUpsert addSales = new(
        "INSERT INTO sales (product_id, hour, slot, quantity, amount)", 5,
        "ON CONFLICT (product_id, hour, slot) DO UPDATE SET quantity = sales.quantity + excluded.quantity, amount = sales.amount + excluded.amount");

    private readonly List<Wallet> newWallets = [];
    private readonly List<Wallet> oldWallets = [];
    private readonly List<IdempotencyKey> newKeys = [];
    private readonly List<CartEdit> cartLines = [];
    private readonly Dictionary<(string MemberId, long ProductId), long?> cartEdits = [];
    private readonly List<(long ProductId, long Hour, SalesDelta Delta)> sales = [];

    /// <summary>Statements of the batch that was prepared.</summary>
    public int Statements => batch.BatchCommands.Count;

    public void Dispose() => batch.Dispose();

    /// <summary>Whether a command is the commit.</summary>
    public bool IsCommit(NpgsqlBatchCommand? command) => ReferenceEquals(command, commit);

    /// <summary>Gathers all that is to be written.</summary>
    public void Prepare(Batch changes, PostgresLoad loaded)
    {
        Clear();
        if (insertBatch.Parameters.Count == 0)
        {
            insertBatch.Parameters.Add(batchId);
            insertBatch.Parameters.Add(batchTime);
        }

        if (map.IsDivided && FillRefusedKeys(changes))
        {
            batch.BatchCommands.Add(savepoint);
            tryRefusedKeys.AddTo(batch);
            batch.BatchCommands.Add(rollbackToSavepoint);
        }

        batchId.TypedValue = changes.BatchId;
        batchTime.TypedValue = changes.Rows.Now.ToUnixTimeMilliseconds();
        batch.BatchCommands.Add(insertBatch);
        AddWallets(changes.Rows, loaded.WithoutWallet);
        AddKeys(changes);
        AddProducts(changes);
        AddCoupons(changes.Rows);
        AddLedger(changes.Rows);
        AddOrders(changes.Rows);
        AddCarts(changes.Rows);
        AddEvents(changes.Rows, loaded.Events);
        AddSales(changes.Rows);
        batch.BatchCommands.Add(commit);
    }

    /// <summary>Gathers what a batch without changes asks before it ends: whether nothing is stored under the keys of its refusals.</summary>
    public void PrepareEnd(Batch refusals)
    {
        Clear();
        FillRefusedKeys(refusals);
        tryRefusedKeys.AddTo(batch);
        batch.BatchCommands.Add(rollback);
    }

    /// <summary>Sends what was prepared, and waits for the answer to the last command.</summary>
    public Task RunAsync() => batch.ExecuteNonQueryAsync();

    private void Clear()
    {
        batch.BatchCommands.Clear();
        insertWallets.Clear();
        insertKeys.Clear();
        tryRefusedKeys.Clear();
        insertProducts.Clear();
        updateProducts.Clear();
        insertStockChanges.Clear();
        insertCoupons.Clear();
        updateCoupons.Clear();
        insertIssuedCoupons.Clear();
        updateIssuedCoupons.Clear();
        updateWallets.Clear();
        insertLedger.Clear();
        insertOrders.Clear();
        updateOrders.Clear();
        clearCarts.Clear();
        deleteCartLines.Clear();
        forgetKeys.Clear();
        ClearEvents();
        putCartLines.Clear();
        addSales.Clear();
        newWallets.Clear();
        oldWallets.Clear();
        newKeys.Clear();
        cartLines.Clear();
        cartEdits.Clear();
        sales.Clear();
    }

    private void AddWallets(WorkingSet rows, HashSet<string> withoutWallet)
    {
        foreach (Wallet wallet in rows.Wallets.Written)
        {
            if (wallet.State == RowState.Added)
            {
                newWallets.Add(wallet);
                withoutWallet.Remove(wallet.MemberId);
            }
            else
            {
                oldWallets.Add(wallet);
            }
        }

        foreach (string memberId in withoutWallet)
        {
            newWallets.Add(new Wallet(memberId, balance: 0, entries: 0, events: 0));
        }

        // In the order that a load locks them in, and new ones last: of one that is inserted nobody knows, so that only who inserts it, too,
        // waits for it, and holds all that others may wait for.
        oldWallets.Sort(static (a, b) => string.CompareOrdinal(a.MemberId, b.MemberId));
        foreach (Wallet wallet in oldWallets)
        {
            updateWallets.Row(map.Members.Of(wallet.MemberId)).Add(wallet.MemberId).Add(wallet.Balance).Add(wallet.Entries).Add(wallet.Events);
        }

        newWallets.Sort(static (a, b) => string.CompareOrdinal(a.MemberId, b.MemberId));
        foreach (Wallet wallet in newWallets)
        {
            insertWallets.Row().Add(wallet.MemberId).Add(wallet.Balance).Add(wallet.Entries).Add(wallet.Events);
        }

        updateWallets.AddTo(batch);
        insertWallets.AddTo(batch);
    }

    private void AddKeys(Batch changes)
    {
        newKeys.AddRange(changes.NewKeys);
        newKeys.Sort(InOrder);
        foreach (IdempotencyKey key in newKeys)
        {
            KeyedAnswer answer = changes.Keys[key]!;
            insertKeys.Row().Add(key.Subject).Add(key.Key).Add(answer.Fingerprint).Add((short)answer.Answer.Status)
                .Add(answer.Answer.Location).Add(answer.Answer.Body).Add(changes.Rows.Now);
        }

        if (changes.Rows.ForgetKeysBefore is { } moment)
        {
            forgetKeys.Row().Add(moment).Add(Bounds.ForgottenKeys).Add(keysForgotten.From(moment.ToUnixTimeMilliseconds()));
        }

        insertKeys.AddTo(batch);
        forgetKeys.AddTo(batch);
    }

    private bool FillRefusedKeys(Batch changes)
    {
        foreach (IdempotencyKey key in changes.RefusedKeys.Order(Comparer<IdempotencyKey>.Create(InOrder)))
        {
            tryRefusedKeys.Row().Add(key.Subject).Add(key.Key);
        }

        return tryRefusedKeys.Rows > 0;
    }

    private static int InOrder(IdempotencyKey a, IdempotencyKey b) =>
        string.CompareOrdinal(a.Subject, b.Subject) is not 0 and int order ? order : string.CompareOrdinal(a.Key, b.Key);

    private void AddProducts(Batch changes)
    {
        foreach (Product product in changes.Rows.Products.Written)
        {
            (product.State == RowState.Added ? insertProducts.Row() : updateProducts.Row(map.Products.Of(product.ProductId)))
                .Add(product.ProductId).Add(product.Name).Add(product.Price).Add(product.Stock).Add(product.OnSale);
        }

        foreach (StockChange change in changes.Rows.StockChanges)
        {
            insertStockChanges.Row().Add(change.ProductId).Add(changes.BatchId).Add((short)insertStockChanges.Rows)
                .Add(change.Change).Add(change.Reason).Add(change.CreatedAt);
        }

        insertProducts.AddTo(batch);
        updateProducts.AddTo(batch);
        insertStockChanges.AddTo(batch);
    }

    private void AddCoupons(WorkingSet rows)
    {
        bool isOne = map.IsDivided && rows.Coupons.Written.Count(static coupon => coupon.State != RowState.Added) == 1;
        foreach (Coupon coupon in rows.Coupons.Written)
        {
            if (coupon.State == RowState.Added)
            {
                insertCoupons.Row().Add(coupon.CouponId).Add(coupon.Name).Add((short)coupon.Discount.Kind).Add(coupon.Discount.Value)
                    .Add(coupon.Discount.Maximum).Add(coupon.MinimumOrderAmount).Add(coupon.Quantity).Add(coupon.Issued)
                    .Add(coupon.IssueFrom).Add(coupon.IssueUntil).Add(coupon.UsableUntil);
            }
            else if (isOne)
            {
                updateOneCoupon.Begin();
                updateOneCoupon.Add(coupon.CouponId).Add(coupon.Name).Add(coupon.Quantity).Add(coupon.Issued)
                    .Add(coupon.IssueFrom.ToUnixTimeMilliseconds()).Add(coupon.IssueUntil.ToUnixTimeMilliseconds())
                    .Add(coupon.UsableUntil.ToUnixTimeMilliseconds());
            }
            else
            {
                updateCoupons.Row(map.Coupons.Of(coupon.CouponId)).Add(coupon.CouponId).Add(coupon.Name).Add(coupon.Quantity).Add(coupon.Issued)
                    .Add(coupon.IssueFrom).Add(coupon.IssueUntil).Add(coupon.UsableUntil);
            }
        }

        foreach (IssuedCoupon coupon in rows.IssuedCoupons.Written)
        {
            if (coupon.State == RowState.Added)
            {
                insertIssuedCoupons.Row().Add(coupon.MemberId).Add(coupon.CouponId).Add(coupon.Number).Add((short)coupon.Status)
                    .Add(coupon.OrderId).Add(coupon.IssuedAt);
            }
            else
            {
                updateIssuedCoupons.Row(map.IssuedCoupons.Of(coupon.CouponId))
                    .Add(coupon.MemberId).Add(coupon.CouponId).Add((short)coupon.Status).Add(coupon.OrderId);
            }
        }

        insertCoupons.AddTo(batch);
        updateCoupons.AddTo(batch);
        if (isOne)
        {
            batch.BatchCommands.Add(updateOneCoupon.Command);
        }

        insertIssuedCoupons.AddTo(batch);
        updateIssuedCoupons.AddTo(batch);
    }

    private void AddLedger(WorkingSet rows)
    {
        foreach ((string memberId, LedgerEntry entry, _) in rows.Ledger)
        {
            insertLedger.Row().Add(memberId).Add(entry.EntryId).Add((short)entry.Kind).Add(entry.Amount).Add(entry.Balance)
                .Add(entry.OrderId).Add(entry.CreatedAt);
        }

        insertLedger.AddTo(batch);
    }

    private void AddOrders(WorkingSet rows)
    {
        foreach (Order order in rows.NewOrders)
        {
            insertOrders.Row().Add(order.MemberId).Add(order.OrderId).Add((short)order.Status)
                .Add(Json.Render(order.Lines, OrderLinesJson.Default.IReadOnlyListOrderLine))
                .Add(order.Subtotal).Add(order.Discount).Add(order.CouponId).Add(order.CreatedAt).Add(order.PayBefore)
                .Add(order.PaidAt).Add(order.EndedAt);
        }

        foreach (Order order in rows.Orders.Written)
        {
            updateOrders.Row(map.Members.Of(order.MemberId))
                .Add(order.MemberId).Add(order.OrderId).Add((short)order.Status).Add(order.PaidAt).Add(order.EndedAt);
        }

        insertOrders.AddTo(batch);
        updateOrders.AddTo(batch);
    }

    /// <summary>Edits come in their order. What remains of them is a set: carts to clear, then lines to delete and lines to put.</summary>
    private void AddCarts(WorkingSet rows)
    {
        HashSet<string>? cleared = null;
        foreach (CartEdit edit in rows.CartEdits)
        {
            if (edit.ProductId is { } productId)
            {
                cartEdits[(edit.MemberId, productId)] = edit.Quantity;
                continue;
            }

            foreach ((string memberId, long product) in cartEdits.Keys.Where(line => line.MemberId == edit.MemberId).ToList())
            {
                cartEdits.Remove((memberId, product));
            }

            if ((cleared ??= new HashSet<string>(StringComparer.Ordinal)).Add(edit.MemberId))
            {
                clearCarts.Row(map.Members.Of(edit.MemberId)).Add(edit.MemberId);
            }
        }

        foreach (((string memberId, long productId), long? quantity) in cartEdits)
        {
            cartLines.Add(new CartEdit(memberId, productId, quantity));
        }

        cartLines.Sort(static (a, b) =>
            string.CompareOrdinal(a.MemberId, b.MemberId) is not 0 and int order ? order : a.ProductId!.Value.CompareTo(b.ProductId!.Value));
        foreach (CartEdit line in cartLines)
        {
            if (line.Quantity is null)
            {
                deleteCartLines.Row(map.Members.Of(line.MemberId)).Add(line.MemberId).Add(line.ProductId!.Value);
            }
        }

        cartLines.RemoveAll(static line => line.Quantity is null);
        clearCarts.AddTo(batch);
        deleteCartLines.AddTo(batch);
        putCartLines.AddTo(batch, cartLines, static (values, line) =>
            values.Add(line.MemberId).Add(line.ProductId!.Value).Add(line.Quantity!.Value));
    }

    private void AddSales(WorkingSet rows)
    {
        foreach (((long productId, long hour), SalesDelta delta) in rows.Sales)
        {
            sales.Add((productId, hour, delta));
        }

        sales.Sort(static (a, b) => (a.ProductId, a.Hour).CompareTo((b.ProductId, b.Hour)));
        addSales.AddTo(batch, sales, (values, row) =>
            values.Add(row.ProductId).Add(row.Hour).Add(slot).Add(row.Delta.Quantity).Add(row.Delta.Amount));
    }
}
