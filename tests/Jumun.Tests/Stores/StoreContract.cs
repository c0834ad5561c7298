using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Stores;

/// <summary>What every store must do, shown through the executor and the reads. A subclass a store.</summary>
public abstract partial class StoreContract : IAsyncLifetime
{
    private protected static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    private protected static readonly short[] AllPartitions = [.. Enumerable.Range(0, Bounds.Partitions).Select(partition => (short)partition)];

    private protected TestClock Clock { get; } = new();

    private protected IStore Store { get; private set; } = null!;

    private protected Executor Executor { get; private set; } = null!;

    private OrderIds OrderIds { get; set; } = null!;

    private protected abstract ValueTask<IStore> OpenAsync();

    private protected abstract ValueTask CleanAsync();

    /// <summary>Changes the data behind the store's back.</summary>
    private protected abstract Task RunAsync(string sql);

    public async ValueTask InitializeAsync()
    {
        Store = await OpenAsync();
        Executor = new Executor(Store, Clock, NullLogger<Executor>.Instance);
        OrderIds = new OrderIds(Clock);
    }

    public async ValueTask DisposeAsync()
    {
        await Executor.DisposeAsync();
        await Store.DisposeAsync();
        await CleanAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes the store and opens it again, as a restart does.</summary>
    private protected async Task RestartAsync()
    {
        await Executor.DisposeAsync();
        await Store.DisposeAsync();
        await InitializeAsync();
    }

    private protected async Task<T> DoAsync<T>(Command command)
        where T : Answer
    {
        Settlement settlement = await Executor.SubmitAsync(command);
        Assert.True(settlement.Refusal is null, $"{command} was refused: {settlement.Refusal?.Code}");
        return (T)settlement.Answer!;
    }

    private protected Task<PointsCharged> ChargeAsync(string member, long amount) => DoAsync<PointsCharged>(new ChargePoints(member, amount));

    private protected Task<ProductView> ProductAsync(long price = 100, long stock = 10, string name = "mug") =>
        DoAsync<ProductView>(new CreateProduct(name, price, stock));

    private protected Task<CouponView> CouponAsync(long quantity = 10, Discount? discount = null, TimeSpan? usable = null)
    {
        // To the millisecond, as requests are read.
        DateTimeOffset now = DateTimeOffset.FromUnixTimeMilliseconds(Clock.GetUtcNow().ToUnixTimeMilliseconds());
        DateTimeOffset end = now + (usable ?? TimeSpan.FromDays(1));
        return DoAsync<CouponView>(new CreateCoupon(
            "coupon", discount ?? new Discount(DiscountKind.Percent, 10, 1_000), 5, quantity, now.AddDays(-1), end, end));
    }

    private protected Task<OrderView> OrderAsync(string member, long? coupon, params (long Product, long Quantity)[] items) => DoAsync<OrderView>(
        new PlaceOrder(member, OrderIds.Next(), [.. items.Select(item => new OrderItem(item.Product, item.Quantity))], coupon, null, Window));

    private protected Task<PaymentCompleted> PayAsync(OrderView order) => DoAsync<PaymentCompleted>(new PayOrder(order.MemberId, order.OrderId));

    private protected Task<OrderView> CancelAsync(OrderView order) =>
        DoAsync<OrderView>(new CancelOrder(order.MemberId, order.OrderId, ByAdministrator: false, TimeSpan.FromDays(7)));

    /// <summary>What is to be delivered, from the first on.</summary>
    private protected ValueTask<List<PendingEvent>> PendingAsync(int limit, params string[] held) =>
        Store.PendingEventsAsync(AllPartitions, held.ToHashSet(), anew: true, limit);

    private protected async Task AuditAsync()
    {
        foreach (InvariantReport report in await Store.AuditAsync())
        {
            Assert.True(report.Holds, $"{report.Id}: {string.Join("; ", report.Offenders)}");
        }
    }

    /// <summary>The audit is only worth what it catches: an invariant is broken by hand, and must be named.</summary>
    private protected async Task MustBeNamedAsync(string id, string sql)
    {
        await LiveAsync();
        await AuditAsync();
        await RunAsync(sql);
        InvariantReport report = (await Store.AuditAsync()).Single(report => report.Id == id);
        Assert.False(report.Holds);
        Assert.NotEmpty(report.Offenders);
    }

    [Fact]
    public async Task A_value_that_makes_no_sense_breaks_what_it_belongs_to_and_hides_nothing_of_the_rest()
    {
        await LiveAsync();
        await RunAsync("UPDATE orders SET lines = 'x' WHERE status = 0");
        for (int time = 0; time < 2; time++)
        {
            List<InvariantReport> reports = await Store.AuditAsync();
            Assert.Equal(["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I11"], reports.Select(report => report.Id));
            Assert.Equal(["I3", "I6"], reports.Where(report => !report.Holds).Select(report => report.Id));
            Assert.All(
                reports.Where(report => !report.Holds),
                report => Assert.StartsWith("cannot be checked: ", Assert.Single(report.Offenders), StringComparison.Ordinal));
        }
    }

    /// <summary>A little of everything: paid, refunded and pending orders, with coupons.</summary>
    private protected async Task LiveAsync()
    {
        ProductView product = await ProductAsync();
        CouponView coupon = await CouponAsync();
        foreach (string member in (string[])["m", "n", "o", "p"])
        {
            await ChargeAsync(member, 1_000);
            await DoAsync<IssuedCouponView>(new IssueCoupon(member, coupon.CouponId));
        }

        await PayAsync(await OrderAsync("m", coupon.CouponId, (product.ProductId, 1)));
        OrderView refunded = await OrderAsync("n", coupon.CouponId, (product.ProductId, 1));
        await PayAsync(refunded);
        await CancelAsync(refunded);
        await OrderAsync("o", coupon.CouponId, (product.ProductId, 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Coupons_are_claimed_once_a_member_also_when_many_claim_and_order_at_once(int kinds)
    {
        long product = (await ProductAsync(stock: 1_000)).ProductId;
        var coupons = new List<long>();
        for (int kind = 0; kind < kinds; kind++)
        {
            coupons.Add((await CouponAsync(quantity: 100)).CouponId);
        }

        IssueCoupon[] claims = [.. Enumerable.Range(0, 60).Select(i => new IssueCoupon($"m{i % 20}", coupons[i / 20 % kinds]))];
        Settlement[] settled = await Task.WhenAll(claims.Select(claim => Executor.SubmitAsync(claim).AsTask()));
        Assert.Equal(20 * kinds, settled.Count(settlement => settlement.Answer is not null));
        settled = await Task.WhenAll(claims.Select(claim => Executor.SubmitAsync(claim).AsTask()));
        Assert.All(settled, settlement => Assert.Equal(RefusalCode.CouponAlreadyIssued, settlement.Refusal!.Code));

        OrderView[] orders = await Task.WhenAll(claims.Take(20 * kinds).Select(claim => OrderAsync(claim.MemberId, claim.CouponId, (product, 1))));
        Task<Settlement[]> late = Task.WhenAll(coupons.Select(coupon => Executor.SubmitAsync(new IssueCoupon("late", coupon)).AsTask()));
        await Task.WhenAll(orders.Select(CancelAsync));
        Assert.All(await late, settlement => Assert.NotNull(settlement.Answer));
        await Task.WhenAll(claims.Take(20 * kinds).Select(claim => OrderAsync(claim.MemberId, claim.CouponId, (product, 1))));
        await AuditAsync();
    }

    [Fact]
    public async Task A_member_never_seen_has_nothing_and_is_not_an_error()
    {
        Assert.Equal(new PointsView("nobody", 0), await Store.PointsAsync("nobody"));
        Assert.Empty(await Store.HistoryAsync("nobody", null, 10));
        Assert.Empty((await Store.CartAsync("nobody")).Items);
        Assert.Empty(await Store.OrdersAsync("nobody", null, null, Clock.GetUtcNow(), 10));
        Assert.Empty(await Store.IssuedCouponsAsync("nobody", null, null, Clock.GetUtcNow(), 10));
        Assert.Null(await Store.ProductAsync(1));
        Assert.Null(await Store.CouponAsync(1));
        Assert.Null(await Store.OrderAsync("nobody", Guid.Empty, Clock.GetUtcNow()));
        Assert.Null(await Store.PaymentAsync("nobody", Guid.Empty, Clock.GetUtcNow()));
    }

    [Fact]
    public async Task What_was_answered_is_read_back_the_same_also_after_a_restart()
    {
        ProductView product = await ProductAsync(price: 1_500, stock: 7, name: "머그컵 'quoted' \"and\" 100% _ \\ 🍵");
        CouponView coupon = await CouponAsync();
        PointsCharged charged = await ChargeAsync("a.b_c~d@e|f:g-h", 10_000);
        var issued = await DoAsync<IssuedCouponView>(new IssueCoupon("a.b_c~d@e|f:g-h", coupon.CouponId));
        OrderView order = await OrderAsync("a.b_c~d@e|f:g-h", coupon.CouponId, (product.ProductId, 3));
        PaymentCompleted payment = await PayAsync(order);
        await RestartAsync();

        DateTimeOffset now = Clock.GetUtcNow();
        Assert.Equal(product with { Stock = 4 }, await Store.ProductAsync(product.ProductId));
        Assert.Equal(coupon with { Remaining = 9 }, await Store.CouponAsync(coupon.CouponId));
        Assert.Equal(payment.Balance, (await Store.PointsAsync(charged.MemberId)).Balance);
        List<LedgerEntry> history = await Store.HistoryAsync(charged.MemberId, null, 10);
        Assert.Equal(charged.Entry, history[1]);
        Assert.Equal(new LedgerEntry(2, LedgerKind.Payment, -order.Total, payment.Balance, order.OrderId, payment.PaidAt), history[0]);
        IssuedCouponView held = Assert.Single(await Store.IssuedCouponsAsync(charged.MemberId, null, null, now, 10));
        Assert.Equal(issued with { Status = IssuedCouponStatus.Used, OrderId = order.OrderId }, held);
        OrderView read = (await Store.OrderAsync(charged.MemberId, order.OrderId, now))!;
        Assert.Equal(order.Items, read.Items);
        Assert.Equal(order with { Status = OrderStatus.Completed, PaidAt = payment.PaidAt, Items = read.Items }, read);
        Assert.Equal(
            new PaymentView(payment.PaymentId, order.OrderId, PaymentStatus.Completed, order.Total, payment.Balance, order.PayBefore, payment.PaidAt),
            await Store.PaymentAsync(charged.MemberId, order.OrderId, now));
        await AuditAsync();
    }

    [Fact]
    public async Task Orders_and_payments_are_their_owners_alone()
    {
        ProductView product = await ProductAsync();
        OrderView order = await OrderAsync("owner", null, (product.ProductId, 1));
        Assert.Null(await Store.OrderAsync("other", order.OrderId, Clock.GetUtcNow()));
        Assert.Null(await Store.PaymentAsync("other", order.OrderId, Clock.GetUtcNow()));
        Settlement stolen = await Executor.SubmitAsync(new PayOrder("other", order.OrderId));
        Assert.Equal(RefusalCode.PaymentNotFound, stolen.Refusal!.Code);
    }

    [Fact]
    public async Task A_coupon_is_issued_to_each_member_once_with_numbers_in_line_and_never_beyond_its_quantity()
    {
        CouponView coupon = await CouponAsync(quantity: 100);
        Settlement[] settled = await Task.WhenAll(
            Enumerable.Range(0, 1_000).Select(i => Executor.SubmitAsync(new IssueCoupon($"m{i % 500}", coupon.CouponId)).AsTask()));
        long[] numbers = [.. settled.Where(s => s.Answer is not null).Select(s => ((IssuedCouponView)s.Answer!).Number).Order()];
        Assert.Equal(Enumerable.Range(1, 100).Select(i => (long)i), numbers);
        Assert.All(settled.Where(s => s.Refusal is not null), s => Assert.True(
            s.Refusal!.Code is RefusalCode.CouponSoldOut or RefusalCode.CouponAlreadyIssued));
        Assert.Equal(0, (await Store.CouponAsync(coupon.CouponId))!.Remaining);
        await AuditAsync();
    }

    [Fact]
    public async Task Stock_is_sold_to_the_last_piece_and_not_beyond()
    {
        ProductView product = await ProductAsync(stock: 50);
        Settlement[] settled = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => Executor.SubmitAsync(
            new PlaceOrder($"m{i}", OrderIds.Next(), [new OrderItem(product.ProductId, 1)], null, null, Window)).AsTask()));
        Assert.Equal(50, settled.Count(s => s.Answer is not null));
        Assert.All(settled.Where(s => s.Refusal is not null), s => Assert.Equal(RefusalCode.OutOfStock, s.Refusal!.Code));
        Assert.Equal(0, (await Store.ProductAsync(product.ProductId))!.Stock);
        await AuditAsync();
    }

    [Fact]
    public async Task An_expired_order_is_found_and_gives_back_what_it_held_once()
    {
        ProductView product = await ProductAsync(stock: 5);
        CouponView coupon = await CouponAsync();
        await DoAsync<IssuedCouponView>(new IssueCoupon("m", coupon.CouponId));
        OrderView order = await OrderAsync("m", coupon.CouponId, (product.ProductId, 2));
        Assert.Empty(await Store.ExpiredOrdersAsync(Clock.GetUtcNow(), 10));
        Clock.Advance(Window);

        Assert.Equal(("m", order.OrderId), Assert.Single(await Store.ExpiredOrdersAsync(Clock.GetUtcNow(), 10)));
        Assert.Equal(OrderStatus.Expired, (await Store.OrderAsync("m", order.OrderId, Clock.GetUtcNow()))!.Status);
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => DoAsync<OrderView>(new ExpireOrder("m", order.OrderId))));
        Assert.Empty(await Store.ExpiredOrdersAsync(Clock.GetUtcNow(), 10));
        Assert.Equal(5, (await Store.ProductAsync(product.ProductId))!.Stock);
        Assert.Equal(IssuedCouponStatus.Available, (await Store.IssuedCouponsAsync("m", null, null, Clock.GetUtcNow(), 10))[0].Status);
        await AuditAsync();
    }

    [Fact]
    public async Task A_refund_gives_back_money_stock_and_coupon_and_takes_the_sale_off_the_ranking()
    {
        ProductView product = await ProductAsync(price: 100, stock: 5);
        CouponView coupon = await CouponAsync(discount: new Discount(DiscountKind.Amount, 50, null));
        await ChargeAsync("m", 1_000);
        await DoAsync<IssuedCouponView>(new IssueCoupon("m", coupon.CouponId));
        OrderView order = await OrderAsync("m", coupon.CouponId, (product.ProductId, 2));
        await PayAsync(order);
        SalesWindow window = SalesWindow.Last(Clock.GetUtcNow(), 3);
        Assert.Equal(new TopProduct(1, product.ProductId, product.Name, 100, 2, 200), Assert.Single(await Store.TopProductsAsync(window, 5)));
        Assert.Equal(OrderStatus.Refunded, (await CancelAsync(order)).Status);

        Assert.Equal(1_000, (await Store.PointsAsync("m")).Balance);
        Assert.Equal(5, (await Store.ProductAsync(product.ProductId))!.Stock);
        Assert.Equal(IssuedCouponStatus.Available, (await Store.IssuedCouponsAsync("m", null, null, Clock.GetUtcNow(), 10))[0].Status);
        Assert.Empty(await Store.TopProductsAsync(window, 5));
        Assert.Equal(
            [OrderEventType.Refunded, OrderEventType.Completed],
            (await Store.EventsAsync(null, null, 10)).Select(row => row.Event.Type));
        Assert.Equal([2L, 1L], (await Store.EventsAsync(null, null, 10)).Select(row => row.Event.Sequence));
        await AuditAsync();
    }

    [Fact]
    public async Task Refunds_that_outweigh_the_sales_of_their_batch_are_subtracted()
    {
        ProductView product = await ProductAsync(price: 100, stock: 100);
        await ChargeAsync("m", 100_000);
        OrderView large = await OrderAsync("m", null, (product.ProductId, 10));
        await PayAsync(large);
        OrderView small = await OrderAsync("m", null, (product.ProductId, 1));
        await Task.WhenAll(CancelAsync(large), PayAsync(small));
        Assert.Equal(1, Assert.Single(await Store.TopProductsAsync(SalesWindow.Last(Clock.GetUtcNow(), 1), 5)).SoldQuantity);
        await AuditAsync();
    }

    [Fact]
    public async Task Top_products_are_ordered_by_quantity_then_amount_then_lower_id_within_their_window()
    {
        ProductView[] products = [await ProductAsync(10), await ProductAsync(30), await ProductAsync(30), await ProductAsync(1_000)];
        await ChargeAsync("m", 1_000_000);
        foreach (ProductView product in products[..3])
        {
            await PayAsync(await OrderAsync("m", null, (product.ProductId, 2)));
        }

        await PayAsync(await OrderAsync("m", null, (products[3].ProductId, 1)));
        SalesWindow window = SalesWindow.Last(Clock.GetUtcNow(), 1);
        long[] top = [.. (await Store.TopProductsAsync(window, 10)).Select(product => product.ProductId)];
        Assert.Equal([products[1].ProductId, products[2].ProductId, products[0].ProductId, products[3].ProductId], top);
        Assert.Equal(2, (await Store.TopProductsAsync(window, 2)).Count);

        Clock.Advance(TimeSpan.FromHours(25));
        Assert.Empty(await Store.TopProductsAsync(SalesWindow.Last(Clock.GetUtcNow(), 1), 10));
        Assert.Equal(4, (await Store.TopProductsAsync(SalesWindow.Last(Clock.GetUtcNow(), 2), 10)).Count);
    }

    [Fact]
    public async Task The_cart_keeps_the_order_of_edits_within_a_batch_and_an_order_removes_its_lines()
    {
        ProductView one = await ProductAsync();
        ProductView two = await ProductAsync(price: 7);
        await Task.WhenAll(
            DoAsync<Done>(new PutCartLine("m", one.ProductId, 1)),
            DoAsync<Done>(new RemoveCartLine("m", null)),
            DoAsync<Done>(new PutCartLine("m", one.ProductId, 4)),
            DoAsync<Done>(new PutCartLine("m", two.ProductId, 3)),
            DoAsync<Done>(new PutCartLine("m", two.ProductId, 2)));
        CartView cart = await Store.CartAsync("m");
        Assert.Equal([new CartLineView(one.ProductId, "mug", 100, 4, 10), new CartLineView(two.ProductId, "mug", 7, 2, 10)], cart.Items);
        Assert.Equal(414, cart.Total);

        await OrderAsync("m", null, (one.ProductId, 1));
        Assert.Equal(two.ProductId, Assert.Single((await Store.CartAsync("m")).Items).ProductId);
        await DoAsync<Done>(new RemoveCartLine("m", two.ProductId));
        Assert.Empty((await Store.CartAsync("m")).Items);
    }

    [Fact]
    public async Task A_cart_takes_a_hundred_lines_also_when_they_come_in_one_batch()
    {
        long[] products = [.. (await Task.WhenAll(Enumerable.Range(0, Limits.CartLines + 5).Select(_ => ProductAsync()))).Select(p => p.ProductId)];
        Settlement[] settled = await Task.WhenAll(products.Select(product => Executor.SubmitAsync(new PutCartLine("m", product, 1)).AsTask()));
        Assert.Equal(Limits.CartLines, settled.Count(settlement => settlement.Refusal is null));
        Assert.Equal(Limits.CartLines, (await Store.CartAsync("m")).Items.Count);
    }

    [Fact]
    public async Task Lists_come_in_pages_without_gaps_or_repeats()
    {
        for (int i = 0; i < 5; i++)
        {
            await ChargeAsync("m", 1);
        }

        Assert.Equal([5L, 4L], (await Store.HistoryAsync("m", null, 2)).Select(entry => entry.EntryId));
        Assert.Equal([3L, 2L], (await Store.HistoryAsync("m", 4, 2)).Select(entry => entry.EntryId));

        long[] products =
        [
            (await ProductAsync(name: "red mug")).ProductId,
            (await ProductAsync(name: "blue cup")).ProductId,
            (await ProductAsync(name: "RED cup")).ProductId,
        ];
        Assert.Equal(products[1..], (await Store.ProductsAsync(null, products[0], 10)).Select(product => product.ProductId));
        Assert.Equal([products[0], products[2]], (await Store.ProductsAsync("red", null, 10)).Select(product => product.ProductId));
        Assert.Empty(await Store.ProductsAsync("%", null, 10));
        await DoAsync<ProductView>(new ChangeProduct(products[0], null, null, OnSale: false));
        Assert.Equal(products[1..], (await Store.ProductsAsync(null, null, 10)).Select(product => product.ProductId));

        OrderView[] orders =
        [
            await OrderAsync("m", null, (products[1], 1)),
            await OrderAsync("m", null, (products[1], 1)),
            await OrderAsync("n", null, (products[1], 1)),
        ];
        await CancelAsync(orders[0]);
        DateTimeOffset now = Clock.GetUtcNow();
        List<((long First, long Second) Place, OrderView Order)> all = await Store.OrdersAsync(null, null, null, now, 10);
        Assert.Equal(orders.Reverse().Select(order => order.OrderId), all.Select(row => row.Order.OrderId));
        Assert.Equal(orders[1].OrderId, Assert.Single(await Store.OrdersAsync("m", OrderStatus.PendingPayment, null, now, 10)).Order.OrderId);
        Assert.Equal(orders[0].OrderId, Assert.Single(await Store.OrdersAsync(null, OrderStatus.Cancelled, null, now, 10)).Order.OrderId);
        Assert.Empty(await Store.OrdersAsync(null, OrderStatus.Expired, null, now, 10));
        Assert.Equal(2, (await Store.OrdersAsync(null, OrderStatus.Expired, null, now + Window, 10)).Count);
        Assert.Empty(await Store.OrdersAsync(null, OrderStatus.PendingPayment, null, now + Window, 10));
        Assert.Equal(orders[0].OrderId, Assert.Single(await Store.OrdersAsync(null, null, all[1].Place, now, 10)).Order.OrderId);
        foreach (OrderStatus status in Enum.GetValues<OrderStatus>())
        {
            Assert.All(await Store.OrdersAsync("m", status, null, now, 10), row => Assert.Equal(status, row.Order.Status));
        }
    }

    [Fact]
    public async Task A_members_orders_of_one_millisecond_come_in_pages_by_their_ids_newest_first_and_each_once()
    {
        ProductView product = await ProductAsync(stock: 100);
        var ids = new OrderIds(new Simulation.StillClock());
        Guid[] orders = [.. Enumerable.Range(0, 20).Select(_ => ids.Next())];

        // They may be committed in another order than their requests came.
        foreach (Guid order in orders.Reverse())
        {
            await PlaceAsync("m", order);
            await PlaceAsync("n", ids.Next());
        }

        foreach (OrderStatus? status in (OrderStatus?[])[null, OrderStatus.PendingPayment])
        {
            var seen = new List<Guid>();
            List<((long First, long Second) Place, OrderView Order)> page = [];
            do
            {
                page = await Store.OrdersAsync("m", status, page.Count == 0 ? null : page[^1].Place, Clock.GetUtcNow(), 7);
                seen.AddRange(page.Select(row => row.Order.OrderId));
            }
            while (page.Count == 7);

            Assert.Equal(orders.Reverse(), seen);
        }

        Task<OrderView> PlaceAsync(string member, Guid order) => DoAsync<OrderView>(
            new PlaceOrder(member, order, [new OrderItem(product.ProductId, 1)], null, null, Window));
    }

    [Fact]
    public async Task A_members_coupons_are_listed_by_what_became_of_them()
    {
        ProductView product = await ProductAsync(price: 100);
        CouponView[] coupons = [await CouponAsync(), await CouponAsync(), await CouponAsync(), await CouponAsync(usable: TimeSpan.FromMinutes(1))];
        foreach (CouponView coupon in coupons)
        {
            await DoAsync<IssuedCouponView>(new IssueCoupon("m", coupon.CouponId));
        }

        await ChargeAsync("m", 1_000);
        await PayAsync(await OrderAsync("m", coupons[0].CouponId, (product.ProductId, 1)));
        await OrderAsync("m", coupons[1].CouponId, (product.ProductId, 1));
        Clock.Advance(TimeSpan.FromMinutes(2));
        DateTimeOffset now = Clock.GetUtcNow();
        Assert.Equal(coupons[0].CouponId, Assert.Single(await Store.IssuedCouponsAsync("m", IssuedCouponStatus.Used, null, now, 10)).CouponId);
        Assert.Equal(coupons[1].CouponId, Assert.Single(await Store.IssuedCouponsAsync("m", IssuedCouponStatus.Held, null, now, 10)).CouponId);
        Assert.Equal(coupons[2].CouponId, Assert.Single(await Store.IssuedCouponsAsync("m", IssuedCouponStatus.Available, null, now, 10)).CouponId);
        Assert.Equal(coupons[3].CouponId, Assert.Single(await Store.IssuedCouponsAsync("m", IssuedCouponStatus.Expired, null, now, 10)).CouponId);
        List<IssuedCouponView> page = await Store.IssuedCouponsAsync("m", null, null, now, 3);
        Assert.Single(await Store.IssuedCouponsAsync("m", null, (page[^1].IssuedAt, page[^1].CouponId), now, 3));
    }

    [Fact]
    public async Task Operators_see_products_that_are_not_on_sale_too()
    {
        ProductView shown = await ProductAsync(name: "red mug");
        ProductView hidden = await ProductAsync(name: "blue mug");
        hidden = await DoAsync<ProductView>(new ChangeProduct(hidden.ProductId, null, null, OnSale: false));
        Assert.Equal([shown], await Store.ProductsAsync(null, null, 10));
        Assert.Equal([shown, hidden], await Store.AllProductsAsync(null, 10));
        Assert.Equal([shown], await Store.AllProductsAsync(null, 1));
        Assert.Equal([hidden], await Store.AllProductsAsync(shown.ProductId, 10));
    }

    [Fact]
    public async Task A_read_that_begins_after_an_answer_sees_its_effect()
    {
        ProductView product = await ProductAsync(stock: 1_000);
        CouponView coupon = await CouponAsync(quantity: 1_000);
        async Task LiveAsync(int worker)
        {
            string member = $"m{worker}";
            for (int i = 1; i <= 50; i++)
            {
                PointsCharged charged = await ChargeAsync(member, 3);
                Assert.Equal(charged.Balance, (await Store.PointsAsync(member)).Balance);
                OrderView order = await OrderAsync(member, null, (product.ProductId, 1));
                Assert.Equal(OrderStatus.PendingPayment, (await Store.OrderAsync(member, order.OrderId, Clock.GetUtcNow()))!.Status);
                var issued = await Executor.SubmitAsync(new IssueCoupon($"{member}.{i}", coupon.CouponId));
                long remaining = (await Store.CouponAsync(coupon.CouponId))!.Remaining;
                Assert.True(remaining <= 1_000 - ((IssuedCouponView)issued.Answer!).Number);
            }
        }

        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() => LiveAsync(worker))));
        Assert.Equal(600, (await Store.ProductAsync(product.ProductId))!.Stock);
        await AuditAsync();
    }
}
