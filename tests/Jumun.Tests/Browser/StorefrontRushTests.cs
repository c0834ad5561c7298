using Jumun.Tests.Http;
using Microsoft.Playwright;
using static Jumun.Tests.Browser.StorefrontOutcomeTests;
using static Jumun.Tests.Browser.StorefrontTests;
using static Microsoft.Playwright.Assertions;

namespace Jumun.Tests.Browser;

/// <summary>
/// The storefront's pages for money and rushes when answers are lost or late: nothing is done twice, nothing untrue stands there, and nobody is stuck.
/// </summary>
[Once]
public sealed class StorefrontRushTests
{
    [Fact]
    public async Task A_press_that_is_refused_leaves_a_button_that_can_be_pressed_again()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long coupon = await shop.AsAdmin().CreateCouponAsync();
        IPage page = await OpenAsync(shop, browser, "alice", $"coupons/{coupon}");
        string path = $"**/coupons/{coupon}";
        await page.RouteAsync(path, route => route.FulfillAsync(Problem(409, "coupon_not_open")));
        await Button(page, "Take this coupon").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("coupon_not_open");
        await page.UnrouteAsync(path);
        await Button(page, "Take this coupon").ClickAsync();
        await Expect(page.GetByText("It is yours: number 1.")).ToBeVisibleAsync();
        browser.NothingBut("status of 409");
    }

    [Fact]
    public async Task Who_got_no_answer_is_told_whether_they_have_it_once_it_is_sold_out()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long last = await shop.AsAdmin().CreateCouponAsync(quantity: 1);
        IPage page = await OpenAsync(shop, browser, "alice", $"coupons/{last}");
        await LoseAsync(page, $"**/coupons/{last}");
        await Button(page, "Take this coupon").ClickAsync();
        await Expect(page.GetByText("Sold out. You have number 1.")).ToBeVisibleAsync();
        await Expect(page.Locator(".note.bad")).ToHaveCountAsync(0);

        // Another one's never arrived, and it is somebody else's.
        long gone = await shop.AsAdmin().CreateCouponAsync(quantity: 1);
        IPage other = await OpenAsync(shop, browser, "bob", $"coupons/{gone}");
        await LoseAsync(other, $"**/coupons/{gone}", arrives: false);
        await Button(other, "Take this coupon").ClickAsync();
        await Expect(other.Locator(".note.bad")).ToContainTextAsync("Nobody knows yet whether this was done.");
        await Expect(Button(other, "Take this coupon")).ToBeEnabledAsync();
        (await shop.As("carol").PostAsync($"/coupons/{gone}")).Is(201);
        await Expect(other.GetByText("All of them have been issued.")).ToBeVisibleAsync();
        await Expect(other.Locator(".note.bad")).ToHaveCountAsync(0);
        browser.NothingBut("status of 502");
    }

    [Fact]
    public async Task A_product_is_live_also_when_its_stream_had_no_room_at_first()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync();
        IPage page = await OpenAsync(shop, browser, "alice", "points");
        int asked = 0;
        await page.RouteAsync($"**/products/{product}/live", route => ++asked == 1
            ? route.FulfillAsync(Problem(429, "rate_limited", retryAfterSeconds: 1))
            : route.ContinueAsync());
        await ShowAsync(page, $"products/{product}");
        await Expect(page.Locator(".badge.live")).ToBeVisibleAsync();
        await Expect(page.Locator(".note.bad")).ToHaveCountAsync(0);
        browser.NothingBut("status of 429");
    }

    [Fact]
    public async Task A_price_that_changed_is_shown_without_a_stream_and_can_be_ordered_at()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync(price: 1_000);
        IPage page = await OpenAsync(shop, browser, "alice", "points");
        await page.RouteAsync($"**/products/{product}/live", route => route.FulfillAsync(Problem(503, "unavailable", retryAfterSeconds: 60)));
        await ShowAsync(page, $"products/{product}");
        await Expect(page.Locator(".price-large")).ToHaveTextAsync("₩1,000");
        (await shop.AsAdmin().PatchAsync($"/admin/products/{product}", """{"price":1500}""")).Is(200);
        await Button(page, "Order now").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("The total is ₩1,500 now.");
        await Expect(page.Locator(".price-large")).ToHaveTextAsync("₩1,500");
        await Button(page, "Order now").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Timer)).ToBeVisibleAsync();
        Assert.Equal([1_500], await TotalsAsync(shop));
        browser.NothingBut("status of 503", "status of 409");
    }

    [Fact]
    public async Task What_was_put_into_the_cart_without_an_answer_is_not_put_there_twice()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync();
        IPage page = await OpenAsync(shop, browser, "alice", $"products/{product}");
        string path = $"**/cart/items/{product}";
        await LoseAsync(page, path);
        await Button(page, "Add to cart").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("Nobody knows yet whether this was done.");
        await page.UnrouteAsync(path);
        foreach (int quantity in (int[])[1, 2])
        {
            // The first of them finds it there; the next one is another intention.
            await Button(page, "Add to cart").ClickAsync();
            await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0);
            await Expect(page.GetByText("It is in your cart.")).ToBeVisibleAsync();
            TestAnswer cart = (await shop.As("alice").GetAsync("/members/alice/cart")).Is(200);
            Assert.Equal(quantity, (int)cart["items"]![0]!["quantity"]!);
        }

        browser.NothingBut("status of 502");
    }

    [Fact]
    public async Task An_order_whose_answer_was_lost_is_found_at_its_own_price_and_told_to_be_the_earlier_one()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync(price: 1_000);
        IPage page = await OpenAsync(shop, browser, "alice", $"products/{product}");
        await LoseAsync(page, "**/order/alice");
        await Button(page, "Order now").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("Nobody knows yet whether this was done.");
        await page.UnrouteAsync("**/order/alice");
        (await shop.AsAdmin().PatchAsync($"/admin/products/{product}", """{"price":1500}""")).Is(200);
        await Expect(page.Locator(".price-large")).ToHaveTextAsync("₩1,500");
        await Button(page, "Order now").ClickAsync();
        await Expect(page.GetByText("Your earlier order had arrived.")).ToBeVisibleAsync();
        await Expect(Button(page, "Pay ₩1,000")).ToBeVisibleAsync();
        Assert.Equal([1_000], await TotalsAsync(shop));
        browser.NothingBut("status of 502");
    }

    [Fact]
    public async Task A_charge_that_finds_an_earlier_one_says_so_and_the_next_is_a_new_one()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "carol", "points");
        await LoseAsync(page, "**/points/charge");
        await ChargeAsync(page);
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("Nobody knows yet whether this was done.");
        await page.UnrouteAsync("**/points/charge");
        await shop.As("carol").ChargeAsync(700);
        await ChargeAsync(page);
        await Expect(page.Locator(".note.good")).ToContainTextAsync("Your earlier charge of ₩5,000 had arrived.");
        await Expect(page.Locator(".figure .value")).ToHaveTextAsync("₩5,700");
        Assert.Equal(5_700, await shop.As("carol").BalanceAsync());
        await ChargeAsync(page);
        await Expect(page.Locator(".note.good")).ToContainTextAsync("Charged. Your balance is ₩10,700.");
        browser.NothingBut("status of 502");
    }

    [Fact]
    public async Task A_payment_that_was_given_back_meanwhile_is_not_shown_as_paid()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        (IPage page, string order) = await OpenOrderAsync(shop, browser);
        await LoseAsync(page, "**/payment/*");
        await Button(page, "Pay").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("Nobody knows yet whether this was done.");
        (await shop.As("alice").PostAsync($"/members/alice/orders/{order}/cancel")).Is(200);
        await page.UnrouteAsync("**/payment/*");
        await Button(page, "Pay").ClickAsync();

        // It had no coupon, and nobody is told that they got one back.
        await Expect(page.GetByText("The order was refunded: the money is in your balance.")).ToBeVisibleAsync();
        await Expect(page.GetByText("Paid. Thank you!")).ToHaveCountAsync(0);
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩10,000");
        browser.NothingBut("status of 502");
    }

    [Fact]
    public async Task What_is_being_paid_is_not_cancelled()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        (IPage page, _) = await OpenOrderAsync(shop, browser);
        var hold = new TaskCompletionSource();
        await page.RouteAsync("**/payment/*", async route =>
        {
            await hold.Task;
            await route.ContinueAsync();
        });
        await Button(page, "Pay").ClickAsync();
        ILocator cancel = Button(page, "Cancel the order");
        await Expect(cancel).ToHaveAttributeAsync("aria-disabled", "true");
        await cancel.DispatchEventAsync("click");
        await Expect(page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        hold.SetResult();
        await Expect(page.GetByText("Paid. Thank you!")).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_read_of_an_order_that_began_before_its_payment_is_not_shown_after_it()
    {
        await using TestShop shop = await TestShop.StartAsync(new() { ["Jumun:Orders:PaymentWindow"] = "00:05:00" }, isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        var hold = new TaskCompletionSource();
        bool isShown = false;
        int held = 0;
        (IPage page, string order) = await OpenOrderAsync(shop, browser, page => page.RouteAsync("**/members/alice/**", async route =>
        {
            // By the clock of a proxy it is over, so that it is read again; that answer is on its way for long.
            bool isOrder = route.Request.Url.Contains("/orders/", StringComparison.Ordinal);
            IAPIResponse answer = await route.FetchAsync();
            await (isShown && isOrder && ++held == 1 ? hold.Task : Task.CompletedTask);
            Dictionary<string, string> headers = new(answer.Headers) { ["date"] = DateTimeOffset.UtcNow.AddMinutes(10).ToString("R") };
            await route.FulfillAsync(new() { Response = answer, Headers = headers });
        }));
        isShown = true;
        await TestShop.UntilAsync(() => Task.FromResult(held == 1), seconds: 30);
        await Button(page, "Pay").ClickAsync();
        await Expect(page.GetByText("Paid. Thank you!")).ToBeVisibleAsync();
        await page.RunAndWaitForResponseAsync(() => Task.Run(hold.SetResult), $"**/orders/{order}");
        await page.EvaluateAsync("new Promise(resolve => setTimeout(resolve, 300))");
        Assert.Equal((1, 0), (await page.GetByText("Paid. Thank you!").CountAsync(), await Button(page, "Pay").CountAsync()));
    }

    [Fact]
    public async Task A_late_no_to_one_members_token_does_not_end_the_next_ones_session()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "alice", "products");
        await Expect(page.Locator("#balance")).ToContainTextAsync("alice");
        var hold = new TaskCompletionSource();
        int asked = 0;
        await page.RouteAsync("**/members/alice/points", async route =>
        {
            asked++;
            await hold.Task;
            await route.FulfillAsync(Problem(401, "unauthenticated"));
        });
        await page.EvaluateAsync("document.getElementById('language').click(); document.getElementById('language').click()");
        await TestShop.UntilAsync(() => Task.FromResult(asked > 0), seconds: 30);
        await Button(page, "Sign out").ClickAsync();
        await Button(page, "Sign in as bob").ClickAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync("bob");
        await page.RunAndWaitForResponseAsync(() => Task.Run(hold.SetResult), "**/members/alice/points");
        await page.EvaluateAsync("new Promise(resolve => setTimeout(resolve, 300))");
        await Expect(page.Locator("#balance")).ToContainTextAsync("bob");
        Assert.Equal(0, await page.Locator(".toast").CountAsync());
        browser.NothingBut("status of 401");
    }

    /// <summary>An order of alice's for 1,000 won, of the 10,000 that she has, and its page.</summary>
    private static async Task<(IPage Page, string Order)> OpenOrderAsync(TestShop shop, Chromium browser, Func<IPage, Task>? prepare = null)
    {
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(10_000);
        string order = (await alice.OrderAsync(await shop.AsAdmin().CreateProductAsync(price: 1_000))).Is(201).Word("orderId");
        IPage page = await OpenAsync(shop, browser, "alice", "products");
        await (prepare?.Invoke(page) ?? Task.CompletedTask);
        await ShowAsync(page, $"orders/{order}");
        await Button(page, "Pay").WaitForAsync();
        return (page, order);
    }

    /// <summary>What changes something arrives at the shop, or does not, and a proxy answers in the shop's place.</summary>
    internal static Task LoseAsync(IPage page, string path, bool arrives = true) => page.RouteAsync(path, async route =>
    {
        if (route.Request.Method == "GET")
        {
            await route.ContinueAsync();
            return;
        }

        if (arrives)
        {
            await route.FetchAsync();
        }

        await route.FulfillAsync(new() { Status = 502, Headers = [new("Content-Type", "text/html"), new("Retry-After", "0")], Body = "<h1>Bad Gateway</h1>" });
    });
}
