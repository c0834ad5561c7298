using Jumun.Server.Api;
using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;
using Jumun.Server.DataPlatform;
using Jumun.Server.Execution;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>The write half: one batch, one transaction, one fsync.</summary>
internal sealed partial class SqliteStore
{
    public ValueTask LoadAsync(Batch batch)
    {
        try
        {
            Fault?.Invoke(FaultPoint.Load);
            SqliteConnection db = writer ?? Reopen();
            db.Execute("BEGIN IMMEDIATE");
            LoadKeys(db, batch);
            LoadRows(db, batch.Rows);
            return ValueTask.CompletedTask;
        }
        catch (SqliteException error)
        {
            // Nothing of this batch was written: whatever state the connection is in, it goes.
            DropWriter();
            throw new StoreUnavailableException(RequestOutcome.None, error);
        }
        catch
        {
            // A row that makes no sense: the statement that read it is in the midst of it, and would refuse the next question.
            DropWriter();
            throw;
        }
    }

    public ValueTask CommitAsync(Batch batch)
    {
        SqliteConnection db = writer ?? throw new InvalidOperationException("The batch was not loaded.");
        try
        {
            Fault?.Invoke(FaultPoint.Write);
            Write(db, batch);
            Fault?.Invoke(FaultPoint.BeforeCommit);
        }
        catch (SqliteException error) when (error.IsConstraint)
        {
            AbandonAsync();
            throw new StoreRejectedException(error);
        }
        catch (SqliteException error)
        {
            DropWriter();
            throw new StoreUnavailableException(RequestOutcome.None, error);
        }

        try
        {
            db.Execute("COMMIT");
            Fault?.Invoke(FaultPoint.AfterCommit);
        }
        catch (SqliteException error)
        {
            return ResolveAsync(batch.BatchId, error);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask AbandonAsync(int lane = 0)
    {
        try
        {
            Fault?.Invoke(FaultPoint.Abandon);
            if (writer is { InTransaction: true } db)
            {
                db.Execute("ROLLBACK");
            }
        }
        catch (SqliteException)
        {
            DropWriter();
        }

        return ValueTask.CompletedTask;
    }

    public async ValueTask MaintainAsync(int lane = 0)
    {
        if (writer is not { } db)
        {
            return;
        }

        try
        {
            Fault?.Invoke(FaultPoint.Maintain);
            await checkpoints.MaintainAsync(db).ConfigureAwait(false);
        }
        catch (SqliteException error)
        {
            // The log holds everything that was acknowledged; a new connection finds it there.
            checkpoints.Tell(error);
            DropWriter();
        }
    }

    /// <summary>
    /// A commit whose outcome was not told is looked up, never guessed: the connection is closed, the file opened
    /// again, and the last committed batch read.
    /// </summary>
    private async ValueTask ResolveAsync(Guid batchId, SqliteException error)
    {
        DropWriter();
        await checkpoints.PauseAsync().ConfigureAwait(false);
        try
        {
            SqliteConnection db = Reopen();
            SqliteStatement row = db["SELECT batch_id FROM last_batch"];
            bool committed = row.Step() && row.Guid(0) == batchId;
            row.Reset();
            if (!committed)
            {
                if (!error.IsFull)
                {
                    // The sync alone may be what failed. Then the log holds a whole commit that nobody reads, and a crash would bring it
                    // back: a commit of its own takes its place.
                    db["UPDATE last_batch SET batch_id = randomblob(16)"].Run();
                }

                throw new StoreUnavailableException(RequestOutcome.None, error);
            }

            // Seen is not yet on the disk: the sync may be what failed. A checkpoint writes it again, elsewhere, and syncs.
            if (!checkpoints.Copy(db, CheckpointMode.Passive).IsWhole)
            {
                throw new StoreUnavailableException(RequestOutcome.Unknown, error);
            }
        }
        catch (SqliteException)
        {
            DropWriter();
            throw new StoreUnavailableException(RequestOutcome.Unknown, error);
        }
    }

    private SqliteConnection Reopen()
    {
        Fault?.Invoke(FaultPoint.Reopen);
        return writer = OpenWriter(path);
    }

    private void DropWriter()
    {
        writer?.Dispose();
        Volatile.Write(ref writer, null);
    }

    private static void LoadRows(SqliteConnection db, WorkingSet rows)
    {
        if (rows.Orders.Count > 0)
        {
            // First, because what the orders hold is declared as they come.
            SqliteStatement row = db[$"SELECT {SqliteRows.OrderColumns} FROM orders WHERE member_id = ?1 AND order_id = ?2"];
            foreach ((string memberId, Guid orderId) in rows.Orders.Keys)
            {
                if (row.Bind(1, memberId).Bind(2, orderId).Step())
                {
                    rows.LoadOrder(SqliteRows.OrderRow(row));
                    row.Reset();
                }
            }
        }

        if (rows.Products.Count > 0)
        {
            SqliteStatement row = db[$"SELECT {SqliteRows.ProductColumns} FROM products WHERE product_id = ?1"];
            foreach (long productId in rows.Products.Keys)
            {
                if (row.Bind(1, productId).Step())
                {
                    rows.Products.Load(productId, SqliteRows.ProductRow(row));
                    row.Reset();
                }
            }
        }

        if (rows.Coupons.Count > 0)
        {
            SqliteStatement row = db[$"SELECT {SqliteRows.CouponColumns} FROM coupons WHERE coupon_id = ?1"];
            foreach (long couponId in rows.Coupons.Keys)
            {
                if (row.Bind(1, couponId).Step())
                {
                    rows.Coupons.Load(couponId, SqliteRows.CouponRow(row));
                    row.Reset();
                }
            }
        }

        if (rows.IssuedCoupons.Count > 0)
        {
            SqliteStatement row = db["SELECT number, status, order_id, issued_at FROM issued_coupons WHERE member_id = ?1 AND coupon_id = ?2"];
            foreach ((string memberId, long couponId) in rows.IssuedCoupons.Keys)
            {
                if (row.Bind(1, memberId).Bind(2, couponId).Step())
                {
                    rows.IssuedCoupons.Load((memberId, couponId), new IssuedCoupon(
                        memberId, couponId, row.Int64(0), (IssuedCouponStatus)row.Int64(1), row.GuidOrNull(2), row.Time(3)));
                    row.Reset();
                }
            }
        }

        if (rows.Wallets.Count > 0)
        {
            SqliteStatement row = db["SELECT balance, entry, events FROM ledger WHERE member_id = ?1 ORDER BY entry DESC LIMIT 1"];
            foreach (string memberId in rows.Wallets.Keys)
            {
                if (row.Bind(1, memberId).Step())
                {
                    rows.Wallets.Load(memberId, new Wallet(memberId, row.Int64(0), row.Int64(1), row.Int64(2)));
                    row.Reset();
                }
            }
        }

        if (rows.Carts.Count > 0)
        {
            SqliteStatement row = db["SELECT product_id, quantity FROM cart_lines WHERE member_id = ?1"];
            foreach (string memberId in rows.Carts.Keys)
            {
                var cart = new MemberCart();
                row.Bind(1, memberId);
                while (row.Step())
                {
                    cart.Put(row.Int64(0), row.Int64(1));
                }

                rows.Carts.Load(memberId, cart);
            }
        }

        if (rows.Outbox.Count > 0)
        {
            SqliteStatement row = db[$"SELECT o.created_at, {SqliteRows.EventState}, q.failed_at FROM {SqliteRows.EventsWithState} WHERE o.event_id = ?1"];
            foreach (Guid eventId in rows.Outbox.Keys)
            {
                if (row.Bind(1, eventId).Step())
                {
                    rows.Outbox.Load(eventId, new OutboxRow(eventId, row.Time(0), (OutboxState)row.Int64(1), row.TimeOrNull(2)));
                    row.Reset();
                }
            }
        }

        if (rows.NextProductId is not null)
        {
            rows.NextProductId = Next(db["SELECT coalesce(max(product_id), 0) + 1 FROM products"]);
        }

        if (rows.NextCouponId is not null)
        {
            rows.NextCouponId = Next(db["SELECT coalesce(max(coupon_id), 0) + 1 FROM coupons"]);
        }
    }

    private static long Next(SqliteStatement number)
    {
        number.Step();
        long next = number.Int64(0);
        number.Reset();
        return next;
    }

    private static void Write(SqliteConnection db, Batch batch)
    {
        WorkingSet rows = batch.Rows;
        db["UPDATE last_batch SET batch_id = ?1"].Bind(1, batch.BatchId).Run();
        WriteCatalogue(db, rows);
        WriteIssuedCoupons(db, rows);
        WriteLedger(db, rows);
        WriteOrders(db, rows);
        WriteCarts(db, rows);
        WriteSales(db, rows);
        WriteOutbox(db, rows);
        WriteKeys(db, batch);
    }

    private static void WriteCatalogue(SqliteConnection db, WorkingSet rows)
    {
        foreach (Product product in rows.Products.Written)
        {
            (product.State == RowState.Added
                    ? db["INSERT INTO products (product_id, name, price, stock, on_sale) VALUES (?1, ?2, ?3, ?4, ?5)"]
                    : db["UPDATE products SET name = ?2, price = ?3, stock = ?4, on_sale = ?5 WHERE product_id = ?1"])
                .Bind(1, product.ProductId).Bind(2, product.Name).Bind(3, product.Price).Bind(4, product.Stock)
                .Bind(5, product.OnSale ? 1 : 0).Run();
        }

        foreach (StockChange change in rows.StockChanges)
        {
            db["INSERT INTO stock_changes (product_id, change, reason, created_at) VALUES (?1, ?2, ?3, ?4)"]
                .Bind(1, change.ProductId).Bind(2, change.Change).Bind(3, change.Reason).Bind(4, change.CreatedAt).Run();
        }

        foreach (Coupon coupon in rows.Coupons.Written)
        {
            if (coupon.State == RowState.Added)
            {
                db[$"INSERT INTO coupons ({SqliteRows.CouponColumns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"]
                    .Bind(1, coupon.CouponId).Bind(2, coupon.Name).Bind(3, (long)coupon.Discount.Kind).Bind(4, coupon.Discount.Value)
                    .Bind(5, coupon.Discount.Maximum).Bind(6, coupon.MinimumOrderAmount).Bind(7, coupon.Quantity)
                    .Bind(8, coupon.Issued).Bind(9, coupon.IssueFrom).Bind(10, coupon.IssueUntil).Bind(11, coupon.UsableUntil).Run();
            }
            else
            {
                db["""
                    UPDATE coupons SET name = ?2, quantity = ?3, issued = ?4, issue_from = ?5, issue_until = ?6, usable_until = ?7
                    WHERE coupon_id = ?1
                    """]
                    .Bind(1, coupon.CouponId).Bind(2, coupon.Name).Bind(3, coupon.Quantity).Bind(4, coupon.Issued)
                    .Bind(5, coupon.IssueFrom).Bind(6, coupon.IssueUntil).Bind(7, coupon.UsableUntil).Run();
            }
        }
    }

    private static void WriteIssuedCoupons(SqliteConnection db, WorkingSet rows)
    {
        foreach (IssuedCoupon coupon in rows.IssuedCoupons.Written)
        {
            if (coupon.State == RowState.Added)
            {
                db["INSERT INTO issued_coupons (member_id, coupon_id, number, status, order_id, issued_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"]
                    .Bind(1, coupon.MemberId).Bind(2, coupon.CouponId).Bind(3, coupon.Number).Bind(4, (long)coupon.Status)
                    .Bind(5, coupon.OrderId).Bind(6, coupon.IssuedAt).Run();
            }
            else
            {
                db["UPDATE issued_coupons SET status = ?3, order_id = ?4 WHERE member_id = ?1 AND coupon_id = ?2"]
                    .Bind(1, coupon.MemberId).Bind(2, coupon.CouponId).Bind(3, (long)coupon.Status).Bind(4, coupon.OrderId).Run();
            }
        }
    }

    private static void WriteLedger(SqliteConnection db, WorkingSet rows)
    {
        // A wallet is not written: it is the last of these.
        foreach ((string memberId, LedgerEntry entry, long events) in rows.Ledger)
        {
            db["INSERT INTO ledger (member_id, entry, kind, amount, balance, events, order_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"]
                .Bind(1, memberId).Bind(2, entry.EntryId).Bind(3, (long)entry.Kind).Bind(4, entry.Amount).Bind(5, entry.Balance)
                .Bind(6, events).Bind(7, entry.OrderId).Bind(8, entry.CreatedAt).Run();
        }
    }

    private static void WriteOrders(SqliteConnection db, WorkingSet rows)
    {
        foreach (Order order in rows.NewOrders)
        {
            db[$"INSERT INTO orders ({SqliteRows.OrderColumns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"]
                .Bind(1, order.MemberId).Bind(2, order.OrderId).Bind(3, (long)order.Status)
                .BindText(4, Json.Write(order.Lines, OrderLinesJson.Default.IReadOnlyListOrderLine))
                .Bind(5, order.Subtotal).Bind(6, order.Discount).Bind(7, order.CouponId).Bind(8, order.CreatedAt)
                .Bind(9, order.PayBefore).Bind(10, order.PaidAt).Bind(11, order.EndedAt).Run();
        }

        foreach (Order order in rows.Orders.Written)
        {
            db["UPDATE orders SET status = ?3, paid_at = ?4, ended_at = ?5 WHERE member_id = ?1 AND order_id = ?2"]
                .Bind(1, order.MemberId).Bind(2, order.OrderId).Bind(3, (long)order.Status).Bind(4, order.PaidAt).Bind(5, order.EndedAt).Run();
        }
    }

    private static void WriteCarts(SqliteConnection db, WorkingSet rows)
    {
        foreach (CartEdit edit in rows.CartEdits)
        {
            if (edit.ProductId is not { } productId)
            {
                db["DELETE FROM cart_lines WHERE member_id = ?1"].Bind(1, edit.MemberId).Run();
            }
            else if (edit.Quantity is { } quantity)
            {
                db["""
                    INSERT INTO cart_lines (member_id, product_id, quantity) VALUES (?1, ?2, ?3)
                    ON CONFLICT (member_id, product_id) DO UPDATE SET quantity = excluded.quantity
                    """].Bind(1, edit.MemberId).Bind(2, productId).Bind(3, quantity).Run();
            }
            else
            {
                db["DELETE FROM cart_lines WHERE member_id = ?1 AND product_id = ?2"].Bind(1, edit.MemberId).Bind(2, productId).Run();
            }
        }
    }

    private static void WriteSales(SqliteConnection db, WorkingSet rows)
    {
        foreach (((long productId, long hour), SalesDelta delta) in rows.Sales)
        {
            if (delta.Quantity < 0 || delta.Amount < 0)
            {
                // Refunds outweigh sales, so the sales that they undo have a row; an insert would break its constraints.
                db["UPDATE sales SET quantity = quantity + ?3, amount = amount + ?4 WHERE hour = ?1 AND product_id = ?2"]
                    .Bind(1, hour).Bind(2, productId).Bind(3, delta.Quantity).Bind(4, delta.Amount).Run();
                continue;
            }

            db["""
                INSERT INTO sales (hour, product_id, quantity, amount) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (hour, product_id) DO UPDATE SET quantity = quantity + excluded.quantity, amount = amount + excluded.amount
                """]
                .Bind(1, hour).Bind(2, productId).Bind(3, delta.Quantity).Bind(4, delta.Amount).Run();
        }
    }

    private static void WriteOutbox(SqliteConnection db, WorkingSet rows)
    {
        foreach (OrderEvent orderEvent in rows.Events)
        {
            db["""
                INSERT INTO outbox (event_id, member_id, sequence, type, order_id, body, created_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                """]
                .Bind(1, orderEvent.EventId).Bind(2, orderEvent.Order.MemberId).Bind(3, orderEvent.Sequence)
                .Bind(4, (long)orderEvent.Type).Bind(5, orderEvent.Order.OrderId).BindBlob(6, OrderEventJson.Render(orderEvent, rows.Now))
                .Bind(7, rows.Now).Run();
            db["INSERT INTO outbox_queue (position, state) VALUES (last_insert_rowid(), 0)"].Run();
        }

        foreach (Delivery delivery in rows.Deliveries)
        {
            db["DELETE FROM outbox_queue WHERE position = (SELECT position FROM outbox WHERE event_id = ?1)"]
                .Bind(1, delivery.EventId).Run();
        }

        foreach (OutboxRow row in rows.Outbox.Written)
        {
            if (row.IsForgotten)
            {
                db["DELETE FROM outbox WHERE event_id = ?1"].Bind(1, row.EventId).Run();
                continue;
            }

            bool isDead = row.Delivery == OutboxState.Dead;
            db[isDead
                    ? "INSERT OR REPLACE INTO outbox_dead (position) SELECT position FROM outbox WHERE event_id = ?1"
                    : "DELETE FROM outbox_dead WHERE position = (SELECT position FROM outbox WHERE event_id = ?1)"]
                .Bind(1, row.EventId).Run();
            (isDead
                    ? db["DELETE FROM outbox_queue WHERE position = (SELECT position FROM outbox WHERE event_id = ?1)"]
                    : db["""
                        INSERT OR REPLACE INTO outbox_queue (position, state, failed_at) SELECT position, 0, ?2 FROM outbox WHERE event_id = ?1
                        """].Bind(2, row.FailedAt))
                .Bind(1, row.EventId).Run();
        }

        if (rows.EventsForgottenBefore is { } moment)
        {
            db["UPDATE forgotten_events SET before = max(before, ?1) WHERE only_row = 1"].Bind(1, moment).Run();
        }
    }
}
