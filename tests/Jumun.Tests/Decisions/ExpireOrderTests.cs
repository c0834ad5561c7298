using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Payments;

namespace Jumun.Tests.Decisions;

public sealed class ExpireOrderTests
{
    private static readonly Guid Id = Scene.OrderId(1);
    private static readonly DateTimeOffset PayBefore = Scene.Noon + Scene.PaymentWindow;
    private static readonly ExpireOrder Expire = new("alice", Id);

    [Theory]
    [InlineData("alice", 2)]
    [InlineData("bob", 1)]
    public void An_unknown_order_and_another_members_are_not_found(string memberId, int number)
    {
        Scene scene = new Scene().At(PayBefore).WithProduct(1).WithOrder("alice", Id);

        Assert.Equal(RefusalCode.OrderNotFound, scene.Refused(new ExpireOrder(memberId, Scene.OrderId(number))).Code);
    }

    /// <summary>Milliseconds after the end of the payment window.</summary>
    [Theory]
    [InlineData(OrderStatus.PendingPayment, -1, OrderStatus.PendingPayment, false)]
    [InlineData(OrderStatus.PendingPayment, 0, OrderStatus.Expired, true)]
    [InlineData(OrderStatus.PendingPayment, 1, OrderStatus.Expired, true)]
    [InlineData(OrderStatus.PendingPayment, 86_400_000, OrderStatus.Expired, true)]
    [InlineData(OrderStatus.Completed, 0, OrderStatus.Completed, false)]
    [InlineData(OrderStatus.Expired, 0, OrderStatus.Expired, false)]
    [InlineData(OrderStatus.Cancelled, 0, OrderStatus.Cancelled, false)]
    [InlineData(OrderStatus.Refunded, 0, OrderStatus.Refunded, false)]
    public void Only_a_pending_order_whose_window_is_over_gives_back_what_it_holds(
        OrderStatus status, int milliseconds, OrderStatus after, bool givesBack)
    {
        Scene scene = new Scene().At(PayBefore.AddMilliseconds(milliseconds)).WithProduct(1, stock: 5)
            .WithIssued("alice", 7, status == OrderStatus.Completed ? IssuedCouponStatus.Used : IssuedCouponStatus.Held, Id)
            .WithOrder("alice", Id, status, [Scene.Line(1, 1_000, 3)], discount: 100, couponId: 7);

        Batch batch = scene.Settle(Expire);

        Assert.Equal(after, batch.Answer<OrderView>(0).Status);
        Assert.Equal(givesBack, batch.Rows.HasChanges);
        Assert.Equal(givesBack ? 8 : 5, scene.Products[1].Stock);
        Assert.Equal(givesBack, scene.IssuedCoupons[("alice", 7)].Status == IssuedCouponStatus.Available);
        Assert.Equal(after, scene.Orders[("alice", Id)].Status);
    }

    [Fact]
    public void An_expired_order_moves_no_money_and_tells_nobody()
    {
        Batch batch = new Scene().At(PayBefore).WithProduct(1).WithOrder("alice", Id).Settle(Expire);

        Assert.Equal(PayBefore, batch.Answer<OrderView>(0).EndedAt);
        Assert.Empty(batch.Rows.Ledger);
        Assert.Empty(batch.Rows.Events);
        Assert.Empty(batch.Rows.Sales);
        Assert.Empty(batch.Rows.StockChanges);
    }

    [Fact]
    public void Twice_in_one_batch_and_once_more_in_the_next_gives_back_once()
    {
        Scene scene = new Scene().At(PayBefore).WithProduct(1, stock: 5).WithOrder("alice", Id, lines: [Scene.Line(1, 1_000, 3)]);

        scene.Settle(Expire, Expire);
        Batch next = scene.At(PayBefore.AddSeconds(1)).Settle(Expire);

        Assert.False(next.Rows.HasChanges);
        Assert.Equal(8, scene.Products[1].Stock);
        Assert.Equal(PayBefore, scene.Orders[("alice", Id)].EndedAt);
    }

    [Theory]
    [InlineData(-1, true)]
    [InlineData(0, false)]
    public void At_the_edge_of_the_window_either_the_payment_or_the_expiry_has_the_order(int milliseconds, bool isPaid)
    {
        Scene scene = new Scene().At(PayBefore.AddMilliseconds(milliseconds)).WithProduct(1, stock: 5).WithWallet("alice", 1_000)
            .WithOrder("alice", Id);

        Batch batch = scene.Settle(Expire, new PayOrder("alice", Id), Expire);

        Assert.Equal(isPaid ? null : RefusalCode.OrderExpired, batch.Decisions[1].Refusal?.Code);
        Assert.Equal(isPaid ? OrderStatus.Completed : OrderStatus.Expired, batch.Answer<OrderView>(2).Status);
        Assert.Equal(isPaid ? (5L, 0L) : (6L, 1_000L), (scene.Products[1].Stock, scene.Wallets["alice"].Balance));
    }

    [Fact]
    public void What_two_orders_hold_of_one_product_comes_back_together_and_can_be_ordered_in_the_same_batch()
    {
        Guid second = Scene.OrderId(2);
        Scene scene = new Scene().At(PayBefore).WithProduct(1, stock: 0).WithOrder("alice", Id).WithOrder("bob", second);

        Batch batch = scene.Settle(Expire, new ExpireOrder("bob", second), PlaceOrderTests.Place(3, (1, 2)));

        batch.Answer<OrderView>(2);
        Assert.Equal(0, scene.Products[1].Stock);
    }
}
