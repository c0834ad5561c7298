using System.Threading.Channels;

namespace DataPlatform;

/// <summary>What became of a delivery.</summary>
/// <param name="Stored">Events that are new.</param>
/// <param name="Duplicates">Events that were there already.</param>
internal sealed record Receipt(int Stored, int Duplicates);

/// <summary>
/// The one who writes. What was delivered while a transaction commits goes into the next one together, and nobody is
/// answered before it is on the disk. Then the daily files follow.
/// </summary>
internal sealed partial class Intake(EventStore store, PlatformSettings settings, TimeProvider clock, ILogger<Intake> log) : BackgroundService
{
    /// <summary>Why events are refused that make sense each.</summary>
    public const string TooMuch = "The events' prices and quantities are too large: their sums could not be kept.";

    private readonly Channel<Delivery> waiting = Channel.CreateBounded<Delivery>(Bounds.WaitingDeliveries);
    private readonly Lock gate = new();
    private Int128 weight;
    private EventFiles? files;
    private bool isBehind;
    private long flushedAt;

    private sealed record Delivery(IReadOnlyList<OrderEvent> Events, TaskCompletionSource<Receipt> Answer);

    /// <summary>Opens database and files, and completes the files, before anything may be delivered.</summary>
    /// <exception cref="SetupException">One of them cannot be used. The message says why.</exception>
    public async Task OpenAsync()
    {
        await store.OpenAsync();
        weight = await store.WeightAsync();
        files = await EventFiles.OpenAsync(settings.Files, store);
        flushedAt = clock.GetTimestamp();
    }

    /// <summary>
    /// Takes into account what events add to the sums. False when a sum might no longer fit its column: these must be refused. What
    /// is sent again counts again, until the next start: sums of honest events are far from there.
    /// </summary>
    public bool HasRoomFor(IReadOnlyList<OrderEvent> events)
    {
        Int128 more = events.Aggregate((Int128)0, (sum, one) => sum + one.Weight);
        lock (gate)
        {
            if (weight + more > Bounds.LargestSum)
            {
                return false;
            }

            weight += more;
            return true;
        }
    }

    /// <summary>Stores events; returns when they are durable. Null when too many wait already: send them again later.</summary>
    public Task<Receipt>? Submit(IReadOnlyList<OrderEvent> events)
    {
        var answer = new TaskCompletionSource<Receipt>(TaskCreationOptions.RunContinuationsAsynchronously);
        return waiting.Writer.TryWrite(new Delivery(events, answer)) ? answer.Task : null;
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        waiting.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
        files?.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // It ends when all that was taken is stored, not when it is told to.
        while (await IsDeliveredAsync())
        {
            await SettleAsync(Take());
        }

        await SettleAsync([]);
    }

    /// <summary>Waits for a delivery; at most until the files want to be recorded. False at the end.</summary>
    private async Task<bool> IsDeliveredAsync()
    {
        Task<bool> delivered = waiting.Reader.WaitToReadAsync().AsTask();
        while (!delivered.IsCompleted && (files!.IsAhead || isBehind))
        {
            if (await Task.WhenAny(delivered, Task.Delay(Bounds.FlushMilliseconds)) != delivered)
            {
                await SettleAsync([]);
            }
        }

        return await delivered;
    }

    private List<Delivery> Take()
    {
        List<Delivery> batch = [];
        int events = 0;
        while (events < Bounds.BatchEvents && waiting.Reader.TryRead(out Delivery? delivery))
        {
            batch.Add(delivery);
            events += delivery.Events.Count;
        }

        return batch;
    }

    private async Task SettleAsync(List<Delivery> batch)
    {
        try
        {
            bool isDue = files!.IsAhead && (batch.Count == 0 || clock.GetElapsedTime(flushedAt).TotalMilliseconds >= Bounds.FlushMilliseconds);
            FileProgress? progress = isDue ? files.Flush() : null;
            if (batch.Count == 0 && progress is null && !isBehind)
            {
                return;
            }

            isBehind = true;
            HashSet<string> stored = await store.StoreAsync([.. batch.SelectMany(delivery => delivery.Events)], clock.GetUtcNow(), progress);
            foreach (Delivery delivery in batch)
            {
                int fresh = delivery.Events.Count(one => stored.Remove(one.Id));
                delivery.Answer.SetResult(new Receipt(fresh, delivery.Events.Count - fresh));
            }

            if (progress is not null)
            {
                files.Recorded(progress);
                flushedAt = clock.GetTimestamp();
            }

            await files.FollowAsync(store);
            isBehind = false;
        }
        catch (Exception error)
        {
            LogFailed(error, batch.Sum(delivery => delivery.Events.Count));
            batch.ForEach(delivery => delivery.Answer.TrySetException(error));
        }
    }

    [LoggerMessage(1, LogLevel.Error, "{Count} events could not be stored, or not be appended to their files: both is tried again, the first by their sender")]
    private partial void LogFailed(Exception error, int count);
}
