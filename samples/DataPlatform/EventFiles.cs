using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DataPlatform;

/// <summary>An event that is stored.</summary>
internal sealed record StoredLine(long Position, long OccurredAt, string Body);

/// <summary>The length of a day's file.</summary>
internal sealed record FileLength(string Day, long Bytes);

/// <summary>The files have all events up to a position, and are so long.</summary>
internal sealed record FileProgress(long Position, IReadOnlyList<FileLength> Files);

/// <summary>
/// The daily files, <c>events-YYYY-MM-DD.ndjson</c> by the day of the event in UTC. They follow the database: what they
/// have is recorded there from time to time, with their lengths. A start cuts each back to that length, a torn line with
/// it, and appends what the database has after it. So each event is there once, whatever happened between the two.
/// </summary>
internal sealed class EventFiles : IDisposable
{
    private const string Prefix = "events-";
    private const string Suffix = ".ndjson";

    private readonly string folder;
    private readonly FileStream processLock;
    private readonly Dictionary<string, long> lengths = [];
    private readonly HashSet<string> unrecorded = [];

    /// <summary>Days whose file was taken away or cut, until it is whole again: a try to write it anew may fail at any place.</summary>
    private readonly HashSet<string> lost = [];
    private long recorded;

    private EventFiles(string folder, FileStream processLock)
    {
        this.folder = folder;
        this.processLock = processLock;
    }

    /// <summary>All events up to this one are in the files.</summary>
    public long Position { get; private set; }

    /// <summary>Whether the files have more than the database has recorded. While one is not whole, nothing is to be recorded.</summary>
    public bool IsAhead => lost.Count == 0 && Position > recorded;

    /// <summary>The day of a file.</summary>
    public static string DayOf(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>Opens the folder, and makes the files what the database says that they are.</summary>
    /// <exception cref="SetupException">Another platform uses the folder, or its files are another's.</exception>
    public static async Task<EventFiles> OpenAsync(string folder, EventStore store)
    {
        Directory.CreateDirectory(folder);
        FileStream processLock;
        try
        {
            processLock = new FileStream(Path.Combine(folder, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error)
        {
            throw new SetupException($"Another data platform writes to {folder}. Stop it, or set DataPlatform__Files to another folder.", error);
        }

        var files = new EventFiles(folder, processLock);
        try
        {
            await files.CompleteAsync(store);
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Appends all that the database has and the files have not.</summary>
    public async Task FollowAsync(EventStore store)
    {
        while (await store.LinesAsync(Position) is { Count: > 0 } lines)
        {
            lost.UnionWith(lines.Select(DayOf).Distinct().Where(IsLost));
            await RewriteAsync(store, Position);
            Append(lines);
            Position = lines[^1].Position;
            if (lines.Count < Bounds.AppendedEvents)
            {
                return;
            }
        }
    }

    /// <summary>Brings what was appended to the disk; what may then be recorded.</summary>
    public FileProgress Flush()
    {
        foreach (string day in unrecorded)
        {
            using SafeFileHandle file = Open(day);
            RandomAccess.FlushToDisk(file);
        }

        return new FileProgress(Position, [.. unrecorded.Select(day => new FileLength(day, lengths[day]))]);
    }

    /// <summary>The database has recorded this.</summary>
    public void Recorded(FileProgress progress)
    {
        recorded = progress.Position;
        unrecorded.ExceptWith(progress.Files.Where(file => lengths[file.Day] == file.Bytes).Select(file => file.Day));
    }

    public void Dispose() => processLock.Dispose();

    private async Task CompleteAsync(EventStore store)
    {
        FileProgress progress = await store.ProgressAsync();
        foreach ((string day, long bytes) in progress.Files)
        {
            var file = new FileInfo(PathOf(day));
            long length = file.Exists ? file.Length : 0;
            if (length < bytes)
            {
                lost.Add(day);
            }

            lengths[day] = length < bytes ? 0 : bytes;
            if (length > lengths[day])
            {
                using SafeFileHandle longer = Open(day);
                RandomAccess.SetLength(longer, lengths[day]);
            }
        }

        string? stranger = Directory.EnumerateFiles(folder, $"{Prefix}*{Suffix}")
            .FirstOrDefault(path => new FileInfo(path).Length > 0 && !lengths.ContainsKey(Path.GetFileName(path)[Prefix.Length..^Suffix.Length]));
        if (stranger is not null)
        {
            throw new SetupException($"{stranger} was not written from this database. Move it away, or set DataPlatform__Files to another folder.");
        }

        await RewriteAsync(store, progress.Position);
        recorded = Position = progress.Position;
        await FollowAsync(store);
    }

    /// <summary>Whether a file was taken away or cut.</summary>
    private bool IsLost(string day) =>
        lengths.GetValueOrDefault(day) is > 0 and long length && (new FileInfo(PathOf(day)) is not { Exists: true } file || file.Length < length);

    /// <summary>Writes anew the files that were taken away or cut, from their beginnings.</summary>
    private async Task RewriteAsync(EventStore store, long until)
    {
        foreach (string day in lost)
        {
            lengths[day] = 0;
        }

        long position = 0;
        while (lost.Count > 0 && await store.LinesAsync(position, until) is { Count: > 0 } lines)
        {
            Append(lines.Where(line => lost.Contains(DayOf(line))));
            position = lines[^1].Position;
        }

        lost.Clear();
    }

    private void Append(IEnumerable<StoredLine> lines)
    {
        List<FileLength> longer = [];
        foreach (IGrouping<string, StoredLine> day in lines.GroupBy(DayOf))
        {
            // At a place that we know, not at the end: what a failed write left there is overwritten by the next try.
            byte[] bytes = Encoding.UTF8.GetBytes(string.Concat(day.Select(line => $"{line.Body}\n")));
            using SafeFileHandle file = Open(day.Key);
            long length = lengths.GetValueOrDefault(day.Key);
            RandomAccess.Write(file, bytes, length);
            longer.Add(new FileLength(day.Key, length + bytes.Length));
        }

        foreach ((string day, long bytes) in longer)
        {
            lengths[day] = bytes;
            unrecorded.Add(day);
        }
    }

    private static string DayOf(StoredLine line) => DayOf(DateTimeOffset.FromUnixTimeMilliseconds(line.OccurredAt));

    private SafeFileHandle Open(string day) => File.OpenHandle(PathOf(day), FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);

    private string PathOf(string day) => Path.Combine(folder, $"{Prefix}{day}{Suffix}");
}
