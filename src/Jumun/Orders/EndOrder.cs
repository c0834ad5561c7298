using Jumun.DataPlatform;
using Jumun.Points;
using Jumun.Ranking;

namespace Jumun.Orders;

/// <summary>
/// Cancels an unpaid order, or gives a paid one back: money, stock and coupon, once.
/// Refused, in this order: <see cref="RefusalCode.OrderNotFound"/>, <see cref="RefusalCode.OrderNotCancellable"/>,
/// <see cref="RefusalCode.BalanceLimit"/>.
/// </summary>
/// <param name="MemberId">The order's owner.</param>
/// <param name="OrderId">The order.</param>
/// <param name="ByAdministrator">An administrator refunds without regard to the window.</param>
/// <param name="RefundWindow">How long after the payment the owner may give the order back.</param>
public sealed record CancelOrder(string MemberId, Guid OrderId, bool ByAdministrator, TimeSpan RefundWindow) : Command, IOfMember
{
    /// <summary>Whether a paid order is not to be given back, whoever asks: it may be paid while somebody cancels what they saw unpaid.</summary>
    public bool OnlyUnpaid { get; init; }

    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
        keys.Order(MemberId, OrderId, Holds.CouponAndStock);
        keys.Wallet(MemberId);
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Orders.Find((MemberId, OrderId)) is not { } order)
        {
            return new Refusal(RefusalCode.OrderNotFound);
        }

        OrderStatus status = order.StatusAt(rows.Now);
        if (status == OrderStatus.PendingPayment)
        {
            // Must succeed from here on.
            order.End(rows, OrderStatus.Cancelled);
            return order.View(rows.Now);
        }

        if (status != OrderStatus.Completed || OnlyUnpaid
            || !(ByAdministrator || (RefundWindow > TimeSpan.Zero && rows.Now < order.PaidAt + RefundWindow)))
        {
            return Refusal.NotCancellable(status);
        }

        Wallet wallet = rows.Wallets.Find(MemberId)
            ?? throw new InvalidOperationException($"Order {OrderId} was paid, and member {MemberId} has no wallet.");
        if (!wallet.HasRoomFor(order.Total))
        {
            return new Refusal(RefusalCode.BalanceLimit);
        }

        // Must succeed from here on.
        order.End(rows, OrderStatus.Refunded);
        rows.Events.Add(OrderEvent.Refunded(order, wallet.NextEvent()));
        wallet.Post(rows, LedgerKind.Refund, order.Total, order.OrderId);
        SalesHours.Subtract(rows, order);
        return order.View(rows.Now);
    }
}

/// <summary>
/// Ends an order whose payment window is over, and gives back what it held. An order that is no longer pending, or
/// whose window is open, is left alone: the answer tells what it is.
/// Refused: <see cref="RefusalCode.OrderNotFound"/>.
/// </summary>
/// <param name="MemberId">The order's owner.</param>
/// <param name="OrderId">The order.</param>
public sealed record ExpireOrder(string MemberId, Guid OrderId) : Command, IOfMember
{
    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.Order(MemberId, OrderId, Holds.CouponAndStock);

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Orders.Find((MemberId, OrderId)) is not { } order)
        {
            return new Refusal(RefusalCode.OrderNotFound);
        }

        // Must succeed from here on.
        if (order.Status == OrderStatus.PendingPayment && order.StatusAt(rows.Now) == OrderStatus.Expired)
        {
            order.End(rows, OrderStatus.Expired);
        }

        return order.View(rows.Now);
    }
}
