using System.Diagnostics.Metrics;
using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>How delivery fares: written by the relay, read by anybody.</summary>
internal sealed class DeliveryFigures(TimeProvider clock)
{
    private readonly long[] verdicts = new long[Enum.GetValues<Verdict>().Length];
    private long delivered;
    private long dead;
    private long behindSince;
    private int held;
    private int circuit;

    /// <summary>Events that the data platform took.</summary>
    public long DeliveredEvents => Volatile.Read(ref delivered);

    /// <summary>Events that were given up.</summary>
    public long DeadEvents => Volatile.Read(ref dead);

    /// <summary>Members who wait behind an event that was not taken.</summary>
    public int Held
    {
        get => Volatile.Read(ref held);
        set => Volatile.Write(ref held, value);
    }

    /// <summary>Whether the data platform is there.</summary>
    public CircuitState Circuit
    {
        get => (CircuitState)Volatile.Read(ref circuit);
        set => Volatile.Write(ref circuit, (int)value);
    }

    /// <summary>
    /// How long ago the first event was committed of those that were not delivered at once: since then something has always been
    /// left to deliver. Zero when nothing is, but for members who are held back.
    /// </summary>
    public TimeSpan Lag
    {
        get
        {
            long since = Volatile.Read(ref behindSince);
            TimeSpan lag = since == 0 ? TimeSpan.Zero : clock.GetUtcNow() - DateTimeOffset.FromUnixTimeMilliseconds(since);
            return lag > TimeSpan.Zero ? lag : TimeSpan.Zero;
        }
    }

    /// <summary>How long events took from their commit until the data platform had taken them; null while nobody listens.</summary>
    public Histogram<double>? Delay { get; set; }

    /// <summary>Deliveries of which this became; of several verdicts, the last in their order.</summary>
    public long Deliveries(Verdict verdict) => Volatile.Read(ref verdicts[(int)verdict]);

    public void Tried(DeliveryOutcome outcome) => Interlocked.Increment(ref verdicts[(int)outcome.Verdicts.Max()]);

    public void Delivered(List<PendingEvent> events)
    {
        Volatile.Write(ref delivered, delivered + events.Count);
        if (Delay is { Enabled: true } histogram)
        {
            DateTimeOffset now = clock.GetUtcNow();
            events.ForEach(pending => histogram.Record(Math.Max(0, (now - pending.CreatedAt).TotalSeconds)));
        }
    }

    public void Died() => Volatile.Write(ref dead, dead + 1);

    /// <summary>Events were read to be delivered.</summary>
    public void Behind(List<PendingEvent> events)
    {
        if (behindSince == 0 && events.Count > 0)
        {
            Volatile.Write(ref behindSince, events.Min(pending => pending.CreatedAt).ToUnixTimeMilliseconds());
        }
    }

    /// <summary>Nothing is left to deliver.</summary>
    public void CaughtUp() => Volatile.Write(ref behindSince, 0);
}
