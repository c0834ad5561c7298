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
    private bool areFilesAway;
    private bool isStoreAway;
    private bool areEventsUnread;
    private long triedAt;

    private sealed record Delivery(IReadOnlyList<OrderEvent> Events, TaskCompletionSource<Receipt> Answer);

    /// <summary>Opens database and files, and completes the files, before anything may be delivered.</summary>
    /// <exception cref="SetupException">One of them cannot be used. The message says why.</exception>
    public async Task OpenAsync()
    {
        await store.OpenAsync();
        weight = await store.WeightAsync();
        files = await EventFiles.OpenAsync(settings.Files, store);
        triedAt = clock.GetTimestamp();
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

    /// <summary>Stores what was delivered, and brings the files on. Files that cannot be written keep nothing from being stored.</summary>
    private async Task SettleAsync(List<Delivery> batch)
    {
        // Files that failed are tried again as often as they are flushed.
        bool isDue = batch.Count == 0 || clock.GetElapsedTime(triedAt).TotalMilliseconds >= Bounds.FlushMilliseconds;
        (FileProgress? progress, bool isFlushed) = isDue ? Flush() : (null, true);
        if (batch.Count == 0 && progress is null && !isBehind)
        {
            return;
        }

        isBehind = true;
        if (await StoreAsync(batch, progress) && (isDue || !(areFilesAway || areEventsUnread)))
        {
            isBehind = !await FollowAsync(isFlushed);
        }
    }

    /// <summary>Brings the files to the disk; how far they are, null for no news, and whether they could be.</summary>
    private (FileProgress? Progress, bool IsFlushed) Flush()
    {
        triedAt = clock.GetTimestamp();
        try
        {
            return (files!.IsAhead ? files.Flush() : null, true);
        }
        catch (Exception error)
        {
            FilesFailed(error);
            return (null, false);
        }
    }

    /// <summary>Stores what was delivered, and answers; whether it could be.</summary>
    private async Task<bool> StoreAsync(List<Delivery> batch, FileProgress? progress)
    {
        try
        {
            HashSet<string> stored = await store.StoreAsync([.. batch.SelectMany(delivery => delivery.Events)], clock.GetUtcNow(), progress);
            foreach (Delivery delivery in batch)
            {
                int fresh = delivery.Events.Count(one => stored.Remove(one.Id));
                delivery.Answer.SetResult(new Receipt(fresh, delivery.Events.Count - fresh));
            }
        }
        catch (Exception error)
        {
            StoreFailed(error);
            batch.ForEach(delivery => delivery.Answer.TrySetException(error));
            return false;
        }

        if (isStoreAway)
        {
            isStoreAway = false;
            LogStores();
        }

        if (progress is not null)
        {
            files!.Recorded(progress);
        }

        return true;
    }

    /// <summary>Appends to the files what they have not; whether it could be.</summary>
    /// <param name="isFlushed">Whether they could be brought to the disk just now, or need not be.</param>
    private async Task<bool> FollowAsync(bool isFlushed)
    {
        try
        {
            await files!.FollowAsync(store);
        }
        catch (Exception error)
        {
            if (error is IOException or UnauthorizedAccessException)
            {
                FilesFailed(error);
            }
            else
            {
                ReadFailed(error);
            }

            return false;
        }

        if (areEventsUnread)
        {
            areEventsUnread = false;
            LogReads(files.Position);
        }

        if (areFilesAway && isFlushed)
        {
            areFilesAway = false;
            LogFollows(files.Position);
        }

        return true;
    }

    /// <summary>Said once, not every second for as long as a disk is full or a database is away.</summary>
    private void FilesFailed(Exception error)
    {
        if (!areFilesAway)
        {
            areFilesAway = true;
            LogFilesFailed(error);
        }
    }

    private void StoreFailed(Exception error)
    {
        if (!isStoreAway)
        {
            isStoreAway = true;
            LogStoreFailed(error);
        }
    }

    private void ReadFailed(Exception error)
    {
        if (!areEventsUnread)
        {
            areEventsUnread = true;
            LogReadFailed(error);
        }
    }

    [LoggerMessage(1, LogLevel.Error, "Events cannot be stored: their senders send them again, and the files follow later")]
    private partial void LogStoreFailed(Exception error);

    [LoggerMessage(5, LogLevel.Information, "Events are stored again")]
    private partial void LogStores();

    [LoggerMessage(6, LogLevel.Error, "The daily files cannot be written: events are stored all the same, and the files follow when they can be")]
    private partial void LogFilesFailed(Exception error);

    [LoggerMessage(7, LogLevel.Information, "The daily files are written again, up to the event at position {Position}")]
    private partial void LogFollows(long position);

    [LoggerMessage(8, LogLevel.Error, "Stored events cannot be read: events are stored all the same, and the daily files follow when they can be")]
    private partial void LogReadFailed(Exception error);

    [LoggerMessage(9, LogLevel.Information, "Stored events are read again: the daily files have those up to position {Position}")]
    private partial void LogReads(long position);
}
