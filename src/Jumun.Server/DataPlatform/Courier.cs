using Jumun.DataPlatform;
using Jumun.Server.Execution;
using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>An event that was held back and tried again.</summary>
/// <param name="Event">The event.</param>
/// <param name="Outcome">What became of it; null when it was not tried after all.</param>
internal sealed record Retried(PendingEvent Event, DeliveryOutcome? Outcome);

/// <summary>
/// Hands events to the sink and settles what became of them: records what was taken, holds back the members of what was not,
/// gives up what has failed for too long, and opens the circuit when the data platform takes nothing at all.
/// </summary>
internal sealed class Courier(Executor executor, ISink sink, DataPlatformSettings settings, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan RecordPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LogPause = TimeSpan.FromSeconds(Bounds.OutageLogSeconds);

    private readonly TimeSpan deadAfter = settings.DeadAfter;
    private long? toldAt;
    private bool isOutageTold;
    private int refusedInRow;
    private bool released;
    private bool? tookSinceGone;

    /// <summary>Whether the data platform is there.</summary>
    public Circuit Circuit { get; } = new(clock);

    /// <summary>Who waits behind an event that was not taken.</summary>
    public HeldMembers Held { get; } = new(clock, settings.DeadAfter, settings.HeldMembers);

    /// <summary>How delivery fares.</summary>
    public DeliveryFigures Figures { get; } = new(clock);

    /// <summary>
    /// Whether members were let go since this was asked last, or passed over because no more could be held back: their events are to be
    /// found, the first ones first.
    /// </summary>
    public bool TakeReleased() => Interlocked.Exchange(ref released, false);

    /// <summary>
    /// Takes out what members that are held back have among these. An event that is known to have failed holds its member back
    /// from here on; without room for that, what its member has among these is taken out. False when nothing is left.
    /// </summary>
    public bool PassOverHeld(List<PendingEvent> events)
    {
        foreach (PendingEvent pending in events)
        {
            if (pending.FailedAt is not null)
            {
                Held.Suspect(pending);
            }
        }

        Figures.Held = Held.Names.Count;
        events.RemoveAll(pending => Held.Names.Contains(pending.MemberId));
        PassOver(events.FindAll(pending => pending.FailedAt is not null), events);
        return events.Count > 0;
    }

    /// <summary>Delivers the first of these, as many as the circuit lets through, and takes out what is settled. Tells what became of them.</summary>
    public async ValueTask<DeliveryOutcome> DeliverNextAsync(List<PendingEvent> events, CancellationToken cut)
    {
        List<PendingEvent> next = Next(events);
        DeliveryOutcome outcome = OfAll(await HandOverAsync(next, cut).ConfigureAwait(false));
        List<PendingEvent> taken = outcome.With(Verdict.Taken, next);
        await RecordAsync(taken, cut).ConfigureAwait(false);
        if (taken.Count > 0)
        {
            refusedInRow = 0;
            tookSinceGone = tookSinceGone is null ? null : true;
            Held.Prove();
        }
        else if (next.Count == 1 && outcome.Has(Verdict.Gone))
        {
            // It did not fail, but the next attempt is with another.
            PutOff(next[0]);
        }

        // What fails alone is treated like what is refused: the next attempt is with another.
        List<PendingEvent> failed = next.Count == 1 && taken.Count == 0 && !outcome.Has(Verdict.Gone) ? next : outcome.With(Verdict.Refused, next);
        HashSet<PendingEvent> settled = [.. taken, .. await HoldAsync(failed, outcome, cut).ConfigureAwait(false)];
        events.RemoveAll(settled.Contains);
        PassOver(failed.FindAll(pending => !settled.Contains(pending)), events);
        refusedInRow += failed.Count;
        Turn(outcome, next.Count, taken.Count);
        return outcome;
    }

    /// <summary>Hands events to the sink. Never throws but when it is cut short. May run beside the rest.</summary>
    public async Task<DeliveryOutcome> HandOverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cut)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cut);
        late.CancelAfter(TimeSpan.FromSeconds(Bounds.DeliverySeconds));
        DeliveryOutcome outcome;
        try
        {
            outcome = await sink.DeliverAsync(events, late.Token).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            cut.ThrowIfCancellationRequested();
            string reason = late.IsCancellationRequested ? $"no answer within {Bounds.DeliverySeconds} seconds" : error.Message.TrimEnd('.');
            outcome = DeliveryOutcome.Of(Verdict.Failed, events.Count, reason);
        }

        Figures.Tried(outcome);
        if (!outcome.Has(Verdict.Taken))
        {
            // Cut short, it says nothing of the event.
            cut.ThrowIfCancellationRequested();
        }

        return outcome;
    }

    /// <summary>Settles what became of an event that was held back. It says nothing of the data platform as a whole, unless that wants no more.</summary>
    public async ValueTask SettleAsync(Retried retried, CancellationToken cut)
    {
        DeliveryOutcome? outcome = retried.Outcome is { } told ? OfAll(told, Held.IsProven(retried.Event.Key)) : null;
        switch (outcome)
        {
            case null:
                break;
            case { Verdicts: [Verdict.Taken] }:
                await RecordAsync([retried.Event], cut).ConfigureAwait(false);
                break;
            case { Verdicts: [Verdict.Gone] }:
                PutOff(retried.Event);
                Pause(outcome);
                break;
            default:
                await HoldAsync([retried.Event], outcome, cut).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>An event holds its member back no longer.</summary>
    public void Release(Delivery pending)
    {
        Held.Release(pending);
        released = true;
        Figures.Held = Held.Names.Count;
    }

    /// <summary>
    /// Where several were refused and none was taken, it is not for what they are, as without a queue that is bound: the data platform
    /// is not there, and single events find out for whom it is. Where it wanted no more but took others after that, it means one of these.
    /// </summary>
    private DeliveryOutcome OfAll(DeliveryOutcome outcome, bool tookOthers = false)
    {
        int count = outcome.Verdicts.Count;
        Verdict? meant =
            outcome.Has(Verdict.Gone) && Circuit.IsClosed && (tookOthers || tookSinceGone == true) ? count == 1 ? Verdict.Refused : Verdict.OneRefused
            : outcome.Verdicts.Count(one => one == Verdict.Refused) > 1
                && outcome.Verdicts.All(one => one is Verdict.Refused or Verdict.NotTried) ? Verdict.Failed
            : null;
        return meant is { } verdict ? DeliveryOutcome.Of(verdict, count, outcome.Reason, outcome.RetryAfter) : outcome;
    }

    /// <summary>An event that the data platform did not want waits, and with it its member, until others were asked for.</summary>
    private void PutOff(PendingEvent pending)
    {
        Held.Hold(pending, pending.FailedAt ?? clock.GetUtcNow(), retryAfter: null);
        Figures.Held = Held.Names.Count;
    }

    /// <summary>Takes out what the members of failed events have among these, where no more can be held back: it is read again, and later.</summary>
    private void PassOver(List<PendingEvent> failed, List<PendingEvent> events)
    {
        HashSet<string> members = [.. failed.Select(pending => pending.MemberId).Where(member => !Held.Names.Contains(member))];
        if (members.Count > 0)
        {
            events.RemoveAll(pending => members.Contains(pending.MemberId));
            released = true;
        }
    }

    private List<PendingEvent> Next(List<PendingEvent> events)
    {
        int count = 0;
        int bytes = 0;
        while (count < events.Count && count < Circuit.Limit && (count == 0 || bytes + events[count].Body.Length < Bounds.DeliveryBytes))
        {
            bytes += events[count].Body.Length + 1;
            count += 1;
        }

        return events[..count];
    }

    /// <summary>Records what was taken. Until that is done nothing else is: a new round would send the same again.</summary>
    private async ValueTask RecordAsync(List<PendingEvent> taken, CancellationToken cut)
    {
        if (taken.Count == 0)
        {
            return;
        }

        await SubmitAsync(new RecordDelivery(taken.ConvertAll(pending => pending.Key)), taken.Count, cut).ConfigureAwait(false);
        Figures.Delivered(taken);
        foreach (PendingEvent pending in taken)
        {
            if (Held.Names.Contains(pending.MemberId))
            {
                Release(pending.Key);
            }
        }
    }

    /// <summary>Holds back the members of events that were not taken. Tells which of these need no more attempts, dead ones most of all.</summary>
    private async ValueTask<List<PendingEvent>> HoldAsync(List<PendingEvent> failed, DeliveryOutcome outcome, CancellationToken cut)
    {
        var settled = new List<PendingEvent>();
        if (failed.Count == 0)
        {
            return settled;
        }

        // While it takes nothing at all, no event dies of it, however long that lasts.
        var command = new RecordFailures(failed.ConvertAll(pending => pending.EventId), Circuit.IsClosed ? deadAfter : TimeSpan.MaxValue);
        var recorded = (FailuresRecorded)await SubmitAsync(command, failed.Count, cut).ConfigureAwait(false);
        Dictionary<Guid, FailedEvent> pendingStill = recorded.Events.ToDictionary(one => one.EventId);
        foreach (PendingEvent pending in failed)
        {
            if (pendingStill.TryGetValue(pending.EventId, out FailedEvent one) && !one.IsDead)
            {
                if (pending.FailedAt is null && Circuit.IsClosed && outcome.Has(Verdict.Refused))
                {
                    Log.EventRefused(log, pending.EventId, outcome.Reason, one.FailedAt + deadAfter);
                }

                Held.Hold(pending, one.FailedAt, outcome.RetryAfter);
                continue;
            }

            Release(pending.Key);
            settled.Add(pending);
            if (one.IsDead)
            {
                Figures.Died();
                Log.EventDead(log, pending.EventId, deadAfter, outcome.Reason);
            }
        }

        Figures.Held = Held.Names.Count;
        return settled;
    }

    /// <summary>Opens and closes the circuit.</summary>
    private void Turn(DeliveryOutcome outcome, int tried, int taken)
    {
        bool wasClosed = Circuit.IsClosed;
        if (outcome.Has(Verdict.Gone))
        {
            Pause(outcome);
        }
        else if (outcome.Has(Verdict.Failed) || (taken == 0 && (!wasClosed || refusedInRow >= Bounds.RefusedInRow)))
        {
            TimeSpan wait = Circuit.Open(outcome.RetryAfter);
            if (toldAt is not { } last || clock.GetElapsedTime(last) >= LogPause)
            {
                // One that comes and goes is told of now and then, and not each time.
                (toldAt, isOutageTold) = (clock.GetTimestamp(), true);
                Log.DeliveryFailed(log, outcome.Reason, wait);
            }
        }
        else if (taken > 0)
        {
            if (!wasClosed && isOutageTold)
            {
                isOutageTold = false;
                Log.DeliveryResumed(log, Circuit.Duration);
            }

            Circuit.Take();
        }
        else if (outcome.Has(Verdict.OneRefused))
        {
            Circuit.Halve(tried);
        }

        Figures.Circuit = Circuit.State;
    }

    private void Pause(DeliveryOutcome outcome)
    {
        TimeSpan wait = Circuit.Pause();
        tookSinceGone = false;
        Figures.Circuit = Circuit.State;
        isOutageTold = true;
        Log.DeliveryPaused(log, outcome.Reason, wait);
    }

    /// <summary>Has a command of ours carried out, however long that takes.</summary>
    private async ValueTask<Answer> SubmitAsync(Command command, int events, CancellationToken cut)
    {
        bool isTold = false;
        while (true)
        {
            Settlement settlement = await executor.SubmitAsync(command).ConfigureAwait(false);
            if (settlement.Answer is { } answer)
            {
                return answer;
            }

            if (!isTold)
            {
                Log.DeliveryNotRecorded(log, events, settlement.Refusal!.Code);
                isTold = true;
            }

            await Task.Delay(RecordPause, cut).ConfigureAwait(false);
        }
    }
}
