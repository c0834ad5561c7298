using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Ranking;

namespace Jumun.Tests.Decisions;

public sealed class PayOrderTests
{
    private static readonly Guid Id = Scene.OrderId(1);
    private static readonly PayOrder Pay = new("alice", Id);

    [Fact]
    public void A_payment_takes_the_money_completes_the_order_counts_the_sales_and_makes_the_event()
    {
        DateTimeOffset now = Scene.Noon.AddMinutes(2);
        Scene scene = new Scene().At(now).WithWallet("alice", 5_000, entries: 3, events: 8).WithCoupon(7)
            .WithIssued("alice", 7, IssuedCouponStatus.Held, Id)
            .WithOrder("alice", Id, lines: [Scene.Line(1, 1_000, 2), Scene.Line(2, 250, 4)], discount: 300, couponId: 7);

        Batch batch = scene.Settle(Pay);

        Assert.Equal(
            new PaymentCompleted(Ids.PaymentOf(Id), Id, PaymentStatus.Completed, 2_700, 2_300, now), batch.Answer<PaymentCompleted>(0));
        Assert.Equal([new NewLedgerEntry("alice", new LedgerEntry(4, LedgerKind.Payment, -2_700, 2_300, Id, now), 9)], scene.Ledger);
        Assert.Equal((2_300L, 4L, 9L), (scene.Wallets["alice"].Balance, scene.Wallets["alice"].Entries, scene.Wallets["alice"].Events));
        Order order = scene.Orders[("alice", Id)];
        Assert.Equal((OrderStatus.Completed, now, null), (order.Status, order.PaidAt, order.EndedAt));
        Assert.Equal((IssuedCouponStatus.Used, Id), (scene.IssuedCoupons[("alice", 7)].Status, scene.IssuedCoupons[("alice", 7)].OrderId));
        OrderEvent orderEvent = Assert.Single(batch.Rows.Events);
        Assert.Equal(
            (Ids.CompletedEventOf(Id), OrderEventType.Completed, 9L, Id),
            (orderEvent.EventId, orderEvent.Type, orderEvent.Sequence, orderEvent.Order.OrderId));
        Assert.Equal(
            new Dictionary<(long, long), SalesDelta>
            {
                [(1, SalesHours.Of(now))] = new(2, 2_000),
                [(2, SalesHours.Of(now))] = new(4, 1_000),
            },
            scene.Sales);
    }

    [Fact]
    public void A_payment_locks_no_product_and_leaves_the_cart_alone()
    {
        WorkingSet rows = new Scene().WithProduct(1, stock: 0, onSale: false).WithWallet("alice", 1_000).WithCart("alice", 1)
            .WithOrder("alice", Id).Settle(Pay).Rows;

        Assert.Equal(0, rows.Products.Count + rows.Carts.Count);
        Assert.Empty(rows.CartEdits);
        Assert.Empty(rows.StockChanges);
    }

    [Theory]
    [InlineData("alice", 2)]
    [InlineData("bob", 1)]
    public void An_unknown_order_and_another_members_are_the_same_payment_not_found(string memberId, int number)
    {
        Scene scene = new Scene().WithWallet("alice", 9_000).WithWallet("bob", 9_000).WithOrder("alice", Id);

        Refusal refusal = scene.Refused(new PayOrder(memberId, Scene.OrderId(number)));

        Assert.Equal(new Refusal(RefusalCode.PaymentNotFound), refusal);
    }

    /// <summary>Milliseconds after the end of the payment window.</summary>
    [Theory]
    [InlineData(OrderStatus.PendingPayment, -600_000, null)]
    [InlineData(OrderStatus.PendingPayment, -1, null)]
    [InlineData(OrderStatus.PendingPayment, 0, RefusalCode.OrderExpired)]
    [InlineData(OrderStatus.PendingPayment, 1, RefusalCode.OrderExpired)]
    [InlineData(OrderStatus.Completed, -1, RefusalCode.PaymentAlreadyCompleted)]
    [InlineData(OrderStatus.Completed, 0, RefusalCode.PaymentAlreadyCompleted)]
    [InlineData(OrderStatus.Refunded, -1, RefusalCode.PaymentAlreadyCompleted)]
    [InlineData(OrderStatus.Refunded, 0, RefusalCode.PaymentAlreadyCompleted)]
    [InlineData(OrderStatus.Expired, -1, RefusalCode.OrderExpired)]
    [InlineData(OrderStatus.Expired, 0, RefusalCode.OrderExpired)]
    [InlineData(OrderStatus.Cancelled, -1, RefusalCode.OrderCancelled)]
    [InlineData(OrderStatus.Cancelled, 0, RefusalCode.OrderCancelled)]
    public void Only_a_pending_order_is_paid_and_only_before_its_window_ends(OrderStatus status, int milliseconds, RefusalCode? refusal)
    {
        Scene scene = new Scene().At((Scene.Noon + Scene.PaymentWindow).AddMilliseconds(milliseconds))
            .WithWallet("alice", 1_000).WithOrder("alice", Id, status);

        if (refusal is { } code)
        {
            Assert.Equal(code, scene.Refused(Pay).Code);
        }
        else
        {
            Assert.Equal(scene.Now, scene.Done<PaymentCompleted>(Pay).PaidAt);
        }
    }

    [Theory]
    [InlineData(1_000, 1_000)]
    [InlineData(1_000, 1_001)]
    [InlineData(0, 0)]
    [InlineData(Limits.Balance, Limits.Balance)]
    public void A_balance_that_is_exactly_the_total_is_enough(long total, long balance)
    {
        Scene scene = new Scene().WithWallet("alice", balance).WithOrder("alice", Id, lines: [Scene.Line(1, total)]);

        Assert.Equal(balance - total, scene.Done<PaymentCompleted>(Pay).Balance);
    }

    [Theory]
    [InlineData(1_000, 999L)]
    [InlineData(1_000, 0L)]
    [InlineData(1, null)]
    public void One_won_too_few_changes_nothing_and_says_what_is_there_and_what_it_takes(long total, long? balance)
    {
        Scene scene = new Scene().WithOrder("alice", Id, lines: [Scene.Line(1, total)]);
        if (balance is { } some)
        {
            scene.WithWallet("alice", some);
        }

        Refusal refusal = scene.Refused(Pay);

        Assert.Equal((RefusalCode.InsufficientBalance, balance ?? 0, total), (refusal.Code, refusal.Balance, refusal.Required));
    }

    [Theory]
    [InlineData(OrderStatus.Completed, RefusalCode.PaymentAlreadyCompleted)]
    [InlineData(OrderStatus.Refunded, RefusalCode.PaymentAlreadyCompleted)]
    [InlineData(OrderStatus.Expired, RefusalCode.OrderExpired)]
    [InlineData(OrderStatus.Cancelled, RefusalCode.OrderCancelled)]
    public void What_the_order_is_comes_before_the_balance(OrderStatus status, RefusalCode code)
    {
        Assert.Equal(code, new Scene().WithWallet("alice", 0).WithOrder("alice", Id, status).Refused(Pay).Code);
    }

    [Fact]
    public void Only_the_total_after_the_discount_must_be_there()
    {
        Scene scene = new Scene().WithWallet("alice", 700).WithIssued("alice", 7, IssuedCouponStatus.Held, Id)
            .WithOrder("alice", Id, discount: 300, couponId: 7);

        Assert.Equal((700L, 0L), (scene.Done<PaymentCompleted>(Pay).Amount, scene.Wallets["alice"].Balance));
    }

    [Fact]
    public void A_held_coupon_is_honoured_after_its_time()
    {
        Scene scene = new Scene().At(Scene.Noon.AddMinutes(1)).WithWallet("alice", 900)
            .WithCoupon(7, issueUntil: Scene.Noon.AddHours(-1), usableUntil: Scene.Noon).WithIssued("alice", 7, IssuedCouponStatus.Held, Id)
            .WithOrder("alice", Id, discount: 100, couponId: 7);

        Assert.Equal(900, scene.Done<PaymentCompleted>(Pay).Amount);
    }

    [Fact]
    public void Too_little_may_be_charged_and_tried_again_in_the_same_batch_and_is_taken_once()
    {
        Scene scene = new Scene().WithWallet("alice", 999, entries: 1).WithOrder("alice", Id);

        Batch batch = scene.Settle(Pay, new ChargePoints("alice", 1), Pay, Pay);

        Assert.Equal(RefusalCode.InsufficientBalance, batch.Refusal(0).Code);
        Assert.Equal(0, batch.Answer<PaymentCompleted>(2).Balance);
        Assert.Equal(RefusalCode.PaymentAlreadyCompleted, batch.Refusal(3).Code);
        Assert.Equal([1L, -1_000L], scene.Ledger.Select(entry => entry.Entry.Amount));
        Assert.Single(batch.Rows.Events);
    }

    [Fact]
    public void Two_orders_of_a_batch_are_paid_from_one_balance_and_their_events_are_numbered()
    {
        Guid second = Scene.OrderId(2), third = Scene.OrderId(3);
        Scene scene = new Scene().WithWallet("alice", 2_500, events: 4).WithOrder("alice", Id).WithOrder("alice", second)
            .WithOrder("alice", third);

        Batch batch = scene.Settle(Pay, new PayOrder("alice", second), new PayOrder("alice", third));

        Assert.Equal((500L, 1_000L), (batch.Refusal(2).Balance, batch.Refusal(2).Required));
        Assert.Equal([5L, 6L], batch.Rows.Events.Select(orderEvent => orderEvent.Sequence));
        Assert.Equal(new SalesDelta(2, 2_000), Assert.Single(batch.Rows.Sales).Value);
    }

    [Fact]
    public void Members_number_their_events_apart()
    {
        Scene scene = new Scene().WithWallet("alice", 1_000, events: 4).WithWallet("bob", 1_000).WithOrder("alice", Id)
            .WithOrder("bob", Scene.OrderId(2));

        Batch batch = scene.Settle(Pay, new PayOrder("bob", Scene.OrderId(2)));

        Assert.Equal([5L, 1L], batch.Rows.Events.Select(orderEvent => orderEvent.Sequence));
    }

    [Theory]
    [InlineData(OrderStatus.PendingPayment, PaymentStatus.Pending)]
    [InlineData(OrderStatus.Completed, PaymentStatus.Completed)]
    [InlineData(OrderStatus.Expired, PaymentStatus.Expired)]
    [InlineData(OrderStatus.Cancelled, PaymentStatus.Cancelled)]
    [InlineData(OrderStatus.Refunded, PaymentStatus.Refunded)]
    public void A_payment_is_what_its_order_is(OrderStatus order, PaymentStatus payment)
    {
        Assert.Equal(payment, PaymentView.StatusOf(order));
    }
}
