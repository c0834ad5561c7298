using System.Collections.Concurrent;
using SQLitePCL;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// The shop in one SQLite file. One connection writes, one more copies the log into the file
/// (<see cref="SqliteCheckpoints"/>), up to <see cref="Bounds.SqliteReaders"/> only read, and an operating-system lock
/// refuses a second writing process. Every commit is on the disk (WAL with <c>synchronous=FULL</c>) before anybody is
/// answered.
/// </summary>
internal sealed partial class SqliteStore : IStore
{
    private static readonly short[] AllPartitions = [.. Enumerable.Range(0, Bounds.Partitions).Select(partition => (short)partition)];

    private readonly string path;
    private readonly FileStream processLock;
    private readonly ConcurrentBag<SqliteConnection> readers = [];
    private readonly SqliteCheckpoints checkpoints;
    private readonly PointReads pointReads;
    private readonly SemaphoreSlim readersFree = new(Bounds.SqliteReaders);
    private SqliteConnection? writer;
    private long relayedTo;

    private SqliteStore(string path, FileStream processLock)
    {
        this.path = path;
        this.processLock = processLock;
        pointReads = new PointReads(ReadPointsAsync);
        checkpoints = new SqliteCheckpoints(() => OpenWriter(path));
    }

    /// <summary>A place in the life of a batch where tests make the database fail.</summary>
    internal enum FaultPoint
    {
        /// <summary>Before the rows are loaded.</summary>
        Load,

        /// <summary>Before anything is written.</summary>
        Write,

        /// <summary>Everything is written, nothing committed.</summary>
        BeforeCommit,

        /// <summary>Committed, and not yet known to be.</summary>
        AfterCommit,

        /// <summary>The file is opened again after an error.</summary>
        Reopen,

        /// <summary>A batch ends without writing.</summary>
        Abandon,

        /// <summary>Between two batches, after the callers were answered.</summary>
        Maintain,
    }

    /// <summary>Called at each point; what it throws happens there. Null outside tests.</summary>
    internal Action<FaultPoint>? Fault { get; set; }

    /// <summary>Where it is told that the log cannot be copied into the file.</summary>
    internal ILogger Logger
    {
        set => checkpoints.Logger = value;
    }

    /// <summary>The most pages of the log that the lane copied into the file itself between two batches.</summary>
    internal long MostCopiedByLane => checkpoints.MostByLane;

    /// <summary>Opens the file for writing, makes it if there is none, and brings its schema up to date.</summary>
    /// <exception cref="SetupException">Another process writes to it, or the file is not ours.</exception>
    public static SqliteStore Open(string path)
    {
        path = SqliteFile.Real(path);
        if (Path.GetDirectoryName(path) is { } folder)
        {
            Directory.CreateDirectory(folder);
        }

        SqliteFile.MustCheckpointSafely();
        FileStream processLock = SqliteFile.Lock(path);
        var store = new SqliteStore(path, processLock);
        try
        {
            store.writer = OpenWriter(path, create: true);
            SqliteMigrations.Apply(store.writer);
            return store;
        }
        catch (SqliteException error)
        {
            store.CloseFiles();
            throw SqliteFile.CannotOpen(path, error);
        }
        catch
        {
            store.CloseFiles();
            throw;
        }
    }

    /// <summary>Opens the file read-only, beside a server that may be running.</summary>
    /// <param name="path">The file.</param>
    /// <param name="ofAnyVersion">Whether its schema may be older or newer than this program's.</param>
    /// <exception cref="SetupException">There is no such file, or its schema is another version's.</exception>
    public static SqliteConnection OpenReadOnly(string path, bool ofAnyVersion = false)
    {
        if (!File.Exists(path))
        {
            throw new SetupException($"There is no shop at {path}. Start the server once, or run 'migrate'.");
        }

        try
        {
            SqliteConnection connection = OpenReader(path);
            if (ofAnyVersion)
            {
                SqliteMigrations.MustBeOurs(connection, path);
            }
            else
            {
                SqliteMigrations.MustBeCurrent(connection, path);
            }

            return connection;
        }
        catch (SqliteException error)
        {
            throw SqliteFile.CannotOpen(path, error);
        }
    }

    public ValueTask<string?> ProbeAsync()
    {
        // The writer belongs to the executor: whether it is there can be asked, using it cannot.
        return new ValueTask<string?>(Volatile.Read(ref writer) is null ? "the database file cannot be written" : null);
    }

    /// <summary>One process writes to a file, so all that is to be done is its own.</summary>
    public ValueTask<LeasedShare> RenewLeasesAsync(Guid process, bool mayGive) =>
        new(new LeasedShare(AllPartitions, Processes: 1, IsSettled: true, TimeSpan.MaxValue));

    public ValueTask GiveUpLeasesAsync(Guid process) => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await checkpoints.DisposeAsync().ConfigureAwait(false);
        try
        {
            if (writer is { } db)
            {
                checkpoints.Copy(db, CheckpointMode.Truncate);
            }
        }
        catch (SqliteException)
        {
            // The log stays as it is, and is read at the next start.
        }

        CloseFiles();
    }

    /// <param name="path">The file.</param>
    /// <param name="create">Whether it is made if there is none: only at a start. A file that was moved away is not replaced by an empty one.</param>
    private static SqliteConnection OpenWriter(string path, bool create = false)
    {
        SqliteConnection connection = SqliteConnection.Open(path, readOnly: false, create);
        try
        {
            if (connection.IsReadOnly)
            {
                throw new SqliteException(raw.SQLITE_READONLY, "this user may only read it");
            }

            connection.Execute("PRAGMA busy_timeout = 20");
            if (create)
            {
                SqliteMigrations.MustBeOursOrEmpty(connection, path);
            }

            string? mode = connection.Scalar("PRAGMA journal_mode = WAL");
            if (mode != "wal")
            {
                throw new SqliteException(raw.SQLITE_CANTOPEN, $"its journal is '{mode}' and cannot be 'wal' on this file system");
            }

            connection.Execute($"""
                PRAGMA synchronous = FULL;
                PRAGMA foreign_keys = ON;
                PRAGMA wal_autocheckpoint = 0;
                PRAGMA journal_size_limit = {Bounds.WalBytes};
                PRAGMA cache_size = -32768;
                PRAGMA temp_store = MEMORY;
                """);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static SqliteConnection OpenReader(string path)
    {
        SqliteConnection connection = SqliteConnection.Open(path, readOnly: true);
        try
        {
            connection.Execute("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cache_size = -4096;");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Runs a read on a connection of its own. The statement begins now, so it sees every commit that was acknowledged
    /// before, and it is reset at its end, so that it holds no checkpoint back.
    /// </summary>
    private ValueTask<T> ReadAsync<TArguments, T>(TArguments arguments, Func<SqliteConnection, TArguments, T> read)
    {
        return readersFree.Wait(0) ? new ValueTask<T>(Read()) : Later();

        async ValueTask<T> Later()
        {
            await readersFree.WaitAsync().ConfigureAwait(false);
            return Read();
        }

        T Read()
        {
            try
            {
                if (!readers.TryTake(out SqliteConnection? connection))
                {
                    connection = OpenReader(path);
                }

                try
                {
                    T result = read(connection, arguments);
                    readers.Add(connection);
                    return result;
                }
                catch
                {
                    // Whatever went wrong, the next reader starts afresh.
                    connection.Dispose();
                    throw;
                }
            }
            catch (SqliteException error)
            {
                throw new StoreUnavailableException(RequestOutcome.None, error);
            }
            finally
            {
                readersFree.Release();
            }
        }
    }

    private void CloseFiles()
    {
        while (readers.TryTake(out SqliteConnection? reader))
        {
            reader.Dispose();
        }

        writer?.Dispose();
        writer = null;
        processLock.Dispose();
    }
}
