using System.Globalization;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Server.Verbs;

/// <summary>What <c>doctor</c> says of a SQLite file.</summary>
internal static class SqliteDoctor
{
    public static void Examine(string path, DoctorReport report)
    {
        using SqliteConnection db = SqliteStore.OpenReadOnly(path);
        string journal = db.Scalar("PRAGMA journal_mode") ?? "";
        bool isDurable = journal == "wal";
        bool isWhole = db.Scalar("PRAGMA quick_check(1)") == "ok";
        bool clockAgrees = Math.Abs(
            long.Parse(db.Scalar("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")!, CultureInfo.InvariantCulture)
            - TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()) < 1_000;

        report.Fact("sqlite", SqliteConnection.LibraryVersion);
        report.Fact("file", $"{path}, {SizeOf(path)}, log {SizeOf(path + "-wal")}");
        report.Fact("served", Served(path));
        report.Check(isDurable, "journal_mode", isDurable ? "wal" : $"{journal}: 'serve' sets wal; nothing else may write to the file");
        report.Fact("synchronous", "full (the writing connection sets it at every start)");
        report.Check(isWhole, "quick_check", isWhole ? "ok" : "the file is damaged: restore a backup");
        report.Check(clockAgrees, "clock", clockAgrees ? "agrees with the store's" : "is off by more than a second");
    }

    public static string SizeOf(string path) =>
        File.Exists(path) ? string.Create(CultureInfo.InvariantCulture, $"{new FileInfo(path).Length / 1024.0 / 1024.0:0.0} MiB") : "none";

    private static string Served(string path)
    {
        if (!File.Exists(SqliteFile.LockOf(path)))
        {
            return "no";
        }

        try
        {
            // Held for an instant: a server that starts just then tries again.
            using FileStream? taken = SqliteFile.TryLock(path);
            return taken is null ? "yes, another process holds the lock" : "no";
        }
        catch (SetupException error)
        {
            return $"unknown: {error.Message}";
        }
    }
}
