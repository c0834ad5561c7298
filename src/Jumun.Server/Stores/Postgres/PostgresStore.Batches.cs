using System.Diagnostics;
using Jumun.Server.Execution;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>The write half: one batch, one transaction, two round trips.</summary>
internal sealed partial class PostgresStore
{
    public async ValueTask LoadAsync(Batch batch)
    {
        try
        {
            await AtAsync(FaultPoint.Load).ConfigureAwait(false);
            if (isMapOld)
            {
                DropLane();
            }

            if (lane is { } kept)
            {
                try
                {
                    await kept.LoadAsync(batch).ConfigureAwait(false);
                    return;
                }
                catch (Exception error) when (PostgresErrors.IsOfDatabase(error) && !PostgresErrors.IsStatementError(error))
                {
                    // A server that was started anew, or another primary: nothing was written, and a new connection may do.
                    DropLane();
                }
            }

            PostgresLane opened = await ReopenAsync().ConfigureAwait(false);
            await opened.LoadAsync(batch).ConfigureAwait(false);
        }
        catch (PostgresException error) when (PostgresErrors.IsStatementError(error))
        {
            throw await FailedAsync(error).ConfigureAwait(false);
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
        {
            DropLane();
            throw new StoreUnavailableException(RequestOutcome.None, error);
        }
    }

    public async ValueTask CommitAsync(Batch batch)
    {
        PostgresLane db = lane ?? throw new InvalidOperationException("The batch was not loaded.");
        db.Prepare(batch);
        Exception? doubt;
        try
        {
            await AtAsync(FaultPoint.Write).ConfigureAwait(false);
            doubt = await db.CommitAsync().ConfigureAwait(false);
            await AtAsync(FaultPoint.AfterCommit).ConfigureAwait(false);
        }
        catch (PostgresException error) when (PostgresErrors.IsStatementError(error) && !db.MayHaveCommitted(error))
        {
            // The commit is the last command, and an error skips it.
            throw await FailedAsync(error).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            doubt = error;
        }

        if (doubt is not null && !await HasCommittedAsync(batch, doubt).ConfigureAwait(false))
        {
            throw PostgresErrors.IsOfDatabase(doubt)
                ? new StoreUnavailableException(RequestOutcome.None, doubt)
                : new StoreRejectedException(doubt);
        }
    }

    public async ValueTask AbandonAsync()
    {
        try
        {
            if (lane is { } db)
            {
                await db.RollbackAsync().ConfigureAwait(false);
            }
        }
        catch (Exception)
        {
            // Whatever state the connection is in, its transaction ends with it.
            DropLane();
        }
    }

    public async ValueTask MaintainAsync()
    {
        if (lane is not { } db || Stopwatch.GetElapsedTime(sweptAt).TotalSeconds < Bounds.PostgresSweepSeconds)
        {
            return;
        }

        sweptAt = Stopwatch.GetTimestamp();
        try
        {
            // Batch ids are of version 7: they sort by the time of their batch.
            DateTimeOffset keptFrom = TimeProvider.System.GetUtcNow().AddSeconds(-Bounds.PostgresBatchSeconds);
            await db.SweepAsync(Guid.CreateVersion7(keptFrom)).ConfigureAwait(false);
        }
        catch (Exception)
        {
            DropLane();
        }
    }

    /// <summary>Ends the transaction of a statement that failed, and tells what to make of it.</summary>
    private async ValueTask<Exception> FailedAsync(PostgresException error)
    {
        Exception failure = PostgresErrors.OfStatement(error, map.IsDivided);
        isMapOld |= map.IsDivided && PostgresErrors.IsOfOldMap(error);
        if (failure is StoreUnavailableException)
        {
            // A server that became a standby, a plan that no longer fits: another session may do better.
            DropLane();
        }
        else
        {
            await AbandonAsync().ConfigureAwait(false);
        }

        return failure;
    }

    /// <summary>A commit whose outcome was not told is looked up, never guessed, on a connection of its own.</summary>
    /// <exception cref="StoreUnavailableException">It could not be looked up in time: the outcome is unknown.</exception>
    private async ValueTask<bool> HasCommittedAsync(Batch batch, Exception doubt)
    {
        DropLane();
        long begun = Stopwatch.GetTimestamp();
        TimeSpan time = TimeSpan.FromSeconds(Bounds.PostgresLookupSeconds);
        while (true)
        {
            try
            {
                PostgresLane db = await ReopenAsync().ConfigureAwait(false);
                TimeSpan left = time - Stopwatch.GetElapsedTime(begun);
                return await db.HasCommittedAsync(batch.BatchId, batch.Rows.Now, left > TimeSpan.Zero ? left : TimeSpan.Zero).ConfigureAwait(false);
            }
            catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
            {
                DropLane();
                if (Stopwatch.GetElapsedTime(begun) >= time)
                {
                    throw new StoreUnavailableException(RequestOutcome.Unknown, doubt);
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50)).ConfigureAwait(false);
        }
    }
}
