using Jumun.DataPlatform;
using Jumun.Points;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>Payments and refunds in the order of their events, to be compared with what the data platform has.</summary>
internal static class SqliteLedgerEvents
{
    private const string PageText = "SELECT order_id, member_id, kind, amount FROM ledger WHERE order_id > ?1 ORDER BY order_id, kind LIMIT ?2";
    private const string AnyPendingText = "SELECT 1 FROM outbox_queue WHERE state = 0 LIMIT 1";
    private const string PendingText =
        "SELECT 1 FROM outbox e JOIN outbox_queue q ON q.position = e.position WHERE e.event_id = ?1 AND q.state = 0";

    private const string KeptText = "SELECT 1 FROM outbox WHERE event_id = ?1";

    /// <inheritdoc cref="IsEventKept"/>
    public static bool IsKept(SqliteConnection db, LedgerEvent one) => IsAny(db[KeptText].Bind(1, one.EventId));

    /// <inheritdoc cref="ReadLedgerPage"/>
    public static LedgerPage Read(SqliteConnection db, Guid after, int limit)
    {
        var events = new List<LedgerEvent>(limit);
        SqliteStatement rows = db[PageText].Bind(1, after).Bind(2, limit);
        while (rows.Step())
        {
            events.Add(LedgerEvent.Of(rows.Guid(0), rows.Text(1), (LedgerKind)rows.Int64(2), rows.Int64(3)));
        }

        bool isFull = events.Count == limit;
        if (isFull && events[^1].Type == OrderEventType.Completed)
        {
            // Its refund may be the next row: the order goes to the next page as a whole.
            events.RemoveAt(limit - 1);
        }

        return new LedgerPage(WithPending(db, events), isFull ? events[^1].OrderId : null);
    }

    private static List<LedgerEvent> WithPending(SqliteConnection db, List<LedgerEvent> events) =>
        IsAny(db[AnyPendingText]) ? [.. events.Select(one => one with { IsPending = IsAny(db[PendingText].Bind(1, one.EventId)) })] : events;

    private static bool IsAny(SqliteStatement rows)
    {
        bool isAny = rows.Step();
        rows.Reset();
        return isAny;
    }
}
