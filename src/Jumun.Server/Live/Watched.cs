using System.Text.Json.Serialization.Metadata;
using Jumun.Server.Api;
using Jumun.Server.Execution;

namespace Jumun.Server.Live;

/// <summary>A row as it was read, and its JSON, rendered once for all who watch it.</summary>
/// <param name="Value">The row; null when there is none.</param>
/// <param name="Json">Its JSON.</param>
internal sealed record LiveState<T>(T? Value, byte[] Json)
    where T : class;

/// <summary>
/// One row that people watch, and its one reader, however many they are. It reads when somebody arrives, when a commit of this
/// process touched the row, and from time to time because other processes write, too. Reads follow one another, so that
/// no watcher goes back in time; whoever arrives waits for a read that begins after that, so that nobody begins with the past.
/// </summary>
internal sealed class Watched<T>
    where T : class
{
    private static readonly TimeSpan Gap = TimeSpan.FromMilliseconds(Bounds.LiveGapMilliseconds);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(Bounds.LivePollMilliseconds);
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(Bounds.LiveHeartbeatSeconds);

    private readonly Func<ValueTask<T?>> read;
    private readonly JsonTypeInfo<T> json;
    private readonly TimeProvider clock;
    private readonly Lock gate = new();
    private readonly Alarm wake = new();
    private TaskCompletionSource arriving = Signal();
    private TaskCompletionSource announced = Signal();
    private LiveState<T>? latest;
    private long beats;
    private bool hasArrivals;
    private bool isTouched;
    private bool isEnded;

    /// <param name="read">Reads the row as it is now.</param>
    /// <param name="json">How it is written.</param>
    /// <param name="clock">Measures pauses.</param>
    public Watched(Func<ValueTask<T?>> read, JsonTypeInfo<T> json, TimeProvider clock)
    {
        this.read = read;
        this.json = json;
        this.clock = clock;
        _ = Task.Run(RunAsync);
    }

    /// <summary>How many watch it; the <see cref="LiveRows{T}"/> keeps count.</summary>
    public int Watchers { get; set; }

    /// <summary>What was read last: there is something once an arrival was answered before the end.</summary>
    public LiveState<T> Latest => Volatile.Read(ref latest)!;

    /// <summary>Counts the heartbeats: watchers to whom nothing was announced let theirs be heard.</summary>
    public long Beats => Volatile.Read(ref beats);

    /// <summary>Whether nothing will be announced any more.</summary>
    public bool IsEnded => Volatile.Read(ref isEnded);

    /// <summary>Completed by the next announcement: a new <see cref="Latest"/>, a heartbeat, or the end. Take it before you look.</summary>
    public Task Announced => Volatile.Read(ref announced).Task;

    /// <summary>Waits for a read that begins from now on, or for the end.</summary>
    /// <exception cref="Stores.StoreUnavailableException">The store could not be read.</exception>
    public Task ArriveAsync()
    {
        Task fresh;
        lock (gate)
        {
            if (IsEnded)
            {
                return Task.CompletedTask;
            }

            fresh = arriving.Task;
            hasArrivals = true;
        }

        wake.Ring();
        return fresh;
    }

    /// <summary>A commit touched the row.</summary>
    public void Touch()
    {
        Volatile.Write(ref isTouched, true);
        wake.Ring();
    }

    /// <summary>Reads no more, and lets everybody go.</summary>
    public void End()
    {
        Volatile.Write(ref isEnded, true);
        wake.Ring();
    }

    private static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task RunAsync()
    {
        long announcedAt = 0;
        long beatAt = clock.GetTimestamp();
        bool hasNews = false;
        while (!IsEnded)
        {
            // From here on arrivals wait for the next read: this one sees every commit that they may know of.
            TaskCompletionSource arrivals = CloseArrivals();
            long readAt = clock.GetTimestamp();
            hasNews |= await ReadAsync(arrivals).ConfigureAwait(false);
            bool beatsNow = clock.GetElapsedTime(beatAt) >= Heartbeat;
            if (beatsNow)
            {
                Volatile.Write(ref beats, beats + 1);
                beatAt = clock.GetTimestamp();
            }

            if (beatsNow || (hasNews && clock.GetElapsedTime(announcedAt) >= Gap))
            {
                Announce();
                announcedAt = clock.GetTimestamp();
                hasNews = false;
            }

            await PauseAsync(readAt, announcedAt, hasNews).ConfigureAwait(false);
        }

        CloseArrivals().TrySetResult();
        Announce();
    }

    private TaskCompletionSource CloseArrivals()
    {
        lock (gate)
        {
            TaskCompletionSource arrivals = arriving;
            arriving = Signal();
            hasArrivals = false;
            isTouched = false;
            return arrivals;
        }
    }

    /// <summary>Reads once; true when there is news. A failure is told to those who arrived; the others wait for a better read.</summary>
    private async ValueTask<bool> ReadAsync(TaskCompletionSource arrivals)
    {
        try
        {
            T? value = await read().ConfigureAwait(false);
            bool isNews = latest is null || !Equals(latest.Value, value);
            if (isNews)
            {
                Volatile.Write(ref latest, new LiveState<T>(value, value is null ? [] : Json.Render(value, json)));
            }

            arrivals.SetResult();
            return isNews;
        }
        catch (Exception error)
        {
            arrivals.SetException(error);

            // Looked at, so that nobody's arrival leaves no failure that nobody saw.
            _ = arrivals.Task.Exception;
            return false;
        }
    }

    private void Announce() => Interlocked.Exchange(ref announced, Signal()).SetResult();

    /// <summary>Waits for a reason to read: an arrival at once, a commit or news that wait after a gap, nothing at all after a poll's time.</summary>
    private async ValueTask PauseAsync(long readAt, long announcedAt, bool hasNews)
    {
        while (!IsEnded && !Volatile.Read(ref hasArrivals))
        {
            TimeSpan left = Poll - clock.GetElapsedTime(readAt);
            if (hasNews || Volatile.Read(ref isTouched))
            {
                TimeSpan gap = Gap - clock.GetElapsedTime(announcedAt);
                left = gap < left ? gap : left;
            }

            if (left <= TimeSpan.Zero)
            {
                return;
            }

            // Rounded up: a part of a millisecond would be none, and the loop would spin.
            await wake.WaitAsync(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds))).ConfigureAwait(false);
        }
    }
}
