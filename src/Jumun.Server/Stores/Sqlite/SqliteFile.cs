using System.Data.Common;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>The file of the shop: where it is, and who may write to it.</summary>
internal static class SqliteFile
{
    // ERROR_SHARING_VIOLATION; EWOULDBLOCK, which .NET passes on as it is.
    private static readonly int Held = OperatingSystem.IsWindows() ? unchecked((int)0x80070020) : OperatingSystem.IsMacOS() ? 35 : 11;

    /// <summary>The path in a connection string such as <c>Data Source=data/jumun.db</c>.</summary>
    /// <exception cref="SetupException">It names no file.</exception>
    public static string PathOf(string connectionString)
    {
        try
        {
            var parts = new DbConnectionStringBuilder { ConnectionString = connectionString };
            if (parts.TryGetValue("Data Source", out object? path) || parts.TryGetValue("Filename", out path))
            {
                return Real((string)path);
            }
        }
        catch (ArgumentException)
        {
            // Said below.
        }

        throw new SetupException(
            "ConnectionStrings__Jumun names no file. For the SQLite store it reads like 'Data Source=data/jumun.db'; "
            + "for another store set Jumun__Store.");
    }

    /// <summary>
    /// The file itself, whatever links lead to it or to a folder of it: the lock is on a name, and one file must not have two.
    /// </summary>
    /// <param name="path">Its path; it need not be there.</param>
    /// <param name="links">How many links may lead to it.</param>
    /// <exception cref="SetupException">There are more, those of a circle perhaps.</exception>
    public static string Real(string path, int links = 40)
    {
        string full = Path.GetFullPath(path);
        if (Path.GetDirectoryName(full) is not { } folder)
        {
            return full;
        }

        folder = Real(folder, links);
        full = Path.Combine(folder, Path.GetFileName(full));
        return new FileInfo(full).LinkTarget is not { } target ? full
            : links > 0 ? Real(Path.Combine(folder, target), links - 1)
            : throw new SetupException($"{full} is a link that leads to no file.");
    }

    /// <summary>
    /// Refuses a library older than 3.51.3: from 3.7.0 on those can lose pages when one connection checkpoints while
    /// another commits.
    /// </summary>
    public static void MustCheckpointSafely()
    {
        if (SqliteConnection.LibraryVersionNumber < 3_051_003)
        {
            throw new SetupException(
                $"The SQLite that was loaded is {SqliteConnection.LibraryVersion}, and Jumun needs 3.51.3 or newer. Use the one that comes with Jumun.");
        }
    }

    /// <summary>Takes the lock that only one writing process can have. The operating system drops it with the process.</summary>
    /// <exception cref="SetupException">Another process holds it for longer than a look at it takes, or it cannot be opened.</exception>
    public static FileStream Lock(string path)
    {
        FileStream? taken = null;
        SpinWait.SpinUntil(() => (taken = TryLock(path)) is not null, Bounds.LockMilliseconds);
        return taken ?? throw new SetupException(
            $"Another process writes to {path} (it holds {LockOf(path)}). Stop it first; 'audit', 'doctor' and 'backup' need no lock.");
    }

    /// <summary>The lock, or null when another process holds it now.</summary>
    /// <exception cref="SetupException">It cannot be opened.</exception>
    public static FileStream? TryLock(string path)
    {
        try
        {
            return new FileStream(LockOf(path), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
        }
        catch (IOException error) when (error.HResult == Held)
        {
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SetupException($"{LockOf(path)} cannot be opened for writing: {error.Message}", error);
        }
    }

    /// <summary>The file that is locked.</summary>
    public static string LockOf(string path) => path + ".lock";

    public static SetupException CannotOpen(string path, SqliteException error) =>
        new($"{path} cannot be opened: {error.Message}. Check that it is a Jumun database, that the disk has room and that the user may write there.", error);
}
