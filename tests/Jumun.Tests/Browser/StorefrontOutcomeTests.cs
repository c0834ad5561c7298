using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Jumun.Tests.Browser.StorefrontTests;
using static Microsoft.Playwright.Assertions;

namespace Jumun.Tests.Browser;

/// <summary>The storefront when answers come late, twice, from somebody else or not at all: what happened, happened once, and is told.</summary>
[Once]
public sealed class StorefrontOutcomeTests
{
    [Fact]
    public async Task An_answer_that_is_not_the_shops_leaves_the_key_and_pressed_again_the_effect_is_one()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "carol", "points");
        var keys = new List<string>();
        int presses = 0;
        await page.RouteAsync("**/points/charge", async route =>
        {
            // Each reaches the shop. A proxy answers in its place, then the shop itself says that something broke.
            keys.Add(await route.Request.HeaderValueAsync("Idempotency-Key") ?? "");
            IAPIResponse answer = await route.FetchAsync();
            await route.FulfillAsync(presses switch
            {
                1 => new() { Status = 502, Headers = [new("Content-Type", "text/html"), new("Retry-After", "0")], Body = "<h1>Bad Gateway</h1>" },
                2 => Problem(500, "internal_error"),
                _ => new() { Response = answer },
            });
        });
        await page.GetByLabel("Amount in won").FillAsync("5000");
        foreach (string told in (string[])["The shop cannot be reached", "internal_error"])
        {
            presses++;
            await Button(page, "Charge").ClickAsync();
            await Expect(page.Locator(".note.bad")).ToContainTextAsync(told);
            await Expect(page.Locator(".note.bad")).ToContainTextAsync("Nobody knows yet whether this was done.");
        }

        presses++;
        await Button(page, "Charge").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("₩5,000");
        Assert.True(keys.Count > 3);
        Assert.Single(keys.Distinct());
        Assert.Single((await shop.As("carol").GetAsync("/members/carol/points/history")).Is(200)["items"]!.AsArray());
        browser.NothingBut("status of 502", "status of 500");
    }

    [Fact]
    public async Task Who_has_to_sign_in_anew_goes_on_under_the_same_key_and_another_member_does_not()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "alice", "points");
        var keys = new List<string>();
        await page.RouteAsync("**/points/charge", async route =>
        {
            keys.Add(await route.Request.HeaderValueAsync("Idempotency-Key") ?? "");
            if (keys.Count == 1)
            {
                // The answer is lost, and by the time of the next try the token has expired.
                await route.FetchAsync();
                await route.AbortAsync("connectionreset");
                return;
            }

            await (keys.Count == 2 ? route.FulfillAsync(Problem(401, "unauthenticated")) : route.ContinueAsync());
        });
        await ChargeAsync(page);
        await Expect(page.GetByText("Your session has ended.")).ToBeVisibleAsync();
        foreach (string member in (string[])["bob", "alice"])
        {
            await Button(page, $"Sign in as {member}").ClickAsync();
            await ChargeAsync(page);
            await Expect(page.Locator(".note.good")).ToContainTextAsync("₩5,000");
            await Button(page, "Sign out").ClickAsync();
        }

        Assert.Equal(keys[0], keys[3]);
        Assert.NotEqual(keys[0], keys[2]);
        Assert.Equal(5_000, await shop.As("alice").BalanceAsync());
        Assert.Equal(5_000, await shop.As("bob").BalanceAsync());
        browser.NothingBut("ERR_CONNECTION_RESET", "status of 401");
    }

    [Fact]
    public async Task What_one_member_began_is_not_repeated_for_another()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long coupon = await shop.AsAdmin().CreateCouponAsync();
        IPage page = await OpenAsync(shop, browser, "alice", $"coupons/{coupon}");
        int asked = 0;
        await page.RouteAsync($"**/coupons/{coupon}", async route =>
        {
            if (route.Request.Method != "POST" || ++asked > 1)
            {
                await route.ContinueAsync();
                return;
            }

            await page.EvaluateAsync("document.getElementById('sign-out').click()");
            await route.FulfillAsync(Problem(503, "unavailable", retryAfterSeconds: 1));
        });
        await Button(page, "Take this coupon").ClickAsync();
        await Button(page, "Sign in as bob").ClickAsync();
        await Button(page, "Take this coupon").WaitForAsync();
        await Task.Delay(2_000, TestContext.Current.CancellationToken);
        Assert.Equal(1, asked);
        Assert.Empty((await shop.As("bob").GetAsync("/members/bob/coupons")).Is(200)["items"]!.AsArray());
        browser.NothingBut("status of 503");
    }

    [Fact]
    public async Task An_order_that_is_over_by_the_clock_of_a_proxy_is_asked_for_now_and_then()
    {
        await using TestShop shop = await TestShop.StartAsync(
            new() { ["Jumun:Orders:PaymentWindow"] = "00:05:00" }, isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync();
        TestAnswer order = (await shop.As("alice").OrderAsync(product)).Is(201);
        IPage page = await OpenAsync(shop, browser, "alice", "");
        int asked = 0;
        await page.RouteAsync("**/members/alice/**", async route =>
        {
            asked += route.Request.Url.EndsWith($"/orders/{order["orderId"]}", StringComparison.Ordinal) ? 1 : 0;
            IAPIResponse answer = await route.FetchAsync();
            Dictionary<string, string> headers = new(answer.Headers) { ["date"] = DateTimeOffset.UtcNow.AddMinutes(10).ToString("R") };
            await route.FulfillAsync(new() { Response = answer, Headers = headers });
        });
        await page.GotoAsync($"/shop#/orders/{order["orderId"]}");
        await Button(page, "Pay").WaitForAsync();
        await Task.Delay(4_000, TestContext.Current.CancellationToken);
        Assert.InRange(asked, 2, 4);

        // It can be paid as long as the server says so.
        await shop.As("alice").ChargeAsync(100_000);
        await Button(page, "Pay").ClickAsync();
        await Expect(page.GetByText("Paid.")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Who_is_told_to_come_back_in_an_hour_is_not_kept_waiting_for_it()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "carol", "points");
        await page.RouteAsync("**/points/charge", route => route.FulfillAsync(Problem(503, "unavailable", retryAfterSeconds: 3_600)));
        await ChargeAsync(page);
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("unavailable", new() { Timeout = 5_000 });
        await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0, new() { Timeout = 5_000 });
        browser.NothingBut("status of 503");
    }

    [Fact]
    public async Task A_charge_stands_when_the_history_cannot_be_read_after_it()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "carol", "points");
        await BreakAsync(page, "**/points/history*");
        await ChargeAsync(page);
        await Expect(page.Locator(".note")).ToHaveTextAsync("Charged. Your balance is ₩5,000.");
        await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0);
        await Expect(page.Locator(".note")).ToHaveTextAsync("Charged. Your balance is ₩5,000.");
        await Expect(page.Locator(".figure .value")).ToHaveTextAsync("₩5,000");
        browser.NothingBut("status of 500");
    }

    [Fact]
    public async Task A_payment_and_a_removal_stand_when_nothing_can_be_read_after_them()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        (long mug, long bowl) = await FillCartAsync(shop);
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(10_000);
        TestAnswer order = (await alice.OrderAsync(mug, 3)).Is(201);
        (await alice.PutAsync($"/members/alice/cart/items/{mug}", """{"quantity":1}""")).Is(200);
        (await alice.PutAsync($"/members/alice/cart/items/{bowl}", """{"quantity":2}""")).Is(200);

        IPage page = await OpenAsync(shop, browser, "alice", $"orders/{order["orderId"]}");
        await BreakAsync(page, $"**/orders/{order["orderId"]}");
        await Button(page, "Pay ₩3,000").ClickAsync();
        await Expect(page.GetByText("Paid. Thank you!")).ToBeVisibleAsync();
        await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0);
        await Expect(page.Locator(".note.bad")).ToHaveCountAsync(0);
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩7,000");

        await GoAsync(page, "Cart");
        await BreakAsync(page, "**/members/alice/cart");
        await Button(page, "Remove Ceramic mug").ClickAsync();
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(1);
        await Expect(page.Locator(".facts .sum").Last).ToHaveTextAsync("₩4,000");
        await Expect(page.Locator(".note")).ToHaveCountAsync(0);
        browser.NothingBut("status of 500");
    }

    [Fact]
    public async Task What_was_typed_in_the_cart_is_what_is_ordered_however_soon_that_is_pressed()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        await FillCartAsync(shop);
        IPage page = await OpenAsync(shop, browser, "alice", "cart");
        var hold = new TaskCompletionSource();
        await page.RouteAsync("**/cart/items/*", async route =>
        {
            await hold.Task;
            await Task.Delay(300);
            await route.ContinueAsync();
        });

        // The first is on its way while the second is typed, and that one when the order is pressed.
        await page.GetByLabel("Quantity of Ceramic mug").FillAsync("5");
        await page.GetByLabel("Quantity of Soup bowl").FillAsync("3");
        hold.SetResult();
        await Expect(page.Locator("tbody tr").First).ToContainTextAsync("₩5,000");
        await Expect(page.GetByLabel("Quantity of Soup bowl")).ToBeFocusedAsync();
        await Button(page, "Order").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Timer)).ToBeVisibleAsync();
        Assert.Equal([11_000], await TotalsAsync(shop));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Nothing_is_ordered_while_a_change_of_the_cart_is_refused()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        (long mug, _) = await FillCartAsync(shop);
        IPage page = await OpenAsync(shop, browser, "alice", "cart");
        ILocator quantity = page.GetByLabel("Quantity of Ceramic mug");
        await quantity.FillAsync("0");
        for (int press = 0; press < 2; press++)
        {
            await Button(page, "Order").ClickAsync();
            await Expect(page.Locator(".note.bad")).ToContainTextAsync("Quantity: must be a whole number from 1");
            await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0);
            await Expect(page.Locator(".note.bad")).ToBeVisibleAsync();
            await Expect(quantity).ToHaveValueAsync("0");
            Assert.Empty(await TotalsAsync(shop));
        }

        // A price that went up meanwhile is told before anything is ordered at it.
        (await shop.AsAdmin().PatchAsync($"/admin/products/{mug}", """{"price":1500}""")).Is(200);
        // The event alone: a mouse takes the focus from the field first, and the cart may be answered, with the new price, before the click.
        await quantity.FillAsync("2");
        await Button(page, "Order").DispatchEventAsync("click");
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("The total is ₩5,000 now.");
        await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0);
        Assert.Empty(await TotalsAsync(shop));
        await Button(page, "Order").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Timer)).ToBeVisibleAsync();
        Assert.Equal([5_000], await TotalsAsync(shop));
        browser.NothingBut("status of 400", "status of 409");
    }

    [Fact]
    public async Task The_bar_shows_no_older_balance_and_nobody_elses()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        await shop.As("bob").ChargeAsync(700);
        IPage page = await OpenAsync(shop, browser, "alice", "products");
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩0");
        var hold = new TaskCompletionSource();
        int asked = 0;
        int slow = 1;
        await page.RouteAsync("**/members/alice/points", async route =>
        {
            // The first answers are on their way for long.
            IAPIResponse answer = await route.FetchAsync();
            await (++asked <= slow ? hold.Task : Task.CompletedTask);
            await route.FulfillAsync(new() { Response = answer });
        });
        await Button(page, "한국어").ClickAsync();
        await TestShop.UntilAsync(() => Task.FromResult(asked == 1), seconds: 30);
        await shop.As("alice").ChargeAsync(5_000);
        await Button(page, "English").ClickAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩5,000");
        await ReleaseAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩5,000");

        // It comes when nobody is signed in any more, and then when it is somebody else.
        await LeaveAsync();
        await ReleaseAsync();
        await Expect(page.Locator("#balance")).ToHaveTextAsync("");
        await Button(page, "Sign in as alice").ClickAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩5,000");
        await LeaveAsync();
        await Button(page, "Sign in as bob").ClickAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩700");
        await ReleaseAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync("bob");
        Assert.Empty(browser.Complaints);

        async Task LeaveAsync()
        {
            hold = new();
            asked = 0;
            slow = 2;
            await page.EvaluateAsync("document.getElementById('language').click(); document.getElementById('language').click()");
            await TestShop.UntilAsync(() => Task.FromResult(asked == 2), seconds: 30);
            await Button(page, "Sign out").ClickAsync();
        }

        async Task ReleaseAsync()
        {
            await page.RunAndWaitForResponseAsync(() => Task.Run(hold.SetResult), "**/members/alice/points");
            await page.EvaluateAsync("new Promise(resolve => setTimeout(resolve, 300))");
        }
    }

    [Fact]
    public async Task A_coupon_that_opens_earlier_than_it_said_is_open_and_counts_down_no_more()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long coupon = await OpeningAsync(shop, seconds: 120);
        IPage page = await WatchAsync(shop, browser, coupon, "alice", new() { ViewportSize = Desk });
        IPage list = await OpenAsync(shop, browser, "bob", "coupons");
        ILocator button = page.Locator(".button.large");
        ILocator card = list.Locator(".card", new() { HasTextString = "The drop" });
        await Expect(button).ToContainTextAsync("Opens in");
        await Expect(card).ToContainTextAsync("Opens in");

        (await shop.AsAdmin().PatchAsync($"/admin/coupons/{coupon}", """{"issueFrom":"2020-01-01T00:00:00Z"}""")).Is(200);
        await Expect(button).ToHaveTextAsync("Take this coupon");
        await Expect(card).ToContainTextAsync("Remaining 30 of 30");
        await Task.Delay(1_500, TestContext.Current.CancellationToken);
        Assert.Equal("Take this coupon", await button.InnerTextAsync());
        Assert.DoesNotContain("Opens in", await card.InnerTextAsync(), StringComparison.Ordinal);

        // Nor is it told to be open at the time that was said first, to one who has it.
        await button.ClickAsync();
        await Expect(page.GetByText("It is yours: number 1.")).ToBeVisibleAsync();
        shop.Clock.Advance(TimeSpan.FromSeconds(121));
        (await shop.AsAdmin().PatchAsync($"/admin/coupons/{coupon}", """{"name":"The late drop"}""")).Is(200);
        await Expect(page.Locator("h1")).ToHaveTextAsync("The late drop");
        await Task.Delay(600, TestContext.Current.CancellationToken);
        await Expect(page.GetByText("It is open.")).ToHaveCountAsync(0);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task After_a_sleep_of_the_machine_answers_tell_the_time_and_not_events_from_before()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long coupon = await OpeningAsync(shop, seconds: 3_000);
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        await page.AddInitScriptAsync(
            "{ const awake = performance.now.bind(performance); window.slept = 0; performance.now = () => awake() - window.slept; }");
        await page.GotoAsync($"/shop#/coupons/{coupon}");
        await Button(page, "Sign in as alice").ClickAsync();
        await Expect(Button(page, "Opens in 49:")).ToBeVisibleAsync();
        await GoAsync(page, "Coupons");
        await Expect(page.GetByText(new Regex("Opens in 4[89]:"))).ToBeVisibleAsync();
        await page.EvaluateAsync("window.slept = 1_200_000");
        double ahead = double.NaN;
        await TestShop.UntilAsync(
            async () =>
            {
                ahead = await page.EvaluateAsync<double>("import('/shop/clock.js').then(clock => clock.now() - Date.now())");
                return ahead > -2_000;
            },
            seconds: 20);
        Assert.InRange(ahead, -2_000, 5);
        await Expect(page.GetByText(new Regex("Opens in 4[89]:"))).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    /// <summary>A window with a view, signed in.</summary>
    internal static async Task<IPage> OpenAsync(TestShop shop, Chromium browser, string member, string view)
    {
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        await page.GotoAsync($"/shop#/{view}");
        await Button(page, $"Sign in as {member}").ClickAsync();
        await page.Locator("#places").WaitForAsync();
        await page.GetByRole(AriaRole.Heading, new() { Name = "Sign in" }).WaitForAsync(new() { State = WaitForSelectorState.Detached });
        await page.Locator("main h1").WaitForAsync();
        return page;
    }

    internal static async Task ChargeAsync(IPage page)
    {
        await page.GetByLabel("Amount in won").FillAsync("5000");
        await Button(page, "Charge").ClickAsync();
    }

    /// <summary>Two products for 1,000 and 2,000 won, one of each in the cart of alice.</summary>
    private static async Task<(long Mug, long Bowl)> FillCartAsync(TestShop shop)
    {
        long mug = await shop.AsAdmin().CreateProductAsync("Ceramic mug", price: 1_000);
        long bowl = await shop.AsAdmin().CreateProductAsync("Soup bowl", price: 2_000);
        (await shop.As("alice").PutAsync($"/members/alice/cart/items/{mug}", """{"quantity":1}""")).Is(200);
        (await shop.As("alice").PutAsync($"/members/alice/cart/items/{bowl}", """{"quantity":1}""")).Is(200);
        return (mug, bowl);
    }

    /// <summary>The totals of what alice ordered.</summary>
    internal static async Task<IEnumerable<long>> TotalsAsync(TestShop shop) =>
        (await shop.As("alice").GetAsync("/members/alice/orders")).Is(200)["items"]!.AsArray().Select(order => (long)order!["total"]!);

    /// <summary>From here on a path cannot be read.</summary>
    internal static Task BreakAsync(IPage page, string path) => page.RouteAsync(
        path, route => route.Request.Method == "GET" ? route.FulfillAsync(Problem(500, "internal_error")) : route.ContinueAsync());

    /// <summary>A problem as the shop sends it; its title is its code.</summary>
    internal static RouteFulfillOptions Problem(int status, string code, int? retryAfterSeconds = null) => new()
    {
        Status = status,
        Headers =
        [
            new("Content-Type", "application/problem+json"),
            .. retryAfterSeconds is null ? [] : new KeyValuePair<string, string>[] { new("Retry-After", $"{retryAfterSeconds}") },
        ],
        Body = $$"""{"type":"/problems/{{code}}","title":"{{code}}","status":{{status}},"detail":"","code":"{{code}}","traceId":"0"}""",
    };
}
