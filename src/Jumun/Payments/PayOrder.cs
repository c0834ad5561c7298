using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Ranking;

namespace Jumun.Payments;

/// <summary>Where a payment is in its life: its order's status, seen from the payment.</summary>
public enum PaymentStatus
{
    /// <summary>Prepared, not paid.</summary>
    Pending,

    /// <summary>Paid.</summary>
    Completed,

    /// <summary>Not paid within its window.</summary>
    Expired,

    /// <summary>Its order was cancelled.</summary>
    Cancelled,

    /// <summary>Paid, and given back.</summary>
    Refunded,
}

/// <summary>The answer to <see cref="PayOrder"/>.</summary>
/// <param name="PaymentId">The payment.</param>
/// <param name="OrderId">Its order.</param>
/// <param name="Status">Completed.</param>
/// <param name="Amount">What was taken, in won.</param>
/// <param name="Balance">The balance after it, in won.</param>
/// <param name="PaidAt">When.</param>
public sealed record PaymentCompleted(
    Guid PaymentId, Guid OrderId, PaymentStatus Status, long Amount, long Balance, DateTimeOffset PaidAt) : Answer;

/// <summary>A payment as it was at one moment.</summary>
/// <param name="PaymentId">The payment.</param>
/// <param name="OrderId">Its order.</param>
/// <param name="Status">Where it is in its life.</param>
/// <param name="Amount">What it takes or took, in won.</param>
/// <param name="Balance">The balance right after it, in won; null before it is paid.</param>
/// <param name="PayBefore">It can be made until just before this moment.</param>
/// <param name="PaidAt">When it was made.</param>
public sealed record PaymentView(
    Guid PaymentId, Guid OrderId, PaymentStatus Status, long Amount, long? Balance, DateTimeOffset PayBefore, DateTimeOffset? PaidAt)
{
    /// <summary>A payment's status by its order's.</summary>
    public static PaymentStatus StatusOf(OrderStatus status) => status switch
    {
        OrderStatus.PendingPayment => PaymentStatus.Pending,
        OrderStatus.Completed => PaymentStatus.Completed,
        OrderStatus.Expired => PaymentStatus.Expired,
        OrderStatus.Cancelled => PaymentStatus.Cancelled,
        OrderStatus.Refunded => PaymentStatus.Refunded,
    };
}

/// <summary>
/// Pays an order from the balance (seed: payment diagram): the balance is checked and deducted, payment and order are
/// completed, the sales are counted and the event for the data platform is made.
/// Refused, in this order: <see cref="RefusalCode.PaymentNotFound"/>, <see cref="RefusalCode.PaymentAlreadyCompleted"/>,
/// <see cref="RefusalCode.OrderCancelled"/>, <see cref="RefusalCode.OrderExpired"/>, <see cref="RefusalCode.InsufficientBalance"/>.
/// </summary>
/// <param name="MemberId">The order's owner.</param>
/// <param name="OrderId">The order that the payment belongs to.</param>
public sealed record PayOrder(string MemberId, Guid OrderId) : Command, IOfMemberAlone
{
    private static readonly Refusal NotFound = new(RefusalCode.PaymentNotFound);

    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
        keys.Order(MemberId, OrderId, Holds.Coupon);
        keys.Wallet(MemberId);
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Orders.Find((MemberId, OrderId)) is not { } order)
        {
            return NotFound;
        }

        RefusalCode? ended = order.StatusAt(rows.Now) switch
        {
            OrderStatus.PendingPayment => null,
            OrderStatus.Completed or OrderStatus.Refunded => RefusalCode.PaymentAlreadyCompleted,
            OrderStatus.Expired => RefusalCode.OrderExpired,
            OrderStatus.Cancelled => RefusalCode.OrderCancelled,
        };
        if (ended is { } code)
        {
            return new Refusal(code);
        }

        long balance = rows.Wallets.Find(MemberId)?.Balance ?? 0;
        if (balance < order.Total)
        {
            return Refusal.InsufficientBalance(balance, order.Total);
        }

        // Must succeed from here on.
        Wallet wallet = rows.WalletOf(MemberId);
        order.Complete(rows);
        rows.Events.Add(OrderEvent.Completed(order, wallet.NextEvent()));
        wallet.Post(rows, LedgerKind.Payment, -order.Total, order.OrderId);
        SalesHours.Add(rows, order);
        return new PaymentCompleted(
            Ids.PaymentOf(OrderId), OrderId, PaymentStatus.Completed, order.Total, wallet.Balance, rows.Now);
    }
}
