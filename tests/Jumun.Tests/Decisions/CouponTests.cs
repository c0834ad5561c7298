using Jumun.Coupons;

namespace Jumun.Tests.Decisions;

public sealed class IssueCouponTests
{
    [Fact]
    public void The_coupon_is_the_members_and_available()
    {
        Scene scene = new Scene().WithCoupon(1, new Discount(DiscountKind.Percent, 10, 500), minimum: 2_000, quantity: 5, issued: 3);

        IssuedCouponView answer = scene.Done<IssuedCouponView>(new IssueCoupon("alice", 1));

        Assert.Equal(
            new IssuedCouponView(
                1, "alice", 4, IssuedCouponStatus.Available, new Discount(DiscountKind.Percent, 10, 500), 2_000, Scene.Noon,
                Scene.Noon.AddHours(36), "coupon", null),
            answer);
        Assert.Equal(4, scene.Coupons[1].Issued);
        IssuedCoupon issued = scene.IssuedCoupons[("alice", 1)];
        Assert.Equal((4L, IssuedCouponStatus.Available, (Guid?)null, Scene.Noon), (issued.Number, issued.Status, issued.OrderId, issued.IssuedAt));
    }

    [Fact]
    public void An_unknown_coupon_is_not_found()
    {
        Assert.Equal(RefusalCode.CouponNotFound, new Scene().WithCoupon(1).Refused(new IssueCoupon("alice", 2)).Code);
    }

    [Theory]
    [InlineData(-1, RefusalCode.CouponNotOpen)]
    [InlineData(0, null)]
    [InlineData(1, null)]
    [InlineData(59_999, null)]
    [InlineData(60_000, RefusalCode.CouponClosed)]
    [InlineData(60_001, RefusalCode.CouponClosed)]
    public void It_is_issued_from_the_first_millisecond_of_its_window_until_just_before_its_end(int milliseconds, RefusalCode? refusal)
    {
        Scene scene = new Scene().At(Scene.Noon.AddMilliseconds(milliseconds))
            .WithCoupon(1, issueFrom: Scene.Noon, issueUntil: Scene.Noon.AddMinutes(1));

        Expect(scene, refusal);
    }

    [Theory]
    [InlineData(1, 0, null)]
    [InlineData(1, 1, RefusalCode.CouponSoldOut)]
    [InlineData(0, 0, RefusalCode.CouponSoldOut)]
    [InlineData(Limits.Stock, Limits.Stock - 1, null)]
    [InlineData(Limits.Stock, Limits.Stock, RefusalCode.CouponSoldOut)]
    public void The_last_one_is_issued_and_no_more(long quantity, long issued, RefusalCode? refusal)
    {
        Expect(new Scene().WithCoupon(1, quantity: quantity, issued: issued), refusal);
    }

    [Theory]
    [InlineData(IssuedCouponStatus.Available)]
    [InlineData(IssuedCouponStatus.Held)]
    [InlineData(IssuedCouponStatus.Used)]
    public void A_member_has_it_once_whatever_became_of_it(IssuedCouponStatus status)
    {
        Guid? orderId = status == IssuedCouponStatus.Available ? null : Scene.OrderId(1);
        Scene scene = new Scene().WithCoupon(1, issued: 1).WithIssued("alice", 1, status, orderId);

        Expect(scene, RefusalCode.CouponAlreadyIssued);
    }

    [Theory]
    [InlineData(-1, true, true, RefusalCode.CouponNotOpen)]
    [InlineData(-1, true, false, RefusalCode.CouponNotOpen)]
    [InlineData(-1, false, true, RefusalCode.CouponNotOpen)]
    [InlineData(60_000, true, true, RefusalCode.CouponClosed)]
    [InlineData(60_000, true, false, RefusalCode.CouponClosed)]
    [InlineData(60_000, false, true, RefusalCode.CouponClosed)]
    [InlineData(0, true, true, RefusalCode.CouponAlreadyIssued)]
    [InlineData(0, true, false, RefusalCode.CouponAlreadyIssued)]
    [InlineData(0, false, true, RefusalCode.CouponSoldOut)]
    [InlineData(0, false, false, null)]
    public void The_window_comes_before_already_issued_before_sold_out(int milliseconds, bool isHeld, bool isSoldOut, RefusalCode? refusal)
    {
        Scene scene = new Scene().At(Scene.Noon.AddMilliseconds(milliseconds))
            .WithCoupon(1, quantity: 5, issued: isSoldOut ? 5 : 1, issueFrom: Scene.Noon, issueUntil: Scene.Noon.AddMinutes(1));
        if (isHeld)
        {
            scene.WithIssued("alice", 1);
        }

        Expect(scene, refusal);
    }

    [Fact]
    public void A_batch_of_callers_gets_the_last_ones_in_order_of_arrival()
    {
        Scene scene = new Scene().WithCoupon(1, quantity: 10, issued: 8);

        Batch batch = scene.Settle(
            new IssueCoupon("alice", 1), new IssueCoupon("alice", 1), new IssueCoupon("bob", 1), new IssueCoupon("carol", 1));

        Assert.Equal(9, batch.Answer<IssuedCouponView>(0).Number);
        Assert.Equal(RefusalCode.CouponAlreadyIssued, batch.Refusal(1).Code);
        Assert.Equal(10, batch.Answer<IssuedCouponView>(2).Number);
        Assert.Equal(RefusalCode.CouponSoldOut, batch.Refusal(3).Code);
        Assert.Equal(10, scene.Coupons[1].Issued);
        Assert.Equal(2, scene.IssuedCoupons.Count);
    }

    [Fact]
    public void A_coupon_that_is_created_or_enlarged_in_a_batch_is_issued_in_it()
    {
        Scene scene = new Scene().WithCoupon(1, quantity: 1, issued: 1);

        Batch batch = scene.Settle(
            new ChangeCoupon(1, null, 2, null, null, null), new IssueCoupon("alice", 1), CreateCouponTests.Create(1), new IssueCoupon("alice", 2));

        Assert.Equal(2, batch.Answer<IssuedCouponView>(1).Number);
        Assert.Equal(1, batch.Answer<IssuedCouponView>(3).Number);
        Assert.Equal(1, scene.Coupons[2].Issued);
    }

    private static void Expect(Scene scene, RefusalCode? refusal)
    {
        var command = new IssueCoupon("alice", 1);
        if (refusal is { } code)
        {
            Assert.Equal(code, scene.Refused(command).Code);
        }
        else
        {
            scene.Done<IssuedCouponView>(command);
        }
    }
}

public sealed class CreateCouponTests
{
    internal static CreateCoupon Create(long quantity) => new(
        "spring", new Discount(DiscountKind.Percent, 15, 3_000), 10_000, quantity, Scene.Noon.AddDays(-2), Scene.Noon.AddDays(1),
        Scene.Noon.AddDays(1));

    [Fact]
    public void It_takes_the_next_number_and_nothing_of_it_is_issued()
    {
        Scene scene = new Scene().WithCoupon(4);

        CouponView answer = scene.Done<CouponView>(Create(100));

        Assert.Equal(
            new CouponView(
                5, "spring", new Discount(DiscountKind.Percent, 15, 3_000), 10_000, 100, 100, Scene.Noon.AddDays(-2),
                Scene.Noon.AddDays(1), Scene.Noon.AddDays(1)),
            answer);
        Assert.Equal((100L, 0L), (scene.Coupons[5].Quantity, scene.Coupons[5].Issued));
    }

    [Fact]
    public void The_first_coupon_is_number_one_and_those_of_a_batch_follow_each_other()
    {
        Batch batch = new Scene().Settle(Create(0), Create(Limits.Stock));

        Assert.Equal(1, batch.Answer<CouponView>(0).CouponId);
        Assert.Equal(2, batch.Answer<CouponView>(1).CouponId);
        Assert.All(batch.Rows.Coupons.Written, coupon => Assert.Equal(RowState.Added, coupon.State));
    }
}

public sealed class ChangeCouponTests
{
    private static readonly DateTimeOffset From = Scene.Noon;
    private static readonly DateTimeOffset Until = Scene.Noon.AddHours(1);
    private static readonly DateTimeOffset Usable = Scene.Noon.AddHours(2);

    [Fact]
    public void An_unknown_coupon_is_not_found()
    {
        Assert.Equal(RefusalCode.CouponNotFound, new Scene().Refused(new ChangeCoupon(1, "new", 0, null, null, null)).Code);
    }

    [Fact]
    public void What_is_null_stays()
    {
        Scene scene = Coupon();
        CouponView before = scene.Done<CouponView>(new ChangeCoupon(1, null, null, null, null, null));

        Assert.Equal(new CouponView(1, "coupon", new Discount(DiscountKind.Amount, 100, null), 0, 10, 6, From, Until, Usable), before);
    }

    [Fact]
    public void What_is_given_changes()
    {
        Scene scene = Coupon();

        CouponView answer = scene.Done<CouponView>(new ChangeCoupon(1, "new", 20, From.AddHours(3), Until.AddHours(3), Usable.AddHours(3)));

        Assert.Equal(
            new CouponView(
                1, "new", new Discount(DiscountKind.Amount, 100, null), 0, 20, 16, From.AddHours(3), Until.AddHours(3), Usable.AddHours(3)),
            answer);
        Assert.Equal(("new", 20L, 4L), (scene.Coupons[1].Name, scene.Coupons[1].Quantity, scene.Coupons[1].Issued));
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(5, true)]
    [InlineData(Limits.Stock, true)]
    [InlineData(3, false)]
    [InlineData(0, false)]
    public void There_are_never_fewer_than_were_issued(long quantity, bool isChanged)
    {
        Scene scene = Coupon();
        var command = new ChangeCoupon(1, null, quantity, null, null, null);

        if (isChanged)
        {
            Assert.Equal(quantity - 4, scene.Done<CouponView>(command).Remaining);
        }
        else
        {
            Refusal refusal = scene.Refused(command);
            Assert.Equal(RefusalCode.InvalidRequest, refusal.Code);
            Assert.Equal([new FieldError("quantity", FieldRule.AtLeastIssued, 4, Limits.Stock)], refusal.Errors);
        }
    }

    /// <summary>Milliseconds after noon; the coupon's own are 0, 3,600,000 and 7,200,000.</summary>
    [Theory]
    [InlineData(3_599_999, null, null, null)]
    [InlineData(3_600_000, null, null, "issueUntil")]
    [InlineData(3_600_001, null, null, "issueUntil")]
    [InlineData(null, 1, null, null)]
    [InlineData(null, 0, null, "issueUntil")]
    [InlineData(null, 7_200_000, null, null)]
    [InlineData(null, 7_200_001, null, "usableUntil")]
    [InlineData(null, null, 3_600_000, null)]
    [InlineData(null, null, 3_599_999, "usableUntil")]
    [InlineData(-10, -9, -9, null)]
    [InlineData(7_200_000, 7_200_001, 7_200_001, null)]
    [InlineData(7_200_000, 7_200_001, null, "usableUntil")]
    public void The_windows_stay_in_order(int? issueFrom, int? issueUntil, int? usableUntil, string? wrongField)
    {
        Scene scene = Coupon();
        var command = new ChangeCoupon(1, null, null, AfterNoon(issueFrom), AfterNoon(issueUntil), AfterNoon(usableUntil));

        if (wrongField is null)
        {
            scene.Done<CouponView>(command);
        }
        else
        {
            Refusal refusal = scene.Refused(command);
            Assert.Equal(RefusalCode.InvalidRequest, refusal.Code);
            Assert.Equal([new FieldError(wrongField, FieldRule.Order)], refusal.Errors);
        }
    }

    [Fact]
    public void Every_field_that_is_wrong_is_named()
    {
        Refusal refusal = Coupon().Refused(new ChangeCoupon(1, null, 3, AfterNoon(20), AfterNoon(20), AfterNoon(19)));

        Assert.Equal(
            [
                new FieldError("quantity", FieldRule.AtLeastIssued, 4, Limits.Stock),
                new FieldError("issueUntil", FieldRule.Order),
                new FieldError("usableUntil", FieldRule.Order),
            ],
            refusal.Errors);
    }

    [Fact]
    public void A_coupon_issued_earlier_in_the_batch_counts_as_issued()
    {
        Batch batch = Coupon().Settle(new IssueCoupon("alice", 1), new ChangeCoupon(1, null, 4, null, null, null));

        Assert.Equal([new FieldError("quantity", FieldRule.AtLeastIssued, 5, Limits.Stock)], batch.Refusal(1).Errors);
    }

    private static Scene Coupon() =>
        new Scene().WithCoupon(1, quantity: 10, issued: 4, issueFrom: From, issueUntil: Until, usableUntil: Usable);

    private static DateTimeOffset? AfterNoon(int? milliseconds) => milliseconds is { } some ? Scene.Noon.AddMilliseconds(some) : null;
}

public sealed class DiscountTests
{
    [Theory]
    [InlineData(100, 0, 0)]
    [InlineData(100, 99, 99)]
    [InlineData(100, 100, 100)]
    [InlineData(100, 101, 100)]
    [InlineData(Limits.Balance, 1, 1)]
    public void An_amount_is_taken_off_but_never_more_than_the_order(long value, long subtotal, long discount)
    {
        Assert.Equal(discount, new Discount(DiscountKind.Amount, value, null).Of(subtotal));
    }

    [Theory]
    [InlineData(1, 99, null, 0)]
    [InlineData(1, 100, null, 1)]
    [InlineData(1, 199, null, 1)]
    [InlineData(15, 1_999, null, 299)]
    [InlineData(33, 100, null, 33)]
    [InlineData(33, 101, null, 33)]
    [InlineData(99, 1, null, 0)]
    [InlineData(100, 1, null, 1)]
    [InlineData(100, 0, null, 0)]
    [InlineData(10, 1_000, 101L, 100)]
    [InlineData(10, 1_000, 100L, 100)]
    [InlineData(10, 1_000, 99L, 99)]
    [InlineData(100, 1_000, 1L, 1)]
    [InlineData(50, 1, 1L, 0)]
    [InlineData(100, 1_000_000_000_000_000, null, 1_000_000_000_000_000)]
    [InlineData(99, 999_999_999_999_999, null, 989_999_999_999_999)]
    public void A_percentage_rounds_down_to_a_whole_won_and_stops_at_its_maximum(long value, long subtotal, long? maximum, long discount)
    {
        Assert.Equal(discount, new Discount(DiscountKind.Percent, value, maximum).Of(subtotal));
    }
}
