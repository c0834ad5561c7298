using System.Security.Cryptography;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Server;

/// <summary>The file of a developer's own signing key.</summary>
internal static class SigningKeyFile
{
    /// <summary>
    /// Makes one, unless another process that starts at the same moment is first: those take turns. Nobody ever sees half of one, and what
    /// a process left that was killed midway is written over.
    /// </summary>
    /// <param name="path">The file; its folder is made as well.</param>
    /// <returns>Whether this process made it.</returns>
    /// <exception cref="SetupException">The turn cannot be had.</exception>
    public static bool Make(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        FileStream? turn = null;
        if (!SpinWait.SpinUntil(() => File.Exists(path) || (turn = SqliteFile.TryLock(path)) is not null, Bounds.KeyMilliseconds))
        {
            throw new SetupException($"Another process holds {SqliteFile.LockOf(path)} and makes no signing key. Stop it first.");
        }

        if (turn is null)
        {
            return false;
        }

        bool isFirst;
        using (turn)
        {
            // Only now: a move would replace the key of another.
            isFirst = !File.Exists(path);
            if (isFirst)
            {
                Write(path);
            }
        }

        try
        {
            // Whoever still waits for this very file finds the key.
            File.Delete(SqliteFile.LockOf(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // On Windows, while another process has it: that one deletes it.
        }

        return isFirst;
    }

    private static void Write(string path)
    {
        string draft = $"{path}.part";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var file = new StreamWriter(draft, options))
        {
            file.Write(Convert.ToBase64String(RandomNumberGenerator.GetBytes(48)));
        }

        File.Move(draft, path);
    }
}
