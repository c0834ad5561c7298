using Jumun.Cart;
using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;

namespace Jumun.Tests.Decisions;

public sealed class PlaceOrderTests
{
    /// <summary>What can be wrong with an order, in the order in which it is refused.</summary>
    [Flags]
    public enum Wrong
    {
        Nothing = 0,
        ProductUnknown = 1,
        NotOnSale = 2,
        Coupon = 4,
        Stock = 8,
        ExpectedTotal = 16,
    }

    internal static PlaceOrder Place(int number, params (long ProductId, long Quantity)[] items) => new(
        "alice", Scene.OrderId(number), [.. items.Select(item => new OrderItem(item.ProductId, item.Quantity))], null, null,
        Scene.PaymentWindow);

    [Fact]
    public void An_order_takes_stock_and_coupon_leaves_the_cart_and_waits_for_its_payment()
    {
        Scene scene = new Scene().WithProduct(1, price: 1_000, stock: 10).WithProduct(2, price: 250, stock: 4, name: "cup").WithProduct(3)
            .WithCoupon(7, new Discount(DiscountKind.Percent, 10, null)).WithIssued("alice", 7)
            .WithCart("alice", 1, 2, 3).WithCart("bob", 1);

        Batch batch = scene.Settle(Place(1, (1, 2), (2, 4)) with { CouponId = 7 });

        OrderView answer = batch.Answer<OrderView>(0);
        Assert.Equal([new OrderLine(1, "mug", 1_000, 2), new OrderLine(2, "cup", 250, 4)], answer.Items);
        Assert.Equal(
            new OrderView(
                Scene.OrderId(1), "alice", Ids.PaymentOf(Scene.OrderId(1)), OrderStatus.PendingPayment, answer.Items, 3_000, 300, 2_700, 7,
                Scene.Noon, Scene.Noon.AddMinutes(10), null, null),
            answer);
        Order order = Assert.Single(batch.Rows.NewOrders);
        Assert.Equal((OrderStatus.PendingPayment, 2_700L), (order.Status, order.Total));
        Assert.Equal((8L, 0L, 10L), (scene.Products[1].Stock, scene.Products[2].Stock, scene.Products[3].Stock));
        Assert.Equal((IssuedCouponStatus.Held, Scene.OrderId(1)), (scene.IssuedCoupons[("alice", 7)].Status, scene.IssuedCoupons[("alice", 7)].OrderId));
        Assert.Equal([3L], scene.Carts["alice"].Keys);
        Assert.Equal([1L], scene.Carts["bob"].Keys);
    }

    [Fact]
    public void An_order_moves_no_money_sells_nothing_and_tells_nobody()
    {
        WorkingSet rows = new Scene().WithProduct(1).Settle(Place(1, (1, 1))).Rows;

        Assert.Empty(rows.Ledger);
        Assert.Empty(rows.Sales);
        Assert.Empty(rows.Events);
        Assert.Empty(rows.StockChanges);
        Assert.Equal(0, rows.Wallets.Count);
    }

    [Theory]
    [InlineData(10, 1)]
    [InlineData(10, 10)]
    [InlineData(1, 1)]
    [InlineData(Limits.LineQuantity, Limits.LineQuantity)]
    public void Stock_that_is_exactly_enough_is_enough(long stock, long quantity)
    {
        Scene scene = new Scene().WithProduct(1, stock: stock);

        scene.Done<OrderView>(Place(1, (1, quantity)));

        Assert.Equal(stock - quantity, scene.Products[1].Stock);
    }

    [Theory]
    [InlineData(10, 11)]
    [InlineData(0, 1)]
    [InlineData(Limits.LineQuantity - 1, Limits.LineQuantity)]
    public void One_piece_too_few_is_out_of_stock(long stock, long quantity)
    {
        Refusal refusal = new Scene().WithProduct(1, stock: stock).Refused(Place(1, (1, quantity)));

        Assert.Equal(RefusalCode.OutOfStock, refusal.Code);
        Assert.Equal([new Shortage(1, quantity, stock)], refusal.Shortages);
    }

    [Fact]
    public void Every_product_that_is_short_is_named_and_nothing_is_taken_of_the_others()
    {
        Refusal refusal = new Scene().WithProduct(1, stock: 1).WithProduct(2, stock: 5).WithProduct(3, stock: 0).WithCart("alice", 1, 2, 3)
            .Refused(Place(1, (1, 2), (2, 5), (3, 1)));

        Assert.Equal([new Shortage(1, 2, 1), new Shortage(3, 1, 0)], refusal.Shortages);
    }

    [Fact]
    public void Every_product_that_is_unknown_is_named()
    {
        Refusal refusal = new Scene().WithProduct(2).Refused(Place(1, (1, 1), (2, 1), (3, 1)));

        Assert.Equal(RefusalCode.ProductNotFound, refusal.Code);
        Assert.Equal([1L, 3L], refusal.ProductIds);
    }

    [Fact]
    public void Every_product_that_is_not_on_sale_is_named()
    {
        Refusal refusal = new Scene().WithProduct(1, onSale: false).WithProduct(2).WithProduct(3, onSale: false)
            .Refused(Place(1, (1, 1), (2, 1), (3, 1)));

        Assert.Equal(RefusalCode.ProductNotOnSale, refusal.Code);
        Assert.Equal([1L, 3L], refusal.ProductIds);
    }

    public static TheoryData<Wrong> EveryCombination => [.. Enumerable.Range(0, 32).Select(bits => (Wrong)bits)];

    [Theory]
    [MemberData(nameof(EveryCombination))]
    public void Of_several_refusals_the_first_is_given(Wrong wrong)
    {
        Scene scene = new Scene().WithProduct(1, onSale: !wrong.HasFlag(Wrong.NotOnSale)).WithProduct(2, stock: wrong.HasFlag(Wrong.Stock) ? 0 : 1)
            .WithCoupon(7);
        if (!wrong.HasFlag(Wrong.ProductUnknown))
        {
            scene.WithProduct(3);
        }

        if (!wrong.HasFlag(Wrong.Coupon))
        {
            scene.WithIssued("alice", 7);
        }

        PlaceOrder command = Place(1, (1, 1), (2, 1), (3, 1)) with
        {
            CouponId = 7,
            ExpectedTotal = wrong.HasFlag(Wrong.ExpectedTotal) ? 2_901 : 2_900,
        };

        if (wrong == Wrong.Nothing)
        {
            scene.Done<OrderView>(command);
            return;
        }

        RefusalCode first = wrong.HasFlag(Wrong.ProductUnknown) ? RefusalCode.ProductNotFound
            : wrong.HasFlag(Wrong.NotOnSale) ? RefusalCode.ProductNotOnSale
            : wrong.HasFlag(Wrong.Coupon) ? RefusalCode.CouponNotUsable
            : wrong.HasFlag(Wrong.Stock) ? RefusalCode.OutOfStock
            : RefusalCode.PriceChanged;
        Assert.Equal(first, scene.Refused(command).Code);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_coupon_that_is_unknown_or_another_members_is_not_held(bool isKnown, bool isAnothers)
    {
        Scene scene = new Scene().WithProduct(1);
        if (isKnown)
        {
            scene.WithCoupon(7);
        }

        if (isAnothers)
        {
            scene.WithIssued("bob", 7);
        }

        Refusal refusal = scene.Refused(Place(1, (1, 1)) with { CouponId = 7 });

        Assert.Equal((RefusalCode.CouponNotUsable, CouponNotUsableReason.NotHeld), (refusal.Code, refusal.Reason));
    }

    /// <summary>The coupon can be used until noon, for orders of 1,000 won or more.</summary>
    [Theory]
    [InlineData(IssuedCouponStatus.Available, -1, 1_000, null)]
    [InlineData(IssuedCouponStatus.Available, -1, 1_001, null)]
    [InlineData(IssuedCouponStatus.Available, -1, 999, CouponNotUsableReason.MinimumNotMet)]
    [InlineData(IssuedCouponStatus.Available, 0, 1_000, CouponNotUsableReason.Expired)]
    [InlineData(IssuedCouponStatus.Available, 1, 1_000, CouponNotUsableReason.Expired)]
    [InlineData(IssuedCouponStatus.Available, 0, 999, CouponNotUsableReason.Expired)]
    [InlineData(IssuedCouponStatus.Held, -1, 1_000, CouponNotUsableReason.HeldByOrder)]
    [InlineData(IssuedCouponStatus.Held, 0, 999, CouponNotUsableReason.HeldByOrder)]
    [InlineData(IssuedCouponStatus.Used, -1, 1_000, CouponNotUsableReason.Used)]
    [InlineData(IssuedCouponStatus.Used, 0, 999, CouponNotUsableReason.Used)]
    public void A_coupon_must_be_free_in_time_and_the_order_large_enough(
        IssuedCouponStatus status, int milliseconds, long subtotal, CouponNotUsableReason? reason)
    {
        Guid? orderId = status == IssuedCouponStatus.Available ? null : Scene.OrderId(9);
        Scene scene = new Scene().At(Scene.Noon.AddMilliseconds(milliseconds)).WithProduct(1, price: subtotal)
            .WithCoupon(7, minimum: 1_000, issueUntil: Scene.Noon.AddHours(-1), usableUntil: Scene.Noon)
            .WithIssued("alice", 7, status, orderId);
        PlaceOrder command = Place(1, (1, 1)) with { CouponId = 7 };

        if (reason is null)
        {
            Assert.Equal(subtotal - 100, scene.Done<OrderView>(command).Total);
        }
        else
        {
            Refusal refusal = scene.Refused(command);
            Assert.Equal((RefusalCode.CouponNotUsable, reason), (refusal.Code, refusal.Reason));
        }
    }

    [Fact]
    public void The_minimum_counts_the_whole_order_before_its_discount()
    {
        Scene scene = new Scene().WithProduct(1, price: 400).WithProduct(2, price: 600).WithCoupon(7, minimum: 1_000).WithIssued("alice", 7);

        Assert.Equal(900, scene.Done<OrderView>(Place(1, (1, 1), (2, 1)) with { CouponId = 7 }).Total);
    }

    [Theory]
    [InlineData(DiscountKind.Amount, 999, null, 999, 1)]
    [InlineData(DiscountKind.Amount, 1_000, null, 1_000, 0)]
    [InlineData(DiscountKind.Amount, 1_001, null, 1_000, 0)]
    [InlineData(DiscountKind.Amount, Limits.Balance, null, 1_000, 0)]
    [InlineData(DiscountKind.Percent, 1, null, 10, 990)]
    [InlineData(DiscountKind.Percent, 100, null, 1_000, 0)]
    [InlineData(DiscountKind.Percent, 50, 499L, 499, 501)]
    [InlineData(DiscountKind.Percent, 50, 500L, 500, 500)]
    [InlineData(DiscountKind.Percent, 50, 501L, 500, 500)]
    public void The_discount_is_on_the_whole_order_and_never_larger(DiscountKind kind, long value, long? maximum, long discount, long total)
    {
        Scene scene = new Scene().WithProduct(1, price: 250).WithProduct(2, price: 500).WithCoupon(7, new Discount(kind, value, maximum))
            .WithIssued("alice", 7);

        OrderView order = scene.Done<OrderView>(Place(1, (1, 2), (2, 1)) with { CouponId = 7 });

        Assert.Equal((1_000L, discount, total), (order.Subtotal, order.Discount, order.Total));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(500, 500)]
    [InlineData(500, 1_000)]
    public void A_total_of_zero_is_payable_without_a_wallet_and_writes_an_entry_of_zero(long price, long discount)
    {
        Scene scene = new Scene().WithProduct(1, price: price);
        if (discount > 0)
        {
            scene.WithCoupon(7, new Discount(DiscountKind.Amount, discount, null)).WithIssued("alice", 7);
        }

        OrderView order = scene.Done<OrderView>(Place(1, (1, 1)) with { CouponId = discount > 0 ? 7 : null, ExpectedTotal = 0 });
        PaymentCompleted payment = scene.Done<PaymentCompleted>(new PayOrder("alice", order.OrderId));

        Assert.Equal((0L, 0L), (payment.Amount, payment.Balance));
        Assert.Equal(
            [new NewLedgerEntry("alice", new LedgerEntry(1, LedgerKind.Payment, 0, 0, order.OrderId, Scene.Noon), 1)], scene.Ledger);
    }

    [Theory]
    [InlineData(null, null, null)]
    [InlineData(null, 2_000L, null)]
    [InlineData(null, 1_999L, 2_000L)]
    [InlineData(null, 2_001L, 2_000L)]
    [InlineData(null, 0L, 2_000L)]
    [InlineData(7L, 1_900L, null)]
    [InlineData(7L, 2_000L, 1_900L)]
    public void The_expected_total_is_the_total_after_the_discount_or_the_price_has_changed(long? couponId, long? expectedTotal, long? total)
    {
        Scene scene = new Scene().WithProduct(1, price: 1_000).WithCoupon(7).WithIssued("alice", 7);
        PlaceOrder command = Place(1, (1, 2)) with { CouponId = couponId, ExpectedTotal = expectedTotal };

        if (total is null)
        {
            scene.Done<OrderView>(command);
        }
        else
        {
            Refusal refusal = scene.Refused(command);
            Assert.Equal((RefusalCode.PriceChanged, total), (refusal.Code, refusal.Total));
        }
    }

    [Fact]
    public void The_largest_order_can_be_made_and_paid()
    {
        const long Largest = Limits.OrderLines * Limits.LineQuantity * Limits.Price;
        Scene scene = new Scene().WithWallet("alice", Largest);
        for (int productId = 1; productId <= Limits.OrderLines; productId++)
        {
            scene.WithProduct(productId, Limits.Price, Limits.LineQuantity);
        }

        OrderView order = scene.Done<OrderView>(Place(1, [.. scene.Products.Keys.Select(id => (id, Limits.LineQuantity))]));
        PaymentCompleted payment = scene.Done<PaymentCompleted>(new PayOrder("alice", order.OrderId));

        Assert.Equal((Largest, 0L), (payment.Amount, payment.Balance));
        Assert.All(scene.Products.Values, product => Assert.Equal(0, product.Stock));
    }

    [Fact]
    public void A_line_leaves_the_cart_whatever_its_quantity_was()
    {
        Scene scene = new Scene().WithProduct(1);

        scene.Settle(new PutCartLine("alice", 1, 9), Place(1, (1, 1)));

        Assert.Empty(scene.Carts["alice"]);
    }

    [Fact]
    public void Buyers_of_one_batch_share_the_stock_in_order_of_arrival()
    {
        Scene scene = new Scene().WithProduct(1, stock: 5);

        Batch batch = scene.Settle(Place(1, (1, 3)), Place(2, (1, 3)), Place(3, (1, 2)), Place(4, (1, 1)));

        batch.Answer<OrderView>(0);
        Assert.Equal([new Shortage(1, 3, 2)], batch.Refusal(1).Shortages);
        batch.Answer<OrderView>(2);
        Assert.Equal([new Shortage(1, 1, 0)], batch.Refusal(3).Shortages);
        Assert.Equal(0, scene.Products[1].Stock);
        Assert.Equal(2, scene.Orders.Count);
    }

    [Fact]
    public void A_coupon_issued_in_a_batch_is_held_by_its_first_order_and_by_no_other()
    {
        Scene scene = new Scene().WithProduct(1).WithCoupon(7);

        Batch batch = scene.Settle(
            new IssueCoupon("alice", 7), Place(1, (1, 1)) with { CouponId = 7 }, Place(2, (1, 1)) with { CouponId = 7 }, Place(3, (1, 1)));

        Assert.Equal(900, batch.Answer<OrderView>(1).Total);
        Assert.Equal(CouponNotUsableReason.HeldByOrder, batch.Refusal(2).Reason);
        Assert.Equal(1_000, batch.Answer<OrderView>(3).Total);
        IssuedCoupon issued = Assert.Single(batch.Rows.IssuedCoupons.Written);
        Assert.Equal((RowState.Added, IssuedCouponStatus.Held, Scene.OrderId(1)), (issued.State, issued.Status, issued.OrderId));
    }

    [Fact]
    public void What_a_cancelled_order_gives_back_can_be_ordered_in_the_same_batch()
    {
        Scene scene = new Scene().WithProduct(1, stock: 1).WithCoupon(7).WithIssued("alice", 7);
        scene.Done<OrderView>(Place(1, (1, 1)) with { CouponId = 7 });

        Batch batch = scene.Settle(
            new CancelOrder("alice", Scene.OrderId(1), ByAdministrator: false, Scene.RefundWindow), Place(2, (1, 1)) with { CouponId = 7 });

        batch.Answer<OrderView>(1);
        Assert.Equal(0, scene.Products[1].Stock);
        Assert.Equal((IssuedCouponStatus.Held, Scene.OrderId(2)), (scene.IssuedCoupons[("alice", 7)].Status, scene.IssuedCoupons[("alice", 7)].OrderId));
    }
}
