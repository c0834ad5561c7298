using Jumun.DataPlatform;
using Jumun.Server.Execution;
using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Carries events from the outbox to the data platform: at least once, each member's in order, woken by the commit
/// and by a slow poll in case a signal is missed. Nothing waits for it: a platform that is down slows no payment.
/// </summary>
internal sealed class Relay(Executor executor, IStore store, Leases leases, ISink sink, ILogger<Relay> log) : BackgroundService
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PollBesideOthers = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim wake = new(0, 1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        executor.EventsCommitted += Wake;
        try
        {
            TimeSpan delay = ShortestDelay;
            while (true)
            {
                List<PendingEvent> events = [];
                try
                {
                    await leases.UseAsync(stoppingToken).ConfigureAwait(false);
                    try
                    {
                        events = await store.PendingEventsAsync(leases.Partitions, Bounds.RelayedEvents).ConfigureAwait(false);
                        if (events.Count > 0)
                        {
                            await sink.DeliverAsync(events, stoppingToken).ConfigureAwait(false);
                            await RecordAsync(events, stoppingToken).ConfigureAwait(false);
                        }
                    }
                    finally
                    {
                        leases.Release();
                    }

                    delay = ShortestDelay;
                    await PauseAsync(events.Count, stoppingToken).ConfigureAwait(false);
                }
                catch (StoreUnavailableException error)
                {
                    // Not the platform's doing: no longer pauses for it.
                    executor.Outage.Refused(error, requests: 0);
                    await Task.Delay(Poll, stoppingToken).ConfigureAwait(false);
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    Log.DeliveryFailed(log, error, events.Count, delay);
                    await Task.Delay(delay * (0.5 + Random.Shared.NextDouble()), stoppingToken).ConfigureAwait(false);
                    delay = delay * 2 < LongestDelay ? delay * 2 : LongestDelay;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what is pending is in the outbox, and is carried on at the next start.
        }
        finally
        {
            executor.EventsCommitted -= Wake;
        }
    }

    /// <summary>Gathers a little after a delivery, so that a busy shop has few large ones; waits for a commit after an empty round.</summary>
    private async ValueTask PauseAsync(int delivered, CancellationToken stopping)
    {
        if (delivered == 0)
        {
            // A commit of another process is not heard here, only found.
            await wake.WaitAsync(leases.Processes > 1 ? PollBesideOthers : Poll, stopping).ConfigureAwait(false);
        }
        else if (delivered < Bounds.RelayedEvents)
        {
            await Task.Delay(Gather, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Records what was delivered. Until that is done nothing else is: a new round would send the same again.</summary>
    private async ValueTask RecordAsync(List<PendingEvent> events, CancellationToken stopping)
    {
        var command = new RecordDelivery(events.ConvertAll(pending => new Delivery(pending.MemberId, pending.EventId, pending.Sequence)));
        for (bool isTold = false; (await executor.SubmitAsync(command).ConfigureAwait(false)).Refusal is { } refusal; isTold = true)
        {
            if (!isTold)
            {
                Log.DeliveryNotRecorded(log, events.Count, refusal.Code);
            }

            await Task.Delay(ShortestDelay, stopping).ConfigureAwait(false);
        }
    }

    private void Wake()
    {
        if (wake.CurrentCount == 0)
        {
            try
            {
                wake.Release();
            }
            catch (SemaphoreFullException)
            {
                // Somebody else woke it at this very moment.
            }
        }
    }

    public override void Dispose()
    {
        wake.Dispose();
        base.Dispose();
    }
}
