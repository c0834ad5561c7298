namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// Keeps the write-ahead log short without making the lane wait for the file's own disk work. A second connection copies
/// the log into the file while the lane goes on to commit, again and again once the log is long, so that ever less is left. That rest
/// the lane copies itself between two batches: then all of the log is in the file, and the next commit starts it again from its front.
/// </summary>
internal sealed class SqliteCheckpoints(Func<SqliteConnection> open) : IAsyncDisposable
{
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

    private bool IsLate => pages >= Bounds.LogPages;

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
            Restart(writer.Checkpoint(IsLate ? CheckpointMode.Restart : CheckpointMode.Passive));
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
        copying = Task.Run(() => Copy(isSynced));
    }

    private Checkpoint? Copy(bool isSynced)
    {
        try
        {
            copier ??= open();
            Checkpoint checkpoint = copier.Checkpoint(CheckpointMode.Passive);
            if (checkpoint.Pages < 0)
            {
                return null;
            }

            if (isSynced)
            {
                copier.Sync();
            }

            return checkpoint;
        }
        catch (SqliteException)
        {
            // The lane goes on, and the next round begins with a new connection. When the disk fails, commits fail too.
            copier?.Dispose();
            copier = null;
            return null;
        }
    }
}
