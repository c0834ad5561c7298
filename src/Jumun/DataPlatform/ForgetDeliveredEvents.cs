namespace Jumun.DataPlatform;

/// <summary>
/// Forgets events that the data platform has taken and that are older than they need to be kept. Those that are pending or
/// dead, younger, or unknown are passed over, and the moment before which events may be gone goes on with the youngest of
/// them. Never refused.
/// </summary>
/// <param name="EventIds">The events.</param>
/// <param name="Retention">How long after its commit an event is kept.</param>
public sealed record ForgetDeliveredEvents(IReadOnlyList<Guid> EventIds, TimeSpan Retention) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
        foreach (Guid eventId in EventIds)
        {
            keys.Event(eventId);
        }
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        DateTimeOffset before = rows.Now - Retention;

        // Must succeed from here on.
        foreach (Guid eventId in EventIds)
        {
            if (rows.Outbox.Find(eventId) is { Delivery: OutboxState.Delivered, IsForgotten: false } row && row.CreatedAt < before)
            {
                row.Forget();
                rows.ForgetEventsUntil(row.CreatedAt);
            }
        }

        return Done.Instance;
    }
}
