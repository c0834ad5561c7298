using Jumun.Cart;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Server.Execution;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The first round trip of a batch: begins the transaction, locks rows and reads what goes with them. Locks are taken in
/// one order everywhere: products, coupons, orders, wallets, events, each by key. What is not locked itself is read by a later
/// statement than the lock that guards it, because only a later snapshot sees what the lock waited for.
/// </summary>
/// <remarks>
/// The plans are made once, perhaps while a table is empty, so the texts leave no choice: an array is compared with the
/// first column of an index, or a subquery that is not pulled up is asked for each key.
/// </remarks>
internal sealed class PostgresLoad : IDisposable
{
    private readonly NpgsqlBatch load;
    private readonly NpgsqlBatch stock;
    private readonly NpgsqlBatchCommand begin = new("BEGIN ISOLATION LEVEL READ COMMITTED");
    private readonly NpgsqlBatchCommand nextProduct = new("SELECT coalesce(max(product_id), 0) + 1 FROM products");
    private readonly NpgsqlBatchCommand nextCoupon = new("SELECT coalesce(max(coupon_id), 0) + 1 FROM coupons");

    private readonly PostgresStatement lines = new("""
        SELECT o.lines FROM unnest($1, $2) AS k(member_id, order_id)
        CROSS JOIN LATERAL (SELECT lines FROM orders WHERE member_id = k.member_id AND order_id = k.order_id OFFSET 0) o
        """);

    private readonly PostgresStatement products = new(
        $"SELECT {PostgresRows.ProductColumns} FROM products WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE");

    private readonly PostgresStatement coupons = new(
        $"SELECT {PostgresRows.CouponColumns} FROM coupons WHERE coupon_id = ANY($1) ORDER BY coupon_id FOR NO KEY UPDATE");

    // Locked one by one, in the order of the arrays: an order that another member asks for is not even looked at.
    private readonly PostgresStatement orders = new($"""
        SELECT o.* FROM unnest($1, $2) AS k(member_id, order_id) CROSS JOIN LATERAL (
          SELECT {PostgresRows.OrderColumns} FROM orders
          WHERE member_id = k.member_id AND order_id = k.order_id FOR NO KEY UPDATE) o
        """);

    // Not locked: whoever changes a wallet inserts its next ledger entry, and of two who took the same number one is refused
    // by the ledger's key, and begins anew.
    private readonly PostgresStatement wallets = new("SELECT member_id, balance, entries, events FROM wallets WHERE member_id = ANY($1)");

    // Locked where the ledger does not guard it, for a cart, and where a batch has lost such a race before.
    private readonly PostgresStatement lockedWallets = new(
        "SELECT member_id, balance, entries, events FROM wallets WHERE member_id = ANY($1) ORDER BY member_id FOR NO KEY UPDATE");

    private readonly PostgresStatement issuedCoupons = new($"""
        SELECT {PostgresRows.IssuedCouponColumns} FROM unnest($1, $2) AS k(member_id, coupon_id) CROSS JOIN LATERAL (
          SELECT * FROM issued_coupons WHERE member_id = k.member_id AND coupon_id = k.coupon_id OFFSET 0) i
        """);

    private readonly PostgresStatement issuedCouponsOfOrders = new($"""
        SELECT {PostgresRows.IssuedCouponColumns} FROM unnest($1, $2) AS k(member_id, order_id) CROSS JOIN LATERAL (
          SELECT * FROM issued_coupons WHERE member_id = k.member_id AND order_id = k.order_id AND order_id IS NOT NULL OFFSET 0) i
        """);

    private readonly PostgresStatement carts = new("SELECT member_id, product_id, quantity FROM cart_lines WHERE member_id = ANY($1)");

    private readonly PostgresStatement keys = new("""
        SELECT i.subject, i.key, i.fingerprint, i.status, i.location, i.body FROM unnest($1, $2) AS k(subject, key)
        CROSS JOIN LATERAL (SELECT * FROM idempotency_keys WHERE subject = k.subject AND key = k.key OFFSET 0) i
        """);

    // Whoever sends an event again, gives it up or forgets it locks it first: of two, the later sees what the earlier left.
    private readonly PostgresStatement lockedEvents = new("""
        SELECT e.event_id FROM unnest($1, $2) AS k(event_id, order_id)
        CROSS JOIN LATERAL (SELECT member_id FROM orders WHERE order_id = k.order_id OFFSET 0) o
        CROSS JOIN LATERAL (SELECT event_id FROM outbox WHERE member_id = o.member_id AND event_id = k.event_id FOR NO KEY UPDATE) e
        """);

    // An event is asked for without its member, which its order knows.
    private readonly PostgresStatement events = new("""
        SELECT e.event_id, e.member_id, e.sequence, e.created_at, CASE WHEN q.sequence IS NOT NULL THEN 0 WHEN d.sequence IS NOT NULL THEN 2 ELSE 1 END,
          q.failed_at
        FROM unnest($1, $2) AS k(event_id, order_id)
        CROSS JOIN LATERAL (SELECT member_id FROM orders WHERE order_id = k.order_id OFFSET 0) o
        CROSS JOIN LATERAL (SELECT * FROM outbox WHERE member_id = o.member_id AND event_id = k.event_id OFFSET 0) e
        LEFT JOIN LATERAL (SELECT sequence, failed_at FROM outbox_queue WHERE member_id = e.member_id AND sequence = e.sequence OFFSET 0) q ON true
        LEFT JOIN LATERAL (SELECT sequence FROM outbox_dead WHERE member_id = e.member_id AND sequence = e.sequence OFFSET 0) d ON true
        """);

    private readonly PostgresStatement[] statements;
    private readonly List<long> numbers = [];
    private readonly SortedSet<string> members = new(StringComparer.Ordinal);
    private readonly List<(string MemberId, Guid OrderId)> pairs = [];

    public PostgresLoad(NpgsqlConnection connection)
    {
        load = new NpgsqlBatch(connection);
        stock = new NpgsqlBatch(connection);
        statements = [lines, products, coupons, orders, lockedWallets, wallets, issuedCoupons, issuedCouponsOfOrders, carts, keys, lockedEvents, events];
    }

    /// <summary>Members with a cart in the batch and no wallet: a cart is guarded by its member's wallet, which has to be made.</summary>
    public HashSet<string> WithoutWallet { get; } = new(StringComparer.Ordinal);

    /// <summary>What the queue needs to know of an event that was loaded.</summary>
    public Dictionary<Guid, QueuedEvent> Events { get; } = [];

    /// <summary>Commands of the last batch.</summary>
    public int Commands => load.BatchCommands.Count;

    public void Dispose()
    {
        load.Dispose();
        stock.Dispose();
    }

    /// <summary>Begins the transaction and loads all that the batch declared.</summary>
    public async ValueTask RunAsync(Batch batch)
    {
        Clear();
        WorkingSet rows = batch.Rows;
        if (rows.OrdersWithStock.Count > 0)
        {
            await DeclareStockAsync(rows).ConfigureAwait(false);
        }

        Fill(batch);
        load.BatchCommands.Clear();
        load.BatchCommands.Add(begin);
        products.AddTo(load);
        coupons.AddTo(load);
        orders.AddTo(load);
        lockedWallets.AddTo(load);
        wallets.AddTo(load);
        AddDependents(rows);
        await using NpgsqlDataReader reader = await load.ExecuteReaderAsync().ConfigureAwait(false);
        await ReadLockedAsync(reader, rows).ConfigureAwait(false);
        await ReadDependentsAsync(reader, batch).ConfigureAwait(false);
    }

    /// <summary>
    /// Products are locked before orders, so what an order gives back is read beforehand, in a round trip of its own: its
    /// lines never change, and need no lock.
    /// </summary>
    private async ValueTask DeclareStockAsync(WorkingSet rows)
    {
        foreach ((string memberId, Guid orderId) in rows.Orders.Keys)
        {
            if (rows.OrdersWithStock.Contains(orderId))
            {
                lines.Row().Add(memberId).Add(orderId);
            }
        }

        stock.BatchCommands.Clear();
        lines.AddTo(stock);
        await using NpgsqlDataReader reader = await stock.ExecuteReaderAsync().ConfigureAwait(false);
        while (await reader.ReadAsync().ConfigureAwait(false))
        {
            foreach (OrderLine line in PostgresRows.Lines(reader, 0))
            {
                rows.Keys.Product(line.ProductId);
            }
        }
    }

    private void Clear()
    {
        foreach (PostgresStatement statement in statements)
        {
            statement.Clear();
        }

        members.Clear();
        pairs.Clear();
        WithoutWallet.Clear();
        Events.Clear();
    }

    private void Fill(Batch batch)
    {
        WorkingSet rows = batch.Rows;
        FillNumbers(products, rows.Products.Keys);
        FillNumbers(coupons, rows.Coupons.Keys);
        FillOrders(rows);
        FillMembers(batch);
        foreach ((string memberId, long couponId) in rows.IssuedCoupons.Keys)
        {
            issuedCoupons.Row().Add(memberId).Add(couponId);
        }

        foreach (IdempotencyKey key in batch.Keys.Keys)
        {
            keys.Row().Add(key.Subject).Add(key.Key);
        }

        foreach (Guid eventId in rows.Outbox.Keys.Order())
        {
            lockedEvents.Row().Add(eventId).Add(Ids.ToOrderId(eventId));
            events.Row().Add(eventId).Add(Ids.ToOrderId(eventId));
        }
    }

    private void FillNumbers(PostgresStatement statement, IEnumerable<long> keys)
    {
        numbers.Clear();
        numbers.AddRange(keys);
        numbers.Sort();
        foreach (long number in numbers)
        {
            statement.Row().Add(number);
        }
    }

    private void FillOrders(WorkingSet rows)
    {
        pairs.AddRange(rows.Orders.Keys);
        pairs.Sort(static (a, b) => string.CompareOrdinal(a.MemberId, b.MemberId) is not 0 and int order ? order : a.OrderId.CompareTo(b.OrderId));
        foreach ((string memberId, Guid orderId) in pairs)
        {
            orders.Row().Add(memberId).Add(orderId);
            issuedCouponsOfOrders.Row().Add(memberId).Add(orderId);
        }
    }

    private void FillMembers(Batch batch)
    {
        WorkingSet rows = batch.Rows;
        foreach (string memberId in rows.Carts.Keys)
        {
            // Two processes that fill one cart count its lines one after the other: the wallet is the lock.
            rows.Keys.Wallet(memberId);
            carts.Row().Add(memberId);
            WithoutWallet.Add(memberId);
        }

        members.UnionWith(rows.Wallets.Keys);
        foreach (string memberId in members)
        {
            (batch.IsRetry || WithoutWallet.Contains(memberId) ? lockedWallets : wallets).Row().Add(memberId);
        }
    }

    private void AddDependents(WorkingSet rows)
    {
        issuedCoupons.AddTo(load);
        issuedCouponsOfOrders.AddTo(load);
        carts.AddTo(load);
        keys.AddTo(load);
        lockedEvents.AddTo(load);
        events.AddTo(load);
        if (rows.NextProductId is not null)
        {
            load.BatchCommands.Add(nextProduct);
        }

        if (rows.NextCouponId is not null)
        {
            load.BatchCommands.Add(nextCoupon);
        }
    }

    private async ValueTask ReadLockedAsync(NpgsqlDataReader reader, WorkingSet rows)
    {
        while (products.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            rows.Products.Load(reader.GetInt64(0), PostgresRows.ProductRow(reader));
        }

        while (coupons.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            rows.Coupons.Load(reader.GetInt64(0), PostgresRows.CouponRow(reader));
        }

        while (orders.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            rows.LoadOrder(PostgresRows.OrderRow(reader));
        }

        while (lockedWallets.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            ReadWallet(reader, rows);
        }

        while (wallets.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            ReadWallet(reader, rows);
        }
    }

    private void ReadWallet(NpgsqlDataReader reader, WorkingSet rows)
    {
        string memberId = reader.GetString(0);
        rows.Wallets.Load(memberId, new Wallet(memberId, reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3)));
        WithoutWallet.Remove(memberId);
    }

    private async ValueTask ReadDependentsAsync(NpgsqlDataReader reader, Batch batch)
    {
        WorkingSet rows = batch.Rows;
        while (issuedCoupons.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            rows.IssuedCoupons.Load((reader.GetString(0), reader.GetInt64(1)), PostgresRows.IssuedCouponRow(reader));
        }

        while (issuedCouponsOfOrders.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            rows.IssuedCoupons.Load((reader.GetString(0), reader.GetInt64(1)), PostgresRows.IssuedCouponRow(reader));
        }

        await ReadCartsAsync(reader, rows).ConfigureAwait(false);
        while (keys.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            var answer = new StoredAnswer(
                reader.GetInt16(3), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetFieldValue<byte[]>(5));
            batch.Found(new IdempotencyKey(reader.GetString(0), reader.GetString(1)), new KeyedAnswer(reader.GetFieldValue<byte[]>(2), answer));
        }

        while (lockedEvents.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
        }

        while (events.Rows > 0 && await NextAsync(reader).ConfigureAwait(false))
        {
            Guid eventId = reader.GetGuid(0);
            Events[eventId] = new QueuedEvent(reader.GetString(1), eventId, reader.GetInt64(2), reader.GetInt64(3));
            rows.Outbox.Load(eventId, new OutboxRow(eventId, reader.Time(3), (OutboxState)reader.GetInt32(4), reader.TimeOrNull(5)));
        }

        rows.NextProductId = rows.NextProductId is null ? null : await NumberAsync(reader).ConfigureAwait(false);
        rows.NextCouponId = rows.NextCouponId is null ? null : await NumberAsync(reader).ConfigureAwait(false);
    }

    private async ValueTask ReadCartsAsync(NpgsqlDataReader reader, WorkingSet rows)
    {
        if (carts.Rows == 0)
        {
            return;
        }

        var found = new Dictionary<string, MemberCart>(StringComparer.Ordinal);
        foreach (string memberId in rows.Carts.Keys)
        {
            found.Add(memberId, new MemberCart());
        }

        while (await NextAsync(reader).ConfigureAwait(false))
        {
            found[reader.GetString(0)].Put(reader.GetInt64(1), reader.GetInt64(2));
        }

        foreach ((string memberId, MemberCart cart) in found)
        {
            rows.Carts.Load(memberId, cart);
        }
    }

    private static async ValueTask<long> NumberAsync(NpgsqlDataReader reader)
    {
        await reader.ReadAsync().ConfigureAwait(false);
        long number = reader.GetInt64(0);
        await reader.NextResultAsync().ConfigureAwait(false);
        return number;
    }

    /// <summary>The next row of this result; at its end, goes to the next result.</summary>
    private static async ValueTask<bool> NextAsync(NpgsqlDataReader reader)
    {
        if (await reader.ReadAsync().ConfigureAwait(false))
        {
            return true;
        }

        await reader.NextResultAsync().ConfigureAwait(false);
        return false;
    }
}

/// <summary>An event that is to be delivered, as the queue holds it.</summary>
internal readonly record struct QueuedEvent(string MemberId, Guid EventId, long Sequence, long CreatedAt);
