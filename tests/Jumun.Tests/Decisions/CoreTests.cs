using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Tests.Decisions;

public sealed class RowTableTests
{
    [Fact]
    public void A_row_that_was_not_declared_cannot_be_loaded()
    {
        var rows = new WorkingSet();
        rows.Keys.Product(1);

        rows.Products.Load(1, new Product(1, "mug", 1, 1, onSale: true));

        InvalidOperationException error =
            Assert.Throws<InvalidOperationException>(() => rows.Products.Load(2, new Product(2, "mug", 1, 1, onSale: true)));
        Assert.Contains("Product with key 2 was not declared", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<Command> CommandsWithRows =>
    [
        new ChargePoints("alice", 1),
        new IssueCoupon("alice", 1),
        new CreateCoupon("coupon", new Discount(DiscountKind.Amount, 1, null), 0, 1, Scene.Noon, Scene.Noon.AddDays(1), Scene.Noon.AddDays(1)),
        new ChangeCoupon(1, null, null, null, null, null),
        new Cart.PutCartLine("alice", 1, 1),
        PlaceOrderTests.Place(1, (1, 1)),
        new PayOrder("alice", Scene.OrderId(1)),
        new CancelOrder("alice", Scene.OrderId(1), ByAdministrator: true, Scene.RefundWindow),
        new ExpireOrder("alice", Scene.OrderId(1)),
        new CreateProduct("mug", 1, 1),
        new ChangeProduct(1, null, null, null),
        new ChangeStock(1, 1, "delivery"),
        new QueryProduct(1),
        new DataPlatform.ReplayEvents([Scene.OrderId(1)], Next: null),
    ];

    [Theory]
    [MemberData(nameof(CommandsWithRows))]
    public void A_decision_on_a_row_that_was_not_declared_throws(Command command)
    {
        var rows = new WorkingSet { Now = Scene.Noon };

        Assert.Throws<InvalidOperationException>(() => command.Decide(rows));
        Assert.False(rows.HasChanges);
    }

    [Fact]
    public void A_key_that_was_declared_twice_is_one_row_and_a_declared_key_without_a_row_is_not_written()
    {
        var rows = new WorkingSet();
        rows.Keys.Wallet("alice");
        rows.Keys.Wallet("alice");

        Assert.Equal(["alice"], rows.Wallets.Keys);
        Assert.Equal(1, rows.Wallets.Count);
        Assert.Empty(rows.Wallets.Written);
    }

    [Theory]
    [InlineData(Holds.Coupon, false)]
    [InlineData(Holds.CouponAndStock, true)]
    public void An_order_that_is_loaded_declares_its_coupon_and_where_asked_its_products(Holds holds, bool withProducts)
    {
        var rows = new WorkingSet();
        rows.Keys.Order("alice", Scene.OrderId(1), holds);
        rows.Keys.Order("alice", Scene.OrderId(1), Holds.Coupon);

        rows.LoadOrder(new Order(
            "alice", Scene.OrderId(1), OrderStatus.PendingPayment, [Scene.Line(1), Scene.Line(2)], 2_000, 100, 7, Scene.Noon,
            Scene.Noon, null, null));

        Assert.Equal([("alice", 7L)], rows.IssuedCoupons.Keys);
        Assert.Equal(withProducts ? [1L, 2L] : [], rows.Products.Keys);
    }

    [Fact]
    public void An_order_that_nobody_declared_cannot_be_loaded()
    {
        var order = new Order("alice", Scene.OrderId(1), OrderStatus.PendingPayment, [], 0, 0, null, Scene.Noon, Scene.Noon, null, null);

        Assert.Throws<InvalidOperationException>(() => new WorkingSet().LoadOrder(order));
    }

    [Fact]
    public void A_working_set_that_was_cleared_knows_nothing_of_its_last_batch()
    {
        WorkingSet rows = new Scene().WithProduct(1).WithWallet("alice", 5_000).WithCoupon(1).WithOrder("alice", Scene.OrderId(1)).Settle(
            new PayOrder("alice", Scene.OrderId(1)),
            new CancelOrder("alice", Scene.OrderId(1), ByAdministrator: false, Scene.RefundWindow),
            PlaceOrderTests.Place(2, (1, 1)),
            new IssueCoupon("alice", 1),
            new CreateProduct("mug", 1, 1),
            CreateCouponTests.Create(1),
            new Cart.PutCartLine("alice", 1, 1),
            new DataPlatform.ReplayEvents([Scene.OrderId(1)], Next: null),
            new DataPlatform.RecordDelivery([("alice", Scene.OrderId(1))]),
            new ForgetIdempotencyKeys(TimeSpan.Zero)).Rows;
        Assert.True(rows.HasChanges);

        rows.Clear();

        Assert.False(rows.HasChanges);
        Assert.Equal(
            0,
            rows.Products.Count + rows.Coupons.Count + rows.IssuedCoupons.Count + rows.Orders.Count + rows.Wallets.Count
            + rows.Carts.Count + rows.Outbox.Count);
        Assert.Equal((null, null, null), (rows.NextProductId, rows.NextCouponId, rows.ForgetKeysBefore));

        rows.Keys.Order("alice", Scene.OrderId(1), Holds.Coupon);
        rows.LoadOrder(new Order(
            "alice", Scene.OrderId(1), OrderStatus.PendingPayment, [Scene.Line(1)], 1_000, 0, null, Scene.Noon, Scene.Noon, null, null));
        Assert.Empty(rows.Products.Keys);
    }
}

public sealed class IdsTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("AZaz09")]
    [InlineData("._~@|:-")]
    [InlineData("auth0|6523")]
    [InlineData("alice@example.com")]
    [InlineData("urn:uuid:01957c00-0000-7000-8000-000000000000")]
    public void A_member_id_is_letters_digits_and_a_few_signs(string text)
    {
        Assert.True(Ids.IsMemberId(text));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("alice ")]
    [InlineData("al ice")]
    [InlineData("alice/bob")]
    [InlineData("alice%2F")]
    [InlineData("alice+bob")]
    [InlineData("alice\n")]
    [InlineData("alice\0")]
    [InlineData("ali\u0441e")]
    [InlineData("\u00e9")]
    [InlineData("\uff11")]
    [InlineData("\u0661")]
    [InlineData("\ud83d\ude00")]
    public void Nothing_else_is(string text)
    {
        Assert.False(Ids.IsMemberId(text));
    }

    [Fact]
    public void Of_all_ascii_characters_exactly_these_may_be_in_a_member_id()
    {
        string allowed = string.Concat(Enumerable.Range(0, 128).Select(code => (char)code).Where(sign => Ids.IsMemberId([sign])));

        Assert.Equal("-.0123456789:@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz|~", allowed);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void A_member_id_has_1_to_64_characters(int length, bool isMemberId)
    {
        Assert.Equal(isMemberId, Ids.IsMemberId(new string('a', length)));
    }

    [Theory]
    [InlineData("01957c00-1234-7abc-8def-0123456789a0")]
    [InlineData("01957c00-1234-7abc-8def-0123456789a1")]
    [InlineData("01957c00-1234-7abc-8def-0123456789a2")]
    [InlineData("01957c00-1234-7abc-8def-0123456789a3")]
    public void A_family_differs_in_its_two_lowest_bits_and_in_nothing_else(string fresh)
    {
        Guid orderId = Ids.ToOrderId(Guid.Parse(fresh));

        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a0"), orderId);
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a1"), Ids.PaymentOf(orderId));
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a2"), Ids.CompletedEventOf(orderId));
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a3"), Ids.RefundedEventOf(orderId));
        Assert.Equal(7, orderId.Version);
    }

    [Theory]
    [InlineData("01957c00-1234-7abc-8def-0123456789a4", true, false)]
    [InlineData("01957c00-1234-7abc-8def-0123456789a5", false, true)]
    [InlineData("01957c00-1234-7abc-8def-0123456789a6", false, false)]
    [InlineData("01957c00-1234-7abc-8def-0123456789a7", false, false)]
    public void An_id_is_an_orders_or_a_payments_or_neither_and_never_both(string id, bool isOrder, bool isPayment)
    {
        Assert.Equal(isOrder, Ids.IsOrderId(Guid.Parse(id)));
        Assert.Equal(isPayment, Ids.TryOrderOfPayment(Guid.Parse(id), out Guid orderId));
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a4"), orderId);
    }
}

public sealed class LimitsTests
{
    [Fact]
    public void The_largest_order_is_smaller_than_the_largest_balance()
    {
        Assert.True(Limits.OrderLines * Limits.LineQuantity * Limits.Price < Limits.Balance);
    }

    [Fact]
    public void A_percentage_of_the_largest_order_does_not_overflow()
    {
        long largest = Limits.OrderLines * Limits.LineQuantity * Limits.Price;

        Assert.Equal(largest, new Discount(DiscountKind.Percent, Limits.Percent, null).Of(largest));
    }

    [Fact]
    public void The_largest_balance_is_a_whole_number_that_every_json_reader_keeps()
    {
        Assert.Equal((1L << 53) - 1, Limits.Balance);
    }

    [Fact]
    public void The_limits_are_those_of_the_contract()
    {
        Assert.Equal(
            (100_000_000, 1_000_000_000, 1_000_000_000, 100, 10_000, 100, 200, 100),
            (Limits.Charge, Limits.Price, Limits.Stock, Limits.OrderLines, Limits.LineQuantity, Limits.CartLines, Limits.NameLength, Limits.Percent));
    }
}

public sealed class SalesHoursTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(3_599_999, 0)]
    [InlineData(3_600_000, 1)]
    public void An_hour_begins_with_its_first_millisecond(long milliseconds, long hour)
    {
        Assert.Equal(hour, SalesHours.Of(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)));
        Assert.Equal(DateTimeOffset.UnixEpoch.AddHours(hour), SalesHours.StartOf(hour));
    }

    [Fact]
    public void Hours_are_of_utc_wherever_the_moment_was_written()
    {
        var inNepal = new DateTimeOffset(2026, 3, 2, 17, 44, 59, TimeSpan.FromMinutes(345));

        Assert.Equal(Scene.Noon.AddHours(-1), SalesHours.StartOf(SalesHours.Of(inNepal)));
    }

    [Theory]
    [InlineData(0, 1, "2026-03-01T13:00:00Z", "2026-03-02T13:00:00Z")]
    [InlineData(3_599_999, 1, "2026-03-01T13:00:00Z", "2026-03-02T13:00:00Z")]
    [InlineData(-1, 1, "2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z")]
    [InlineData(0, 3, "2026-02-27T13:00:00Z", "2026-03-02T13:00:00Z")]
    [InlineData(0, 30, "2026-01-31T13:00:00Z", "2026-03-02T13:00:00Z")]
    public void A_window_is_whole_hours_with_the_running_one_in_it(int milliseconds, int days, string since, string until)
    {
        SalesWindow window = SalesWindow.Last(Scene.Noon.AddMilliseconds(milliseconds), days);

        Assert.Equal(DateTimeOffset.Parse(since, System.Globalization.CultureInfo.InvariantCulture), SalesHours.StartOf(window.FromHour));
        Assert.Equal(DateTimeOffset.Parse(until, System.Globalization.CultureInfo.InvariantCulture), SalesHours.StartOf(window.ToHour));
    }
}
