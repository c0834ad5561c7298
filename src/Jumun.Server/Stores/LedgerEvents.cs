using Jumun.DataPlatform;
using Jumun.Points;

namespace Jumun.Server.Stores;

/// <summary>A payment or a refund of the ledger, with the event that tells of it.</summary>
/// <param name="EventId">The event, by the ids' family.</param>
/// <param name="Type">Completed for a payment.</param>
/// <param name="OrderId">The order.</param>
/// <param name="MemberId">Whose.</param>
/// <param name="Amount">What was paid or given back, in won; 0 or more.</param>
/// <param name="IsPending">Whether the event is still to be delivered; read after the entry.</param>
internal sealed record LedgerEvent(Guid EventId, OrderEventType Type, Guid OrderId, string MemberId, long Amount, bool IsPending)
{
    /// <summary>The event of a ledger entry, as if it were delivered.</summary>
    public static LedgerEvent Of(Guid orderId, string memberId, LedgerKind kind, long amount) => kind switch
    {
        LedgerKind.Payment => new LedgerEvent(Ids.CompletedEventOf(orderId), OrderEventType.Completed, orderId, memberId, -amount, IsPending: false),
        LedgerKind.Refund => new LedgerEvent(Ids.RefundedEventOf(orderId), OrderEventType.Refunded, orderId, memberId, amount, IsPending: false),
        LedgerKind.Charge => throw new InvalidOperationException($"A charge of member {memberId} names order {orderId}."),
    };
}

/// <summary>Payments and refunds of some orders.</summary>
/// <param name="Events">By the ids of their events, ascending.</param>
/// <param name="Next">The last order that was looked at, where the next page begins; null when there are no more.</param>
internal sealed record LedgerPage(List<LedgerEvent> Events, Guid? Next);

/// <summary>Reads a page of payments and refunds, beside servers that may be running.</summary>
/// <param name="after">Orders after this one.</param>
/// <param name="limit">How much is looked at, at most: 3 or more.</param>
internal delegate ValueTask<LedgerPage> ReadLedgerPage(Guid after, int limit);

/// <summary>Whether the outbox still has an event: only then it can be sent again.</summary>
/// <param name="one">The event.</param>
internal delegate ValueTask<bool> IsEventKept(LedgerEvent one);
