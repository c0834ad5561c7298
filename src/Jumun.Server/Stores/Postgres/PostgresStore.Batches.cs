using System.Diagnostics;
using Jumun.Coupons;
using Jumun.Server.Execution;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>The write half: one batch, one transaction, two round trips, one more where an order gives its stock back.</summary>
internal sealed partial class PostgresStore
{
    public int Lanes => sides.Length;

    /// <summary>
    /// On one database, when there is much to do, what needs nothing but its member's rows goes one lane, charges and payments, and all else
    /// another: the two hardly ever meet, and one works while the other waits for its disk. Of little, two lanes would only make two small
    /// batches of one, each with its commit; and while the second cannot be opened, the first does all. On a cluster a coupon's claims go
    /// where the coupon is, because they wait for its lock; all else of a member where the member is.
    /// </summary>
    public int LaneOf(Command command)
    {
        ShardMap current = map;
        if (sides.Length == 1)
        {
            return 0;
        }

        if (!current.IsDivided)
        {
            return command is IOfMemberAlone && sides[0].Commands + sides[1].Commands >= secondLaneFrom && !sides[1].IsAway ? 1 : 0;
        }

        return command switch
        {
            IssueCoupon claim => SideOf(current.Coupons, current.Coupons.Of(claim.CouponId)),
            IOfMember own => SideOf(current.Members, current.Members.Of(own.MemberId)),
            _ => 0,
        };
    }

    public async ValueTask LoadAsync(Batch batch)
    {
        if (laneAddress is null)
        {
            throw new InvalidOperationException("The store was opened for reading.");
        }

        WriteSide side = sides[batch.Lane];
        side.Commands = batch.Commands;
        try
        {
            await AtAsync(FaultPoint.Load).ConfigureAwait(false);
            if (isMapOld)
            {
                await RenewMapAsync().ConfigureAwait(false);
            }

            if (side.Lane is { } one && one.Map != map)
            {
                DropLane(side);
            }

            while (map.IsDivided && side.Group != 0 && !map.IsBatchOf(side.Group, batch.BatchId))
            {
                // A batch's own row lies on its lane's node: else each commit would take in one node more.
                batch.Rename();
            }

            if (side.Lane is { } kept)
            {
                try
                {
                    await kept.LoadAsync(batch).ConfigureAwait(false);
                    return;
                }
                catch (Exception error) when (PostgresErrors.IsOfDatabase(error) && !PostgresErrors.IsStatementError(error))
                {
                    // A server that was started anew, or another primary: nothing was written, and a new connection may do.
                    DropLane(side);
                }
            }

            PostgresLane opened = await ReopenAsync(side).ConfigureAwait(false);
            await opened.LoadAsync(batch).ConfigureAwait(false);
        }
        catch (PostgresException error) when (PostgresErrors.IsStatementError(error))
        {
            throw await FailedAsync(side, error).ConfigureAwait(false);
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
        {
            DropLane(side);
            throw new StoreUnavailableException(RequestOutcome.None, error);
        }
    }

    public async ValueTask CommitAsync(Batch batch)
    {
        WriteSide side = sides[batch.Lane];
        PostgresLane db = side.Lane ?? throw new InvalidOperationException("The batch was not loaded.");
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
            throw await FailedAsync(side, error).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            doubt = error;
        }

        if (doubt is not null && !await HasCommittedAsync(side, batch, doubt).ConfigureAwait(false))
        {
            throw PostgresErrors.IsOfDatabase(doubt)
                ? new StoreUnavailableException(RequestOutcome.None, doubt)
                : new StoreRejectedException(doubt);
        }
    }

    public async ValueTask EndAsync(Batch batch)
    {
        WriteSide side = sides[batch.Lane];
        if (side.Lane is not { Map.IsDivided: true } db || !batch.RefusedKeys.Any())
        {
            await AbandonAsync(batch.Lane).ConfigureAwait(false);
            return;
        }

        try
        {
            await db.EndAsync(batch).ConfigureAwait(false);
        }
        catch (PostgresException error) when (PostgresErrors.IsStatementError(error))
        {
            throw await FailedAsync(side, error).ConfigureAwait(false);
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
        {
            DropLane(side);
            throw new StoreUnavailableException(RequestOutcome.None, error);
        }
    }

    public async ValueTask AbandonAsync(int lane = 0)
    {
        WriteSide side = sides[lane];
        try
        {
            if (side.Lane is { } db)
            {
                await db.RollbackAsync().ConfigureAwait(false);
            }
        }
        catch (Exception)
        {
            // Whatever state the connection is in, its transaction ends with it.
            DropLane(side);
        }
    }

    public async ValueTask MaintainAsync(int lane = 0)
    {
        WriteSide side = sides[lane];
        if (side.Lane is not { } db || Stopwatch.GetElapsedTime(side.SweptAt).TotalSeconds < Bounds.PostgresSweepSeconds)
        {
            return;
        }

        side.SweptAt = Stopwatch.GetTimestamp();
        try
        {
            // One lane sweeps for all: two would wait for one another's rows.
            long last = Volatile.Read(ref sweptAt);
            if (Stopwatch.GetElapsedTime(last).TotalSeconds >= Bounds.PostgresSweepSeconds
                && Interlocked.CompareExchange(ref sweptAt, side.SweptAt, last) == last)
            {
                // A shard that moved is still found, by a detour, and a node that moved is not: now and then it is asked where they are.
                _ = LookForMapAsync();

                // Batch ids are of version 7: they sort by the time of their batch. The time is the database's: by a clock that is ahead,
                // rows would go that others still look their commits up by.
                DateTimeOffset keptFrom = (await db.NowAsync().ConfigureAwait(false)).AddSeconds(-Bounds.PostgresBatchSeconds);
                DateTimeOffset from = DateTimeOffset.FromUnixTimeMilliseconds(batches.From(keptFrom.ToUnixTimeMilliseconds()));
                int limit = Bounds.SweptBatches * sides.Length;
                if (await db.SweepAsync(Guid.CreateVersion7(from), Guid.CreateVersion7(keptFrom), limit).ConfigureAwait(false) < limit)
                {
                    batches.Reached(keptFrom.ToUnixTimeMilliseconds() - LateMs);
                }
            }

            await db.DiscardPlansAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            DropLane(side);
        }
    }

    /// <summary>Ends the transaction of a statement that failed, and tells what to make of it.</summary>
    private async ValueTask<Exception> FailedAsync(WriteSide side, PostgresException error)
    {
        Exception failure = PostgresErrors.OfStatement(error, map.IsDivided);
        isMapOld |= map.IsDivided && PostgresErrors.IsOfOldMap(error);
        if (failure is StoreUnavailableException { IsOfPart: false })
        {
            // A server that became a standby, a plan that no longer fits: another session may do better.
            DropLane(side);
        }
        else
        {
            await AbandonAsync(Array.IndexOf(sides, side)).ConfigureAwait(false);
        }

        return failure;
    }

    /// <summary>A commit whose outcome was not told is looked up, never guessed, on a connection of its own.</summary>
    /// <exception cref="StoreUnavailableException">It could not be looked up in time: the outcome is unknown.</exception>
    private async ValueTask<bool> HasCommittedAsync(WriteSide side, Batch batch, Exception doubt)
    {
        DropLane(side);
        long begun = Stopwatch.GetTimestamp();
        TimeSpan time = TimeSpan.FromSeconds(Bounds.PostgresLookupSeconds);
        while (true)
        {
            try
            {
                PostgresLane db = await ReopenAsync(side).ConfigureAwait(false);
                TimeSpan left = time - Stopwatch.GetElapsedTime(begun);
                return await db.HasCommittedAsync(batch.BatchId, batch.BegunAt, left > TimeSpan.Zero ? left : TimeSpan.Zero).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // Whatever it is, also a map of shards that cannot be read: as long as nobody was asked, it is not known.
                DropLane(side);
                if (Stopwatch.GetElapsedTime(begun) >= time)
                {
                    throw new StoreUnavailableException(RequestOutcome.Unknown, doubt);
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50)).ConfigureAwait(false);
        }
    }
}
