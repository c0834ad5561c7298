using Jumun.Orders;
using Jumun.Server.Stores;

namespace Jumun.Server.Execution;

/// <summary>Ends orders whose payment window is over, four times a second: what they held is soon back for others.</summary>
internal sealed class ExpirySweep(Executor executor, IStore store, Leases leases, TimeProvider clock, ILogger<ExpirySweep> log) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(250);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Sweeps.RepeatAsync("expiry", Period, SweepAsync, executor.Outage, log, stoppingToken);

    /// <summary>One round; true when there may be more.</summary>
    internal async ValueTask<bool> SweepAsync()
    {
        if (!leases.Sweeps)
        {
            return false;
        }

        List<(string MemberId, Guid OrderId)> orders =
            await store.ExpiredOrdersAsync(clock.GetUtcNow(), Bounds.ExpiredOrders).ConfigureAwait(false);
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

/// <summary>Runs rounds of a sweep until the server stops.</summary>
internal static class Sweeps
{
    /// <param name="name">What is swept, for the log.</param>
    /// <param name="period">How long to rest when there is nothing more to do.</param>
    /// <param name="round">One round; true when the next may follow at once.</param>
    /// <param name="outage">Told when the store is unavailable.</param>
    /// <param name="log">Where other failures go.</param>
    /// <param name="stopping">Ends the sweep.</param>
    public static async Task RepeatAsync(
        string name, TimeSpan period, Func<ValueTask<bool>> round, Outage outage, ILogger log, CancellationToken stopping)
    {
        // The host's start does not wait for the first round.
        await Task.Yield();
        while (!stopping.IsCancellationRequested)
        {
            bool more = false;
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

            if (!more)
            {
                await Task.Delay(period, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
