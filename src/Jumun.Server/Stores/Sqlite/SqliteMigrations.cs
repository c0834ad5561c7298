namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// The steps of the schema, in order. Each runs once, in a transaction with its record, and is never changed
/// afterwards: a file whose recorded step differs from ours is refused rather than guessed at.
/// </summary>
internal static class SqliteMigrations
{
    private const string Prefix = "Sqlite/";

    private static readonly List<MigrationStep> Steps = MigrationSteps.Read(Prefix);

    /// <summary>Brings the schema up to date and tells how many steps that took.</summary>
    public static int Apply(SqliteConnection connection)
    {
        connection.Execute("""
            CREATE TABLE IF NOT EXISTS schema_migrations (
              name       TEXT    PRIMARY KEY,
              checksum   TEXT    NOT NULL,
              applied_at INTEGER NOT NULL
            ) STRICT;
            """);
        Dictionary<string, string> applied = Applied(connection);
        MigrationSteps.MustContain(Steps, applied);
        int steps = 0;
        foreach ((string name, string sql, string checksum) in Steps)
        {
            if (applied.ContainsKey(name))
            {
                continue;
            }

            connection.Execute("BEGIN IMMEDIATE");
            connection.Execute(sql);
            connection["INSERT INTO schema_migrations (name, checksum, applied_at) VALUES (?1, ?2, unixepoch() * 1000)"]
                .Bind(1, name).Bind(2, checksum).Run();
            connection.Execute("COMMIT");
            steps += 1;
        }

        return steps;
    }

    /// <summary>Refuses a file whose schema is not the one that this program was built for.</summary>
    public static void MustBeCurrent(SqliteConnection connection, string path)
    {
        if (connection.Scalar("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'") is null)
        {
            throw new SetupException($"{path} is not a Jumun database.");
        }

        Dictionary<string, string> applied = Applied(connection);
        MigrationSteps.MustContain(Steps, applied);
        if (applied.Count < Steps.Count)
        {
            throw new SetupException(
                $"The schema of {path} is older than this program. Start the server on it once, or run 'migrate' with Jumun__Store=sqlite and this file.");
        }
    }

    private static Dictionary<string, string> Applied(SqliteConnection connection)
    {
        var applied = new Dictionary<string, string>(StringComparer.Ordinal);
        SqliteStatement rows = connection["SELECT name, checksum FROM schema_migrations"];
        while (rows.Step())
        {
            applied.Add(rows.Text(0), rows.Text(1));
        }

        return applied;
    }
}
