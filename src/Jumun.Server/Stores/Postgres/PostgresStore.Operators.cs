using Jumun.DataPlatform;
using Jumun.Points;

namespace Jumun.Server.Stores.Postgres;

/// <summary>What operators ask for: no caller of the shop waits for these.</summary>
internal sealed partial class PostgresStore
{
    public ValueTask<string?> OwnerOfOrderAsync(Guid orderId) => FirstAsync(
        new Query("SELECT member_id FROM orders WHERE order_id = $1").With(orderId), static row => row.GetString(0));

    public async ValueTask<OrderTrail> OrderTrailAsync(string memberId, Guid orderId)
    {
        List<LedgerEntry> entries = await AllAsync(
            new Query($"SELECT {PostgresRows.LedgerColumns} FROM ledger WHERE member_id = $1 AND order_id = $2 ORDER BY entry")
                .With(memberId).With(orderId),
            PostgresRows.LedgerEntry).ConfigureAwait(false);
        List<OutboxEventView> events = await AllAsync(
            new Query($"""
                SELECT o.event_id, o.type, o.order_id, o.member_id, o.sequence, {PostgresRows.EventState}, o.created_at
                FROM {PostgresRows.EventsWithState}
                WHERE o.member_id = $1 AND o.event_id = ANY($2) ORDER BY o.sequence
                """).With(memberId).With<Guid[]>([Ids.CompletedEventOf(orderId), Ids.RefundedEventOf(orderId)]),
            static row => new OutboxEventView(
                row.GetGuid(0), (OrderEventType)row.GetInt16(1), row.GetGuid(2), row.GetString(3), row.GetInt64(4), (OutboxState)row.GetInt32(5),
                row.Time(6))).ConfigureAwait(false);
        return new OrderTrail(entries, events);
    }

    public async ValueTask<OutboxBacklog> BacklogAsync() => await FirstAsync(
        new Query("""
            SELECT count(*), (SELECT count(*) FROM (SELECT 1 FROM outbox_dead LIMIT $1) dead), min(created_at)
            FROM (SELECT created_at FROM outbox_queue LIMIT $1) queued
            """).With(Bounds.CountedEvents),
        static row => new OutboxBacklog(row.GetInt64(0), row.GetInt64(1), row.TimeOrNull(2))).ConfigureAwait(false) ?? new OutboxBacklog(0, 0, null);
}
