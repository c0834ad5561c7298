using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// Which process works on which partition. Each that lives wants every n-th partition, by its place among the n that live;
/// it gives back what it holds beyond that, and takes what is free. Times are the database's, so that clocks need not agree.
/// A process renews over one session of its own and writes down which: when the process dies its session ends with it, and the others
/// need not wait for its leases to end. A process that only lost its session opens another, long before they look.
/// A lease's fence counts its holders, for whoever looks into the table. No delivery is checked against it: two processes that
/// deliver the same send it under the same id.
/// </summary>
internal sealed partial class PostgresStore
{
    private const string NowMs = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

    /// <summary>The database's clock, in milliseconds since 1970.</summary>
    public const string NowText = $"SELECT {NowMs}";

    private static readonly long LeaseMs = Bounds.LeaseSeconds * 1_000;
    private static readonly long LeaseOfEndedMs = Bounds.LeaseOfEndedSeconds * 1_000;

    // How far the database's clock may be set back before times that lie ahead of it count as none.
    private const long SetBackMs = Bounds.ClockMilliseconds;

    // Its leases count here no more some time before they may be another's, because clocks do not run alike.
    private static readonly TimeSpan GoodFor = TimeSpan.FromSeconds(Bounds.LeaseOfEndedSeconds - 0.5);

    // How long after the time of its batch an order may be committed, amply.
    private const long LateMs = 5 * 60 * 1_000;

    private NpgsqlConnection? leasing;

    public async ValueTask<LeasedShare> RenewLeasesAsync(Guid process, bool mayGive)
    {
        // By a wrong clock it would expire for all what is not over, and forget what is not old: others do that meanwhile. It is asked
        // for over the same session: among many slow reads it would wait so long that the leases are over here before they begin.
        if (await LeasingAsync(static connection => IsClockOffAsync(() => NowAsync(connection))).ConfigureAwait(false))
        {
            if (mayGive)
            {
                await GiveUpLeasesAsync(process).ConfigureAwait(false);
            }

            return LeasedShare.ClockIsOff;
        }

        return await LeasingAsync(async connection =>
        {
            (List<Guid> alive, List<short> held) = await SeenAsync(connection, process).ConfigureAwait(false);
            int place = alive.IndexOf(process);
            short[] share = [.. Enumerable.Range(0, Bounds.Partitions).Where(number => number % alive.Count == place).Select(number => (short)number)];
            short[] surplus = mayGive ? [.. held.Except(share)] : [];
            List<short> taken = await TakeAsync(connection, process, surplus, [.. share.Except(held)]).ConfigureAwait(false);
            short[] partitions = [.. held.Except(surplus).Union(taken).Order()];
            return new LeasedShare(partitions, alive.Count, IsSettled: partitions.AsSpan().SequenceEqual(share), GoodFor);
        }).ConfigureAwait(false);
    }

    public async ValueTask GiveUpLeasesAsync(Guid process) => await LeasingAsync(async connection =>
    {
        await using NpgsqlBatch batch = Writing(connection);
        Add(batch, "UPDATE leases SET holder = NULL, until = 0 WHERE holder = $1").Add(process);
        Add(batch, "DELETE FROM processes WHERE process_id = $1").Add(process);
        Add(batch, "COMMIT");
        return await batch.ExecuteNonQueryAsync().ConfigureAwait(false);
    }).ConfigureAwait(false);

    private static async ValueTask<long> NowAsync(NpgsqlConnection connection)
    {
        await using var ask = new NpgsqlCommand(NowText, connection);
        return (long)(await ask.ExecuteScalarAsync().ConfigureAwait(false))!;
    }

    /// <summary>Does something over the session of the leases, which is opened anew after an error.</summary>
    private async Task<T> LeasingAsync<T>(Func<NpgsqlConnection, Task<T>> work)
    {
        try
        {
            return await work(leasing ??= await readers.OpenConnectionAsync().ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            if (leasing is { } lost)
            {
                leasing = null;
                await lost.DisposeAsync().ConfigureAwait(false);
            }

            if (PostgresErrors.IsOfDatabase(error))
            {
                throw new StoreUnavailableException(RequestOutcome.None, error);
            }

            throw;
        }
    }

    /// <summary>Says that the process lives, renews what it holds, and asks who else lives.</summary>
    private static async Task<(List<Guid> Alive, List<short> Held)> SeenAsync(NpgsqlConnection connection, Guid process)
    {
        await using NpgsqlBatch batch = Writing(connection);
        Add(batch, $"""
            INSERT INTO processes (process_id, seen_at, session) VALUES ($1, {NowMs}, pg_backend_pid())
            ON CONFLICT (process_id) DO UPDATE SET seen_at = excluded.seen_at, session = excluded.session
            """).Add(process);

        // One that was seen in the future was seen before the clock was set back. Whoever writes its row just now lives.
        Add(batch, $"""
            DELETE FROM processes WHERE process_id IN (
              SELECT process_id FROM processes WHERE seen_at NOT BETWEEN {NowMs} - 10 * $1 AND {NowMs} + $2 FOR UPDATE SKIP LOCKED)
            """).Add(LeaseMs).Add(SetBackMs);

        // A process whose session ended is dead, unless it was heard of just now and is about to open another.
        Add(batch, $"""
            UPDATE leases SET holder = NULL, until = 0 WHERE holder IN (
              SELECT process_id FROM processes
              WHERE seen_at < {NowMs} - $1 AND session <> ALL (SELECT pid FROM pg_stat_activity))
            """).Add(LeaseOfEndedMs);
        Add(batch, $"""
            SELECT process_id FROM processes
            WHERE seen_at > {NowMs} - $1 AND (seen_at >= {NowMs} - $2 OR session IS NULL OR session IN (SELECT pid FROM pg_stat_activity))
            ORDER BY process_id
            """).Add(LeaseMs).Add(LeaseOfEndedMs);

        // One that ran out may be another's by now, and is taken anew like any that is free.
        Add(batch, $"UPDATE leases SET until = {NowMs} + $2 WHERE holder = $1 AND until > {NowMs} RETURNING partition").Add(process).Add(LeaseMs);
        Add(batch, "COMMIT");
        await using NpgsqlDataReader reader = await batch.ExecuteReaderAsync().ConfigureAwait(false);
        List<Guid> alive = await ColumnAsync<Guid>(reader).ConfigureAwait(false);
        List<short> held = await ColumnAsync<short>(reader).ConfigureAwait(false);
        return (alive, held);
    }

    /// <summary>Gives some partitions back, and takes those of some others that are free.</summary>
    /// <returns>Those that it took.</returns>
    private static async Task<List<short>> TakeAsync(NpgsqlConnection connection, Guid process, short[] surplus, short[] wanted)
    {
        if (surplus.Length + wanted.Length == 0)
        {
            return [];
        }

        await using NpgsqlBatch batch = Writing(connection);
        Add(batch, "UPDATE leases SET holder = NULL, until = 0 WHERE holder = $1 AND partition = ANY($2)").Add(process).Add(surplus);

        // None ends later than a lease from now, but by a clock that was set back.
        Add(batch, $"""
            UPDATE leases SET holder = $1, fence = fence + 1, until = {NowMs} + $3
            WHERE partition = ANY($2) AND until NOT BETWEEN {NowMs} AND {NowMs} + $3 + $4 RETURNING partition
            """).Add(process).Add(wanted).Add(LeaseMs).Add(SetBackMs);
        Add(batch, "COMMIT");
        await using NpgsqlDataReader reader = await batch.ExecuteReaderAsync().ConfigureAwait(false);
        return await ColumnAsync<short>(reader).ConfigureAwait(false);
    }

    private static async Task<List<T>> ColumnAsync<T>(NpgsqlDataReader reader)
    {
        var values = new List<T>();
        while (await reader.ReadAsync().ConfigureAwait(false))
        {
            values.Add(reader.GetFieldValue<T>(0));
        }

        // The commit is the last result: it has succeeded when the results are at their end.
        await reader.NextResultAsync().ConfigureAwait(false);
        return values;
    }

    /// <summary>Connections for reads are read-only but for what says otherwise.</summary>
    private static NpgsqlBatch Writing(NpgsqlConnection connection)
    {
        var batch = new NpgsqlBatch(connection);
        Add(batch, "BEGIN READ WRITE");
        return batch;
    }

    private static Parameters Add(NpgsqlBatch batch, string text)
    {
        var command = new NpgsqlBatchCommand(text);
        batch.BatchCommands.Add(command);
        return new Parameters(command);
    }

    private readonly struct Parameters(NpgsqlBatchCommand command)
    {
        public Parameters Add<T>(T value)
        {
            command.Parameters.Add(new NpgsqlParameter<T> { TypedValue = value });
            return this;
        }
    }
}
