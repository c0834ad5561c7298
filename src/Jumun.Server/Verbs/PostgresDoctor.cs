using System.Globalization;
using System.Net.Sockets;
using System.Reflection;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Server.Verbs;

/// <summary>What <c>doctor</c> says of a PostgreSQL database: whether it can be reached, and whether it keeps what it acknowledges.</summary>
internal static class PostgresDoctor
{
    private const int OldestVersion = 15;

    /// <summary>The settings as our own sessions have them: those of the server, the database, the user and the connection string.</summary>
    private const string SettingsText = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)";

    private const string UnloggedText =
        """
        SELECT coalesce(string_agg(relname, ', ' ORDER BY relname), '') FROM pg_class
        WHERE relpersistence = 'u' AND relkind IN ('r', 'p') AND relnamespace::regnamespace::text = ANY (current_schemas(false))
        """;

    /// <summary>Some 20 MB, written where the shop's tables are and given back. They are not in the log, whose disk may be another.</summary>
    private const string RoomText =
        """
        SET LOCAL temp_tablespaces = '';
        CREATE TEMPORARY TABLE jumun_doctor_room ON COMMIT DROP AS SELECT repeat('x', 1000) FROM generate_series(1, 17500)
        """;

    /// <summary>A setting, the one value with which nothing acknowledged is lost, and what any other value means.</summary>
    private static readonly (string Name, string Safe, string Otherwise)[] Durability =
    [
        ("fsync", "on", "a crash of the machine can destroy the whole database"),
        ("full_page_writes", "on", "a page that was half written at a crash stays damaged"),
        ("zero_damaged_pages", "off", "damaged pages are emptied instead of reported"),
        ("ignore_checksum_failure", "off", "damaged pages are read as if they were whole"),
        ("ignore_invalid_pages", "off", "recovery goes on over damage"),
        ("data_sync_retry", "off", "a failed fsync is tried again, although what it lost is gone"),
        ("session_replication_role", "origin", "constraints between tables are not checked"),
        ("default_transaction_read_only", "off", "nothing can be written"),
    ];

    private static readonly string[] Others = ["synchronous_commit", "synchronous_standby_names", "wal_level", "data_checksums", "server_version_num"];

    public static async Task ExamineAsync(StoreSettings settings, DoctorReport report, CancellationToken stop)
    {
        report.Fact("npgsql", VersionOf(typeof(NpgsqlConnection).Assembly));
        await using NpgsqlDataSource source = PostgresConnections.Plain(settings.Address);
        try
        {
            await using NpgsqlConnection connection = await source.OpenConnectionAsync(stop).ConfigureAwait(false);
            report.Check(true, "database", settings.Name);
            await ExamineAsync(connection, report, stop).ConfigureAwait(false);
            await ExamineSchemaAsync(settings, report).ConfigureAwait(false);
            await CitusDoctor.ExamineAsync(connection, report, stop).ConfigureAwait(false);
        }
        catch (Exception error) when (error is NpgsqlException or SocketException or TimeoutException)
        {
            report.Check(false, "database", $"{settings.Name} cannot be used: {error.Message} {error.InnerException?.Message}".TrimEnd());
        }
    }

    private static async Task ExamineAsync(NpgsqlConnection connection, DoctorReport report, CancellationToken stop)
    {
        Dictionary<string, string> values = await SettingsAsync(connection, stop).ConfigureAwait(false);
        bool isSupported = int.Parse(values["server_version_num"], CultureInfo.InvariantCulture) / 10_000 >= OldestVersion;
        report.Check(isSupported, "server", isSupported ? connection.ServerVersion : $"{connection.ServerVersion}: {OldestVersion} or newer is needed");

        bool isStandby = await ScalarAsync<bool>(connection, "SELECT pg_is_in_recovery()", stop).ConfigureAwait(false);
        report.Check(!isStandby, "role", isStandby ? "standby: it takes no writes, connect to its primary" : "primary");
        await ExamineClockAsync(connection, report, stop).ConfigureAwait(false);

        foreach ((string name, string safe, string otherwise) in Durability)
        {
            // A server that does not have a setting does not have its danger.
            string value = values.GetValueOrDefault(name, safe);
            report.Check(value == safe, name, value == safe ? value : $"{value}: {otherwise}. Set it to {safe}");
        }

        ExamineCommit(values, report);
        string unlogged = await ScalarAsync<string>(connection, UnloggedText, stop).ConfigureAwait(false);
        report.Check(
            unlogged.Length == 0, "unlogged",
            unlogged.Length == 0 ? "no table" : $"{unlogged}: a crash empties them. ALTER TABLE … SET LOGGED");
        await ExamineRoomAsync(connection, report, stop).ConfigureAwait(false);
    }

    /// <summary>No user may ask how full the disk is, but anybody may try.</summary>
    private static async Task ExamineRoomAsync(NpgsqlConnection connection, DoctorReport report, CancellationToken stop)
    {
        try
        {
            await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(stop).ConfigureAwait(false);
            await using var command = new NpgsqlCommand(RoomText, connection, transaction);
            await command.ExecuteNonQueryAsync(stop).ConfigureAwait(false);
            report.Fact("room", "20 MB more could be stored");
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.ReadOnlySqlTransaction)
        {
            report.Advice(false, "room", $"cannot be tried: {error.MessageText}");
        }
        catch (PostgresException error) when (PostgresErrors.IsStatementError(error))
        {
            string next = error.SqlState is PostgresErrorCodes.DiskFull or PostgresErrorCodes.IoError ? ". Make room on PostgreSQL's disk" : "";
            report.Check(false, "room", $"20 MB more could not be stored: {error.MessageText}{next}");
        }
    }

    /// <summary>What an acknowledged commit waits for: this disk, and those of other machines.</summary>
    private static void ExamineCommit(Dictionary<string, string> values, DoctorReport report)
    {
        string commit = values["synchronous_commit"];
        string standbys = values["synchronous_standby_names"];
        string? weakness = commit switch
        {
            "off" => "commits are acknowledged before they are on the disk. Set it to on",
            "local" when standbys.Length > 0 => "commits do not wait for the synchronous standbys. Set it to on",
            _ => null,
        };
        report.Check(weakness is null, "synchronous_commit", weakness is null ? commit : $"{commit}: {weakness}");
        bool isInMemory = commit == "remote_write" && standbys.Length > 0;
        report.Advice(
            standbys.Length > 0 && !isInMemory, "synchronous_standby_names",
            standbys.Length == 0 ? "none: what was acknowledged is on the disk of one machine"
            : isInMemory ? $"{standbys}: with remote_write a standby may have it in memory only"
            : standbys);

        bool isMinimal = values["wal_level"] == "minimal";
        report.Check(!isMinimal, "wal_level", isMinimal ? "minimal: neither a standby nor going back to a moment is possible" : values["wal_level"]);
        bool hasChecksums = values["data_checksums"] == "on";
        report.Advice(hasChecksums, "data_checksums", hasChecksums ? "on" : "off: damage on the disk goes unseen until it is read");
    }

    private static async Task ExamineClockAsync(NpgsqlConnection connection, DoctorReport report, CancellationToken stop)
    {
        long before = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        long server = await ScalarAsync<long>(connection, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", stop).ConfigureAwait(false);
        long after = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

        // It was asked at some moment between the two.
        long difference = server < before ? server - before : server > after ? server - after : 0;
        string text = $"{difference.ToString("+0;-0;0", CultureInfo.InvariantCulture)} ms off the database's";
        report.Check(Math.Abs(difference) < 1_000, "clock", Math.Abs(difference) < 1_000 ? text : $"{text}: keep both with NTP");
    }

    private static async Task ExamineSchemaAsync(StoreSettings settings, DoctorReport report)
    {
        try
        {
            await (await PostgresStore.OpenForReadingAsync(settings.Address).ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            report.Check(true, "schema", "up to date");
        }
        catch (SetupException error)
        {
            report.Check(false, "schema", error.Message);
        }
    }

    private static async Task<Dictionary<string, string>> SettingsAsync(NpgsqlConnection connection, CancellationToken stop)
    {
        await using var command = new NpgsqlCommand(SettingsText, connection);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. Durability.Select(setting => setting.Name), .. Others] });
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(stop).ConfigureAwait(false);
        var values = new Dictionary<string, string>();
        while (await rows.ReadAsync(stop).ConfigureAwait(false))
        {
            values[rows.GetString(0)] = rows.GetString(1);
        }

        return values;
    }

    private static async Task<T> ScalarAsync<T>(NpgsqlConnection connection, string text, CancellationToken stop)
    {
        await using var command = new NpgsqlCommand(text, connection);
        return (T)(await command.ExecuteScalarAsync(stop).ConfigureAwait(false))!;
    }

    private static string VersionOf(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";
}
