using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Where events go. A sink may take an event twice, and must not lose one that it took. It delivers and says what became
/// of it; when to try again, and what with, is the relay's business.
/// </summary>
internal interface ISink
{
    /// <summary>
    /// Hands events over, each member's in the order given. Two calls may run at once, and never with events of one member.
    /// What it throws means that none is known to be taken.
    /// </summary>
    /// <param name="events">The events: one or more, no larger together than <see cref="Bounds.DeliveryBytes"/> but for a single one.</param>
    /// <param name="cancellation">When the answer comes too late.</param>
    ValueTask<DeliveryOutcome> DeliverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cancellation);
}

/// <summary>What became of an event that was handed over.</summary>
internal enum Verdict
{
    /// <summary>The data platform has it.</summary>
    Taken,

    /// <summary>Not tried, because an earlier event of its member was not taken.</summary>
    NotTried,

    /// <summary>The data platform refuses this event.</summary>
    Refused,

    /// <summary>The data platform refuses one of these events or more, and did not say which.</summary>
    OneRefused,

    /// <summary>The data platform takes nothing now: to be tried again later.</summary>
    Failed,

    /// <summary>The data platform does not want events any more, until somebody says otherwise.</summary>
    Gone,
}

/// <summary>What became of a delivery.</summary>
/// <param name="Verdicts">What became of each event, in the order in which they were handed over.</param>
/// <param name="Reason">Why not all were taken, in words for a log.</param>
/// <param name="RetryAfter">How long the data platform asks to be left alone.</param>
internal sealed record DeliveryOutcome(IReadOnlyList<Verdict> Verdicts, string? Reason = null, TimeSpan? RetryAfter = null)
{
    /// <summary>The same became of all.</summary>
    public static DeliveryOutcome Of(Verdict verdict, int events, string? reason = null, TimeSpan? retryAfter = null)
    {
        var verdicts = new Verdict[events];
        Array.Fill(verdicts, verdict);
        return new DeliveryOutcome(verdicts, reason, retryAfter);
    }

    /// <summary>Whether this became of some.</summary>
    public bool Has(Verdict verdict) => Verdicts.Contains(verdict);

    /// <summary>Those of which this became.</summary>
    public List<PendingEvent> With(Verdict verdict, IReadOnlyList<PendingEvent> events) =>
        [.. events.Where((_, place) => Verdicts[place] == verdict)];
}
