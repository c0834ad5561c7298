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
/// <para>
/// On Citus locks are taken slice by slice, and what joins keys to rows says besides where the rows are. Nodes show a commit
/// one after the other there: who has waited for an order's lock on one may not see the coupon that it holds on another yet. So
/// members' coupons are locked, too, which waits for them: last of all and all at once, after the orders have told which they hold.
/// </para>
/// </remarks>
/// <param name="connection">The lane's.</param>
/// <param name="map">Where rows lie.</param>
internal sealed partial class PostgresLoad(NpgsqlConnection connection, ShardMap map) : IDisposable
{
    private const string EventsByOrder = """
        unnest($1, $2) AS k(event_id, order_id)
        CROSS JOIN LATERAL (SELECT k.event_id, member_id FROM orders WHERE order_id = k.order_id OFFSET 0) o
        """;

    private readonly NpgsqlBatch load = new(connection);
    private readonly NpgsqlBatch before = new(connection);
    private readonly NpgsqlBatch after = new(connection);
    private readonly NpgsqlBatchCommand begin = new("BEGIN ISOLATION LEVEL READ COMMITTED");
    // What the session sets for itself, its connections to other nodes do not have.
    private readonly NpgsqlBatchCommand lockTimeout = new($"SET LOCAL lock_timeout = {Bounds.PostgresLockMilliseconds}");
    private readonly NpgsqlBatchCommand nextProduct = new("SELECT coalesce(max(product_id), 0) + 1 FROM products");
    private readonly NpgsqlBatchCommand nextCoupon = new("SELECT coalesce(max(coupon_id), 0) + 1 FROM coupons");

    private readonly PostgresStatement lines = new($"""
        SELECT o.lines FROM unnest($1, $2) AS k(member_id, order_id)
        CROSS JOIN LATERAL (SELECT lines FROM orders WHERE member_id = k.member_id AND order_id = k.order_id{map.Within("member_id", "$1")} OFFSET 0) o
        """, map.Members.Count);

    // An order's owner, where an event is asked for without it: a divided database finds nothing without its owner.
    private readonly PostgresStatement owners = new("SELECT order_id, member_id FROM orders WHERE order_id = ANY($1)");

    private readonly PostgresStatement products = new(
        $"SELECT {PostgresRows.ProductColumns} FROM products WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE",
        map.Products.Count);

    // Locked one by one, in the order of the arrays: an order that another member asks for is not even looked at.
    private readonly PostgresStatement orders = new($"""
        SELECT o.* FROM unnest($1, $2) AS k(member_id, order_id) CROSS JOIN LATERAL (
          SELECT {PostgresRows.OrderColumns} FROM orders
          WHERE member_id = k.member_id AND order_id = k.order_id{map.Within("member_id", "$1")} FOR NO KEY UPDATE) o
        """, map.Members.Count);

    // Not locked: whoever changes a wallet inserts its next ledger entry, and of two who took the same number one is refused
    // by the ledger's key, and begins anew.
    private readonly PostgresStatement wallets = new("SELECT member_id, balance, entries, events FROM wallets WHERE member_id = ANY($1)");

    // Locked where the ledger does not guard it, for a cart, and where a batch has lost such a race before. All of a batch or none: those
    // that it writes without are locked when they are written, in the same order, and one lock of each kind could be half of a circle.
    private readonly PostgresStatement lockedWallets = new(
        "SELECT member_id, balance, entries, events FROM wallets WHERE member_id = ANY($1) ORDER BY member_id FOR NO KEY UPDATE",
        map.Members.Count);

    private readonly PostgresStatement carts = new("SELECT member_id, product_id, quantity FROM cart_lines WHERE member_id = ANY($1)");

    private readonly PostgresStatement keys = new($"""
        SELECT i.subject, i.key, i.fingerprint, i.status, i.location, i.body FROM unnest($1, $2) AS k(subject, key)
        CROSS JOIN LATERAL (SELECT * FROM idempotency_keys WHERE subject = k.subject AND key = k.key{map.Within("subject", "$1")} OFFSET 0) i
        """, map.Members.Count);

    // Whoever sends an event again, gives it up or forgets it locks it first: of two, the later sees what the earlier left.
    private readonly PostgresStatement lockedEvents = new($"""
        SELECT e.event_id FROM {(map.IsDivided ? "unnest($1, $2) AS o(event_id, member_id)" : EventsByOrder)}
        CROSS JOIN LATERAL (SELECT event_id FROM outbox
          WHERE member_id = o.member_id AND event_id = o.event_id{map.Within("member_id", "$2")} FOR NO KEY UPDATE) e
        """, map.Members.Count);

    // An event is asked for without its member, which its order knows.
    private readonly PostgresStatement events = new($"""
        SELECT e.event_id, e.member_id, e.sequence, e.created_at, CASE WHEN q.sequence IS NOT NULL THEN 0 WHEN d.sequence IS NOT NULL THEN 2 ELSE 1 END,
          q.failed_at
        FROM {(map.IsDivided ? "unnest($1, $2) AS o(event_id, member_id)" : EventsByOrder)}
        CROSS JOIN LATERAL (SELECT * FROM outbox WHERE member_id = o.member_id AND event_id = o.event_id{map.Within("member_id", "$2")} OFFSET 0) e
        LEFT JOIN LATERAL (SELECT sequence, failed_at FROM outbox_queue
          WHERE member_id = e.member_id AND sequence = e.sequence{map.Within("member_id", "$2")} OFFSET 0) q ON true
        LEFT JOIN LATERAL (SELECT sequence FROM outbox_dead
          WHERE member_id = e.member_id AND sequence = e.sequence{map.Within("member_id", "$2")} OFFSET 0) d ON true
        """, map.Members.Count);

    private readonly List<long> numbers = [];
    private readonly SortedSet<string> members = new(StringComparer.Ordinal);
    private readonly List<(string MemberId, Guid OrderId)> pairs = [];

    /// <summary>Members with a cart in the batch and no wallet: a cart is guarded by its member's wallet, which has to be made.</summary>
    public HashSet<string> WithoutWallet { get; } = new(StringComparer.Ordinal);

    /// <summary>What the queue needs to know of an event that was loaded.</summary>
    public Dictionary<Guid, QueuedEvent> Events { get; } = [];

    /// <summary>Statements of the last batch.</summary>
    public int Statements => load.BatchCommands.Count + after.BatchCommands.Count;

    public void Dispose()
    {
        load.Dispose();
        before.Dispose();
        after.Dispose();
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

        if (rows.Outbox.Count > 0 && map.IsDivided)
        {
            await FindOwnersAsync(rows).ConfigureAwait(false);
        }

        Fill(batch);
        load.BatchCommands.Clear();
        after.BatchCommands.Clear();
        load.BatchCommands.Add(begin);
        if (map.IsDivided)
        {
            load.BatchCommands.Add(lockTimeout);
        }

        products.AddTo(load);
        AddCoupons();
        orders.AddTo(load);
        lockedWallets.AddTo(load);
        wallets.AddTo(load);
        AddDependents(rows);
        await using (NpgsqlDataReader reader = await load.ExecuteReaderAsync().ConfigureAwait(false))
        {
            await ReadLockedAsync(reader, rows).ConfigureAwait(false);
            await ReadDependentsAsync(reader, batch).ConfigureAwait(false);
        }

        if (map.IsDivided && orders.Rows > 0 && rows.IssuedCoupons.Keys.Any())
        {
            await LoadIssuedCouponsAsync(rows).ConfigureAwait(false);
        }
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
                lines.Row(map.Members.Of(memberId)).Add(memberId).Add(orderId);
            }
        }

        before.BatchCommands.Clear();
        lines.AddTo(before);
        await using NpgsqlDataReader reader = await before.ExecuteReaderAsync().ConfigureAwait(false);
        while (await NextAsync(reader, lines).ConfigureAwait(false))
        {
            foreach (OrderLine line in PostgresRows.Lines(reader, 0))
            {
                rows.Keys.Product(line.ProductId);
            }
        }
    }

    /// <summary>Whose the events are, in a round trip of its own: who reads by event alone would ask every shard under locks.</summary>
    private async ValueTask FindOwnersAsync(WorkingSet rows)
    {
        foreach (Guid eventId in rows.Outbox.Keys)
        {
            owners.Row().Add(Ids.ToOrderId(eventId));
        }

        before.BatchCommands.Clear();
        owners.AddTo(before);
        var found = new Dictionary<Guid, string>();
        await using NpgsqlDataReader reader = await before.ExecuteReaderAsync().ConfigureAwait(false);
        while (await NextAsync(reader, owners).ConfigureAwait(false))
        {
            found[reader.GetGuid(0)] = reader.GetString(1);
        }

        foreach (Guid eventId in rows.Outbox.Keys.Order())
        {
            if (found.TryGetValue(Ids.ToOrderId(eventId), out string? memberId))
            {
                lockedEvents.Row(map.Members.Of(memberId)).Add(eventId).Add(memberId);
                events.Row(map.Members.Of(memberId)).Add(eventId).Add(memberId);
            }
        }
    }

    private void Clear()
    {
        lines.Clear();
        owners.Clear();
        products.Clear();
        coupons.Clear();
        orders.Clear();
        lockedWallets.Clear();
        wallets.Clear();
        issuedCoupons.Clear();
        lockedIssuedCoupons.Clear();
        issuedCouponsOfOrders.Clear();
        carts.Clear();
        keys.Clear();
        lockedEvents.Clear();
        events.Clear();

        members.Clear();
        pairs.Clear();
        WithoutWallet.Clear();
        Events.Clear();
    }

    private void Fill(Batch batch)
    {
        WorkingSet rows = batch.Rows;
        FillNumbers(products, rows.Products.Keys, map.Products);
        FillCoupons(rows);
        FillOrders(rows);
        FillMembers(batch);
        FillIssuedCoupons(rows);

        foreach (IdempotencyKey key in batch.Keys.Keys)
        {
            keys.Row(map.Members.Of(key.Subject)).Add(key.Subject).Add(key.Key);
        }

        if (!map.IsDivided)
        {
            foreach (Guid eventId in rows.Outbox.Keys.Order())
            {
                lockedEvents.Row().Add(eventId).Add(Ids.ToOrderId(eventId));
                events.Row().Add(eventId).Add(Ids.ToOrderId(eventId));
            }
        }
    }

    private void FillNumbers(PostgresStatement statement, IEnumerable<long> keys, Slices slices)
    {
        numbers.Clear();
        numbers.AddRange(keys);
        numbers.Sort();
        foreach (long number in numbers)
        {
            statement.Row(slices.Of(number)).Add(number);
        }
    }

    private void FillOrders(WorkingSet rows)
    {
        pairs.AddRange(rows.Orders.Keys);
        pairs.Sort(static (a, b) => string.CompareOrdinal(a.MemberId, b.MemberId) is not 0 and int order ? order : a.OrderId.CompareTo(b.OrderId));
        foreach ((string memberId, Guid orderId) in pairs)
        {
            int slice = map.Members.Of(memberId);
            orders.Row(slice).Add(memberId).Add(orderId);
            if (!map.IsDivided)
            {
                issuedCouponsOfOrders.Row().Add(memberId).Add(orderId);
            }
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
        bool locked = batch.IsRetry || WithoutWallet.Count > 0;
        foreach (string memberId in members)
        {
            if (locked)
            {
                lockedWallets.Row(map.Members.Of(memberId)).Add(memberId);
            }
            else
            {
                wallets.Row().Add(memberId);
            }
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
        if (orders.Rows == 0)
        {
            lockedIssuedCoupons.AddTo(load);
        }

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
        while (await NextAsync(reader, products).ConfigureAwait(false))
        {
            rows.Products.Load(reader.GetInt64(0), PostgresRows.ProductRow(reader));
        }

        await ReadCouponsAsync(reader, rows).ConfigureAwait(false);
        while (await NextAsync(reader, orders).ConfigureAwait(false))
        {
            rows.LoadOrder(PostgresRows.OrderRow(reader));
        }

        while (await NextAsync(reader, lockedWallets).ConfigureAwait(false))
        {
            ReadWallet(reader, rows);
        }

        while (await NextAsync(reader, wallets).ConfigureAwait(false))
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
        await ReadIssuedCouponsAsync(reader, issuedCoupons, rows).ConfigureAwait(false);
        await ReadIssuedCouponsAsync(reader, issuedCouponsOfOrders, rows).ConfigureAwait(false);
        await ReadCartsAsync(reader, rows).ConfigureAwait(false);
        while (await NextAsync(reader, keys).ConfigureAwait(false))
        {
            var answer = new StoredAnswer(
                reader.GetInt16(3), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetFieldValue<byte[]>(5));
            batch.Found(new IdempotencyKey(reader.GetString(0), reader.GetString(1)), new KeyedAnswer(reader.GetFieldValue<byte[]>(2), answer));
        }

        while (await NextAsync(reader, lockedEvents).ConfigureAwait(false))
        {
        }

        while (await NextAsync(reader, events).ConfigureAwait(false))
        {
            Guid eventId = reader.GetGuid(0);
            var state = (OutboxState)reader.GetInt32(4);
            Events[eventId] = new QueuedEvent(reader.GetString(1), eventId, reader.GetInt64(2), reader.GetInt64(3), state);
            rows.Outbox.Load(eventId, new OutboxRow(eventId, reader.Time(3), state, reader.TimeOrNull(5)));
        }

        await ReadIssuedCouponsAsync(reader, lockedIssuedCoupons, rows).ConfigureAwait(false);
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

        while (await NextAsync(reader, carts).ConfigureAwait(false))
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

    /// <summary>The next row of a statement's results; behind the last of them the reader stands at the next statement's.</summary>
    private static async ValueTask<bool> NextAsync(NpgsqlDataReader reader, PostgresStatement statement)
    {
        while (statement.Unread > 0)
        {
            if (await reader.ReadAsync().ConfigureAwait(false))
            {
                return true;
            }

            statement.Unread -= 1;
            await reader.NextResultAsync().ConfigureAwait(false);
        }

        return false;
    }
}

/// <summary>An event that commands name, as the store holds it.</summary>
internal readonly record struct QueuedEvent(string MemberId, Guid EventId, long Sequence, long CreatedAt, OutboxState State);
