using Jumun.DataPlatform;
using Jumun.Server.DataPlatform;

namespace Jumun.Server.Stores.Postgres;

/// <summary>What a batch writes of events: new ones, and what became of those that were there.</summary>
internal sealed partial class PostgresWrite
{
    private readonly PostgresStatement insertEvents = new("""
        INSERT INTO outbox (member_id, event_id, order_id, sequence, created_at, type, body) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
        """);

    private readonly PostgresStatement queueEvents = new("""
        INSERT INTO outbox_queue (member_id, event_id, sequence, created_at, partition, state) SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
        """);

    private readonly PostgresUpsert requeueEvents = new(
        "INSERT INTO outbox_queue (member_id, event_id, sequence, created_at, partition, state)", 6,
        "ON CONFLICT (member_id, sequence) DO UPDATE SET state = excluded.state, failed_at = NULL");

    private readonly PostgresStatement failEvents = new("""
        UPDATE outbox_queue t SET failed_at = v.failed_at FROM unnest($1, $2, $3) AS v(member_id, sequence, failed_at)
        WHERE t.member_id = v.member_id AND t.sequence = v.sequence AND t.member_id = ANY($1)
        """, map.Members.Count);

    private readonly PostgresStatement deleteDead = new("""
        DELETE FROM outbox_dead t USING unnest($1, $2) AS v(member_id, sequence)
        WHERE t.member_id = v.member_id AND t.sequence = v.sequence AND t.member_id = ANY($1)
        """, map.Members.Count);

    private readonly PostgresUpsert insertDead = new(
        "INSERT INTO outbox_dead (member_id, sequence, event_id, created_at)", 4, "ON CONFLICT (member_id, sequence) DO NOTHING");

    private readonly PostgresStatement deleteDelivered = new("""
        DELETE FROM outbox_queue t USING unnest($1, $2) AS v(member_id, sequence)
        WHERE t.member_id = v.member_id AND t.sequence = v.sequence AND t.member_id = ANY($1)
        """, map.Members.Count);

    // Each is found by its key and deleted where it lies: it is locked, and was never changed.
    private readonly PostgresStatement forgetEvents = new(
        map.IsDivided
            ? """
                DELETE FROM outbox t USING unnest($1, $2) AS v(member_id, event_id)
                WHERE t.member_id = v.member_id AND t.event_id = v.event_id AND t.member_id = ANY($1)
                """
            : """
                DELETE FROM outbox WHERE ctid = ANY(ARRAY(SELECT o.ctid FROM unnest($1, $2) AS k(member_id, event_id)
                  CROSS JOIN LATERAL (SELECT ctid FROM outbox WHERE member_id = k.member_id AND event_id = k.event_id OFFSET 0) o))
                """,
        map.Members.Count);

    private readonly PostgresStatement rememberForgotten = new(
        "UPDATE forgotten_events SET before = greatest(before, ($1)[1]) WHERE only_row = 1");

    private readonly List<QueuedEvent> resent = [];
    private readonly List<QueuedEvent> dead = [];

    private void AddEvents(WorkingSet rows, Dictionary<Guid, QueuedEvent> loaded)
    {
        foreach (OrderEvent orderEvent in rows.Events)
        {
            string memberId = orderEvent.Order.MemberId;
            insertEvents.Row().Add(memberId).Add(orderEvent.EventId).Add(orderEvent.Order.OrderId).Add(orderEvent.Sequence)
                .Add(rows.Now).Add((short)orderEvent.Type).Add(OrderEventJson.Render(orderEvent, rows.Now));
            queueEvents.Row().Add(memberId).Add(orderEvent.EventId).Add(orderEvent.Sequence).Add(rows.Now)
                .Add(PostgresHash.PartitionOf(memberId)).Add((short)OutboxState.Pending);
        }

        foreach (Delivery delivery in rows.Deliveries)
        {
            deleteDelivered.Row(map.Members.Of(delivery.MemberId)).Add(delivery.MemberId).Add(delivery.Sequence);
        }

        foreach (OutboxRow row in rows.Outbox.Written)
        {
            QueuedEvent queued = loaded[row.EventId];
            int slice = map.Members.Of(queued.MemberId);
            if (row.IsForgotten)
            {
                forgetEvents.Row(slice).Add(queued.MemberId).Add(queued.EventId);
            }
            else if (row.Delivery == OutboxState.Dead)
            {
                deleteDelivered.Row(slice).Add(queued.MemberId).Add(queued.Sequence);
                dead.Add(queued);
            }
            else
            {
                if (row.FailedAt is null || queued.State != OutboxState.Pending)
                {
                    deleteDead.Row(slice).Add(queued.MemberId).Add(queued.Sequence);
                    resent.Add(queued);
                }

                if (row.FailedAt is { } failedAt)
                {
                    failEvents.Row(slice).Add(queued.MemberId).Add(queued.Sequence).Add(failedAt);
                }
            }
        }

        insertEvents.AddTo(batch);
        queueEvents.AddTo(batch);
        deleteDelivered.AddTo(batch);
        deleteDead.AddTo(batch);
        requeueEvents.AddTo(batch, resent, static (values, row) =>
            values.Add(row.MemberId).Add(row.EventId).Add(row.Sequence).Add(row.CreatedAt)
                .Add(PostgresHash.PartitionOf(row.MemberId)).Add((short)OutboxState.Pending));
        failEvents.AddTo(batch);
        insertDead.AddTo(batch, dead, static (values, row) => values.Add(row.MemberId).Add(row.Sequence).Add(row.EventId).Add(row.CreatedAt));
        forgetEvents.AddTo(batch);
        if (rows.EventsForgottenBefore is { } moment)
        {
            rememberForgotten.Row().Add(moment).AddTo(batch);
        }
    }

    private void ClearEvents()
    {
        insertEvents.Clear();
        queueEvents.Clear();
        deleteDelivered.Clear();
        failEvents.Clear();
        deleteDead.Clear();
        forgetEvents.Clear();
        rememberForgotten.Clear();
        requeueEvents.Clear();
        insertDead.Clear();
        resent.Clear();
        dead.Clear();
    }
}
