using System.Runtime.InteropServices;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;
using Microsoft.Win32.SafeHandles;

namespace Jumun.Server.Verbs;

/// <summary>Verbs that look at or prepare the store.</summary>
internal static class StoreVerbs
{
    private const string BackupText = "VACUUM INTO ?1";

    /// <param name="isDistributed">Whether the tables are to be divided among the nodes of a cluster, too.</param>
    public static async Task<int> MigrateAsync(bool isDistributed)
    {
        Settings all = Surroundings.Settings();
        StoreSettings settings = all.Store;
        if (isDistributed && settings.Kind != StoreKind.Postgres)
        {
            throw new SetupException("'migrate --distributed' divides the tables of a PostgreSQL cluster. Set Jumun__Store to 'postgres'.");
        }

        switch (settings.Kind)
        {
            case StoreKind.Sqlite:
                await SqliteStore.Open(settings.Address).DisposeAsync().ConfigureAwait(false);
                break;
            case StoreKind.Postgres:
                Tell(await PostgresStore.MigrateAsync(settings.Address).ConfigureAwait(false));
                if (isDistributed)
                {
                    Tell(await PostgresStore.DivideAsync(settings.Address, all.Shards).ConfigureAwait(false));
                }

                break;
        }

        Console.WriteLine($"The schema of {settings.Name} is up to date.");
        return 0;
    }

    private static void Tell(IReadOnlyList<string> steps)
    {
        foreach (string step in steps)
        {
            Console.WriteLine($"  {step}");
        }
    }

    public static async Task<int> SeedAsync(CancellationToken stop)
    {
        WebApplicationBuilder builder = Surroundings.Builder();
        Settings settings = Settings.Read(builder.Configuration, builder.Environment);
        using ILoggerFactory logs = Surroundings.Logs(builder.Configuration);
        await using IStore store = await ShopHost.OpenAsync(settings.Store).ConfigureAwait(false);
        await using var executor = new Executor(store, TimeProvider.System, logs.CreateLogger<Executor>());
        using var leases = new Leases(store, logs.CreateLogger<Leases>());
        var shop = new Shop(executor, store, new OrderIds(TimeProvider.System), TimeProvider.System, leases, settings);
        Console.WriteLine(
            await DemoCatalogue.FillAsync(shop).ConfigureAwait(false)
                ? $"{settings.Store.Name} has a demo catalogue."
                : $"{settings.Store.Name} has products already: nothing was changed.");
        return 0;
    }

    public static async Task<int> AuditAsync(CancellationToken stop) =>
        Tell(await InvariantsAsync(Surroundings.Settings().Store).ConfigureAwait(false)) ? 0 : 1;

    /// <summary>Prints what an audit found; whether all holds.</summary>
    public static bool Tell(IReadOnlyList<InvariantReport> reports)
    {
        bool all = true;
        foreach (InvariantReport report in reports)
        {
            all &= report.Holds;
            Console.WriteLine($"{(report.Holds ? "ok    " : "BROKEN")} {report.Id,-3} {report.Name} ({report.Figure} checked)");
            foreach (string offender in report.Offenders)
            {
                Console.WriteLine($"         {offender}");
            }
        }

        return all;
    }

    public static async Task<int> DoctorAsync(CancellationToken stop)
    {
        Settings settings = Surroundings.Settings();
        var report = new DoctorReport();
        report.Fact("program", typeof(StoreVerbs).Assembly.GetName().Version?.ToString(3) ?? "");
        report.Fact("runtime", Environment.Version.ToString());
        switch (settings.Store.Kind)
        {
            case StoreKind.Sqlite:
                SqliteDoctor.Examine(settings.Store.Address, report);
                break;
            case StoreKind.Postgres:
                await PostgresDoctor.ExamineAsync(settings.Store, report, stop).ConfigureAwait(false);
                break;
        }

        bool hasKey = settings.Auth is not { SigningKey: null, Authority: null } || settings.IsDevelopment;
        report.Check(
            hasKey, "tokens",
            settings.Auth.Authority is { } authority ? $"checked with the keys of {authority}"
            : settings.Auth.SigningKey is not null ? "checked with the signing key"
            : settings.IsDevelopment ? "checked with a random key of this machine (development)"
            : "cannot be checked: set Jumun__Auth__SigningKey or Jumun__Auth__Authority");
        report.Fact("events", settings.DataPlatform.Name);
        return report.IsFine ? 0 : 1;
    }

    public static int Backup(string file)
    {
        StoreSettings settings = Surroundings.Settings().Store;
        if (settings.Kind != StoreKind.Sqlite)
        {
            throw new SetupException(
                "'backup' copies a SQLite file. PostgreSQL brings its own: pg_dump for one consistent state, "
                + "pg_basebackup with an archive of its log to go back to any moment.");
        }

        string path = Path.GetFullPath(file);
        if (File.Exists(path))
        {
            throw new SetupException($"{path} is there already. A backup never overwrites: name a new file.");
        }

        // Under its name there is a whole backup on the disk, or nothing.
        string part = path + ".part";
        string made = part;

        // Whatever its version is: a backup is made before a newer program changes the schema.
        using SqliteConnection db = SqliteStore.OpenReadOnly(settings.Address, ofAnyVersion: true);
        using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            File.Delete(part);

            // One snapshot, copied whole and compact, while others write.
            db.Execute("PRAGMA query_only = OFF");
            db[BackupText].Bind(1, part).Run();
            using (SafeFileHandle copy = File.OpenHandle(part, FileMode.Open, FileAccess.ReadWrite))
            {
                RandomAccess.FlushToDisk(copy);
            }

            File.Move(part, path);
            made = path;
            WalBufferVfs.SyncFolder(Path.GetDirectoryName(path)!);
        }
        catch (Exception error) when (error is SqliteException or IOException or UnauthorizedAccessException)
        {
            // Half a backup is of no use, and takes room that may be what was missing.
            DeleteIfThere(made);
            throw new SetupException($"The backup failed: {error.Message}", error);
        }

        Console.WriteLine($"{path}, {SqliteDoctor.SizeOf(path)}");
        return 0;

        // The copy fails then, and what there is of it is deleted.
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            db.Interrupt();
        }
    }

    private static void DeleteIfThere(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It is another's, or a folder.
        }
    }

    private static async Task<IReadOnlyList<InvariantReport>> InvariantsAsync(StoreSettings settings)
    {
        if (settings.Kind == StoreKind.Sqlite)
        {
            using SqliteConnection db = SqliteStore.OpenReadOnly(settings.Address);
            return [.. SqliteAudit.Run(db)];
        }

        await using PostgresStore store = await PostgresStore.OpenForReadingAsync(settings.Address).ConfigureAwait(false);
        return await store.AuditAsync().ConfigureAwait(false);
    }
}
