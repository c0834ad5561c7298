using Jumun.Orders;

namespace Jumun;

/// <summary>Collects the rows that a batch needs, before any is loaded. Rows that are never declared cannot be used.</summary>
public sealed class Keys
{
    private readonly WorkingSet rows;

    internal Keys(WorkingSet rows) => this.rows = rows;

    /// <summary>A product, to be read or changed.</summary>
    public void Product(long productId) => rows.Products.Declare(productId);

    /// <summary>The number of the next product.</summary>
    public void NextProduct() => rows.NextProductId ??= 0;

    /// <summary>A coupon, to be read or changed.</summary>
    public void Coupon(long couponId) => rows.Coupons.Declare(couponId);

    /// <summary>The number of the next coupon.</summary>
    public void NextCoupon() => rows.NextCouponId ??= 0;

    /// <summary>A member's coupon, if it was issued.</summary>
    public void IssuedCoupon(string memberId, long couponId) => rows.IssuedCoupons.Declare((memberId, couponId));

    /// <summary>A member's wallet, if there is one.</summary>
    public void Wallet(string memberId) => rows.Wallets.Declare(memberId);

    /// <summary>A member's cart, with all its lines.</summary>
    public void Cart(string memberId) => rows.Carts.Declare(memberId);

    /// <summary>An order of the member, and what it holds.</summary>
    public void Order(string memberId, Guid orderId, Holds holds)
    {
        rows.Orders.Declare((memberId, orderId));
        if (holds == Holds.CouponAndStock)
        {
            rows.OrdersWithStock.Add(orderId);
        }
    }

    /// <summary>An event of the outbox.</summary>
    public void Event(Guid eventId) => rows.Outbox.Declare(eventId);
}
