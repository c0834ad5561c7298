namespace Jumun.Coupons;

/// <summary>
/// Takes one coupon of a limited number for a member (seed: coupon issue diagram).
/// Refused, in this order: <see cref="RefusalCode.CouponNotFound"/>, <see cref="RefusalCode.CouponNotOpen"/> or
/// <see cref="RefusalCode.CouponClosed"/>, <see cref="RefusalCode.CouponAlreadyIssued"/>, <see cref="RefusalCode.CouponSoldOut"/>.
/// </summary>
/// <param name="MemberId">The member.</param>
/// <param name="CouponId">The coupon.</param>
public sealed record IssueCoupon(string MemberId, long CouponId) : Command
{
    private static readonly Refusal NotFound = new(RefusalCode.CouponNotFound);
    private static readonly Refusal NotOpen = new(RefusalCode.CouponNotOpen);
    private static readonly Refusal Closed = new(RefusalCode.CouponClosed);
    private static readonly Refusal AlreadyIssued = new(RefusalCode.CouponAlreadyIssued);
    private static readonly Refusal SoldOut = new(RefusalCode.CouponSoldOut);

    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
        keys.Coupon(CouponId);
        keys.IssuedCoupon(MemberId, CouponId);
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Coupons.Find(CouponId) is not { } coupon)
        {
            return NotFound;
        }

        if (rows.Now < coupon.IssueFrom)
        {
            return NotOpen;
        }

        if (rows.Now >= coupon.IssueUntil)
        {
            return Closed;
        }

        if (rows.IssuedCoupons.Find((MemberId, CouponId)) is not null)
        {
            return AlreadyIssued;
        }

        if (coupon.Issued >= coupon.Quantity)
        {
            return SoldOut;
        }

        // Must succeed from here on.
        var issued = new IssuedCoupon(MemberId, CouponId, coupon.IssueNext(), IssuedCouponStatus.Available, orderId: null, rows.Now);
        rows.IssuedCoupons.Add((MemberId, CouponId), issued);
        return new IssuedCouponView(
            CouponId, MemberId, issued.Number, issued.Status, coupon.Discount, coupon.MinimumOrderAmount, issued.IssuedAt,
            coupon.UsableUntil, coupon.Name, issued.OrderId);
    }
}

/// <summary>Creates a coupon. Never refused: the windows' order was checked with the request.</summary>
/// <param name="Name">1 to <see cref="Limits.NameLength"/> characters.</param>
/// <param name="Discount">What it takes off.</param>
/// <param name="MinimumOrderAmount">The smallest order that may use it, in won.</param>
/// <param name="Quantity">How many may be issued, 0 to <see cref="Limits.Stock"/>.</param>
/// <param name="IssueFrom">Issued from this moment on; before <paramref name="IssueUntil"/>.</param>
/// <param name="IssueUntil">Issued until just before this moment; not after <paramref name="UsableUntil"/>.</param>
/// <param name="UsableUntil">Usable until just before this moment.</param>
public sealed record CreateCoupon(
    string Name,
    Discount Discount,
    long MinimumOrderAmount,
    long Quantity,
    DateTimeOffset IssueFrom,
    DateTimeOffset IssueUntil,
    DateTimeOffset UsableUntil) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.NextCoupon();

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        long couponId = rows.NextCouponId ?? throw new InvalidOperationException("The next coupon number was not loaded.");

        // Must succeed from here on.
        rows.NextCouponId = couponId + 1;
        rows.Keys.Coupon(couponId);
        var coupon = new Coupon(couponId, Name, Discount, MinimumOrderAmount, Quantity, issued: 0, IssueFrom, IssueUntil, UsableUntil);
        rows.Coupons.Add(couponId, coupon);
        return coupon.View();
    }
}

/// <summary>
/// Changes a coupon; what is null stays.
/// Refused: <see cref="RefusalCode.CouponNotFound"/>, <see cref="RefusalCode.InvalidRequest"/> (fewer than issued, or
/// windows out of order).
/// </summary>
/// <param name="CouponId">The coupon.</param>
/// <param name="Name">The new name.</param>
/// <param name="Quantity">How many may be issued, never fewer than were.</param>
/// <param name="IssueFrom">Issued from this moment on.</param>
/// <param name="IssueUntil">Issued until just before this moment.</param>
/// <param name="UsableUntil">Usable until just before this moment.</param>
public sealed record ChangeCoupon(
    long CouponId,
    string? Name,
    long? Quantity,
    DateTimeOffset? IssueFrom,
    DateTimeOffset? IssueUntil,
    DateTimeOffset? UsableUntil) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.Coupon(CouponId);

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Coupons.Find(CouponId) is not { } coupon)
        {
            return new Refusal(RefusalCode.CouponNotFound);
        }

        DateTimeOffset issueFrom = IssueFrom ?? coupon.IssueFrom;
        DateTimeOffset issueUntil = IssueUntil ?? coupon.IssueUntil;
        DateTimeOffset usableUntil = UsableUntil ?? coupon.UsableUntil;
        List<FieldError> errors = [];
        if (Quantity < coupon.Issued)
        {
            errors.Add(new FieldError("quantity", FieldRule.AtLeastIssued, coupon.Issued, Limits.Stock));
        }

        if (issueFrom >= issueUntil)
        {
            errors.Add(new FieldError("issueUntil", FieldRule.Order));
        }

        if (issueUntil > usableUntil)
        {
            errors.Add(new FieldError("usableUntil", FieldRule.Order));
        }

        if (errors.Count > 0)
        {
            return Refusal.Invalid(errors);
        }

        // Must succeed from here on.
        coupon.Set(Name, Quantity, issueFrom, issueUntil, usableUntil);
        return coupon.View();
    }
}
