using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;

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
        new DataPlatform.ForgetDeliveredEvents([Scene.OrderId(1)], TimeSpan.Zero),
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
        WorkingSet rows = new Scene().WithProduct(1).WithWallet("alice", 5_000).WithCoupon(1).WithOrder("alice", Scene.OrderId(1))
            .WithEvent(Scene.OrderId(3), DataPlatform.OutboxState.Delivered, createdAt: Scene.Noon.AddDays(-1)).Settle(
            new PayOrder("alice", Scene.OrderId(1)),
            new CancelOrder("alice", Scene.OrderId(1), ByAdministrator: false, Scene.RefundWindow),
            PlaceOrderTests.Place(2, (1, 1)),
            new IssueCoupon("alice", 1),
            new CreateProduct("mug", 1, 1),
            CreateCouponTests.Create(1),
            new Cart.PutCartLine("alice", 1, 1),
            new DataPlatform.ReplayEvents([Scene.OrderId(1)], Next: null),
            new DataPlatform.RecordDelivery([new("alice", Scene.OrderId(1), 1)]),
            new DataPlatform.ForgetDeliveredEvents([Scene.OrderId(3)], TimeSpan.Zero),
            new ForgetIdempotencyKeys(TimeSpan.Zero)).Rows;
        Assert.True(rows.HasChanges);
        Assert.NotNull(rows.EventsForgottenBefore);

        rows.Clear();

        Assert.False(rows.HasChanges);
        Assert.Equal(
            0,
            rows.Products.Count + rows.Coupons.Count + rows.IssuedCoupons.Count + rows.Orders.Count + rows.Wallets.Count
            + rows.Carts.Count + rows.Outbox.Count);
        Assert.Equal((null, null, null, null), (rows.NextProductId, rows.NextCouponId, rows.ForgetKeysBefore, rows.EventsForgottenBefore));

        rows.Keys.Order("alice", Scene.OrderId(1), Holds.Coupon);
        rows.LoadOrder(new Order(
            "alice", Scene.OrderId(1), OrderStatus.PendingPayment, [Scene.Line(1)], 1_000, 0, null, Scene.Noon, Scene.Noon, null, null));
        Assert.Empty(rows.Products.Keys);
    }
}
