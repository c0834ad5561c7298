using System.Diagnostics;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Tests.Http;

/// <summary>The life of an order in time: payment window, expiry, refund window, and all of it across a restart.</summary>
public sealed class OrderLifeTests
{
    private static readonly Dictionary<string, string?> Windows = new()
    {
        ["Jumun:Orders:PaymentWindow"] = "00:05:00",
        ["Jumun:Orders:RefundWindow"] = "01:00:00",
    };

    [Fact]
    public async Task The_payment_window_is_the_setting()
    {
        await using TestShop shop = await TestShop.StartAsync(Windows);
        TestAnswer order = (await shop.Somebody().OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        Assert.Equal(TimeSpan.FromMinutes(5), order["payBefore"].Time() - order["createdAt"].Time());
    }

    [Fact]
    public async Task An_order_is_payable_until_just_before_the_end_of_its_window()
    {
        await using TestShop shop = await TestShop.StartAsync(Windows);
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(10_000);
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        shop.Clock.Advance(TimeSpan.FromMinutes(4.5));
        (await member.PayAsync(order)).Is(200);
    }

    [Fact]
    public async Task Payment_and_cancel_are_refused_from_the_end_of_the_window_on_even_before_the_sweep()
    {
        await using TestShop shop = await TestShop.StartAsync(Windows);
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(10_000);
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        shop.Clock.Advance(TimeSpan.FromMinutes(5));
        (await member.PayAsync(order)).IsProblem(409, "order_expired");
        TestAnswer refused = (await CancelAsync(member, order)).IsProblem(409, "order_not_cancellable");
        Assert.Equal("expired", refused.Word("orderStatus"));
        Assert.Equal("expired", (await member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}")).Is(200).Word("status"));
        Assert.Equal("expired", (await member.GetAsync($"/payment/{order["paymentId"]}")).Is(200).Word("status"));
        Assert.Equal(10_000, await member.BalanceAsync());
    }

    [Fact]
    public async Task Whoever_asks_after_the_window_waits_for_a_payment_of_its_last_moment()
    {
        await using TestShop shop = await TestShop.StartAsync(Windows);
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(10_000);
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        var held = new TaskCompletionSource();
        var open = new TaskCompletionSource();
        HoldCommit(shop.Store, held, open.Task);
        Task<TestAnswer> payment = member.PayAsync(order);
        await held.Task;
        shop.Clock.Advance(TimeSpan.FromMinutes(5));
        Task<TestAnswer>[] looks =
            [member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}"), member.GetAsync($"/payment/{order["paymentId"]}")];
        await Task.WhenAny(Task.WhenAll(looks), Task.Delay(500, TestContext.Current.CancellationToken));
        open.SetResult();
        (await payment).Is(200);
        Assert.All(await Task.WhenAll(looks), look => Assert.Equal("completed", look.Is(200).Word("status")));
        Assert.Equal(9_000, (long)(await looks[1])["balance"]!);
    }

    [Fact]
    public async Task An_expired_order_gives_back_stock_and_coupon_within_two_seconds_and_once()
    {
        await TestShop.BestOfThreeAsync(2_000, ExpireAsync);
    }

    /// <summary>How many milliseconds after the end of its window an order had given back what it held.</summary>
    private static async Task<double> ExpireAsync()
    {
        await using TestShop shop = await TestShop.StartAsync(Windows);
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(stock: 5);
        long coupon = await admin.CreateCouponAsync();
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer order = (await member.OrderAsync(product, 3, coupon)).Is(201);
        Assert.Equal(2, await member.StockAsync(product));

        long ended = Stopwatch.GetTimestamp();
        shop.Clock.Advance(TimeSpan.FromMinutes(5));
        await TestShop.UntilAsync(async () => await member.StockAsync(product) == 5);
        double took = Stopwatch.GetElapsedTime(ended).TotalMilliseconds;
        Assert.Equal(["available"], (await member.GetAsync($"/members/{member.Member}/coupons")).Items("status"));
        Assert.Equal([order.Word("orderId")], (await admin.GetAsync("/admin/orders?status=expired")).Items("orderId"));
        Assert.Empty((await admin.GetAsync("/admin/orders?status=pending_payment")).Items("orderId"));
        (await CancelAsync(admin, order, member.Member)).IsProblem(409, "order_not_cancellable");
        Assert.Equal(5, await member.StockAsync(product));
        (await member.OrderAsync(product, 5, coupon)).Is(201);
        await shop.AuditAsync();
        return took;
    }

    [Fact]
    public async Task A_paid_order_never_expires()
    {
        await using TestShop shop = await TestShop.StartAsync(Windows);
        long product = await shop.Administrator().CreateProductAsync(stock: 5);
        (TestCaller member, TestAnswer order) = await shop.BuyerAsync(product);
        TestAnswer unpaid = (await member.OrderAsync(product)).Is(201);
        shop.Clock.Advance(TimeSpan.FromMinutes(6));
        await TestShop.UntilAsync(async () => await member.StockAsync(product) == 4);
        Assert.Equal("completed", (await member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}")).Is(200).Word("status"));
        (await member.PayAsync(unpaid)).IsProblem(409, "order_expired");
    }

    [Fact]
    public async Task An_owner_refunds_inside_the_window_and_an_administrator_always()
    {
        await using TestShop shop = await TestShop.StartAsync(Windows);
        long product = await shop.Administrator().CreateProductAsync(price: 1_000, stock: 5);
        (TestCaller early, TestAnswer first) = await shop.BuyerAsync(product);
        (TestCaller late, TestAnswer second) = await shop.BuyerAsync(product);
        shop.Clock.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal("refunded", (await CancelAsync(early, first)).Is(200).Word("status"));
        shop.Clock.Advance(TimeSpan.FromMinutes(2));
        TestAnswer refused = (await CancelAsync(late, second)).IsProblem(409, "order_not_cancellable");
        Assert.Equal("completed", refused.Word("orderStatus"));
        Assert.Equal(999_000, await late.BalanceAsync());
        Assert.Equal("refunded", (await CancelAsync(shop.Administrator(), second, late.Member)).Is(200).Word("status"));
        Assert.Equal(1_000_000, await late.BalanceAsync());
        Assert.Equal(5, await late.StockAsync(product));
        await shop.AuditAsync();
    }

    [Fact]
    public async Task Orders_go_on_after_a_restart_and_what_expired_meanwhile_comes_back()
    {
        await using TestData data = await TestData.CreateAsync();
        long product;
        TestAnswer paid, payable, lost;
        await using (TestShop shop = await TestShop.StartAsync(Windows, data))
        {
            product = await shop.Administrator().CreateProductAsync(price: 1_000, stock: 10);
            TestCaller member = shop.Member("alice");
            await member.ChargeAsync(10_000);
            paid = (await member.OrderAsync(product)).Is(201);
            (await member.PayAsync(paid)).Is(200);
            payable = (await member.OrderAsync(product, 2)).Is(201);
            lost = (await shop.Member("bob").OrderAsync(product, 3)).Is(201);
        }

        await using (TestShop shop = await TestShop.StartAsync(Windows, data))
        {
            TestCaller alice = shop.Member("alice");
            Assert.Equal(4, await alice.StockAsync(product));
            (await alice.PayAsync(payable)).Is(200);
            shop.Clock.Advance(TimeSpan.FromMinutes(6));
            await TestShop.UntilAsync(async () => await alice.StockAsync(product) == 7);
            (await shop.Member("bob").PayAsync(lost)).IsProblem(409, "order_expired");
            Assert.Equal("refunded", (await CancelAsync(alice, paid)).Is(200).Word("status"));
            (await alice.PayAsync(paid)).IsProblem(409, "payment_already_completed");
        }

        await using (TestShop shop = await TestShop.StartAsync(Windows, data))
        {
            TestCaller alice = shop.Member("alice");
            Assert.Equal(8_000, await alice.BalanceAsync());
            Assert.Equal(8, await alice.StockAsync(product));
            Assert.Equal(["completed", "refunded"], (await alice.GetAsync("/members/alice/orders")).Items("status"));
            Assert.Equal(["expired"], (await shop.Member("bob").GetAsync("/members/bob/orders")).Items("status"));
            await shop.AuditAsync();
        }
    }

    /// <summary>Holds the next batch when it is decided, before it commits.</summary>
    private static void HoldCommit(IStore store, TaskCompletionSource held, Task open)
    {
        switch (store)
        {
            case SqliteStore file:
                file.Fault = point =>
                {
                    if (point == SqliteStore.FaultPoint.BeforeCommit && held.TrySetResult())
                    {
                        open.Wait(TimeSpan.FromSeconds(30));
                    }
                };
                break;
            case PostgresStore server:
                server.Fault = point =>
                    point == PostgresStore.FaultPoint.Write && held.TrySetResult() ? open.WaitAsync(TimeSpan.FromSeconds(30)) : Task.CompletedTask;
                break;
        }
    }

    private static Task<TestAnswer> CancelAsync(TestCaller caller, TestAnswer order, string? member = null) =>
        caller.PostAsync($"/members/{member ?? caller.Member}/orders/{order["orderId"]}/cancel");
}
