using System.Diagnostics;
using Jumun.Server.Stores.Sqlite;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The shop in PostgreSQL. Any number of processes may run on one database: each settles its batches on two connections,
/// under row locks, in two round trips, one more where an order gives its stock back, and reads on others. Every commit is on the
/// database's disk before anybody is answered.
/// </summary>
internal sealed partial class PostgresStore : IStore
{
    private readonly PostgresHosts readers;
    private readonly PointReads pointReads;
    private readonly string? laneAddress;
    private readonly short slot;
    private readonly int secondLaneFrom;
    private readonly SemaphoreSlim reading = new(1);
    private readonly SweepMark keys = new();
    private readonly SweepMark pendingOrders = new();
    private readonly SweepMark batches = new();
    private WriteSide[] sides = [];
    private ShardMap map = ShardMap.Whole;
    private volatile bool isMapOld = true;
    private bool isLooking;
    private long sweptAt = Stopwatch.GetTimestamp();

    private PostgresStore(PostgresHosts readers, string? laneAddress, short slot, int secondLaneFrom)
    {
        this.readers = readers;
        pointReads = new PointReads(ReadPointsAsync);
        this.laneAddress = laneAddress;
        this.slot = slot;
        this.secondLaneFrom = secondLaneFrom;
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

    /// <summary>The server's process for a lane; null while that has no session.</summary>
    internal int? BackendOf(int lane) => sides[lane].Lane?.BackendId;

    /// <summary>Statements of the last batch of a lane, in each of its round trips.</summary>
    internal (int Load, int Write) StatementsOf(int lane) => sides[lane].Lane?.Statements ?? default;

    /// <summary>Opens the database for a server.</summary>
    /// <param name="connectionString">As Npgsql reads it; several hosts for failover.</param>
    /// <param name="processName">What tells this process from others on the database; null for the machine's name and the process id.</param>
    /// <param name="hasLanePerNode">Whether a cluster's batches go to the node of their members, a lane each, and not all by way of the coordinator.</param>
    /// <param name="secondLaneFrom">On a database of its own: from how many commands in the last batches on there are two lanes.</param>
    /// <exception cref="SetupException">It cannot be reached, or its schema is not what 'migrate' brings.</exception>
    public static async Task<PostgresStore> OpenAsync(
        string connectionString, string? processName, bool hasLanePerNode = true, int secondLaneFrom = Bounds.CommandsForTwoLanes)
    {
        processName ??= string.Create(
            System.Globalization.CultureInfo.InvariantCulture, $"{Environment.MachineName}:{Environment.ProcessId}");
        var store = new PostgresStore(
            PostgresConnections.Readers(connectionString), connectionString, PostgresHash.SlotOf(processName), secondLaneFrom);
        return await store.CheckedAsync(async () =>
        {
            await store.MustBeCurrentAsync().ConfigureAwait(false);
            await store.OpenSidesAsync(hasLanePerNode).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Opens the database for reads alone: for the audit, beside servers that may be running.</summary>
    /// <exception cref="SetupException">It cannot be reached, or its schema is another version's.</exception>
    public static async Task<PostgresStore> OpenForReadingAsync(string connectionString)
    {
        var store = new PostgresStore(PostgresConnections.Readers(connectionString), laneAddress: null, slot: 0, secondLaneFrom: 1);
        return await store.CheckedAsync(store.MustBeCurrentAsync).ConfigureAwait(false);
    }

    /// <summary>Brings the schema up to date, and tells the names of the steps that took.</summary>
    /// <exception cref="SetupException">The database cannot be reached, or was changed by steps that this program does not know.</exception>
    public static Task<IReadOnlyList<string>> MigrateAsync(string connectionString) => OnPlainAsync(connectionString, PostgresMigrations.ApplyAsync);

    /// <summary>Divides the tables of an up-to-date schema among the nodes of a cluster, and tells what was divided.</summary>
    /// <exception cref="SetupException">The database cannot be reached, or is no coordinator's.</exception>
    public static Task<IReadOnlyList<string>> DivideAsync(string connectionString, ShardSettings shards) =>
        OnPlainAsync(connectionString, connection => PostgresDivision.ApplyAsync(connection, shards));

    /// <summary>Copies a shop from a SQLite file into an up-to-date schema without one; see <see cref="StoreCopy"/>.</summary>
    /// <exception cref="SetupException">The database cannot be reached, was not migrated or has a shop, or not all rows came over.</exception>
    public static Task<IReadOnlyList<InvariantReport>> CopyAsync(
        string connectionString, SqliteConnection file, Action<string> tell, CancellationToken stop) =>
        OnPlainAsync(connectionString, async connection =>
        {
            await PostgresMigrations.MustBeCurrentAsync(connection).ConfigureAwait(false);
            return await new StoreCopy(file, connection, tell, stop).RunAsync().ConfigureAwait(false);
        });

    private static async Task<IReadOnlyList<T>> OnPlainAsync<T>(string connectionString, Func<NpgsqlConnection, Task<IReadOnlyList<T>>> change)
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
        if (laneAddress is not null && !CanWrite())
        {
            return "the database cannot be written";
        }

        try
        {
            return await IsClockOffAsync(() => FirstAsync(new Query(NowText), static row => row.GetInt64(0))).ConfigureAwait(false)
                ? "this machine's clock is more than a second off the database's"
                : null;
        }
        catch (StoreUnavailableException)
        {
            return "the database cannot be reached";
        }
    }

    /// <summary>
    /// Whether there is a session to write with. On a cluster the lanes that have one go on without the others, on a database of its own the
    /// first goes on without the second.
    /// </summary>
    private bool CanWrite() => map.IsDivided ? Array.Exists(sides, static side => side.Lane is not null) : sides[0].Lane is not null;

    /// <summary>Whether this machine's clock is further off the database's than <see cref="Bounds.ClockMilliseconds"/> for certain.</summary>
    /// <param name="ask">Asks the database for its clock.</param>
    private static async Task<bool> IsClockOffAsync(Func<ValueTask<long>> ask)
    {
        long asked = Stopwatch.GetTimestamp();
        long there = await ask().ConfigureAwait(false);
        double trip = Stopwatch.GetElapsedTime(asked).TotalMilliseconds;
        double off = Math.Abs(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - (trip / 2) - there);
        return off - (trip / 2) > Bounds.ClockMilliseconds;
    }

    public async ValueTask DisposeAsync()
    {
        for (int lane = 0; lane < sides.Length; lane++)
        {
            await AbandonAsync(lane).ConfigureAwait(false);
            DropLane(sides[lane]);
            await sides[lane].Hosts.DisposeAsync().ConfigureAwait(false);
        }

        if (leasing is not null)
        {
            await leasing.DisposeAsync().ConfigureAwait(false);
        }

        reading.Dispose();
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

    /// <summary>Reads where rows lie. A lane goes by the map that it was opened with, and is opened anew when there is another.</summary>
    private async Task ReadMapAsync(NpgsqlConnection connection)
    {
        ShardMap read = await ShardMap.ReadAsync(connection).ConfigureAwait(false);
        map = read.IsSameAs(map) ? map : read;
        isMapOld = false;
    }

    /// <summary>Opens the lanes: one a node that holds members, one to the coordinator, or the two of a database of its own.</summary>
    private async Task OpenSidesAsync(bool hasLanePerNode)
    {
        sides = hasLanePerNode && map.IsDivided
            ? [.. map.Nodes.Select(node => new WriteSide(HostsOf(node), node))]
            : [.. Enumerable.Range(0, map.IsDivided ? 1 : 2).Select(_ => new WriteSide(PostgresConnections.Lane(laneAddress!, map.IsDivided), node: null))];
        SetupException? failure = null;
        foreach (WriteSide side in sides)
        {
            try
            {
                await ReopenAsync(side).ConfigureAwait(false);
            }
            catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
            {
                // A node that is away, or a session more than the database has: the lane is opened by the first batch that can.
                failure ??= PostgresErrors.CannotOpen(side.Hosts.Source, error);
                side.IsAway = false;
            }
        }

        if (failure is not null && Array.TrueForAll(sides, static side => side.Lane is null))
        {
            throw failure;
        }
    }

    private PostgresHosts HostsOf(ShardMap.Node node) =>
        PostgresConnections.Lane(PostgresConnections.At(laneAddress!, node.Host, node.Port), isDivided: true);

    /// <summary>The lane of the node that holds a slice; a node that came since the start has none yet.</summary>
    private int SideOf(Slices slices, int slice) => Math.Max(0, Array.FindIndex(sides, side => side.Group == slices.GroupOf(slice)));

    private async ValueTask<PostgresLane> ReopenAsync(WriteSide side)
    {
        side.IsAway = true;
        await AtAsync(FaultPoint.Reopen).ConfigureAwait(false);
        if (isMapOld)
        {
            await RenewMapAsync().ConfigureAwait(false);
        }

        side.Lost.RemoveAll(static session => !session.IsLost);
        if (side.Lost.Count >= Bounds.PostgresLostSessions)
        {
            throw new NpgsqlException($"{side.Lost.Count} sessions still wait for their commits, for a standby perhaps; no further one is opened");
        }

        ShardMap current = map;
        if (side.Node is { } node && current.Nodes.FirstOrDefault(one => one.Group == node.Group) is { } there && there != node)
        {
            // It has moved to another address.
            await side.Hosts.DisposeAsync().ConfigureAwait(false);
            (side.Hosts, side.Node) = (HostsOf(there), there);
        }

        // Lanes count apart, as processes do: of counters that both write, one would wait for the other, or both in a circle.
        short own = (short)((slot + Array.IndexOf(sides, side)) % Bounds.SalesSlots);
        try
        {
            PostgresLane opened = await PostgresLane.OpenAsync(side.Hosts, current, own, keys).ConfigureAwait(false);
            side.Lane = opened;
            side.IsAway = false;
            return opened;
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
        {
            _ = LookForMapAsync();
            throw;
        }
    }

    /// <summary>
    /// Reads the map anew beside the lanes. They go by the one that they have, for as long as nobody can be asked: one that is wrong
    /// fails at a lock.
    /// </summary>
    private async Task LookForMapAsync()
    {
        if (!map.IsDivided || Interlocked.Exchange(ref isLooking, true))
        {
            return;
        }

        try
        {
            await RenewMapAsync(isAsked: true).ConfigureAwait(false);
        }
        catch (SetupException)
        {
            // Nothing may be written by a map that is wrong: the next batch reads it, and says why.
            isMapOld = true;
        }
        catch (Exception)
        {
            // The coordinator is away, or the store is closed.
        }

        Volatile.Write(ref isLooking, false);
    }

    private async Task RenewMapAsync(bool isAsked = false)
    {
        await reading.WaitAsync().ConfigureAwait(false);
        try
        {
            if (isMapOld || isAsked)
            {
                await using NpgsqlConnection connection = await readers.OpenConnectionAsync().ConfigureAwait(false);
                await ReadMapAsync(connection).ConfigureAwait(false);
            }
        }
        finally
        {
            reading.Release();
        }
    }

    private static void DropLane(WriteSide side)
    {
        try
        {
            if (side.Lane is { } dropped)
            {
                dropped.Dispose();
                if (dropped.IsLost)
                {
                    side.Lost.Add(dropped);
                }
            }
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error) || error is InvalidOperationException)
        {
            // It was lost already, or its session is still busy and ends on its own.
        }

        side.Lane = null;
    }

    private Task AtAsync(FaultPoint point) => Fault?.Invoke(point) ?? Task.CompletedTask;

    /// <summary>Where batches of a lane go, one after the other.</summary>
    /// <param name="hosts">How it is reached.</param>
    /// <param name="node">The node of a cluster that it is; null for the coordinator, or a database of its own.</param>
    private sealed class WriteSide(PostgresHosts hosts, ShardMap.Node? node)
    {
        private PostgresLane? lane;

        public PostgresHosts Hosts { get; set; } = hosts;

        public ShardMap.Node? Node { get; set; } = node;

        /// <summary>The group of nodes that it is, 0 for the coordinator.</summary>
        public int Group => Node?.Group ?? 0;

        /// <summary>Its session; null while there is none. Probes look at it from elsewhere.</summary>
        public PostgresLane? Lane
        {
            get => Volatile.Read(ref lane);
            set => Volatile.Write(ref lane, value);
        }

        /// <summary>
        /// Whether a session is being opened, or the last try failed: then the outage's pulse tries again, and nobody else has to. Looked at from
        /// elsewhere, perhaps a moment late.
        /// </summary>
        public bool IsAway { get; set; }

        /// <summary>Of how many commands its last batch was. Whoever hands in a command looks at it from elsewhere, and may see the one before.</summary>
        public int Commands { get; set; }

        /// <summary>Sessions that were given up while they wait.</summary>
        public List<PostgresLane> Lost { get; } = [];

        public long SweptAt { get; set; } = Stopwatch.GetTimestamp();
    }
}
