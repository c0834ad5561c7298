using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Tests.Decisions;

public sealed class CancelOrderTests
{
    private static readonly Guid Id = Scene.OrderId(1);
    private static readonly CancelOrder Cancel = new("alice", Id, ByAdministrator: false, Scene.RefundWindow);

    [Fact]
    public void An_unpaid_order_gives_back_stock_and_coupon_and_moves_no_money()
    {
        DateTimeOffset now = Scene.Noon.AddMinutes(3);
        Scene scene = new Scene().At(now).WithProduct(1, stock: 0).WithProduct(2, stock: 6, onSale: false)
            .WithIssued("alice", 7, IssuedCouponStatus.Held, Id)
            .WithOrder("alice", Id, lines: [Scene.Line(1, 1_000, 2), Scene.Line(2, 250, 4)], discount: 300, couponId: 7);

        Batch batch = scene.Settle(Cancel);

        OrderView answer = batch.Answer<OrderView>(0);
        Assert.Equal((OrderStatus.Cancelled, 2_700L, null, now), (answer.Status, answer.Total, answer.PaidAt, answer.EndedAt));
        Assert.Equal((OrderStatus.Cancelled, now), (scene.Orders[("alice", Id)].Status, scene.Orders[("alice", Id)].EndedAt));
        Assert.Equal((2L, 10L), (scene.Products[1].Stock, scene.Products[2].Stock));
        Assert.Equal((IssuedCouponStatus.Available, null), (scene.IssuedCoupons[("alice", 7)].Status, scene.IssuedCoupons[("alice", 7)].OrderId));
        Assert.Empty(batch.Rows.Wallets.Written);
        Assert.Empty(batch.Rows.Ledger);
        Assert.Empty(batch.Rows.Sales);
        Assert.Empty(batch.Rows.Events);
        Assert.Empty(batch.Rows.StockChanges);
    }

    [Fact]
    public void A_paid_order_gives_back_money_stock_and_coupon_and_tells_the_platform()
    {
        DateTimeOffset now = Scene.Noon.AddHours(30);
        Scene scene = new Scene().At(now).WithProduct(1, price: 9_999, stock: 0).WithProduct(2, stock: 6, onSale: false)
            .WithWallet("alice", 5, entries: 2, events: 1).WithIssued("alice", 7, IssuedCouponStatus.Used, Id)
            .WithOrder("alice", Id, OrderStatus.Completed, [Scene.Line(1, 1_000, 2), Scene.Line(2, 250, 4)], discount: 300, couponId: 7);

        Batch batch = scene.Settle(Cancel);

        OrderView answer = batch.Answer<OrderView>(0);
        Assert.Equal((OrderStatus.Refunded, 2_700L, Scene.Noon, now), (answer.Status, answer.Total, answer.PaidAt, answer.EndedAt));
        Assert.Equal([new NewLedgerEntry("alice", new LedgerEntry(3, LedgerKind.Refund, 2_700, 2_705, Id, now), 2)], scene.Ledger);
        Assert.Equal((2_705L, 3L, 2L), (scene.Wallets["alice"].Balance, scene.Wallets["alice"].Entries, scene.Wallets["alice"].Events));
        Assert.Equal((2L, 10L), (scene.Products[1].Stock, scene.Products[2].Stock));
        Assert.Equal((IssuedCouponStatus.Available, null), (scene.IssuedCoupons[("alice", 7)].Status, scene.IssuedCoupons[("alice", 7)].OrderId));
        OrderEvent orderEvent = Assert.Single(batch.Rows.Events);
        Assert.Equal(
            (Ids.RefundedEventOf(Id), OrderEventType.Refunded, 2L), (orderEvent.EventId, orderEvent.Type, orderEvent.Sequence));
        Assert.Empty(batch.Rows.StockChanges);
    }

    [Theory]
    [InlineData("alice", 2)]
    [InlineData("bob", 1)]
    public void An_unknown_order_and_another_members_are_the_same_order_not_found(string memberId, int number)
    {
        Scene scene = new Scene().WithProduct(1).WithOrder("alice", Id);

        Refusal refusal = scene.Refused(new CancelOrder(memberId, Scene.OrderId(number), ByAdministrator: true, Scene.RefundWindow));

        Assert.Equal(new Refusal(RefusalCode.OrderNotFound), refusal);
    }

    /// <summary>Milliseconds after the end of the payment window.</summary>
    [Theory]
    [InlineData(OrderStatus.PendingPayment, -1, false, null)]
    [InlineData(OrderStatus.PendingPayment, -1, true, null)]
    [InlineData(OrderStatus.PendingPayment, 0, false, OrderStatus.Expired)]
    [InlineData(OrderStatus.PendingPayment, 0, true, OrderStatus.Expired)]
    [InlineData(OrderStatus.PendingPayment, 1, true, OrderStatus.Expired)]
    [InlineData(OrderStatus.Expired, -1, false, OrderStatus.Expired)]
    [InlineData(OrderStatus.Expired, 0, true, OrderStatus.Expired)]
    [InlineData(OrderStatus.Cancelled, -1, false, OrderStatus.Cancelled)]
    [InlineData(OrderStatus.Cancelled, 0, true, OrderStatus.Cancelled)]
    [InlineData(OrderStatus.Refunded, -1, false, OrderStatus.Refunded)]
    [InlineData(OrderStatus.Refunded, 0, true, OrderStatus.Refunded)]
    public void An_order_that_has_ended_is_not_cancellable_by_anybody(
        OrderStatus status, int milliseconds, bool byAdministrator, OrderStatus? refusedAs)
    {
        Scene scene = new Scene().At((Scene.Noon + Scene.PaymentWindow).AddMilliseconds(milliseconds)).WithProduct(1)
            .WithWallet("alice", 0).WithOrder("alice", Id, status);
        CancelOrder command = Cancel with { ByAdministrator = byAdministrator };

        if (refusedAs is null)
        {
            Assert.Equal(OrderStatus.Cancelled, scene.Done<OrderView>(command).Status);
        }
        else
        {
            Refusal refusal = scene.Refused(command);
            Assert.Equal((RefusalCode.OrderNotCancellable, refusedAs), (refusal.Code, refusal.Status));
        }
    }

    /// <summary>Milliseconds after the end of the refund window, which begins with the payment and not with the order.</summary>
    [Theory]
    [InlineData(-1, false, true)]
    [InlineData(0, false, false)]
    [InlineData(1, false, false)]
    [InlineData(-1, true, true)]
    [InlineData(0, true, true)]
    [InlineData(31_536_000_000, true, true)]
    public void The_owner_gives_a_paid_order_back_inside_the_window_and_an_administrator_always(
        long milliseconds, bool byAdministrator, bool isRefunded)
    {
        DateTimeOffset paidAt = Scene.Noon.AddMinutes(9);
        Scene scene = new Scene().At((paidAt + Scene.RefundWindow).AddMilliseconds(milliseconds)).WithProduct(1).WithWallet("alice", 0)
            .WithOrder("alice", Id, OrderStatus.Completed, paidAt: paidAt);
        CancelOrder command = Cancel with { ByAdministrator = byAdministrator };

        if (isRefunded)
        {
            Assert.Equal(OrderStatus.Refunded, scene.Done<OrderView>(command).Status);
        }
        else
        {
            Refusal refusal = scene.Refused(command);
            Assert.Equal((RefusalCode.OrderNotCancellable, OrderStatus.Completed), (refusal.Code, refusal.Status));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Who_cancels_an_unpaid_order_alone_gives_back_none_that_was_paid_just_before(bool byAdministrator)
    {
        Scene scene = new Scene().WithProduct(1, stock: 4).WithWallet("alice", 1_000).WithOrder("alice", Id);
        CancelOrder command = Cancel with { ByAdministrator = byAdministrator, OnlyUnpaid = true };

        Batch batch = scene.Settle(new PayOrder("alice", Id), command);

        Assert.Equal((RefusalCode.OrderNotCancellable, OrderStatus.Completed), (batch.Refusal(1).Code, batch.Refusal(1).Status));
        Assert.Equal((4L, 0L), (scene.Products[1].Stock, scene.Wallets["alice"].Balance));
        scene = new Scene().WithProduct(1).WithOrder("alice", Id);
        Assert.Equal(OrderStatus.Cancelled, scene.Done<OrderView>(command).Status);
    }

    [Theory]
    [InlineData(-900)]
    [InlineData(-1)]
    [InlineData(0)]
    public void Without_a_refund_window_the_owner_gives_nothing_back_also_by_a_clock_that_is_behind(int milliseconds)
    {
        Scene scene = new Scene().At(Scene.Noon.AddMilliseconds(milliseconds)).WithProduct(1).WithWallet("alice", 0)
            .WithOrder("alice", Id, OrderStatus.Completed, paidAt: Scene.Noon);

        Refusal refusal = scene.Refused(Cancel with { RefundWindow = TimeSpan.Zero });

        Assert.Equal((RefusalCode.OrderNotCancellable, OrderStatus.Completed), (refusal.Code, refusal.Status));
    }

    [Theory]
    [InlineData(1_000, Limits.Balance - 1_000, true)]
    [InlineData(1_000, Limits.Balance - 999, false)]
    [InlineData(1_000, Limits.Balance, false)]
    [InlineData(1, Limits.Balance, false)]
    [InlineData(0, Limits.Balance, true)]
    public void A_refund_reaches_the_cap_and_does_not_exceed_it(long total, long balance, bool isRefunded)
    {
        Scene scene = new Scene().WithProduct(1).WithWallet("alice", balance)
            .WithOrder("alice", Id, OrderStatus.Completed, [Scene.Line(1, total)]);

        if (isRefunded)
        {
            scene.Done<OrderView>(Cancel);
            Assert.Equal(Limits.Balance, scene.Wallets["alice"].Balance);
        }
        else
        {
            Assert.Equal(RefusalCode.BalanceLimit, scene.Refused(Cancel).Code);
        }
    }

    [Fact]
    public void The_window_comes_before_the_cap()
    {
        Scene scene = new Scene().At(Scene.Noon + Scene.RefundWindow).WithProduct(1).WithWallet("alice", Limits.Balance)
            .WithOrder("alice", Id, OrderStatus.Completed);

        Assert.Equal(RefusalCode.OrderNotCancellable, scene.Refused(Cancel).Code);
        Assert.Equal(RefusalCode.BalanceLimit, scene.Refused(Cancel with { ByAdministrator = true }).Code);
    }

    [Fact]
    public void A_full_wallet_does_not_keep_an_unpaid_order_from_being_cancelled()
    {
        Scene scene = new Scene().WithProduct(1).WithWallet("alice", Limits.Balance).WithOrder("alice", Id);

        Assert.Equal(OrderStatus.Cancelled, scene.Done<OrderView>(Cancel).Status);
    }

    [Fact]
    public void A_refund_of_zero_writes_an_entry_of_zero()
    {
        Scene scene = new Scene().WithProduct(1).WithWallet("alice", 70, entries: 1)
            .WithOrder("alice", Id, OrderStatus.Completed, [Scene.Line(1, 0)]);

        scene.Done<OrderView>(Cancel);

        Assert.Equal([new NewLedgerEntry("alice", new LedgerEntry(2, LedgerKind.Refund, 0, 70, Id, Scene.Noon), 1)], scene.Ledger);
    }

    [Theory]
    [InlineData("2026-03-02T12:59:59.999Z", "2026-03-02T13:00:00.000Z", "2026-03-02T12:00:00Z")]
    [InlineData("2026-03-02T13:00:00.000Z", "2026-03-02T13:00:00.001Z", "2026-03-02T13:00:00Z")]
    [InlineData("2026-03-02T23:59:59.999Z", "2026-03-08T00:00:00.000Z", "2026-03-02T23:00:00Z")]
    public void A_refund_subtracts_in_the_hour_of_its_sale(string paid, string refunded, string hour)
    {
        DateTimeOffset paidAt = Time(paid);
        Scene scene = new Scene().At(paidAt).WithProduct(1).WithProduct(2).WithWallet("alice", 3_000).WithOrder(
            "alice", Id, lines: [Scene.Line(1, 1_000, 2), Scene.Line(2, 500, 2)]);
        scene.Orders[("alice", Id)] = new Order(
            "alice", Id, OrderStatus.PendingPayment, scene.Orders[("alice", Id)].Lines, 3_000, 0, null, paidAt, paidAt.AddMinutes(10), null, null);
        scene.Done<PaymentCompleted>(new PayOrder("alice", Id));

        Batch batch = scene.At(Time(refunded)).Settle(Cancel);

        Assert.Equal(
            new Dictionary<(long, long), SalesDelta>
            {
                [(1, SalesHours.Of(Time(hour)))] = new(-2, -2_000),
                [(2, SalesHours.Of(Time(hour)))] = new(-2, -1_000),
            },
            batch.Rows.Sales);
        Assert.All(scene.Sales.Values, sales => Assert.Equal(default, sales));
    }

    [Theory]
    [InlineData(OrderStatus.PendingPayment, OrderStatus.Cancelled, 0)]
    [InlineData(OrderStatus.Completed, OrderStatus.Refunded, 1_000)]
    public void An_order_is_given_back_once_in_one_batch_and_in_the_next(OrderStatus before, OrderStatus after, long balance)
    {
        Scene scene = new Scene().WithProduct(1, stock: 4).WithWallet("alice", 0).WithOrder("alice", Id, before);

        Batch batch = scene.Settle(Cancel, Cancel, new ExpireOrder("alice", Id));

        Assert.Equal(after, batch.Answer<OrderView>(0).Status);
        Assert.Equal(after, batch.Refusal(1).Status);
        Assert.Equal(after, batch.Answer<OrderView>(2).Status);
        Assert.Equal(after, scene.Refused(Cancel).Status);
        Assert.Equal((5L, balance), (scene.Products[1].Stock, scene.Wallets["alice"].Balance));
    }

    [Fact]
    public void Paid_and_given_back_in_one_batch_everything_is_as_it_was_and_both_events_are_told()
    {
        Scene scene = new Scene().WithProduct(1, stock: 4).WithWallet("alice", 1_000).WithOrder("alice", Id);

        Batch batch = scene.Settle(new PayOrder("alice", Id), Cancel, new PayOrder("alice", Id));

        Assert.Equal(OrderStatus.Refunded, batch.Answer<OrderView>(1).Status);
        Assert.Equal(RefusalCode.PaymentAlreadyCompleted, batch.Refusal(2).Code);
        Assert.Equal([(1L, OrderEventType.Completed), (2L, OrderEventType.Refunded)], batch.Rows.Events.Select(told => (told.Sequence, told.Type)));
        Assert.Equal([-1_000L, 1_000L], scene.Ledger.Select(entry => entry.Entry.Amount));
        Assert.Equal(new SalesDelta(0, 0), Assert.Single(scene.Sales).Value);
        Assert.Equal((5L, 1_000L), (scene.Products[1].Stock, scene.Wallets["alice"].Balance));
    }

    [Fact]
    public void Cancelled_and_then_paid_in_one_batch_it_is_cancelled()
    {
        Scene scene = new Scene().WithProduct(1).WithWallet("alice", 1_000).WithOrder("alice", Id);

        Batch batch = scene.Settle(Cancel, new PayOrder("alice", Id));

        Assert.Equal(RefusalCode.OrderCancelled, batch.Refusal(1).Code);
        Assert.Equal(1_000, scene.Wallets["alice"].Balance);
    }

    [Fact]
    public void A_coupon_given_back_after_its_time_is_expired_for_the_next_order()
    {
        Scene scene = new Scene().WithProduct(1).WithCoupon(7, issueUntil: Scene.Noon.AddHours(-1), usableUntil: Scene.Noon)
            .WithIssued("alice", 7, IssuedCouponStatus.Held, Id).WithOrder("alice", Id, discount: 100, couponId: 7);

        scene.Done<OrderView>(Cancel);

        Assert.Equal(
            CouponNotUsableReason.Expired, scene.Refused(PlaceOrderTests.Place(2, (1, 1)) with { CouponId = 7 }).Reason);
    }

    [Fact]
    public void Pieces_given_back_may_exceed_the_largest_stock()
    {
        Scene scene = new Scene().WithProduct(1, stock: Limits.Stock).WithOrder("alice", Id);

        scene.Done<OrderView>(Cancel);

        Assert.Equal(Limits.Stock + 1, scene.Products[1].Stock);
        Assert.Equal(RefusalCode.InvalidRequest, scene.Refused(new ChangeStock(1, 1, "delivery")).Code);
    }

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
