namespace Jumun.Server.Stores.Sqlite;

/// <summary>
/// Keeps the write-ahead log short without making the lane wait for the file's own disk work. A second connection copies
/// the log into the file while the lane goes on to commit. What was appended meanwhile, a small rest, the lane copies
/// itself between two batches: then all of the log is in the file, and the next commit starts it again from its front.
/// </summary>
internal sealed class SqliteCheckpoints(Func<SqliteConnection> open) : IAsyncDisposable
{
    private Task copying = Task.CompletedTask;
    private SqliteConnection? copier;
    private long pages;
    private long copied;
    private long next = Bounds.CheckpointPages;

    /// <summary>To be called by the lane between two batches, with its connection.</summary>
    /// <exception cref="SqliteException">The lane's connection failed. The log holds everything that was acknowledged.</exception>
    public async ValueTask MaintainAsync(SqliteConnection writer)
    {
        pages += writer.TakePagesWritten();
        if (pages < next || (!copying.IsCompleted && pages < Bounds.LogPages))
        {
            return;
        }

        // Beyond the bound the disk does not follow, or a reader stays (an audit, a backup): the lane waits a moment.
        bool isLate = pages >= Bounds.LogPages;
        await copying.ConfigureAwait(false);
        long rest = pages - copied;
        if (!isLate && rest > (pages < Bounds.RestartPages ? Bounds.CheckpointPages : Bounds.CheckpointRestPages))
        {
            next = pages + Bounds.CheckpointRestPages;
            copying = Task.Run(Copy);
            return;
        }

        if (pages < Bounds.RestartPages)
        {
            next = Math.Min(copied + Bounds.CheckpointPages, Bounds.RestartPages) + 1;
            return;
        }

        if (writer.Checkpoint(isLate ? CheckpointMode.Restart : CheckpointMode.Passive).IsWhole)
        {
            pages = 0;
            copied = 0;
            next = Bounds.CheckpointPages + 1;
        }
        else
        {
            next = pages + Bounds.CheckpointPages;
        }
    }

    /// <summary>Waits until nothing is being copied: then another connection may do what it wants with the log.</summary>
    public Task PauseAsync() => copying;

    public async ValueTask DisposeAsync()
    {
        await copying.ConfigureAwait(false);
        copier?.Dispose();
        copier = null;
    }

    private void Copy()
    {
        try
        {
            copier ??= open();
            copied = Math.Max(0, copier.Checkpoint(CheckpointMode.Passive).Copied);
        }
        catch (SqliteException)
        {
            // The lane goes on, and the next round begins with a new connection. When the disk fails, commits fail too.
            copier?.Dispose();
            copier = null;
        }
    }
}
