namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// The steps of the schema, in order. Each runs once, in a transaction with its record, and is never changed
/// afterwards: a file whose recorded step differs from ours is refused rather than guessed at.
/// </summary>
internal static class SqliteMigrations
{
    private const string Prefix = "Sqlite/";

    private const string RecordText =
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
          name       TEXT    PRIMARY KEY,
          checksum   TEXT    NOT NULL,
          applied_at INTEGER NOT NULL
        ) STRICT;
        """;

    private static readonly List<MigrationStep> Steps = MigrationSteps.Read(Prefix);

    /// <summary>Brings the schema up to date and tells how many steps that took.</summary>
    public static int Apply(SqliteConnection connection)
    {
        Dictionary<string, string> applied = IsOurs(connection) ? Applied(connection) : [];
        MigrationSteps.MustContain(Steps, applied);
        int steps = 0;
        foreach ((string name, string sql, string checksum) in Steps)
        {
            if (applied.ContainsKey(name))
            {
                continue;
            }

            connection.Execute("BEGIN IMMEDIATE");
            connection.Execute(RecordText);
            connection.Execute(sql);
            connection["INSERT INTO schema_migrations (name, checksum, applied_at) VALUES (?1, ?2, unixepoch() * 1000)"]
                .Bind(1, name).Bind(2, checksum).Run();
            connection.Execute("COMMIT");
            steps += 1;
        }

        return steps;
    }

    /// <summary>Refuses a file that another program made.</summary>
    public static void MustBeOursOrEmpty(SqliteConnection connection, string path)
    {
        if (connection.Scalar("SELECT 1 FROM sqlite_schema LIMIT 1") is not null && !IsOurs(connection))
        {
            throw new SetupException($"{path} is another program's database, and was left as it is. Name another file in ConnectionStrings__Jumun.");
        }
    }

    /// <summary>Refuses a file that is no shop, of whatever version.</summary>
    public static void MustBeOurs(SqliteConnection connection, string path)
    {
        if (!IsOurs(connection))
        {
            throw new SetupException($"{path} is not a Jumun database.");
        }
    }

    /// <summary>Refuses a file whose schema is not the one that this program was built for.</summary>
    public static void MustBeCurrent(SqliteConnection connection, string path)
    {
        MustBeOurs(connection, path);
        Dictionary<string, string> applied = Applied(connection);
        MigrationSteps.MustContain(Steps, applied);
        if (applied.Count < Steps.Count)
        {
            throw new SetupException(
                $"The schema of {path} is older than this program. Start the server on it once, or run 'migrate' with Jumun__Store=sqlite and this file.");
        }
    }

    // Other programs keep a table of that name, too, with other columns.
    private static bool IsOurs(SqliteConnection connection) =>
        connection.Scalar("SELECT 1 FROM pragma_table_info('schema_migrations') WHERE name = 'checksum'") is not null;

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
