using System.Diagnostics;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Server.Stores;

namespace Jumun.Server.Execution;

/// <summary>
/// Ends orders whose payment window is over, four times a second: what they held is soon back for others. One process does so for all; what
/// it leaves for much longer than it ever takes, as one that was killed does until its leases are another's, is anybody's.
/// </summary>
internal sealed class ExpirySweep(Executor executor, IStore store, Leases leases, TimeProvider clock, ILogger<ExpirySweep> log) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(1);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Sweeps.RepeatAsync("expiry", Period, SweepAsync, executor.Outage, log, stoppingToken);

    /// <summary>One round; true when there may be more.</summary>
    internal async ValueTask<bool> SweepAsync()
    {
        bool sweeps = leases.Sweeps;
        if (!sweeps && !leases.StandsIn)
        {
            return false;
        }

        DateTimeOffset now = clock.GetUtcNow();
        List<(string MemberId, Guid OrderId)> orders =
            await store.ExpiredOrdersAsync(sweeps ? now : now - Late, Bounds.ExpiredOrders).ConfigureAwait(false);
        var settled = new List<Task<Settlement>>(orders.Count);
        foreach ((string memberId, Guid orderId) in orders)
        {
            settled.Add(executor.SubmitAsync(new ExpireOrder(memberId, orderId)).AsTask());
        }

        // Those that were refused (a full queue, a lost database) are found again by the next round.
        bool allSettled = Array.TrueForAll(await Task.WhenAll(settled).ConfigureAwait(false), settlement => settlement.Refusal is null);
        return allSettled && orders.Count == Bounds.ExpiredOrders;
    }
}

/// <summary>Forgets idempotency keys after their time, a bounded number a commit.</summary>
internal sealed class KeySweep(Executor executor, IStore store, Leases leases, TimeProvider clock, ILogger<KeySweep> log) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Retention = TimeSpan.FromDays(7);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Sweeps.RepeatAsync("idempotency keys", Period, SweepAsync, executor.Outage, log, stoppingToken);

    /// <summary>One round; true when there may be more.</summary>
    internal async ValueTask<bool> SweepAsync()
    {
        if (!leases.Sweeps || !await store.HasKeysBeforeAsync(clock.GetUtcNow() - Retention).ConfigureAwait(false))
        {
            return false;
        }

        Settlement settlement = await executor.SubmitAsync(new ForgetIdempotencyKeys(Retention)).ConfigureAwait(false);
        return settlement.Refusal is null;
    }
}

/// <summary>
/// Forgets delivered events after their time, when the operator set one: a bounded number a commit, and never for more than
/// a fifth of the time.
/// </summary>
/// <param name="executor">Settles what is swept.</param>
/// <param name="store">Where old events are looked for.</param>
/// <param name="leases">Who sweeps.</param>
/// <param name="retention">How long after its commit an event is kept; null for ever.</param>
/// <param name="clock">The time.</param>
/// <param name="log">Where failures go.</param>
internal sealed class EventSweep(
    Executor executor, IStore store, Leases leases, TimeSpan? retention, TimeProvider clock, ILogger<EventSweep> log) : BackgroundService
{
    private const int Rest = 4;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Anew = TimeSpan.FromHours(1);

    private (long First, long Second)? place;
    private long beganAt = clock.GetTimestamp();

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => retention is null
        ? Task.CompletedTask
        : Sweeps.RepeatAsync("delivered events", Period, SweepAsync, executor.Outage, log, stoppingToken, Rest);

    /// <summary>One round; true when there may be more.</summary>
    internal async ValueTask<bool> SweepAsync()
    {
        if (retention is not { } kept || !leases.Sweeps)
        {
            return false;
        }

        if (clock.GetElapsedTime(beganAt) >= Anew)
        {
            // What was pending or dead when it was passed over may be delivered by now. It is looked for now and then, because
            // all that is still there would be read again, and that may be much.
            (place, beganAt) = (null, clock.GetTimestamp());
        }

        List<((long First, long Second) Place, Guid EventId, OutboxState State)> events =
            await store.OldEventsAsync(clock.GetUtcNow() - kept, place, Bounds.ForgottenEvents).ConfigureAwait(false);
        Guid[] delivered = [.. events.Where(one => one.State == OutboxState.Delivered).Select(one => one.EventId)];
        if (delivered.Length > 0
            && (await executor.SubmitAsync(new ForgetDeliveredEvents(delivered, kept)).ConfigureAwait(false)).Refusal is not null)
        {
            return false;
        }

        place = events.Count > 0 ? events[^1].Place : place;
        return events.Count == Bounds.ForgottenEvents;
    }
}

/// <summary>Runs rounds of a sweep until the server stops.</summary>
internal static class Sweeps
{
    /// <param name="name">What is swept, for the log.</param>
    /// <param name="period">How long to rest when there is nothing more to do.</param>
    /// <param name="round">One round; true when the next may follow without that rest.</param>
    /// <param name="outage">Told when the store is unavailable.</param>
    /// <param name="log">Where other failures go.</param>
    /// <param name="stopping">Ends the sweep.</param>
    /// <param name="rest">How many times as long as a round took to rest before the next one that follows it.</param>
    public static async Task RepeatAsync(
        string name, TimeSpan period, Func<ValueTask<bool>> round, Outage outage, ILogger log, CancellationToken stopping, int rest = 0)
    {
        // The host's start does not wait for the first round.
        await Task.Yield();
        while (!stopping.IsCancellationRequested)
        {
            bool more = false;
            long began = Stopwatch.GetTimestamp();
            try
            {
                more = await round().ConfigureAwait(false);
            }
            catch (StoreUnavailableException error)
            {
                outage.Refused(error, requests: 0);
            }
            catch (Exception error)
            {
                Log.LoopFailed(log, error, name);
            }

            await Task.Delay(more ? Stopwatch.GetElapsedTime(began) * rest : period, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
