using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Server.Verbs;

/// <summary>Moves a shop that began on SQLite to PostgreSQL.</summary>
internal static class CopyVerb
{
    /// <param name="file">The shop's file. It is only read, and nobody else may write to it meanwhile.</param>
    /// <param name="stop">Ends it early, with nothing copied.</param>
    /// <returns>0 when all was copied and every invariant holds; otherwise 1, and nothing was copied.</returns>
    public static async Task<int> RunAsync(string file, CancellationToken stop)
    {
        StoreSettings settings = Surroundings.Settings().Store;
        if (settings.Kind != StoreKind.Postgres)
        {
            throw new SetupException(
                "'copy' brings a SQLite shop into PostgreSQL. Set Jumun__Store to 'postgres' and ConnectionStrings__Jumun to the database.");
        }

        string path = SqliteFile.Real(file);
        using SqliteConnection db = SqliteStore.OpenReadOnly(path);
        using FileStream processLock = SqliteFile.Lock(path);
        IReadOnlyList<InvariantReport> reports;
        try
        {
            db.Execute("BEGIN");
            reports = await PostgresStore.CopyAsync(settings.Address, db, line => Console.WriteLine($"  {line}"), stop).ConfigureAwait(false);
        }
        catch (SqliteException error)
        {
            throw new SetupException($"{path} cannot be read: {error.Message}. Nothing was copied.", error);
        }
        catch (OperationCanceledException error)
        {
            throw new SetupException("Stopped. Nothing was copied.", error);
        }

        if (!StoreVerbs.Tell(reports))
        {
            throw new SetupException($"Nothing was copied, because an invariant does not hold. Run 'audit' on {path}: it shows what is broken there.");
        }

        Console.WriteLine($"{path} was copied to {settings.Name}. Serve the shop from there, and no longer from the file.");
        return 0;
    }
}
