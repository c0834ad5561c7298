using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// Keeps the write-ahead log short without making the lane wait for the file's own disk work. A second connection copies
/// the log into the file while the lane goes on to commit, again and again once the log is long, so that ever less is left. That rest
/// the lane copies itself between two batches: then all of the log is in the file, and the next commit starts it again from its front.
/// What the system could not bring to the disk it does not try again, and SQLite counts it as copied all the same: then the process ends,
/// because only a start without the log's index copies all of the log anew.
/// </summary>
internal sealed class SqliteCheckpoints(Func<SqliteConnection> open) : IAsyncDisposable
{
    private const string UnsyncedText =
        "The database file could not be synced (an error of the disk), so what was copied into it may not be there, and the process ends before anything "
        + "relies on it. All that was acknowledged is in the log beside the file: leave it there, see to the disk, end what reads the file (audit, backup), "
        + "and start again. The start copies all of the log anew.";

    // What is being copied beside the lane, or was and nobody has looked at it yet; its result is null when it failed.
    private Task<Checkpoint?>? copying;
    private SqliteConnection? copier;

    // Pages in the log, and those of them that are in the file. Readers can keep a log from starting again, and one that is
    // wholly copied starts again by itself: each checkpoint tells how long it really is.
    private long pages;
    private long copied;

    // Pages written since the copy began, which it does not tell of; and what was in the file and what was not when it began.
    private long meanwhile;
    private (long Copied, long Left) before;

    // Whether the last copy copied less than was written meanwhile.
    private bool fallsBehind;

    // How many the lane would copy itself, of a log that is long.
    private long rest = Bounds.CheckpointRestPages;

    // From how many pages on there is something to do again, after a copy failed or a reader stayed.
    private long next;

    // Whether a copy failed that was told of, and none has succeeded since.
    private volatile bool isTold;

    private bool IsLate => pages >= Bounds.LogPages;

    /// <summary>Where it is told that copies fail.</summary>
    public ILogger Logger { get; set; } = NullLogger.Instance;

    /// <summary>The most pages that the lane copied itself between two batches.</summary>
    public long MostByLane { get; private set; }

    /// <summary>To be called by the lane between two batches, with its connection.</summary>
    /// <exception cref="SqliteException">The lane's connection failed. The log holds everything that was acknowledged.</exception>
    public async ValueTask MaintainAsync(SqliteConnection writer)
    {
        int written = writer.TakePagesWritten();
        pages += written;
        meanwhile += written;
        if (pages < next || (copying is { IsCompleted: false } && !(IsLate && fallsBehind)))
        {
            return;
        }

        if (copying is { } copy)
        {
            // Beyond the bound, and the disk does not follow: the lane waits for it.
            copying = null;
            Learn(await copy.ConfigureAwait(false));
            if (pages < next)
            {
                return;
            }
        }

        if (pages < Bounds.RestartPages)
        {
            if (pages - copied >= Bounds.CheckpointPages)
            {
                BeginCopy();
            }
        }
        else if (pages - copied > rest)
        {
            // Where the lane fills the log as fast as it is copied, it takes more upon itself each time, but never all of a log that
            // a reader (an audit, a backup) kept growing.
            rest = Math.Min(2 * rest, Bounds.CheckpointPages);
            BeginCopy();
        }
        else
        {
            // Beyond the bound the lane waits a moment for readers to go on to the newest state.
            Restart(Copy(writer, IsLate ? CheckpointMode.Restart : CheckpointMode.Passive));
        }
    }

    /// <summary>Copies the log into the file, as far as readers and the mode allow. Ends the process when the file cannot be synced.</summary>
    /// <exception cref="SqliteException">It failed, and may be tried again.</exception>
    public Checkpoint Copy(SqliteConnection connection, CheckpointMode mode, bool isSynced = false)
    {
        try
        {
            Checkpoint checkpoint = connection.Checkpoint(mode);
            if (checkpoint.Pages < 0)
            {
                return checkpoint;
            }

            if (isSynced)
            {
                connection.Sync();
            }

            if (isTold)
            {
                isTold = false;
                Log.LogCopied(Logger);
            }

            return checkpoint;
        }
        catch (SqliteException error) when (error.IsUnsynced)
        {
            // Without closing the file: that would copy once more, be told that all is on the disk, and delete the log.
            // The line may not come out any more; the words of the end do.
            Log.FileUnsynced(Logger, UnsyncedText);
            Environment.FailFast(UnsyncedText);
            throw;
        }
    }

    /// <summary>Tells of a copy that failed, once until one succeeds.</summary>
    public void Tell(SqliteException error)
    {
        if (!isTold)
        {
            isTold = true;
            Log.LogNotCopied(Logger, error.Message);
        }
    }

    /// <summary>Waits until nothing is being copied: then another connection may do what it wants with the log.</summary>
    public Task PauseAsync() => copying ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await PauseAsync().ConfigureAwait(false);
        copier?.Dispose();
        copier = null;
    }

    private void Learn(Checkpoint? copy)
    {
        if (copy is { } checkpoint)
        {
            pages = checkpoint.Pages + meanwhile;
            copied = checkpoint.Copied;
            bool isStuck = before.Left > 0 && copied == before.Copied;
            fallsBehind = !isStuck && pages - copied >= before.Left;

            // A reader keeps the rest from being copied: another try is of use after a while.
            next = isStuck ? pages + Bounds.CheckpointPages : 0;
        }
        else
        {
            next = pages + Bounds.CheckpointPages;
        }
    }

    private void Restart(Checkpoint checkpoint)
    {
        MostByLane = Math.Max(MostByLane, checkpoint.Copied - copied);
        rest = Bounds.CheckpointRestPages;
        if (checkpoint.IsWhole)
        {
            // Or so it seems: where a reader keeps the log as it is, the next copy tells its length.
            pages = copied = next = 0;
        }
        else
        {
            pages = Math.Max(pages, checkpoint.Pages);
            copied = Math.Max(copied, checkpoint.Copied);
            next = pages + Bounds.CheckpointPages;
        }
    }

    private void BeginCopy()
    {
        meanwhile = 0;
        before = (copied, pages - copied);

        // A copy of a part of the log leaves its pages to the system, and the lane would wait for all of them when it copies the rest.
        bool isSynced = pages >= Bounds.RestartPages;
        copying = Task.Run(() => CopyBeside(isSynced));
    }

    private Checkpoint? CopyBeside(bool isSynced)
    {
        try
        {
            copier ??= open();
            Checkpoint checkpoint = Copy(copier, CheckpointMode.Passive, isSynced);
            return checkpoint.Pages < 0 ? null : checkpoint;
        }
        catch (SqliteException error)
        {
            // The lane goes on, and the next round begins with a new connection.
            Tell(error);
            copier?.Dispose();
            copier = null;
            return null;
        }
    }
}
