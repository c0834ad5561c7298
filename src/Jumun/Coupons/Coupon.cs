namespace Jumun.Coupons;

/// <summary>How a discount is reckoned.</summary>
public enum DiscountKind
{
    /// <summary>A fixed amount in won.</summary>
    Amount = 0,

    /// <summary>A share of the whole order, rounded down to a whole won.</summary>
    Percent = 1,
}

/// <summary>What a coupon takes off the whole order.</summary>
/// <param name="Kind">How it is reckoned.</param>
/// <param name="Value">Won, or percent from 1 to 100.</param>
/// <param name="Maximum">The most that a percent discount takes off, in won; null for no bound.</param>
public sealed record Discount(DiscountKind Kind, long Value, long? Maximum)
{
    /// <summary>The won taken off an order of this size: never more than the order.</summary>
    public long Of(long subtotal)
    {
        long off = Kind switch
        {
            DiscountKind.Amount => Value,
            DiscountKind.Percent => Math.Min(subtotal * Value / 100, Maximum ?? long.MaxValue),
        };
        return Math.Min(off, subtotal);
    }
}

/// <summary>A coupon of which a limited number is issued, first come, first served, one a member.</summary>
public sealed class Coupon(
    long couponId,
    string name,
    Discount discount,
    long minimumOrderAmount,
    long quantity,
    long issued,
    DateTimeOffset issueFrom,
    DateTimeOffset issueUntil,
    DateTimeOffset usableUntil) : Row
{
    /// <summary>Its number, from 1.</summary>
    public long CouponId { get; } = couponId;

    /// <summary>Its name.</summary>
    public string Name { get; private set; } = name;

    /// <summary>What it takes off.</summary>
    public Discount Discount { get; } = discount;

    /// <summary>The smallest order, before the discount, that may use it, in won.</summary>
    public long MinimumOrderAmount { get; } = minimumOrderAmount;

    /// <summary>How many may be issued.</summary>
    public long Quantity { get; private set; } = quantity;

    /// <summary>How many were: never more than <see cref="Quantity"/>.</summary>
    public long Issued { get; private set; } = issued;

    /// <summary>Issued from this moment on.</summary>
    public DateTimeOffset IssueFrom { get; private set; } = issueFrom;

    /// <summary>Issued until just before this moment.</summary>
    public DateTimeOffset IssueUntil { get; private set; } = issueUntil;

    /// <summary>Usable until just before this moment.</summary>
    public DateTimeOffset UsableUntil { get; private set; } = usableUntil;

    internal long IssueNext()
    {
        Issued += 1;
        Change();
        return Issued;
    }

    internal void Set(string? name, long? quantity, DateTimeOffset issueFrom, DateTimeOffset issueUntil, DateTimeOffset usableUntil)
    {
        Name = name ?? Name;
        Quantity = quantity ?? Quantity;
        IssueFrom = issueFrom;
        IssueUntil = issueUntil;
        UsableUntil = usableUntil;
        Change();
    }

    internal CouponView View() =>
        new(CouponId, Name, Discount, MinimumOrderAmount, Quantity, Quantity - Issued, IssueFrom, IssueUntil, UsableUntil);
}

/// <summary>A coupon as it was at one moment.</summary>
/// <param name="CouponId">Its number.</param>
/// <param name="Name">Its name.</param>
/// <param name="Discount">What it takes off.</param>
/// <param name="MinimumOrderAmount">The smallest order that may use it, in won.</param>
/// <param name="Quantity">How many may be issued.</param>
/// <param name="Remaining">How many are left.</param>
/// <param name="IssueFrom">Issued from this moment on.</param>
/// <param name="IssueUntil">Issued until just before this moment.</param>
/// <param name="UsableUntil">Usable until just before this moment.</param>
public sealed record CouponView(
    long CouponId,
    string Name,
    Discount Discount,
    long MinimumOrderAmount,
    long Quantity,
    long Remaining,
    DateTimeOffset IssueFrom,
    DateTimeOffset IssueUntil,
    DateTimeOffset UsableUntil) : Answer;

/// <summary>What became of an issued coupon.</summary>
public enum IssuedCouponStatus
{
    /// <summary>It can be handed in with an order.</summary>
    Available = 0,

    /// <summary>An unpaid order holds it.</summary>
    Held = 1,

    /// <summary>A completed order used it.</summary>
    Used = 2,

    /// <summary>It was available when its time ran out. Never stored: an available coupon reads so after its time.</summary>
    Expired = 3,
}

/// <summary>A member's coupon. Held or used, it names the order.</summary>
public sealed class IssuedCoupon(
    string memberId, long couponId, long number, IssuedCouponStatus status, Guid? orderId, DateTimeOffset issuedAt) : Row
{
    /// <summary>The member.</summary>
    public string MemberId { get; } = memberId;

    /// <summary>The coupon.</summary>
    public long CouponId { get; } = couponId;

    /// <summary>The place in the line, from 1, without gaps.</summary>
    public long Number { get; } = number;

    /// <summary>Available, held or used.</summary>
    public IssuedCouponStatus Status { get; private set; } = status;

    /// <summary>The order that holds or used it.</summary>
    public Guid? OrderId { get; private set; } = orderId;

    /// <summary>When it was issued.</summary>
    public DateTimeOffset IssuedAt { get; } = issuedAt;

    internal void HoldFor(Guid orderId)
    {
        Status = IssuedCouponStatus.Held;
        OrderId = orderId;
        Change();
    }

    internal void Use()
    {
        Status = IssuedCouponStatus.Used;
        Change();
    }

    internal void Release()
    {
        Status = IssuedCouponStatus.Available;
        OrderId = null;
        Change();
    }
}

/// <summary>A member's coupon as it was at one moment.</summary>
/// <param name="CouponId">The coupon.</param>
/// <param name="MemberId">The member.</param>
/// <param name="Number">The place in the line, from 1.</param>
/// <param name="Status">What became of it.</param>
/// <param name="Discount">What it takes off.</param>
/// <param name="MinimumOrderAmount">The smallest order that may use it, in won.</param>
/// <param name="IssuedAt">When it was issued.</param>
/// <param name="UsableUntil">Usable until just before this moment.</param>
/// <param name="Name">The coupon's name.</param>
/// <param name="OrderId">The order that holds or used it.</param>
public sealed record IssuedCouponView(
    long CouponId,
    string MemberId,
    long Number,
    IssuedCouponStatus Status,
    Discount Discount,
    long MinimumOrderAmount,
    DateTimeOffset IssuedAt,
    DateTimeOffset UsableUntil,
    string Name,
    Guid? OrderId) : Answer;
