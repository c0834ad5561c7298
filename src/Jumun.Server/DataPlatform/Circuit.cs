namespace Jumun.Server.DataPlatform;

/// <summary>Whether the data platform is taken to be there.</summary>
internal enum CircuitState
{
    /// <summary>It takes events.</summary>
    Closed = 0,

    /// <summary>It takes none: single events are tried now and then.</summary>
    Open = 1,

    /// <summary>It said that it wants none: single events are tried, rarely.</summary>
    Paused = 2,
}

/// <summary>
/// How much the data platform is asked to take, and when. While it takes nothing it is asked with single events, after
/// growing pauses of no common length; once it takes one, with twice as many each time. A delivery of which something is
/// refused is followed by one of half the size, down to the event that is meant.
/// </summary>
internal sealed class Circuit(TimeProvider clock)
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(Bounds.CircuitPauseSeconds);
    private static readonly TimeSpan RarePause = TimeSpan.FromSeconds(Bounds.GonePauseSeconds);

    private long openedAt;
    private long waitsFrom;
    private TimeSpan wait;
    private TimeSpan pause;

    public CircuitState State { get; private set; }

    public bool IsClosed => State == CircuitState.Closed;

    /// <summary>Events that the next delivery may have.</summary>
    public int Limit { get; private set; } = Bounds.RelayedEvents;

    /// <summary>How long it has not been closed.</summary>
    public TimeSpan Duration => clock.GetElapsedTime(openedAt);

    /// <summary>How long until the next delivery may be tried: nothing or less when it may be now.</summary>
    public TimeSpan Remaining => IsClosed ? TimeSpan.Zero : wait - clock.GetElapsedTime(waitsFrom);

    /// <summary>Something was taken.</summary>
    public void Take()
    {
        State = CircuitState.Closed;
        pause = TimeSpan.Zero;
        Limit = Math.Min(Limit * 2, Bounds.RelayedEvents);
    }

    /// <summary>Something of a delivery was refused, and it was not said what.</summary>
    /// <param name="events">Events of the delivery.</param>
    public void Halve(int events) => Limit = Math.Max(events / 2, 1);

    /// <summary>Nothing was taken. Tells how long to wait: longer each time, but not for what is told before the last wait is over.</summary>
    /// <param name="retryAfter">How long the data platform asked to be left alone.</param>
    public TimeSpan Open(TimeSpan? retryAfter)
    {
        if (Remaining <= TimeSpan.Zero)
        {
            pause = pause == TimeSpan.Zero ? ShortestPause : pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }

        TimeSpan next = pause * Jitter();
        return Wait(CircuitState.Open, retryAfter > next ? retryAfter.Value : next);
    }

    /// <summary>The data platform wants no events. Tells how long to wait.</summary>
    public TimeSpan Pause() => Wait(CircuitState.Paused, RarePause);

    /// <summary>Of those who wait for the same, no two come back at the same moment.</summary>
    public static double Jitter() => 0.5 + Random.Shared.NextDouble();

    private TimeSpan Wait(CircuitState state, TimeSpan time)
    {
        if (IsClosed)
        {
            openedAt = clock.GetTimestamp();
        }

        State = state;
        Limit = 1;
        waitsFrom = clock.GetTimestamp();
        wait = time;
        return time;
    }
}
