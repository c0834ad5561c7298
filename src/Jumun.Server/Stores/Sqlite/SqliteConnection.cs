using System.Buffers;
using System.Text;
using SQLitePCL;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>An error of SQLite, with its extended result code.</summary>
internal sealed class SqliteException(int code, string message) : Exception($"SQLite error {code}: {message}")
{
    /// <summary>The extended result code.</summary>
    public int Code { get; } = code;

    /// <summary>Whether the disk had no room for what was written.</summary>
    public bool IsFull => (Code & 0xFF) == raw.SQLITE_FULL;

    /// <summary>Whether what is stored makes no sense, a text that is no JSON or a page that is damaged, and not the way to it.</summary>
    public bool IsOfContent => (Code & 0xFF) is raw.SQLITE_ERROR or raw.SQLITE_CORRUPT;

    /// <summary>Whether a constraint of the schema refused a write: a bug in a decision.</summary>
    public bool IsConstraint => (Code & 0xFF) == raw.SQLITE_CONSTRAINT;

    /// <summary>Whether the system could not bring to the disk what had been written.</summary>
    public bool IsUnsynced => Code == raw.SQLITE_IOERR_FSYNC;
}

/// <summary>How far a checkpoint goes.</summary>
internal enum CheckpointMode
{
    /// <summary>Copies what it can without waiting for anybody.</summary>
    Passive,

    /// <summary>Waits for readers, so that the next commit starts the log from its front.</summary>
    Restart,

    /// <summary>Waits for readers and cuts the log to nothing.</summary>
    Truncate,
}

/// <summary>What a checkpoint did.</summary>
/// <param name="Pages">Pages in the log; negative when another checkpoint was running.</param>
/// <param name="Copied">Those of them that are in the file.</param>
internal readonly record struct Checkpoint(int Pages, int Copied)
{
    /// <summary>Whether all of the log is in the file: then the next commit may start it again from its front.</summary>
    public bool IsWhole => Pages >= 0 && Pages == Copied;
}

/// <summary>
/// One connection to a SQLite file with its prepared statements, used by one thread at a time. It speaks to the C
/// interface directly: a statement costs a microsecond or two, and an object for each execution would cost more.
/// </summary>
internal sealed class SqliteConnection : IDisposable
{
    private readonly Dictionary<string, SqliteStatement> statements = new(ReferenceEqualityComparer.Instance);
    private readonly sqlite3 handle;

    // SQLITE_DBSTATUS_CACHE_WRITE, which the binding does not name.
    private const int CacheWrite = 9;

    static SqliteConnection()
    {
        Batteries_V2.Init();
        WalBufferVfs.Register();
    }

    private SqliteConnection(sqlite3 handle) => this.handle = handle;

    public static string LibraryVersion => raw.sqlite3_libversion().utf8_to_string();

    public static int LibraryVersionNumber => raw.sqlite3_libversion_number();

    /// <summary>Pages that this connection wrote since it was last asked: with a write-ahead log, pages of the log.</summary>
    public int TakePagesWritten()
    {
        raw.sqlite3_db_status(handle, CacheWrite, out int pages, out _, resetFlg: 1);
        return pages;
    }

    /// <param name="path">The file.</param>
    /// <param name="readOnly">Whether it is only read.</param>
    /// <param name="create">Whether it is made if there is none.</param>
    public static SqliteConnection Open(string path, bool readOnly, bool create = false)
    {
        int flags = raw.SQLITE_OPEN_NOMUTEX
            | (readOnly ? raw.SQLITE_OPEN_READONLY : raw.SQLITE_OPEN_READWRITE) | (create ? raw.SQLITE_OPEN_CREATE : 0);
        int code = raw.sqlite3_open_v2(path, out sqlite3 handle, flags, readOnly ? null : WalBufferVfs.Name);
        if (code != raw.SQLITE_OK)
        {
            string message = raw.sqlite3_errmsg(handle).utf8_to_string();
            handle.Dispose();
            throw new SqliteException(code, $"{path}: {message}");
        }

        raw.sqlite3_extended_result_codes(handle, 1);
        return new SqliteConnection(handle);
    }

    /// <summary>The prepared statement of a text; the text must be a constant.</summary>
    public SqliteStatement this[string sql]
    {
        get
        {
            if (!statements.TryGetValue(sql, out SqliteStatement? statement))
            {
                statement = Prepare(sql);
                statements.Add(sql, statement);
            }

            return statement;
        }
    }

    /// <summary>Runs statements that return nothing, one after the other.</summary>
    public void Execute(string sql)
    {
        int code = raw.sqlite3_exec(handle, sql);
        if (code != raw.SQLITE_OK)
        {
            throw Error(code);
        }
    }

    /// <summary>The first column of the first row of a text that is used once.</summary>
    public string? Scalar(string sql)
    {
        using SqliteStatement statement = Prepare(sql);
        return statement.Step() ? statement.TextOrNull(0) : null;
    }

    /// <summary>Copies the log into the file, as far as readers and the mode allow.</summary>
    public Checkpoint Checkpoint(CheckpointMode mode)
    {
        int how = mode switch
        {
            CheckpointMode.Passive => raw.SQLITE_CHECKPOINT_PASSIVE,
            CheckpointMode.Restart => raw.SQLITE_CHECKPOINT_RESTART,
            CheckpointMode.Truncate => raw.SQLITE_CHECKPOINT_TRUNCATE,
        };
        int code = raw.sqlite3_wal_checkpoint_v2(handle, "main", how, out int pages, out int copied);
        if (code is not raw.SQLITE_OK and not raw.SQLITE_BUSY)
        {
            throw Error(code);
        }

        return new Checkpoint(pages, copied);
    }

    /// <summary>
    /// Has what was copied into the file on the disk. SQLite itself does so in the checkpoint that comes to the log's end, which then
    /// waits for the pages of all before it.
    /// </summary>
    public void Sync()
    {
        int code = WalBufferVfs.SyncFile(handle.DangerousGetHandle());
        if (code != raw.SQLITE_OK)
        {
            throw new SqliteException(code, "The file cannot be synced.");
        }
    }

    /// <summary>Ends what the connection is doing with an error; may be called by another thread.</summary>
    public void Interrupt() => raw.sqlite3_interrupt(handle);

    /// <summary>Whether the file can only be read: SQLite opens one that the user may not write as if that had been asked for.</summary>
    public bool IsReadOnly => raw.sqlite3_db_readonly(handle, "main") == 1;

    public bool InTransaction => raw.sqlite3_get_autocommit(handle) == 0;

    public void Dispose()
    {
        foreach (SqliteStatement statement in statements.Values)
        {
            statement.Dispose();
        }

        statements.Clear();
        handle.Dispose();
    }

    internal SqliteException Error(int code)
    {
        int extended = raw.sqlite3_extended_errcode(handle);
        return new SqliteException(extended == raw.SQLITE_OK ? code : extended, raw.sqlite3_errmsg(handle).utf8_to_string());
    }

    private SqliteStatement Prepare(string sql)
    {
        int code = raw.sqlite3_prepare_v3(handle, sql, raw.SQLITE_PREPARE_PERSISTENT, out sqlite3_stmt statement);
        return code == raw.SQLITE_OK ? new SqliteStatement(this, statement) : throw Error(code);
    }
}

/// <summary>A prepared statement. Parameters are numbered from 1, columns from 0.</summary>
internal sealed class SqliteStatement(SqliteConnection connection, sqlite3_stmt handle) : IDisposable
{
    public SqliteStatement Bind(int parameter, long value)
    {
        Check(raw.sqlite3_bind_int64(handle, parameter, value));
        return this;
    }

    public SqliteStatement Bind(int parameter, long? value) => value is { } number ? Bind(parameter, number) : BindNull(parameter);

    public SqliteStatement Bind(int parameter, DateTimeOffset value) => Bind(parameter, value.ToUnixTimeMilliseconds());

    public SqliteStatement Bind(int parameter, DateTimeOffset? value) => value is { } time ? Bind(parameter, time) : BindNull(parameter);

    public SqliteStatement Bind(int parameter, Guid value)
    {
        Span<byte> bytes = stackalloc byte[16];
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        Check(raw.sqlite3_bind_blob(handle, parameter, bytes));
        return this;
    }

    public SqliteStatement Bind(int parameter, Guid? value) => value is { } id ? Bind(parameter, id) : BindNull(parameter);

    public SqliteStatement Bind(int parameter, string? value)
    {
        if (value is null)
        {
            return BindNull(parameter);
        }

        byte[]? rented = null;
        int most = Encoding.UTF8.GetMaxByteCount(value.Length);
        Span<byte> bytes = most <= 512 ? stackalloc byte[512] : rented = ArrayPool<byte>.Shared.Rent(most);
        int length = Encoding.UTF8.GetBytes(value, bytes);
        Check(raw.sqlite3_bind_text(handle, parameter, bytes[..length]));
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return this;
    }

    public SqliteStatement BindText(int parameter, ReadOnlySpan<byte> utf8)
    {
        Check(raw.sqlite3_bind_text(handle, parameter, utf8));
        return this;
    }

    public SqliteStatement BindBlob(int parameter, ReadOnlySpan<byte> bytes)
    {
        // An empty span has no address, and SQLite would read that as NULL.
        Check(bytes.IsEmpty ? raw.sqlite3_bind_zeroblob(handle, parameter, 0) : raw.sqlite3_bind_blob(handle, parameter, bytes));
        return this;
    }

    public SqliteStatement BindNull(int parameter)
    {
        Check(raw.sqlite3_bind_null(handle, parameter));
        return this;
    }

    /// <summary>Moves to the next row. Without one the statement is reset at once: a reader keeps no snapshot.</summary>
    public bool Step()
    {
        int code = raw.sqlite3_step(handle);
        if (code == raw.SQLITE_ROW)
        {
            return true;
        }

        if (code != raw.SQLITE_DONE)
        {
            SqliteException error = connection.Error(code);
            raw.sqlite3_reset(handle);
            throw error;
        }

        raw.sqlite3_reset(handle);
        return false;
    }

    /// <summary>Runs a statement that returns no rows.</summary>
    public void Run() => Step();

    /// <summary>Ends the use of the statement before its last row.</summary>
    public void Reset() => raw.sqlite3_reset(handle);

    public bool IsNull(int column) => raw.sqlite3_column_type(handle, column) == raw.SQLITE_NULL;

    public long Int64(int column) => raw.sqlite3_column_int64(handle, column);

    public long? Int64OrNull(int column) => IsNull(column) ? null : Int64(column);

    public DateTimeOffset Time(int column) => DateTimeOffset.FromUnixTimeMilliseconds(Int64(column));

    public DateTimeOffset? TimeOrNull(int column) => IsNull(column) ? null : Time(column);

    public Guid Guid(int column) => new(raw.sqlite3_column_blob(handle, column), bigEndian: true);

    public Guid? GuidOrNull(int column) => IsNull(column) ? null : Guid(column);

    public string Text(int column) => raw.sqlite3_column_text(handle, column).utf8_to_string();

    public string? TextOrNull(int column) => IsNull(column) ? null : Text(column);

    /// <summary>The bytes of a column; valid until the next step.</summary>
    public ReadOnlySpan<byte> Bytes(int column) => raw.sqlite3_column_blob(handle, column);

    public void Dispose() => handle.Dispose();

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK)
        {
            throw connection.Error(code);
        }
    }
}
