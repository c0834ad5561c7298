using System.Globalization;
using Jumun.Points;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// Payments and refunds in the order of their events, to be compared with what the data platform has. Orders are gone
/// through by their ids, because the ledger is kept by member.
/// </summary>
internal static class PostgresLedgerEvents
{
    private const string PendingText = "SELECT event_id FROM outbox_queue WHERE member_id = ANY($1) AND event_id = ANY($2) AND state = 0";

    /// <inheritdoc cref="IsEventKept"/>
    public static async Task<bool> IsKeptAsync(NpgsqlConnection connection, LedgerEvent one)
    {
        await using var command = new NpgsqlCommand("SELECT 1 FROM outbox WHERE member_id = $1 AND event_id = $2", connection)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = one.MemberId }, new NpgsqlParameter<Guid> { TypedValue = one.EventId } },
        };
        return await command.ExecuteScalarAsync().ConfigureAwait(false) is not null;
    }

    /// <inheritdoc cref="ReadLedgerPage"/>
    public static async Task<LedgerPage> ReadAsync(NpgsqlConnection connection, Guid after, int limit)
    {
        Guid? last = null;
        int orders = 0;
        var events = new List<LedgerEvent>(limit);
        await using (var command = new NpgsqlCommand(PageText(limit), connection) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = after } } })
        await using (NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false))
        {
            while (await rows.ReadAsync().ConfigureAwait(false))
            {
                Guid orderId = rows.GetGuid(0);
                orders += orderId == last ? 0 : 1;
                last = orderId;
                if (!rows.IsDBNull(2))
                {
                    events.Add(LedgerEvent.Of(orderId, rows.GetString(1), (LedgerKind)rows.GetInt16(2), rows.GetInt64(3)));
                }
            }
        }

        return new LedgerPage(await WithPendingAsync(connection, events).ConfigureAwait(false), orders == limit ? last : null);
    }

    // The limit stands in the text: the planner would guess at a parameter, and read the whole ledger for it.
    private static string PageText(int limit) => string.Create(CultureInfo.InvariantCulture, $"""
        SELECT o.order_id, o.member_id, l.kind, l.amount
        FROM (SELECT member_id, order_id FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT {limit}) o
        LEFT JOIN ledger l ON l.member_id = o.member_id AND l.order_id = o.order_id
        ORDER BY o.order_id, l.kind
        """);

    private static async Task<List<LedgerEvent>> WithPendingAsync(NpgsqlConnection connection, List<LedgerEvent> events)
    {
        if (events.Count == 0)
        {
            return events;
        }

        var pending = new HashSet<Guid>();
        await using var command = new NpgsqlCommand(PendingText, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<string[]> { TypedValue = [.. events.Select(one => one.MemberId).Distinct()] },
                new NpgsqlParameter<Guid[]> { TypedValue = [.. events.Select(one => one.EventId)] },
            },
        };
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
        while (await rows.ReadAsync().ConfigureAwait(false))
        {
            pending.Add(rows.GetGuid(0));
        }

        return [.. events.Select(one => one with { IsPending = pending.Contains(one.EventId) })];
    }
}
