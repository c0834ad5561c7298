using Jumun.DataPlatform;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// What the relay reads. The queue is read in the order of its key, member by member: a number for the events of all members
/// would have to be given to one after the other, and times of two processes never agree.
/// </summary>
internal sealed partial class PostgresStore
{
    // What sorts before and after every member, and after this one before any other.
    private const string First = "";
    private const string Last = "\u007f";
    private const string Next = "\u0001";

    private string relayedTo = First;

    public async ValueTask<List<PendingEvent>> PendingEventsAsync(IReadOnlyList<short> partitions, IReadOnlySet<string> held, bool anew, int limit)
    {
        if (partitions.Count == 0)
        {
            return [];
        }

        string from = relayedTo;
        string[] passedOver = [.. held.Order(StringComparer.Ordinal)];
        List<PendingEvent> events = await QueuedAsync(partitions, passedOver, from, Last, limit).ConfigureAwait(false);
        if (events.Count < limit && from.Length > 0)
        {
            events.AddRange(await QueuedAsync(partitions, passedOver, First, from + Next, limit - events.Count).ConfigureAwait(false));
        }

        // The last member may have more than came: the next round begins with it, and anew at its first; behind it, where all were its own.
        relayedTo = events.Count < limit
            ? First
            : events.FindLast(pending => pending.MemberId != events[^1].MemberId)?.MemberId ?? events[^1].MemberId;
        return events;
    }

    public ValueTask<List<PendingEvent>> PendingEventsAsync(IReadOnlyList<short> partitions, IReadOnlyList<Delivery> events) => AllAsync(
        new Query($"""
            SELECT {PostgresRows.PendingEventColumns}
            FROM unnest($1, $2, $3) AS k(member_id, sequence, event_id)
            CROSS JOIN LATERAL (SELECT * FROM outbox_queue WHERE member_id = k.member_id AND sequence = k.sequence AND partition = ANY($4){Apart}) q
            CROSS JOIN LATERAL (SELECT body, type FROM outbox WHERE member_id = q.member_id AND event_id = k.event_id{Apart}) o
            """)
            .With(events.Select(one => one.MemberId).ToArray()).With(events.Select(one => one.Sequence).ToArray())
            .With(events.Select(one => one.EventId).ToArray()).With(partitions.ToArray()),
        PostgresRows.PendingEvent);

    /// <summary>
    /// Events of the members between two names, both not included. Those that are passed over divide them into stretches: each
    /// is gone to by the key, so that the events between them are not read, however many they are.
    /// </summary>
    private ValueTask<List<PendingEvent>> QueuedAsync(IReadOnlyList<short> partitions, string[] passedOver, string above, string below, int limit)
    {
        string[] between = Array.FindAll(
            passedOver, member => string.CompareOrdinal(member, above) > 0 && string.CompareOrdinal(member, below) < 0);
        if (map.IsDivided)
        {
            // Each shard goes through its own: what is passed over is read there, and is not sent.
            return AllAsync(
                new Query($"""
                    SELECT {PostgresRows.PendingEventColumns}
                    FROM outbox_queue q JOIN outbox o ON o.member_id = q.member_id AND o.event_id = q.event_id
                    WHERE q.partition = ANY($1) AND q.member_id > $3 AND q.member_id < $4 AND q.member_id <> ALL($5)
                    ORDER BY q.member_id, q.sequence LIMIT $2
                    """).With(partitions.ToArray()).With(limit).With(above).With(below).With(between),
                PostgresRows.PendingEvent);
        }

        return AllAsync(
            new Query($"""
                SELECT {PostgresRows.PendingEventColumns}
                FROM (SELECT q.* FROM unnest($3, $4) AS s(above, below)
                      CROSS JOIN LATERAL (SELECT member_id, event_id, sequence, created_at, failed_at FROM outbox_queue
                        WHERE member_id > s.above AND member_id < s.below AND partition = ANY($1) ORDER BY member_id, sequence LIMIT $2) q
                      LIMIT $2) q
                CROSS JOIN LATERAL (SELECT body, type FROM outbox WHERE member_id = q.member_id AND event_id = q.event_id OFFSET 0) o
                ORDER BY q.member_id, q.sequence
                """).With(partitions.ToArray()).With(limit).With((string[])[above, .. between]).With((string[])[.. between, below]),
            PostgresRows.PendingEvent);
    }
}
