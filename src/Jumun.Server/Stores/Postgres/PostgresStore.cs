using System.Diagnostics;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The shop in PostgreSQL. Any number of processes may run on one database: each settles its batches on one connection,
/// under row locks, in two round trips, and reads on others. Every commit is on the database's disk before anybody is answered.
/// </summary>
internal sealed partial class PostgresStore : IStore
{
    private readonly PostgresHosts readers;
    private readonly PointReads pointReads;
    private readonly string? laneAddress;
    private readonly short slot;
    private readonly List<PostgresLane> lost = [];
    private PostgresHosts? lanes;
    private PostgresLane? lane;
    private ShardMap map = ShardMap.Whole;
    private bool isMapOld = true;
    private long sweptAt = Stopwatch.GetTimestamp();

    private PostgresStore(PostgresHosts readers, string? laneAddress, short slot)
    {
        this.readers = readers;
        pointReads = new PointReads(ReadPointsAsync);
        this.laneAddress = laneAddress;
        this.slot = slot;
    }

    /// <summary>A place in the life of a batch where tests make the database fail.</summary>
    internal enum FaultPoint
    {
        /// <summary>Before the rows are loaded.</summary>
        Load,

        /// <summary>Loaded and decided, nothing sent.</summary>
        Write,

        /// <summary>Committed, and nobody told.</summary>
        AfterCommit,

        /// <summary>The lane is opened again after an error.</summary>
        Reopen,
    }

    /// <summary>Awaited at each point; what it throws happens there. Null outside tests.</summary>
    internal Func<FaultPoint, Task>? Fault { get; set; }

    /// <summary>The server's process for the lane; null while there is no lane.</summary>
    internal int? BackendId => lane?.BackendId;

    /// <summary>Commands of the last batch, in each of its round trips.</summary>
    internal (int Load, int Write) Commands => lane?.Commands ?? default;

    /// <summary>Opens the database for a server.</summary>
    /// <param name="connectionString">As Npgsql reads it; several hosts for failover.</param>
    /// <param name="processName">What tells this process from others on the database; null for the machine's name and the process id.</param>
    /// <exception cref="SetupException">It cannot be reached, or its schema is not what 'migrate' brings.</exception>
    public static async Task<PostgresStore> OpenAsync(string connectionString, string? processName)
    {
        processName ??= string.Create(
            System.Globalization.CultureInfo.InvariantCulture, $"{Environment.MachineName}:{Environment.ProcessId}");
        var store = new PostgresStore(
            PostgresConnections.Readers(connectionString), connectionString, PostgresHash.SlotOf(processName));
        return await store.CheckedAsync(async () =>
        {
            await store.MustBeCurrentAsync().ConfigureAwait(false);
            await store.ReopenAsync().ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Opens the database for reads alone: for the audit, beside servers that may be running.</summary>
    /// <exception cref="SetupException">It cannot be reached, or its schema is another version's.</exception>
    public static async Task<PostgresStore> OpenForReadingAsync(string connectionString)
    {
        var store = new PostgresStore(PostgresConnections.Readers(connectionString), laneAddress: null, slot: 0);
        return await store.CheckedAsync(store.MustBeCurrentAsync).ConfigureAwait(false);
    }

    /// <summary>Brings the schema up to date, and tells the names of the steps that took.</summary>
    /// <exception cref="SetupException">The database cannot be reached, or was changed by steps that this program does not know.</exception>
    public static Task<IReadOnlyList<string>> MigrateAsync(string connectionString) => OnPlainAsync(connectionString, PostgresMigrations.ApplyAsync);

    /// <summary>Divides the tables of an up-to-date schema among the nodes of a cluster, and tells what was divided.</summary>
    /// <exception cref="SetupException">The database cannot be reached, or is no coordinator's.</exception>
    public static Task<IReadOnlyList<string>> DivideAsync(string connectionString, ShardSettings shards) =>
        OnPlainAsync(connectionString, connection => PostgresDivision.ApplyAsync(connection, shards));

    private static async Task<IReadOnlyList<string>> OnPlainAsync(string connectionString, Func<NpgsqlConnection, Task<IReadOnlyList<string>>> change)
    {
        await using NpgsqlDataSource source = PostgresConnections.Plain(connectionString);
        try
        {
            await using NpgsqlConnection connection = await source.OpenConnectionAsync().ConfigureAwait(false);
            return await change(connection).ConfigureAwait(false);
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
        {
            throw PostgresErrors.CannotOpen(source, error);
        }
    }

    public async ValueTask<string?> ProbeAsync()
    {
        if (laneAddress is not null && Volatile.Read(ref lane) is null)
        {
            return "the database cannot be written";
        }

        try
        {
            long asked = Stopwatch.GetTimestamp();
            long there = await FirstAsync(
                new Query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"), static row => row.GetInt64(0)).ConfigureAwait(false);
            double trip = Stopwatch.GetElapsedTime(asked).TotalMilliseconds;
            double off = Math.Abs(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - (trip / 2) - there);
            return off - (trip / 2) > Bounds.ClockMilliseconds ? "this machine's clock is more than a second off the database's" : null;
        }
        catch (StoreUnavailableException)
        {
            return "the database cannot be reached";
        }
    }

    public async ValueTask DisposeAsync()
    {
        await AbandonAsync().ConfigureAwait(false);
        DropLane();
        if (lanes is not null)
        {
            await lanes.DisposeAsync().ConfigureAwait(false);
        }

        await readers.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<PostgresStore> CheckedAsync(Func<Task> check)
    {
        try
        {
            await check().ConfigureAwait(false);
            return this;
        }
        catch (Exception error)
        {
            await DisposeAsync().ConfigureAwait(false);
            if (PostgresErrors.IsOfDatabase(error))
            {
                throw PostgresErrors.CannotOpen(readers.Source, error);
            }

            throw;
        }
    }

    private async Task MustBeCurrentAsync()
    {
        await using NpgsqlConnection connection = await readers.OpenConnectionAsync().ConfigureAwait(false);
        await using var standby = new NpgsqlCommand("SELECT pg_is_in_recovery()", connection);
        if (await standby.ExecuteScalarAsync().ConfigureAwait(false) is true)
        {
            throw new SetupException($"{connection.Host} is a standby. Name all hosts in ConnectionStrings__Jumun, so that the primary is found.");
        }

        await PostgresMigrations.MustBeCurrentAsync(connection).ConfigureAwait(false);
        await ReadMapAsync(connection).ConfigureAwait(false);
    }

    /// <summary>Reads where rows lie, and has the next lane go by it.</summary>
    private async Task ReadMapAsync(NpgsqlConnection connection)
    {
        map = await ShardMap.ReadAsync(connection).ConfigureAwait(false);
        if (laneAddress is not null)
        {
            PostgresHosts? old = lanes;
            lanes = PostgresConnections.Lane(laneAddress, map.IsDivided);
            await (old?.DisposeAsync() ?? ValueTask.CompletedTask).ConfigureAwait(false);
        }

        isMapOld = false;
    }

    private async ValueTask<PostgresLane> ReopenAsync()
    {
        await AtAsync(FaultPoint.Reopen).ConfigureAwait(false);
        if (isMapOld)
        {
            await using NpgsqlConnection connection = await readers.OpenConnectionAsync().ConfigureAwait(false);
            await ReadMapAsync(connection).ConfigureAwait(false);
        }

        PostgresHosts hosts = lanes ?? throw new InvalidOperationException("The store was opened for reading.");
        lost.RemoveAll(static session => !session.IsLost);
        if (lost.Count >= Bounds.PostgresLostSessions)
        {
            throw new NpgsqlException($"{lost.Count} sessions still wait for their commits, for a standby perhaps; no further one is opened");
        }

        PostgresLane opened = await PostgresLane.OpenAsync(hosts, map, slot).ConfigureAwait(false);
        Volatile.Write(ref lane, opened);
        return opened;
    }

    private void DropLane()
    {
        try
        {
            if (lane is { } dropped)
            {
                dropped.Dispose();
                if (dropped.IsLost)
                {
                    lost.Add(dropped);
                }
            }
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error) || error is InvalidOperationException)
        {
            // It was lost already, or its session is still busy and ends on its own.
        }

        Volatile.Write(ref lane, null);
    }

    private Task AtAsync(FaultPoint point) => Fault?.Invoke(point) ?? Task.CompletedTask;
}
