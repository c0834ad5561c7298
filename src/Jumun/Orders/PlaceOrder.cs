using Jumun.Cart;
using Jumun.Coupons;
using Jumun.Products;

namespace Jumun.Orders;

/// <summary>A product and how many pieces of it are ordered.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Quantity">Pieces, 1 to <see cref="Limits.LineQuantity"/>.</param>
public readonly record struct OrderItem(long ProductId, long Quantity);

/// <summary>
/// Makes an order (seed: order diagram): takes the stock and the coupon until the order is paid or ends, removes what
/// is ordered from the cart, and prepares the payment.
/// Refused, in this order: <see cref="RefusalCode.ProductNotFound"/>, <see cref="RefusalCode.ProductNotOnSale"/>,
/// <see cref="RefusalCode.CouponNotUsable"/>, <see cref="RefusalCode.OutOfStock"/>, <see cref="RefusalCode.PriceChanged"/>.
/// </summary>
/// <param name="MemberId">The member.</param>
/// <param name="OrderId">The new order's id.</param>
/// <param name="Items">What is ordered: each product once, 1 to <see cref="Limits.OrderLines"/> of them.</param>
/// <param name="CouponId">The coupon handed in.</param>
/// <param name="ExpectedTotal">The total that the member saw, in won; null for any.</param>
/// <param name="PaymentWindow">How long it can be paid.</param>
public sealed record PlaceOrder(
    string MemberId,
    Guid OrderId,
    IReadOnlyList<OrderItem> Items,
    long? CouponId,
    long? ExpectedTotal,
    TimeSpan PaymentWindow) : Command, IOfMember
{
    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
        foreach (OrderItem item in Items)
        {
            keys.Product(item.ProductId);
        }

        if (CouponId is { } couponId)
        {
            keys.Coupon(couponId);
            keys.IssuedCoupon(MemberId, couponId);
        }
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (MissingProducts(rows) is { } missing)
        {
            return missing;
        }

        var lines = new OrderLine[Items.Count];
        long subtotal = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            Product product = rows.Products.Find(Items[i].ProductId)!;
            lines[i] = new OrderLine(product.ProductId, product.Name, product.Price, Items[i].Quantity);
            subtotal += product.Price * Items[i].Quantity;
        }

        Coupon? coupon = null;
        IssuedCoupon? issued = null;
        if (CouponId is { } couponId)
        {
            coupon = rows.Coupons.Find(couponId);
            issued = rows.IssuedCoupons.Find((MemberId, couponId));
            if (NotUsable(coupon, issued, subtotal, rows.Now) is { } reason)
            {
                return Refusal.NotUsable(reason);
            }
        }

        if (Shortages(rows) is { } shortages)
        {
            return shortages;
        }

        long discount = coupon?.Discount.Of(subtotal) ?? 0;
        if (ExpectedTotal is { } expected && expected != subtotal - discount)
        {
            return Refusal.PriceChanged(subtotal - discount);
        }

        // Must succeed from here on.
        foreach (OrderItem item in Items)
        {
            rows.Products.Find(item.ProductId)!.Take(item.Quantity);
            rows.EditCart(new CartEdit(MemberId, item.ProductId, Quantity: null));
        }

        issued?.HoldFor(OrderId);
        var order = new Order(
            MemberId, OrderId, OrderStatus.PendingPayment, lines, subtotal, discount, CouponId, rows.Now,
            rows.Now + PaymentWindow, paidAt: null, endedAt: null);
        rows.NewOrders.Add(order);
        return order.View(rows.Now);
    }

    private Refusal? MissingProducts(WorkingSet rows)
    {
        List<long>? unknown = null;
        List<long>? notOnSale = null;
        foreach (OrderItem item in Items)
        {
            Product? product = rows.Products.Find(item.ProductId);
            if (product is null)
            {
                (unknown ??= []).Add(item.ProductId);
            }
            else if (!product.OnSale)
            {
                (notOnSale ??= []).Add(item.ProductId);
            }
        }

        return unknown is not null ? Refusal.ProductsNotFound(unknown)
            : notOnSale is not null ? Refusal.NotOnSale(notOnSale)
            : null;
    }

    private Refusal? Shortages(WorkingSet rows)
    {
        List<Shortage>? shortages = null;
        foreach (OrderItem item in Items)
        {
            long available = rows.Products.Find(item.ProductId)!.Stock;
            if (available < item.Quantity)
            {
                (shortages ??= []).Add(new Shortage(item.ProductId, item.Quantity, available));
            }
        }

        return shortages is null ? null : Refusal.OutOfStock(shortages);
    }

    private static CouponNotUsableReason? NotUsable(Coupon? coupon, IssuedCoupon? issued, long subtotal, DateTimeOffset now) =>
        coupon is null || issued is null ? CouponNotUsableReason.NotHeld
        : issued.Status == IssuedCouponStatus.Held ? CouponNotUsableReason.HeldByOrder
        : issued.Status == IssuedCouponStatus.Used ? CouponNotUsableReason.Used
        : now >= coupon.UsableUntil ? CouponNotUsableReason.Expired
        : subtotal < coupon.MinimumOrderAmount ? CouponNotUsableReason.MinimumNotMet
        : null;
}
