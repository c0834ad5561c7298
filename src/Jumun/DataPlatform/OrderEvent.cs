using Jumun.Orders;

namespace Jumun.DataPlatform;

/// <summary>What happened to an order, as the data platform is told.</summary>
public enum OrderEventType
{
    /// <summary>It was paid.</summary>
    Completed = 0,

    /// <summary>It was given back.</summary>
    Refunded = 1,
}

/// <summary>
/// An event for the data platform. It commits with the payment or refund that it tells of (seed: payment diagram).
/// </summary>
/// <param name="EventId">Its id, derived from the order's: stable, and one of each type an order.</param>
/// <param name="Type">What happened.</param>
/// <param name="Sequence">Its place among the member's events, from 1, without gaps.</param>
/// <param name="Order">The order. A later command of the batch may change it: what an event tells is its lines, amounts and times.</param>
public sealed record OrderEvent(Guid EventId, OrderEventType Type, long Sequence, Order Order)
{
    internal static OrderEvent Completed(Order order, long sequence) =>
        new(Ids.CompletedEventOf(order.OrderId), OrderEventType.Completed, sequence, order);

    internal static OrderEvent Refunded(Order order, long sequence) =>
        new(Ids.RefundedEventOf(order.OrderId), OrderEventType.Refunded, sequence, order);
}

/// <summary>Where an event is on its way.</summary>
public enum OutboxState
{
    /// <summary>To be delivered.</summary>
    Pending = 0,

    /// <summary>The data platform has taken it.</summary>
    Delivered = 1,

    /// <summary>Given up after a long while; never deleted, can be replayed.</summary>
    Dead = 2,
}

/// <summary>An event of the outbox, as far as commands need it.</summary>
public sealed class OutboxRow(Guid eventId, DateTimeOffset createdAt, OutboxState state, DateTimeOffset? failedAt) : Row
{
    /// <summary>Its id.</summary>
    public Guid EventId { get; } = eventId;

    /// <summary>When it was committed.</summary>
    public DateTimeOffset CreatedAt { get; } = createdAt;

    /// <summary>Where it is on its way.</summary>
    public OutboxState Delivery { get; private set; } = state;

    /// <summary>When its delivery first failed; null while it is not pending, or did not fail since it became so.</summary>
    public DateTimeOffset? FailedAt { get; private set; } = failedAt;

    /// <summary>Whether it is to be deleted: for later commands of the batch it is unknown.</summary>
    public bool IsForgotten { get; private set; }

    internal void Resend()
    {
        Delivery = OutboxState.Pending;
        FailedAt = null;
        Change();
    }

    internal void Fail(DateTimeOffset now)
    {
        FailedAt = now;
        Change();
    }

    internal void GiveUp()
    {
        Delivery = OutboxState.Dead;
        FailedAt = null;
        Change();
    }

    internal void Forget()
    {
        IsForgotten = true;
        Change();
    }
}

/// <summary>The record that the data platform has taken an event.</summary>
/// <param name="MemberId">The event's member.</param>
/// <param name="EventId">The event.</param>
/// <param name="Sequence">Its place among the member's events.</param>
public readonly record struct Delivery(string MemberId, Guid EventId, long Sequence);

/// <summary>An event as the outbox shows it.</summary>
/// <param name="EventId">Its id.</param>
/// <param name="Type">What happened.</param>
/// <param name="OrderId">To which order.</param>
/// <param name="MemberId">Whose.</param>
/// <param name="Sequence">Its place among the member's events.</param>
/// <param name="State">Where it is on its way.</param>
/// <param name="CreatedAt">When it was committed.</param>
public sealed record OutboxEventView(
    Guid EventId,
    OrderEventType Type,
    Guid OrderId,
    string MemberId,
    long Sequence,
    OutboxState State,
    DateTimeOffset CreatedAt);

/// <summary>Records that events were delivered. Never refused.</summary>
/// <param name="Events">The events.</param>
public sealed record RecordDelivery(IReadOnlyList<Delivery> Events) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        // Must succeed from here on.
        rows.Deliveries.AddRange(Events);

        return Done.Instance;
    }
}

/// <summary>What became of events whose delivery failed.</summary>
/// <param name="Events">The events, but for those that were delivered meanwhile.</param>
public sealed record FailuresRecorded(IReadOnlyList<FailedEvent> Events) : Answer;

/// <summary>An event whose delivery failed.</summary>
/// <param name="EventId">The event.</param>
/// <param name="FailedAt">When its delivery failed first; now, where it was given up already.</param>
/// <param name="IsDead">Whether it has been failing for so long that it is given up.</param>
public readonly record struct FailedEvent(Guid EventId, DateTimeOffset FailedAt, bool IsDead);

/// <summary>
/// Records that the delivery of events failed, each by itself: the first time it remembers when that was, and gives up the
/// events that have been failing for too long. Never refused.
/// </summary>
/// <param name="EventIds">The events.</param>
/// <param name="DeadAfter">How long an event may fail.</param>
public sealed record RecordFailures(IReadOnlyList<Guid> EventIds, TimeSpan DeadAfter) : Command
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
        var failed = new List<FailedEvent>(EventIds.Count);

        // Must succeed from here on.
        foreach (Guid eventId in EventIds)
        {
            if (rows.Outbox.Find(eventId) is not { Delivery: OutboxState.Pending or OutboxState.Dead } row)
            {
                continue;
            }

            // One that is dead is so, perhaps, by a commit of this command that nobody was told of.
            bool wasDead = row.Delivery == OutboxState.Dead;
            DateTimeOffset failedAt = row.FailedAt ?? rows.Now;
            bool isDead = wasDead || (row.FailedAt is not null && rows.Now - failedAt >= DeadAfter);
            if (isDead && !wasDead)
            {
                row.GiveUp();
            }
            else if (!isDead && row.FailedAt is null)
            {
                row.Fail(rows.Now);
            }

            failed.Add(new FailedEvent(eventId, failedAt, isDead));
        }

        return new FailuresRecorded(failed);
    }
}

/// <summary>How many events are sent again.</summary>
/// <param name="Replayed">Events that are pending again.</param>
/// <param name="Next">With a time range of more events than one replay takes: from when to go on.</param>
public sealed record EventsReplayed(int Replayed, DateTimeOffset? Next) : Answer;

/// <summary>
/// Makes events pending again, so that they are delivered once more under the same ids. Unknown ids are passed over, and
/// an id that is named twice counts once.
/// </summary>
/// <param name="EventIds">The events.</param>
/// <param name="Next">From when to go on, when these are not all that were asked for.</param>
public sealed record ReplayEvents(IReadOnlyList<Guid> EventIds, DateTimeOffset? Next) : Command
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
        int replayed = 0;

        // Must succeed from here on.
        foreach (Guid eventId in EventIds.Distinct())
        {
            if (rows.Outbox.Find(eventId) is { IsForgotten: false } row)
            {
                row.Resend();
                replayed += 1;
            }
        }

        return new EventsReplayed(replayed, Next);
    }
}
