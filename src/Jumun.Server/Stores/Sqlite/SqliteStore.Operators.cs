using Jumun.DataPlatform;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>What operators ask for: no caller of the shop waits for these.</summary>
internal sealed partial class SqliteStore
{
    public ValueTask<string?> OwnerOfOrderAsync(Guid orderId) => ReadAsync(orderId, static (db, orderId) =>
    {
        // No index leads from an order's id alone to its row, and none is worth its cost at every order. But rows stand in the
        // order of their time, and the id tells when it was made: the search begins where that time does.
        long before = TimeOf(orderId) - 1;
        (long low, long high) = (1, First(db["SELECT max(position) FROM orders"], static row => row.Int64OrNull(0) ?? 0) + 1);
        while (low < high)
        {
            long middle = low + ((high - low) / 2);
            long createdAt = First(
                db["SELECT created_at FROM orders WHERE position >= ?1 ORDER BY position LIMIT 1"].Bind(1, middle), static row => row.Int64(0));
            (low, high) = createdAt < before ? (middle + 1, high) : (low, middle);
        }

        return First(
            db["SELECT member_id FROM orders WHERE position >= ?1 AND position < ?2 AND order_id = ?3 LIMIT 1"]
                .Bind(1, low).Bind(2, low + Bounds.SearchedOrders).Bind(3, orderId),
            static row => row.Text(0));
    });

    public ValueTask<OrderTrail> OrderTrailAsync(string memberId, Guid orderId) =>
        ReadAsync((memberId, orderId), static (db, a) => new OrderTrail(
            All(
                db[$"SELECT {SqliteRows.LedgerColumns} FROM ledger WHERE order_id = ?1 AND member_id = ?2 ORDER BY entry"]
                    .Bind(1, a.orderId).Bind(2, a.memberId),
                SqliteRows.LedgerEntry),
            All(
                db[$"""
                    SELECT o.event_id, o.type, o.order_id, o.member_id, o.sequence, {SqliteRows.EventState}, o.created_at
                    FROM {SqliteRows.EventsWithState}
                    WHERE o.event_id IN (?1, ?2) AND o.member_id = ?3 ORDER BY o.sequence
                    """]
                    .Bind(1, Ids.CompletedEventOf(a.orderId)).Bind(2, Ids.RefundedEventOf(a.orderId)).Bind(3, a.memberId),
                static row => new OutboxEventView(
                    row.Guid(0), (OrderEventType)row.Int64(1), row.Guid(2), row.Text(3), row.Int64(4), (OutboxState)row.Int64(5), row.Time(6)))));

    public ValueTask<OutboxBacklog> BacklogAsync() => ReadAsync(0, static (db, _) => new OutboxBacklog(
        First(db["SELECT count(*) FROM (SELECT 1 FROM outbox_queue LIMIT ?1)"].Bind(1, Bounds.CountedEvents), static row => row.Int64(0)),
        First(db["SELECT count(*) FROM (SELECT 1 FROM outbox_dead LIMIT ?1)"].Bind(1, Bounds.CountedEvents), static row => row.Int64(0)),
        First(
            db["SELECT o.created_at FROM outbox_queue q JOIN outbox o USING (position) ORDER BY q.position LIMIT 1"],
            static row => row.TimeOrNull(0))));

    /// <summary>When an id was made, in Unix milliseconds: the first 48 bits of a UUID of version 7.</summary>
    private static long TimeOf(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(bytes) >>> 16;
    }
}
