using System.Globalization;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Server.Verbs;

/// <summary>What <c>doctor</c> says of a SQLite file.</summary>
internal static class SqliteDoctor
{
    private const int RoomMegabytes = 20;

    // At most the last moment that there is here.
    private const string NewestText = """
        SELECT min(coalesce(max(at), 0), 253402300799999)
        FROM (SELECT max(created_at) AS at FROM ledger UNION ALL SELECT max(created_at) FROM outbox)
        """;

    public static void Examine(string path, DoctorReport report)
    {
        ExamineContents(path, report);

        // A file that is closed drops this process's locks on it: only now is the connection done.
        ExamineRights(path, report);
        ExamineRoom(path, report);
    }

    private static void ExamineContents(string path, DoctorReport report)
    {
        using SqliteConnection db = SqliteStore.OpenReadOnly(path);
        string journal = db.Scalar("PRAGMA journal_mode") ?? "";
        bool isDurable = journal == "wal";
        bool isWhole = db.Scalar("PRAGMA quick_check(1)") == "ok";
        DateTimeOffset newest = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(db.Scalar(NewestText)!, CultureInfo.InvariantCulture));
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        bool clockAgrees = newest - now <= TimeSpan.FromSeconds(1);

        report.Fact("sqlite", SqliteConnection.LibraryVersion);
        report.Fact("file", $"{path}, {SizeOf(path)}, log {SizeOf(path + "-wal")}");
        report.Fact("served", Served(path));
        report.Check(isDurable, "journal_mode", isDurable ? "wal" : $"{journal}: 'serve' sets wal; nothing else may write to the file");
        report.Check(isWhole, "quick_check", isWhole ? "ok" : "the file is damaged: restore a backup");
        report.Check(clockAgrees, "clock", clockAgrees
            ? "nothing was stored later than now"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"behind what was stored at {newest:yyyy-MM-dd HH:mm:ss} UTC, {newest - now:c} from now: it is wrong, or was then. Keep it with NTP"));
    }

    private static void ExamineRights(string path, DoctorReport report)
    {
        try
        {
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete).Dispose();
            report.Fact("rights", "this user may write to the file");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            report.Check(false, "rights", $"this user may not write to the file: {error.Message}");
        }
    }

    /// <summary>Writes beside the file, and gives it back.</summary>
    private static void ExamineRoom(string path, DoctorReport report)
    {
        try
        {
            using FileStream room = new($"{path}.doctor", FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            byte[] part = new byte[1 << 20];
            for (int written = 0; written < RoomMegabytes; written++)
            {
                room.Write(part);
            }

            room.Flush(flushToDisk: true);
            report.Fact("room", $"{RoomMegabytes} MB more could be stored");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            // The last is how a limit on the size of files is told.
            report.Check(false, "room", $"{RoomMegabytes} MB more could not be stored in the file's folder: {error.Message}");
        }
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
