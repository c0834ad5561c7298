using System.Diagnostics;
using Jumun.DataPlatform;
using Jumun.Server.Execution;
using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Carries events from the outbox to the data platform: at least once, each member's in order, woken by the commit
/// and by a slow poll in case a signal is missed. Nothing waits for it: a platform that is slow or down slows no payment.
/// It decides what is read and when; what becomes of a delivery is the <see cref="Courier"/>'s business.
/// </summary>
internal sealed class Relay(
    Executor executor, IStore store, Leases leases, ISink sink, Settings settings, TimeProvider clock, ILogger<Relay> log) : BackgroundService
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPoll = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PollBesideOthers = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestRound = TimeSpan.FromSeconds(Bounds.LeaseSeconds / 4.0);
    private static readonly TimeSpan LastDelivery = TimeSpan.FromSeconds(Bounds.LastDeliverySeconds);

    private readonly Courier courier = new(executor, sink, settings.DataPlatform, clock, log);
    private readonly Alarm wake = new();
    private Task<List<Retried>>? retries;
    private IReadOnlyList<short> worked = [];
    private bool looksAnew = true;
    private long lookedAnewAt;
    private TimeSpan readTime;
    private long probes;

    /// <summary>What a round found, which says when the next one follows.</summary>
    private enum Round
    {
        /// <summary>More than was read: at once.</summary>
        Full,

        /// <summary>A few: soon, so that a busy shop has few large deliveries.</summary>
        Short,

        /// <summary>Nothing: after the next commit.</summary>
        Empty,

        /// <summary>That the data platform takes nothing now: when it may be asked again.</summary>
        Closed,

        /// <summary>It failed, and not because of the data platform: after a while.</summary>
        Failed,
    }

    /// <summary>How delivery fares.</summary>
    public DeliveryFigures Figures => courier.Figures;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The host's start does not wait for the first round. A delivery that is under way at the stop is given a little time,
        // so that it need not be made twice.
        await Task.Yield();
        using var cut = new CancellationTokenSource();
        await using CancellationTokenRegistration stop = stoppingToken.Register(() => cut.CancelAfter(LastDelivery));
        executor.EventsCommitted += wake.Ring;
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                Round round = await RoundAsync(stoppingToken, cut.Token).ConfigureAwait(false);
                await PauseAsync(round, stoppingToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what is pending is in the outbox, and is carried on at the next start.
        }
        finally
        {
            executor.EventsCommitted -= wake.Ring;
            await ((Task?)retries ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async ValueTask<Round> RoundAsync(CancellationToken stopping, CancellationToken cut)
    {
        await leases.UseAsync(stopping).ConfigureAwait(false);
        try
        {
            await SettleRetriesAsync(cut).ConfigureAwait(false);
            NoticeLeases();
            if (!courier.Circuit.IsClosed)
            {
                return courier.Circuit.Remaining <= TimeSpan.Zero ? await ProbeAsync(cut).ConfigureAwait(false) : Round.Closed;
            }

            await RetryAsync(cut).ConfigureAwait(false);
            return await CarryAsync(cut).ConfigureAwait(false);
        }
        catch (StoreUnavailableException error)
        {
            // Not the platform's doing: no longer pauses for it.
            executor.Outage.Refused(error, requests: 0);
            return Round.Failed;
        }
        catch (Exception error) when (error is not OperationCanceledException || !stopping.IsCancellationRequested)
        {
            Log.LoopFailed(log, error, "delivery");
            return Round.Failed;
        }
        finally
        {
            leases.Release();
        }
    }

    /// <summary>
    /// What is held back in a partition that comes back may have been settled by the process that had it: it is looked for now, and
    /// not when its old pause ends.
    /// </summary>
    private void NoticeLeases()
    {
        IReadOnlyList<short> mine = leases.Partitions;
        if (!ReferenceEquals(mine, worked) && mine.Except(worked).Any())
        {
            courier.Held.Hasten();
        }

        worked = mine;
    }

    /// <summary>Delivers a stretch of the queue, in deliveries as large as the data platform takes them.</summary>
    private async ValueTask<Round> CarryAsync(CancellationToken cut)
    {
        long began = Stopwatch.GetTimestamp();
        bool isThrough = false;
        try
        {
            List<PendingEvent> events = await ReadAsync(Bounds.RelayedEvents).ConfigureAwait(false);
            int read = events.Count;
            courier.Figures.Behind(events);
            bool any = courier.PassOverHeld(events);
            for (bool isLeft = any; isLeft && courier.Circuit.IsClosed && Stopwatch.GetElapsedTime(began) < LongestRound;)
            {
                await courier.DeliverNextAsync(events, cut).ConfigureAwait(false);
                isLeft = courier.PassOverHeld(events);
            }

            isThrough = events.Count == 0;
            if (isThrough && read < Bounds.RelayedEvents && courier.Circuit.IsClosed)
            {
                courier.Figures.CaughtUp();
            }

            return !courier.Circuit.IsClosed ? Round.Closed
                : !any && read < Bounds.RelayedEvents ? Round.Empty
                : !any || (read < Bounds.RelayedEvents && isThrough) ? Round.Short
                : Round.Full;
        }
        finally
        {
            // What was read and is left must be found again before anything later of the same members.
            looksAnew |= !isThrough;
        }
    }

    /// <summary>
    /// Tries an event, to see whether the data platform is back: one that was not tried yet, and every other time before it one that
    /// was, so that no single event stands for the platform. One that is refused says little of the next: a few are tried.
    /// </summary>
    private async ValueTask<Round> ProbeAsync(CancellationToken cut)
    {
        looksAnew = true;
        probes += 1;
        long began = Stopwatch.GetTimestamp();
        List<PendingEvent> events = await FirstOfMembersAsync().ConfigureAwait(false);
        List<Delivery> held = probes % 2 == 0 || events.Count == 0 ? courier.Held.TakeNext() : [];
        try
        {
            if (held.Count > 0)
            {
                events.InsertRange(0, await FindAsync(held).ConfigureAwait(false));
            }

            foreach (PendingEvent pending in events.Take(Bounds.RefusedInRow))
            {
                DeliveryOutcome outcome = await courier.DeliverNextAsync([pending], cut).ConfigureAwait(false);
                if (!outcome.Has(Verdict.Refused) || outcome.RetryAfter is not null || Stopwatch.GetElapsedTime(began) > LongestRound)
                {
                    break;
                }
            }

            return courier.Circuit.IsClosed ? Round.Full : events.Count > 0 ? Round.Closed : Round.Empty;
        }
        finally
        {
            held.ForEach(courier.Held.Return);
        }
    }

    /// <summary>
    /// Of members who are not held back, of a stretch of the queue, the first event each, in no order. At the head is most often what the
    /// last delivery began with: where that failed because of it, it is known at once.
    /// </summary>
    private async ValueTask<List<PendingEvent>> FirstOfMembersAsync()
    {
        List<PendingEvent> events = await ReadAsync(Bounds.RelayedEvents).ConfigureAwait(false);
        looksAnew = true;
        courier.Figures.Behind(events);
        courier.PassOverHeld(events);
        PendingEvent[] first = [.. events.DistinctBy(pending => pending.MemberId)];
        Random.Shared.Shuffle(first.AsSpan(Math.Min(first.Length, probes % 4 == 3 ? 0 : 1)));
        return [.. first];
    }

    /// <summary>
    /// Tries what is held back and due, one event at a time, beside everything else: one that makes the data platform hang
    /// keeps waiting only its like.
    /// </summary>
    private async ValueTask RetryAsync(CancellationToken cut)
    {
        if (retries is null && worked.Count > 0 && courier.Held.TakeDue(Bounds.RetriedEvents) is { Count: > 0 } due)
        {
            List<PendingEvent> events = await FindAsync(due).ConfigureAwait(false);
            retries = TryEachAsync(events);
            _ = WakeAfterAsync(retries);
        }

        async Task<List<Retried>> TryEachAsync(List<PendingEvent> events)
        {
            var retried = new List<Retried>();
            long began = Stopwatch.GetTimestamp();
            bool isOver = false;
            IReadOnlyList<short> mine = leases.Partitions;
            foreach (PendingEvent pending in events)
            {
                // It goes on beside the rounds, so that partitions may move meanwhile: what is left is their next process's.
                isOver |= !leases.Partitions.SequenceEqual(mine);
                DeliveryOutcome? outcome = isOver ? null : await courier.HandOverAsync([pending], cut).ConfigureAwait(false);
                retried.Add(new Retried(pending, outcome));
                isOver |= outcome?.Has(Verdict.Gone) == true || Stopwatch.GetElapsedTime(began) > LongestRound;
            }

            return retried;
        }

        async Task WakeAfterAsync(Task done)
        {
            // Not before it is done: the next round would not see it, and what was learned would wait for a poll.
            await done.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            wake.Ring();
        }
    }

    private async ValueTask SettleRetriesAsync(CancellationToken cut)
    {
        if (retries is { IsCompleted: true } done)
        {
            retries = null;
            List<Retried> tried = await done.ConfigureAwait(false);
            try
            {
                foreach (Retried one in tried)
                {
                    await courier.SettleAsync(one, cut).ConfigureAwait(false);
                }
            }
            finally
            {
                tried.ForEach(one => courier.Held.Return(one.Event.Key));
            }
        }
    }

    private async ValueTask<List<PendingEvent>> ReadAsync(int limit)
    {
        // Now and then it looks for what was made pending again; what is held back makes that the dearer, and the rarer.
        TimeSpan rest = Clamp(readTime * 20, Poll, LongestPoll);
        bool anew = looksAnew | courier.TakeReleased() | clock.GetElapsedTime(lookedAnewAt) > rest;
        looksAnew = anew;
        long began = clock.GetTimestamp();
        long measured = Stopwatch.GetTimestamp();
        List<PendingEvent> events = await store.PendingEventsAsync(leases.Partitions, courier.Held.Names, anew, limit).ConfigureAwait(false);
        looksAnew = false;
        readTime = Stopwatch.GetElapsedTime(measured);
        lookedAnewAt = anew ? began : lookedAnewAt;
        return events;
    }

    /// <summary>Events that are held back, as they stand in the queue. Those that no longer do, or for another process by now, hold nobody back.</summary>
    private async ValueTask<List<PendingEvent>> FindAsync(List<Delivery> held)
    {
        List<PendingEvent> events = [];
        bool found = false;
        try
        {
            events = await store.PendingEventsAsync(leases.Partitions, held).ConfigureAwait(false);
            found = true;
            return events;
        }
        finally
        {
            foreach (Delivery one in held)
            {
                if (found && !events.Exists(pending => pending.Key == one))
                {
                    courier.Release(one);
                }
                else if (!found)
                {
                    courier.Held.Return(one);
                }
            }
        }
    }

    /// <summary>Waits for what follows a round.</summary>
    private async ValueTask PauseAsync(Round round, CancellationToken stopping)
    {
        // Reading takes a fifth of the time, even when it is slow.
        TimeSpan rest = Clamp(readTime * 4, Gather, Poll);
        switch (round)
        {
            case Round.Full:
                return;
            case Round.Short:
                await Task.Delay(rest, stopping).ConfigureAwait(false);
                return;
            case Round.Closed:
                await Task.Delay(Clamp(courier.Circuit.Remaining, Gather, Poll), stopping).ConfigureAwait(false);
                return;
            case Round.Failed:
                await Task.Delay(Poll, stopping).ConfigureAwait(false);
                return;
            case Round.Empty:
                // A commit of another process is not heard here, only found.
                TimeSpan poll = leases.Processes > 1 ? PollBesideOthers : Poll;
                TimeSpan due = Clamp(courier.Held.UntilDue(), rest, Poll);
                await wake.WaitAsync(due < poll ? due : poll > rest ? poll : rest, stopping).ConfigureAwait(false);
                return;
        }
    }

    private static TimeSpan Clamp(TimeSpan time, TimeSpan least, TimeSpan most) => time < least ? least : time > most ? most : time;
}
