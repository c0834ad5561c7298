using System.Globalization;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Server.Verbs;

/// <summary>Verbs that look at or prepare the store.</summary>
internal static class StoreVerbs
{
    public static async Task<int> MigrateAsync(CancellationToken stop)
    {
        Settings settings = Surroundings.Settings();
        await using SqliteStore store = SqliteStore.Open(settings.DatabasePath);
        Console.WriteLine($"The schema of {settings.DatabasePath} is up to date.");
        return 0;
    }

    public static async Task<int> SeedAsync(CancellationToken stop)
    {
        Settings settings = Surroundings.Settings();
        await using SqliteStore store = SqliteStore.Open(settings.DatabasePath);
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        var shop = new Shop(executor, store, new OrderIds(TimeProvider.System), TimeProvider.System, settings);
        Console.WriteLine(
            await DemoCatalogue.FillAsync(shop).ConfigureAwait(false)
                ? $"{settings.DatabasePath} has a demo catalogue."
                : $"{settings.DatabasePath} has products already: nothing was changed.");
        return 0;
    }

    public static Task<int> AuditAsync(CancellationToken stop)
    {
        using SqliteConnection db = SqliteStore.OpenReadOnly(Surroundings.Settings().DatabasePath);
        bool all = true;
        foreach (InvariantReport report in SqliteAudit.Run(db))
        {
            all &= report.Holds;
            Console.WriteLine($"{(report.Holds ? "ok    " : "BROKEN")} {report.Id,-3} {report.Name} ({report.Figure} checked)");
            foreach (string offender in report.Offenders)
            {
                Console.WriteLine($"         {offender}");
            }
        }

        return Task.FromResult(all ? 0 : 1);
    }

    public static Task<int> DoctorAsync(CancellationToken stop)
    {
        Settings settings = Surroundings.Settings();
        using SqliteConnection db = SqliteStore.OpenReadOnly(settings.DatabasePath);
        string journal = db.Scalar("PRAGMA journal_mode") ?? "";
        bool isServed = IsServed(settings.DatabasePath);
        bool clockAgrees = Math.Abs(
            long.Parse(db.Scalar("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")!, CultureInfo.InvariantCulture)
            - TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()) < 1_000;
        bool isWhole = db.Scalar("PRAGMA quick_check(1)") == "ok";
        bool isDurable = journal == "wal";

        Line(true, "program", typeof(StoreVerbs).Assembly.GetName().Version?.ToString(3) ?? "");
        Line(true, "runtime", Environment.Version.ToString());
        Line(true, "sqlite", SqliteConnection.LibraryVersion);
        Line(true, "file", $"{settings.DatabasePath}, {SizeOf(settings.DatabasePath)}, log {SizeOf(settings.DatabasePath + "-wal")}");
        Line(true, "served", isServed ? "yes, another process holds the lock" : "no");
        Line(isDurable, "journal_mode", isDurable ? "wal" : $"{journal}: 'serve' sets wal; nothing else may write to the file");
        Line(true, "synchronous", "full (the writing connection sets it at every start)");
        Line(isWhole, "quick_check", isWhole ? "ok" : "the file is damaged: restore a backup");
        Line(clockAgrees, "clock", clockAgrees ? "agrees with the store's" : "is off by more than a second");
        bool hasKey = settings.Auth is not { SigningKey: null, Authority: null } || settings.IsDevelopment;
        Line(
            hasKey, "tokens",
            settings.Auth.Authority is { } authority ? $"checked with the keys of {authority}"
            : settings.Auth.SigningKey is not null ? "checked with the signing key"
            : settings.IsDevelopment ? "checked with a random key of this machine (development)"
            : "cannot be checked: set Jumun__Auth__SigningKey or Jumun__Auth__Authority");
        Line(true, "events", settings.EventsPath);
        return Task.FromResult(isDurable && isWhole && clockAgrees && hasKey ? 0 : 1);
    }

    public static int Backup(string file)
    {
        string path = Path.GetFullPath(file);
        if (File.Exists(path))
        {
            throw new SetupException($"{path} is there already. A backup never overwrites: name a new file.");
        }

        using SqliteConnection db = SqliteStore.OpenReadOnly(Surroundings.Settings().DatabasePath);
        try
        {
            // One snapshot, copied whole and compact, while others write.
            db.Execute("PRAGMA query_only = OFF");
            db[BackupText].Bind(1, path).Run();
        }
        catch (SqliteException error)
        {
            throw new SetupException($"The backup failed: {error.Message}", error);
        }

        Console.WriteLine($"{path}, {SizeOf(path)}");
        return 0;
    }

    private const string BackupText = "VACUUM INTO ?1";

    private static void Line(bool isFine, string name, string value) => Console.WriteLine($"{(isFine ? "ok  " : "WARN")} {name,-13} {value}");

    private static bool IsServed(string path)
    {
        if (!File.Exists(path + ".lock"))
        {
            return false;
        }

        try
        {
            SqliteFile.Lock(path).Dispose();
            return false;
        }
        catch (SetupException)
        {
            return true;
        }
    }

    private static string SizeOf(string path) =>
        File.Exists(path) ? $"{new FileInfo(path).Length / 1024.0 / 1024.0:0.0} MiB" : "none";
}
