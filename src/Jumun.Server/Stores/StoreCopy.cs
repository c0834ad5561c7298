using System.Diagnostics;
using System.Globalization;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;
using Npgsql;
using NpgsqlTypes;

namespace Jumun.Server.Stores;

/// <summary>
/// Copies a shop from a SQLite file into a PostgreSQL that has none, in one transaction: a copy that is cut leaves nothing, and
/// one that does not hold all rows or breaks an invariant is not committed. Rows stream from one to the other.
/// </summary>
/// <param name="file">The file. Nobody else may write to it.</param>
/// <param name="database">The database, with its schema up to date.</param>
/// <param name="tell">Takes a line for each table, and while a large one is under way.</param>
/// <param name="stop">Ends it early.</param>
internal sealed class StoreCopy(SqliteConnection file, NpgsqlConnection database, Action<string> tell, CancellationToken stop)
{
    /// <summary>
    /// The tables that hold a shop, those first to which others refer. Each is filled from the table of its name and each column from
    /// that of its name, unless <see cref="Sources"/> says from what. The others of PostgreSQL tell what its processes and its schema
    /// are about; SQLite's own are its schema's, and <c>last_batch</c>, the commit that a server looks up after an error.
    /// </summary>
    public static readonly string[] Tables =
    [
        "products", "stock_changes", "sales", "coupons", "issued_coupons", "wallets", "ledger", "orders", "cart_lines", "outbox",
        "outbox_queue", "outbox_dead", "forgotten_events", "idempotency_keys",
    ];

    // Servers on the database wait for the copy or get an error; the database notices within a second that the copy was cut. It is on
    // the disk before anybody is told so, whatever the database's default says: the file may be put away.
    private static readonly string Begin = string.Create(CultureInfo.InvariantCulture, $"""
        SET LOCAL statement_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0;
        SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
        SET LOCAL lock_timeout = {Bounds.PostgresMigrationLockMilliseconds};
        SET LOCAL client_connection_check_interval = '1s'
        """);

    private const string ColumnsText = """
        SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """;

    // What PostgreSQL has beside SQLite: a wallet is the last entry of a ledger, a change of stock is named by its batch, sales
    // are counted in slots, and what is still to be delivered names its event. The last ones' partition is made of the member.
    private static readonly Dictionary<string, string> Sources = new()
    {
        ["stock_changes"] = "(SELECT *, unhex(printf('%032x', position)) AS batch_id, 0 AS line FROM stock_changes)",
        ["sales"] = "(SELECT *, 0 AS slot FROM sales)",
        ["wallets"] = "(SELECT member_id, balance, max(entry) AS entries, events FROM ledger GROUP BY member_id)",
        ["outbox_queue"] = "(SELECT *, member_id AS partition FROM outbox_queue JOIN outbox USING (position))",
        ["outbox_dead"] = "(SELECT * FROM outbox_dead JOIN outbox USING (position))",
    };

    /// <summary>Copies all, and commits when every row came over and every invariant holds.</summary>
    /// <returns>What the audit found: where an invariant does not hold, nothing was copied.</returns>
    /// <exception cref="SetupException">The database has a shop already, or not all rows came over.</exception>
    public async Task<IReadOnlyList<InvariantReport>> RunAsync()
    {
        await using NpgsqlTransaction transaction = await database.BeginTransactionAsync(stop).ConfigureAwait(false);
        await RunAsync(Begin).ConfigureAwait(false);
        await RunAsync($"LOCK TABLE {string.Join(", ", Tables)} IN SHARE ROW EXCLUSIVE MODE").ConfigureAwait(false);
        await MustBeEmptyAsync().ConfigureAwait(false);
        List<InvariantReport> reports = await FillAsync().ConfigureAwait(false);
        if (reports.TrueForAll(report => report.Holds))
        {
            stop.ThrowIfCancellationRequested();
            await CommitAsync(transaction).ConfigureAwait(false);
        }

        return reports;
    }

    private async Task<List<InvariantReport>> FillAsync()
    {
        try
        {
            foreach (string table in Tables)
            {
                await CopyAsync(table).ConfigureAwait(false);
            }

            tell("checking the invariants …");
            await RunAsync($"ANALYZE {string.Join(", ", Tables)}").ConfigureAwait(false);
            bool isDivided = (await ShardMap.ReadAsync(database).ConfigureAwait(false)).IsDivided;
            return await PostgresAudit.CheckAsync(database, isDivided).ConfigureAwait(false);
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error) || error is ArgumentException or OverflowException)
        {
            throw new SetupException($"The copy failed: {error.Message} Nothing was copied: mend that, and run it again.", error);
        }
    }

    private static async Task CommitAsync(NpgsqlTransaction transaction)
    {
        try
        {
            await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
        {
            throw new SetupException(
                $"It is not known whether the copy was committed: {error.Message} Run it again: it refuses a database that has the shop, and then "
                + "'audit' checks it.",
                error);
        }
    }

    private async Task MustBeEmptyAsync()
    {
        // The one row that 'migrate' lays.
        await RunAsync("DELETE FROM forgotten_events WHERE before = 0").ConfigureAwait(false);
        foreach (string table in Tables)
        {
            if (await CountAsync($"SELECT count(*) FROM (SELECT FROM {table} LIMIT 1) one").ConfigureAwait(false) > 0)
            {
                throw new SetupException(
                    $"The database '{database.Database}' has a shop already: there are rows in {table}. Nothing was changed. "
                    + "Copy into another database, new and migrated; if this is the copy that you made before, 'audit' checks it.");
            }
        }
    }

    private async Task CopyAsync(string table)
    {
        List<(string Name, string Type)> columns = await ColumnsAsync(table).ConfigureAwait(false);
        string names = string.Join(", ", columns.Select(column => column.Name));
        string own = table == "wallets" ? "SELECT count(DISTINCT member_id) FROM ledger" : $"SELECT count(*) FROM {table}";
        long due = long.Parse(file.Scalar(own)!, CultureInfo.InvariantCulture);
        await using (NpgsqlBinaryImporter import =
            await database.BeginBinaryImportAsync($"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)", stop).ConfigureAwait(false))
        {
            Send(table, columns, file[$"SELECT {names} FROM {Sources.GetValueOrDefault(table, table)}"], import, due);
            await import.CompleteAsync(stop).ConfigureAwait(false);
        }

        long there = await CountAsync($"SELECT count(*) FROM {table}").ConfigureAwait(false);
        if (there != due)
        {
            throw new SetupException(string.Create(
                CultureInfo.InvariantCulture,
                $"The file has {due} rows for {table}, and {there} came over. Nothing was copied: run 'audit' on the file."));
        }

        tell(string.Create(CultureInfo.InvariantCulture, $"{table,-17}{there,15:N0}"));
    }

    private void Send(string table, List<(string Name, string Type)> columns, SqliteStatement row, NpgsqlBinaryImporter import, long due)
    {
        long sent = 0;
        long told = Stopwatch.GetTimestamp();
        while (row.Step())
        {
            stop.ThrowIfCancellationRequested();
            import.StartRow();
            for (int column = 0; column < columns.Count; column++)
            {
                Write(import, row, column, columns[column]);
            }

            sent += 1;
            if (Stopwatch.GetElapsedTime(told).TotalSeconds >= Bounds.CopyTellSeconds)
            {
                tell(string.Create(CultureInfo.InvariantCulture, $"{table,-17}{sent,15:N0} of {due:N0} …"));
                told = Stopwatch.GetTimestamp();
            }
        }
    }

    /// <summary>A value as it is. Texts and bodies go over as bytes: not a letter of an event or of an answer may change.</summary>
    private static void Write(NpgsqlBinaryImporter import, SqliteStatement row, int column, (string Name, string Type) target)
    {
        if (row.IsNull(column))
        {
            import.WriteNull();
            return;
        }

        switch (target)
        {
            case ("partition", _):
                import.Write(PostgresHash.PartitionOf(row.Text(column)), NpgsqlDbType.Smallint);
                break;
            case (_, "bigint"):
                import.Write(row.Int64(column), NpgsqlDbType.Bigint);
                break;
            case (_, "smallint"):
                import.Write((short)row.Int64(column), NpgsqlDbType.Smallint);
                break;
            case (_, "boolean"):
                import.Write(row.Int64(column) != 0, NpgsqlDbType.Boolean);
                break;
            case (_, "uuid"):
                import.Write(row.Guid(column), NpgsqlDbType.Uuid);
                break;
            case (_, "text"):
                import.Write(row.Bytes(column).ToArray(), NpgsqlDbType.Text);
                break;
            case (_, "bytea"):
                import.Write(row.Bytes(column).ToArray(), NpgsqlDbType.Bytea);
                break;
            default:
                throw new InvalidOperationException($"Nobody said how a {target.Type} is copied.");
        }
    }

    private async Task<List<(string Name, string Type)>> ColumnsAsync(string table)
    {
        var columns = new List<(string Name, string Type)>();
        await using var command = new NpgsqlCommand(ColumnsText, database);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = table });
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(stop).ConfigureAwait(false);
        while (await rows.ReadAsync(stop).ConfigureAwait(false))
        {
            columns.Add((rows.GetString(0), rows.GetString(1)));
        }

        return columns;
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, database);
        return (long)(await command.ExecuteScalarAsync(stop).ConfigureAwait(false))!;
    }

    private async Task RunAsync(string sql)
    {
        await using var command = new NpgsqlCommand(sql, database);
        await command.ExecuteNonQueryAsync(stop).ConfigureAwait(false);
    }
}
