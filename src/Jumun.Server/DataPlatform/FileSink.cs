using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Appends events to a file, one JSON object a line, and returns when they are on the disk. The file is opened for each
/// delivery, so that it may be moved away or truncated at any time. A last line that a crash tore, or a truncation, is
/// ended with a newline at the next start or delivery: it stays unreadable, and what follows does not.
/// </summary>
internal sealed class FileSink : ISink
{
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

        using FileStream file = Open();
        EndLine(file);
    }

    public ValueTask<DeliveryOutcome> DeliverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cancellation)
    {
        lock (gate)
        {
            Append(events);
        }

        return ValueTask.FromResult(DeliveryOutcome.Of(Verdict.Taken, events.Count));
    }

    private void Append(IReadOnlyList<PendingEvent> events)
    {
        lines.SetLength(0);
        foreach (PendingEvent pending in events)
        {
            lines.Write(pending.Body);
            lines.WriteByte((byte)'\n');
        }

        // One write, so that a line is torn only by a crash or a full disk; then the file ends where it ended before.
        using FileStream file = Open();
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

    private FileStream Open() =>
        new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
}
