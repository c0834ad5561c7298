using Jumun.Server.Stores;
using Microsoft.Win32.SafeHandles;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Appends events to a file, one JSON object a line, and returns when they are on the disk. The file is opened for each
/// delivery, so that it may be moved away or truncated at any time, and locked for it, so that processes may share it. A last
/// line that a crash tore, or a truncation, is ended with a newline at the next start or delivery: it stays unreadable, and what
/// follows does not.
/// </summary>
internal sealed class FileSink : ISink
{
    private const int LockTries = 200;

    // EAGAIN and ERROR_LOCK_VIOLATION.
    private const int Taken = 11;
    private const int TakenOnWindows = unchecked((int)0x80070021);

    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(10);

    private readonly string path;
    private readonly Lock gate = new();
    private readonly MemoryStream lines = new();

    public FileSink(string path)
    {
        this.path = path;
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
        {
            Directory.CreateDirectory(folder);
        }

        if (TryOpen() is { } file)
        {
            using (file)
            {
                EndLine(file);
            }
        }
    }

    public async ValueTask<DeliveryOutcome> DeliverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cancellation)
    {
        for (int tries = 1; !TryAppend(events); tries++)
        {
            if (tries == LockTries)
            {
                throw new IOException($"{path} is locked by another process for long.");
            }

            await Task.Delay(LockPause, cancellation).ConfigureAwait(false);
        }

        return DeliveryOutcome.Of(Verdict.Taken, events.Count);
    }

    private bool TryAppend(IReadOnlyList<PendingEvent> events)
    {
        lock (gate)
        {
            using FileStream? file = TryOpen();
            if (file is not null)
            {
                Append(file, events);
            }

            return file is not null;
        }
    }

    private void Append(FileStream file, IReadOnlyList<PendingEvent> events)
    {
        lines.SetLength(0);
        foreach (PendingEvent pending in events)
        {
            lines.Write(pending.Body);
            lines.WriteByte((byte)'\n');
        }

        // One write, so that a line is torn only by a crash or a full disk; then the file ends where it ended before.
        EndLine(file);
        long end = file.Length;
        try
        {
            file.Position = end;
            file.Write(lines.GetBuffer(), 0, (int)lines.Length);
            file.Flush(flushToDisk: true);
        }
        catch
        {
            file.SetLength(end);
            throw;
        }

        // Whoever moved the file meanwhile may have read it to its end already: then the events go out again, to the file that has the name.
        using SafeFileHandle named = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (RandomAccess.GetLength(named) < file.Length)
        {
            throw new IOException($"{path} was moved away while events were written to it.");
        }
    }

    private static void EndLine(FileStream file)
    {
        if (file.Length > 0)
        {
            file.Position = file.Length - 1;
            if (file.ReadByte() != '\n')
            {
                file.WriteByte((byte)'\n');
            }
        }
    }

    /// <summary>The file, for this process alone among those that append to it; null while another one does. Others may read it.</summary>
    private FileStream? TryOpen()
    {
        FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        try
        {
            if (!OperatingSystem.IsMacOS())
            {
                // Far behind what anybody reads; gone when the file is closed.
                file.Lock(long.MaxValue - 1, 1);
            }

            return file;
        }
        catch (IOException error) when (error.HResult is Taken or TakenOnWindows)
        {
            file.Dispose();
            return null;
        }
        catch (IOException)
        {
            // A file system without locks: then the file is this process's own.
            return file;
        }
    }
}
