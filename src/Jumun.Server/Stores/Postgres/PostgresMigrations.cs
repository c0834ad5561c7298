using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The steps of the schema, in order. All that are missing are applied in one transaction with their records, and none is
/// changed afterwards: a database whose recorded step differs from ours is refused rather than guessed at.
/// </summary>
internal static class PostgresMigrations
{
    private const string Prefix = "Postgres/";

    // Two processes that migrate at once: the second waits, and finds nothing left to do. The number is any that is ours.
    private const string Lock = "SELECT pg_advisory_xact_lock(7305801461)";

    private const string Table = """
        CREATE TABLE IF NOT EXISTS schema_migrations (
          name       text   PRIMARY KEY,
          checksum   text   NOT NULL,
          applied_at bigint NOT NULL
        )
        """;

    private static readonly List<MigrationStep> Steps = MigrationSteps.Read(Prefix);

    /// <summary>Brings the schema up to date and tells which steps that took.</summary>
    public static async Task<IReadOnlyList<string>> ApplyAsync(NpgsqlConnection connection)
    {
        await MustTakeAnyTextAsync(connection).ConfigureAwait(false);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync().ConfigureAwait(false);
        await RunAsync(connection, Lock).ConfigureAwait(false);
        await RunAsync(connection, $"SET LOCAL lock_timeout = {Bounds.PostgresMigrationLockMilliseconds}").ConfigureAwait(false);
        await RunAsync(connection, Table).ConfigureAwait(false);
        Dictionary<string, string> applied = await AppliedAsync(connection).ConfigureAwait(false);
        MigrationSteps.MustContain(Steps, applied);
        var names = new List<string>();
        foreach ((string name, string sql, string checksum) in Steps.Where(step => !applied.ContainsKey(step.Name)))
        {
            await RunAsync(connection, sql).ConfigureAwait(false);
            await using var record = new NpgsqlCommand(
                "INSERT INTO schema_migrations (name, checksum, applied_at) VALUES ($1, $2, (extract(epoch FROM now()) * 1000)::bigint)",
                connection);
            record.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
            record.Parameters.Add(new NpgsqlParameter<string> { TypedValue = checksum });
            await record.ExecuteNonQueryAsync().ConfigureAwait(false);
            names.Add(name);
        }

        await transaction.CommitAsync().ConfigureAwait(false);
        return names;
    }

    /// <summary>Refuses a database whose schema is not the one that this program was built for.</summary>
    public static async Task MustBeCurrentAsync(NpgsqlConnection connection)
    {
        await MustTakeAnyTextAsync(connection).ConfigureAwait(false);
        await using var exists = new NpgsqlCommand("SELECT to_regclass('schema_migrations') IS NOT NULL", connection);
        if (await exists.ExecuteScalarAsync().ConfigureAwait(false) is not true)
        {
            throw new SetupException($"The database '{connection.Database}' is not a Jumun database yet. Run 'migrate'.");
        }

        Dictionary<string, string> applied = await AppliedAsync(connection).ConfigureAwait(false);
        MigrationSteps.MustContain(Steps, applied);
        if (applied.Count < Steps.Count)
        {
            throw new SetupException($"The schema of the database '{connection.Database}' is older than this program. Run 'migrate'.");
        }
    }

    /// <summary>Refuses a database that has no room for some letters: a name in a request may have any.</summary>
    private static async Task MustTakeAnyTextAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("SHOW server_encoding", connection);
        if (await command.ExecuteScalarAsync().ConfigureAwait(false) is not "UTF8" and var encoding)
        {
            throw new SetupException(
                $"The database '{connection.Database}' has the encoding {encoding}, which not every name can be written in. "
                + "Make another: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.");
        }
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
    }

    private static async Task<Dictionary<string, string>> AppliedAsync(NpgsqlConnection connection)
    {
        var applied = new Dictionary<string, string>(StringComparer.Ordinal);
        await using var command = new NpgsqlCommand("SELECT name, checksum FROM schema_migrations", connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
        while (await rows.ReadAsync().ConfigureAwait(false))
        {
            applied.Add(rows.GetString(0), rows.GetString(1));
        }

        return applied;
    }
}
