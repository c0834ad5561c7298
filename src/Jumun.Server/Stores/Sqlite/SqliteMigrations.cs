using System.Security.Cryptography;
using System.Text;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// The steps of the schema, in order. Each runs once, in a transaction with its record, and is never changed
/// afterwards: a file whose recorded step differs from ours is refused rather than guessed at.
/// </summary>
internal static class SqliteMigrations
{
    private const string Prefix = "Sqlite/";

    private static readonly List<(string Name, string Sql, string Checksum)> Steps = ReadSteps();

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
        MustBeOurs(applied);
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
        MustBeOurs(applied);
        if (applied.Count < Steps.Count)
        {
            throw new SetupException($"The schema of {path} is older than this program. Start the server once, or run 'migrate'.");
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

    private static void MustBeOurs(Dictionary<string, string> applied)
    {
        foreach ((string name, string checksum) in applied)
        {
            if (!Steps.Exists(step => step.Name == name && step.Checksum == checksum))
            {
                throw new SetupException(
                    $"The database was changed by a step '{name}' that this program does not know. Use the version of Jumun that wrote it, or a newer one.");
            }
        }
    }

    private static List<(string Name, string Sql, string Checksum)> ReadSteps()
    {
        var steps = new List<(string, string, string)>();
        System.Reflection.Assembly assembly = typeof(SqliteMigrations).Assembly;
        IEnumerable<string> resources = assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal));
        foreach (string resource in resources.Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            string sql = reader.ReadToEnd();
            steps.Add((resource[Prefix.Length..], sql, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql)))));
        }

        return steps;
    }
}
