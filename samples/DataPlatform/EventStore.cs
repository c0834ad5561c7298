using System.Data.Common;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace DataPlatform;

/// <summary>
/// The events, each once, and the sums that questions are answered from, which change in the same transaction. The same
/// statements run on SQLite (WAL, <c>synchronous=FULL</c>) and on PostgreSQL. One connection writes.
/// </summary>
internal sealed class EventStore(PlatformSettings settings) : IAsyncDisposable
{
    // INTEGER and TEXT are SQLite's words: PostgreSQL is told bigint, and texts that are ordered by their bytes.
    private const string SchemaText = """
        CREATE TABLE IF NOT EXISTS events (
          position    INTEGER PRIMARY KEY,  -- the order in which they were stored
          event_id    TEXT    NOT NULL UNIQUE,
          type        TEXT    NOT NULL,
          order_id    TEXT    NOT NULL,
          member_id   TEXT    NOT NULL,
          sequence    INTEGER NOT NULL,
          total       INTEGER NOT NULL,
          occurred_at INTEGER NOT NULL,     -- times are Unix milliseconds in UTC
          received_at INTEGER NOT NULL,
          body        TEXT    NOT NULL
        );
        -- By hour of the sale (hours since 1970, UTC); what was given back counts in the hour in which it was sold.
        CREATE TABLE IF NOT EXISTS sales (
          hour              INTEGER NOT NULL,
          product_id        INTEGER NOT NULL,
          name              TEXT    NOT NULL,
          quantity          INTEGER NOT NULL,
          amount            INTEGER NOT NULL,
          refunded_quantity INTEGER NOT NULL,
          refunded_amount   INTEGER NOT NULL,
          PRIMARY KEY (hour, product_id)
        );
        -- By hour of the event: money comes in when it is paid, and goes out when it is given back.
        CREATE TABLE IF NOT EXISTS revenue (
          hour      INTEGER PRIMARY KEY,
          orders    INTEGER NOT NULL,
          gross     INTEGER NOT NULL,
          discounts INTEGER NOT NULL,
          refunds   INTEGER NOT NULL,
          refunded  INTEGER NOT NULL
        );
        CREATE TABLE IF NOT EXISTS buyers (
          member_id TEXT    PRIMARY KEY,
          orders    INTEGER NOT NULL,       -- paid and not given back
          spent     INTEGER NOT NULL
        );
        CREATE INDEX IF NOT EXISTS buyers_again ON buyers (orders DESC, spent DESC, member_id) WHERE orders > 1;
        CREATE TABLE IF NOT EXISTS totals (
          only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
          events     INTEGER NOT NULL,
          duplicates INTEGER NOT NULL,
          completed  INTEGER NOT NULL,
          refunded   INTEGER NOT NULL,
          revenue    INTEGER NOT NULL,
          discounts  INTEGER NOT NULL,
          last       INTEGER NOT NULL,      -- when the latest event happened; 0 for none
          lag        INTEGER NOT NULL,      -- how long the last one to come was on its way, in milliseconds
          appended   INTEGER NOT NULL       -- the daily files have all events up to this position
        );
        INSERT INTO totals SELECT 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
        -- The length of each daily file up to the same position.
        CREATE TABLE IF NOT EXISTS files (
          day   TEXT    PRIMARY KEY,
          bytes INTEGER NOT NULL
        );
        """;

    private const string TotalsText = """
        UPDATE totals SET events = events + @Events, duplicates = duplicates + @Duplicates, completed = completed + @Completed,
          refunded = refunded + @Refunded, revenue = revenue + @Revenue, discounts = discounts + @Discounts,
          last = CASE WHEN @Last > last THEN @Last ELSE last END, lag = CASE WHEN @Events > 0 THEN @Lag ELSE lag END
        """;

    /// <summary>A lock that PostgreSQL gives to one session: two platforms that write would miscount.</summary>
    private const string LockText = "SELECT pg_try_advisory_lock(7271696)";

    /// <summary>What was acknowledged is on the disk, whatever the database's default says.</summary>
    private const string DurableText =
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

    private static readonly JsonSerializerOptions Columns = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly NpgsqlDataSource? postgres = settings.IsPostgres ? NpgsqlDataSource.Create(settings.Database) : null;
    private DbConnection? writer;

    private sealed record EventRow(
        long Position, string EventId, string Type, string OrderId, string MemberId, long Sequence, long Total, long OccurredAt, long ReceivedAt, string Body);

    /// <summary>Makes what is missing in the database.</summary>
    public async Task OpenAsync()
    {
        if (!settings.IsPostgres)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(settings.Database)!);
        }

        DbConnection connection = await WriterAsync();
        await connection.ExecuteAsync(settings.IsPostgres
            ? SchemaText.Replace("INTEGER", "bigint", StringComparison.Ordinal).Replace("TEXT", "text COLLATE \"C\"", StringComparison.Ordinal)
            : SchemaText);
    }

    /// <summary>A connection for questions.</summary>
    public async Task<DbConnection> ReaderAsync()
    {
        DbConnection connection = postgres?.CreateConnection() ?? (DbConnection)new SqliteConnection($"Data Source={settings.Database};Mode=ReadOnly");
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Stores events durably, those that are new; one caller at a time. The ids of those.</summary>
    /// <param name="events">As they came, with those that came before.</param>
    /// <param name="now">When they came.</param>
    /// <param name="progress">How far the files are on the disk, to be recorded with them; null for no news.</param>
    public async Task<HashSet<string>> StoreAsync(IReadOnlyList<OrderEvent> events, DateTimeOffset now, FileProgress? progress)
    {
        try
        {
            DbConnection connection = await WriterAsync();
            await using DbTransaction transaction = await connection.BeginTransactionAsync();
            HashSet<string> stored = await InsertAsync(connection, transaction, events, now);
            if (progress is not null)
            {
                await connection.ExecuteAsync("UPDATE totals SET appended = @Position", new { progress.Position }, transaction);
                await MergeAsync(connection, transaction, "files", "day text, bytes bigint", "day", "bytes = excluded.bytes", progress.Files);
            }

            await transaction.CommitAsync();
            return stored;
        }
        catch
        {
            // Whether it was committed is not known; who sends it again finds out.
            await CloseAsync();
            throw;
        }
    }

    /// <summary>How far the files were on the disk at the last record.</summary>
    public async Task<FileProgress> ProgressAsync()
    {
        await using DbConnection connection = await ReaderAsync();
        long position = await connection.ExecuteScalarAsync<long>("SELECT appended FROM totals");
        return new FileProgress(position, [.. await connection.QueryAsync<FileLength>("SELECT day, bytes FROM files")]);
    }

    /// <summary>More than any sum is.</summary>
    public async Task<long> WeightAsync()
    {
        await using DbConnection connection = await ReaderAsync();
        return await connection.ExecuteScalarAsync<long>(
            "SELECT CAST(coalesce(sum(amount + refunded_amount + quantity + refunded_quantity), 0) AS bigint) FROM sales");
    }

    /// <summary>Events in the order in which they were stored.</summary>
    /// <param name="after">Those after this position.</param>
    /// <param name="until">And none after this one.</param>
    public async Task<List<StoredLine>> LinesAsync(long after, long until = long.MaxValue)
    {
        await using DbConnection connection = await ReaderAsync();
        return [.. await connection.QueryAsync<StoredLine>(
            "SELECT position, occurred_at AS OccurredAt, body FROM events WHERE position > @after AND position <= @until ORDER BY position LIMIT @limit",
            new { after, until, limit = Bounds.AppendedEvents })];
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        if (postgres is not null)
        {
            await postgres.DisposeAsync();
        }
    }

    private async Task<HashSet<string>> InsertAsync(
        DbConnection connection, DbTransaction transaction, IReadOnlyList<OrderEvent> events, DateTimeOffset now)
    {
        if (events.Count == 0)
        {
            return [];
        }

        long last = await connection.ExecuteScalarAsync<long?>("SELECT max(position) FROM events", transaction: transaction) ?? 0;
        IEnumerable<EventRow> rows = events.Select((one, index) => new EventRow(
            last + index + 1, one.Id, one.Cloud.Type, one.Cloud.Subject.ToString(), one.Cloud.Data.MemberId, one.Cloud.Sequence, one.Cloud.Data.Total,
            one.Cloud.Time.ToUnixTimeMilliseconds(), now.ToUnixTimeMilliseconds(), one.Line));
        const string columns =
            "position bigint, event_id text, type text, order_id text, member_id text, sequence bigint, total bigint, "
            + "occurred_at bigint, received_at bigint, body text";
        HashSet<string> stored = [.. await connection.QueryAsync<string>(
            $"{InsertText("events", columns)} ON CONFLICT (event_id) DO NOTHING RETURNING event_id", RowsOf(rows), transaction)];

        var sums = Sums.Of(events, stored, now);
        await MergeAsync(connection, transaction, "sales",
            "hour bigint, product_id bigint, name text, quantity bigint, amount bigint, refunded_quantity bigint, refunded_amount bigint", "hour, product_id",
            """
            name = excluded.name, quantity = sales.quantity + excluded.quantity, amount = sales.amount + excluded.amount,
            refunded_quantity = sales.refunded_quantity + excluded.refunded_quantity, refunded_amount = sales.refunded_amount + excluded.refunded_amount
            """,
            sums.Sales);
        await MergeAsync(connection, transaction, "revenue",
            "hour bigint, orders bigint, gross bigint, discounts bigint, refunds bigint, refunded bigint", "hour",
            """
            orders = revenue.orders + excluded.orders, gross = revenue.gross + excluded.gross, discounts = revenue.discounts + excluded.discounts,
            refunds = revenue.refunds + excluded.refunds, refunded = revenue.refunded + excluded.refunded
            """,
            sums.Revenue);
        await MergeAsync(connection, transaction, "buyers", "member_id text, orders bigint, spent bigint", "member_id",
            "orders = buyers.orders + excluded.orders, spent = buyers.spent + excluded.spent", sums.Buyers);

        // A file that is written to is known before there is one: the next start tells it from a stranger's.
        await MergeAsync(connection, transaction, "files", "day text, bytes bigint", "day", "bytes = files.bytes", sums.Days);
        await connection.ExecuteAsync(TotalsText, sums.Totals, transaction);
        return stored;
    }

    /// <summary>Inserts rows, and changes those that are there already.</summary>
    private async Task MergeAsync<T>(
        DbConnection connection, DbTransaction transaction, string table, string columns, string key, string change, IReadOnlyCollection<T> rows)
    {
        if (rows.Count > 0)
        {
            await connection.ExecuteAsync($"{InsertText(table, columns)} ON CONFLICT ({key}) DO UPDATE SET {change}", RowsOf(rows), transaction);
        }
    }

    private static object RowsOf<T>(IEnumerable<T> rows) => new { rows = JsonSerializer.Serialize(rows, Columns) };

    /// <summary>All rows go in one statement, as JSON: the one way that both databases have to take many.</summary>
    private string InsertText(string table, string columns)
    {
        string[] names = [.. columns.Split(", ").Select(column => column.Split(' ')[0])];
        string list = string.Join(", ", names);
        string source = settings.IsPostgres
            ? $"json_to_recordset(@rows::json) AS r({columns})"
            : $"(SELECT {string.Join(", ", names.Select(name => $"value ->> '{name}' AS {name}"))} FROM json_each(@rows)) r";

        // SQLite would take ON for a join, were there no WHERE.
        return $"INSERT INTO {table} ({list}) SELECT {list} FROM {source} WHERE true";
    }

    private async Task<DbConnection> WriterAsync()
    {
        if (writer is not null)
        {
            return writer;
        }

        DbConnection connection = postgres?.CreateConnection() ?? (DbConnection)new SqliteConnection($"Data Source={settings.Database};Pooling=False");
        try
        {
            await connection.OpenAsync();
            if (!settings.IsPostgres)
            {
                await connection.ExecuteAsync("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
            }
            else if (!await connection.ExecuteScalarAsync<bool>(LockText))
            {
                throw new SetupException("Another data platform writes to this database. Stop it, or give this one a database of its own.");
            }
            else
            {
                await connection.ExecuteAsync(DurableText);
            }

            writer = connection;
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private async Task CloseAsync()
    {
        if (writer is not null)
        {
            DbConnection closed = writer;
            writer = null;

            // A session that waits in the pool would keep the lock.
            if (closed is NpgsqlConnection session)
            {
                NpgsqlConnection.ClearPool(session);
            }

            await closed.DisposeAsync();
        }
    }
}
