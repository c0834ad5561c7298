using Jumun.Coupons;
using Jumun.Products;

namespace Jumun.Orders;

/// <summary>Where an order is in its life. Ended states never change, but completed → refunded.</summary>
public enum OrderStatus
{
    /// <summary>Made, not paid: it holds its stock and its coupon.</summary>
    PendingPayment = 0,

    /// <summary>Paid.</summary>
    Completed = 1,

    /// <summary>Not paid within its window: what it held is given back.</summary>
    Expired = 2,

    /// <summary>Given up by its owner before payment.</summary>
    Cancelled = 3,

    /// <summary>Paid, and given back: money, stock and coupon.</summary>
    Refunded = 4,
}

/// <summary>What a command needs of an order beside the order itself.</summary>
public enum Holds
{
    /// <summary>The coupon that it holds. A payment locks no product.</summary>
    Coupon,

    /// <summary>The coupon and the products of its lines.</summary>
    CouponAndStock,
}

/// <summary>A line of an order, frozen when the order is made.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Name">Its name at that moment.</param>
/// <param name="Price">Its price at that moment, in won a piece.</param>
/// <param name="Quantity">Pieces.</param>
public sealed record OrderLine(long ProductId, string Name, long Price, long Quantity);

/// <summary>
/// An order and its payment: one row, because each order has exactly one payment and the two change together.
/// </summary>
public sealed class Order(
    string memberId,
    Guid orderId,
    OrderStatus status,
    IReadOnlyList<OrderLine> lines,
    long subtotal,
    long discount,
    long? couponId,
    DateTimeOffset createdAt,
    DateTimeOffset payBefore,
    DateTimeOffset? paidAt,
    DateTimeOffset? endedAt) : Row
{
    /// <summary>Its owner.</summary>
    public string MemberId { get; } = memberId;

    /// <summary>Its id.</summary>
    public Guid OrderId { get; } = orderId;

    /// <summary>Where it is in its life, as stored (see <see cref="StatusAt(DateTimeOffset)"/>).</summary>
    public OrderStatus Status { get; private set; } = status;

    /// <summary>Its lines, one a product.</summary>
    public IReadOnlyList<OrderLine> Lines { get; } = lines;

    /// <summary>Σ price × quantity, in won.</summary>
    public long Subtotal { get; } = subtotal;

    /// <summary>What the coupon takes off, in won; 0 without one.</summary>
    public long Discount { get; } = discount;

    /// <summary>What the payment takes, in won.</summary>
    public long Total => Subtotal - Discount;

    /// <summary>The coupon handed in.</summary>
    public long? CouponId { get; } = couponId;

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; } = createdAt;

    /// <summary>It can be paid until just before this moment.</summary>
    public DateTimeOffset PayBefore { get; } = payBefore;

    /// <summary>When it was paid.</summary>
    public DateTimeOffset? PaidAt { get; private set; } = paidAt;

    /// <summary>When it expired, was cancelled or was refunded.</summary>
    public DateTimeOffset? EndedAt { get; private set; } = endedAt;

    /// <summary>The status that counts: a payment window that is over has ended the order, even before the sweep records it.</summary>
    public OrderStatus StatusAt(DateTimeOffset now) => StatusAt(Status, PayBefore, now);

    /// <summary>The status that counts for an order that is stored with this one.</summary>
    public static OrderStatus StatusAt(OrderStatus stored, DateTimeOffset payBefore, DateTimeOffset now) =>
        stored == OrderStatus.PendingPayment && now >= payBefore ? OrderStatus.Expired : stored;

    internal void Complete(WorkingSet rows)
    {
        Status = OrderStatus.Completed;
        PaidAt = rows.Now;
        Change();
        HeldCoupon(rows)?.Use();
    }

    internal void End(WorkingSet rows, OrderStatus status)
    {
        Status = status;
        EndedAt = rows.Now;
        Change();
        HeldCoupon(rows)?.Release();
        foreach (OrderLine line in Lines)
        {
            Product product = rows.Products.Find(line.ProductId)
                ?? throw new InvalidOperationException($"Order {OrderId} names product {line.ProductId}, which does not exist.");
            product.GiveBack(line.Quantity);
        }
    }

    internal OrderView View(DateTimeOffset now) => new(
        OrderId, MemberId, Ids.PaymentOf(OrderId), StatusAt(now), Lines, Subtotal, Discount, Total, CouponId, CreatedAt, PayBefore, PaidAt, EndedAt);

    private IssuedCoupon? HeldCoupon(WorkingSet rows)
    {
        if (CouponId is not { } couponId)
        {
            return null;
        }

        IssuedCoupon coupon = rows.IssuedCoupons.Find((MemberId, couponId))
            ?? throw new InvalidOperationException($"Order {OrderId} holds coupon {couponId}, which member {MemberId} does not have.");
        return coupon.OrderId == OrderId
            ? coupon
            : throw new InvalidOperationException($"Order {OrderId} holds coupon {couponId}, which belongs to order {coupon.OrderId}.");
    }
}

/// <summary>An order as it was at one moment.</summary>
/// <param name="OrderId">Its id.</param>
/// <param name="MemberId">Its owner.</param>
/// <param name="PaymentId">Its payment.</param>
/// <param name="Status">Where it is in its life.</param>
/// <param name="Items">Its lines.</param>
/// <param name="Subtotal">Σ price × quantity, in won.</param>
/// <param name="Discount">What the coupon takes off, in won.</param>
/// <param name="Total">What the payment takes, in won.</param>
/// <param name="CouponId">The coupon handed in.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="PayBefore">It can be paid until just before this moment.</param>
/// <param name="PaidAt">When it was paid.</param>
/// <param name="EndedAt">When it expired, was cancelled or was refunded.</param>
public sealed record OrderView(
    Guid OrderId,
    string MemberId,
    Guid PaymentId,
    OrderStatus Status,
    IReadOnlyList<OrderLine> Items,
    long Subtotal,
    long Discount,
    long Total,
    long? CouponId,
    DateTimeOffset CreatedAt,
    DateTimeOffset PayBefore,
    DateTimeOffset? PaidAt,
    DateTimeOffset? EndedAt) : Answer;
