using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Jumun.Tests.Http;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Jumun.Tests.Browser;

/// <summary>The storefront at /shop in a real browser, used as members use it.</summary>
public sealed class StorefrontTests
{
    private static readonly ViewportSize Phone = new() { Width = 390, Height = 844 };
    internal static readonly ViewportSize Desk = new() { Width = 1280, Height = 800 };

    [Fact]
    public async Task A_member_signs_in_charges_takes_a_coupon_as_it_opens_orders_pays_and_gives_it_back()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("Ceramic mug", price: 12_000, stock: 5);
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        await page.GotoAsync("/");
        await Button(page, "Sign in as alice").ClickAsync();
        await Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("/shop"));
        await Expect(page.Locator("#balance")).ToContainTextAsync("alice");

        await GoAsync(page, "Points");
        await page.GetByLabel("Amount in won").FillAsync("300000");
        await Button(page, "Charge").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("₩300,000");
        Assert.Equal(300_000, await shop.As("alice").BalanceAsync());

        await GoAsync(page, "Products");
        await page.GetByLabel("Search products").FillAsync("mug");
        await page.GetByRole(AriaRole.Link, new() { Name = "Ceramic mug" }).ClickAsync();
        await page.GetByLabel("Quantity").FillAsync("2");
        await Button(page, "Add to cart").ClickAsync();
        await Expect(page.Locator("#cart-count")).ToContainTextAsync("1");

        long coupon = await OpeningAsync(shop, seconds: 300);
        var opensIn = new System.Text.RegularExpressions.Regex("Opens in (5:00|[34]:[0-5][0-9])");
        await GoAsync(page, "Products");
        await Expect(page.GetByRole(AriaRole.Timer)).ToHaveTextAsync(opensIn);
        await GoAsync(page, "Coupons");
        await Expect(page.GetByText(opensIn)).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "The drop" }).ClickAsync();
        await Expect(Button(page, "Opens in")).ToHaveTextAsync(opensIn);
        await AdvanceAsync(shop, coupon, seconds: 300);
        await Button(page, "Take this coupon").ClickAsync();
        await Expect(page.GetByText("It is yours: number 1.")).ToBeVisibleAsync();

        await GoAsync(page, "Cart");
        await Expect(page.Locator(".facts .sum").Last).ToHaveTextAsync("₩12,000");
        await Expect(page.Locator(".facts .of-coupon")).ToHaveTextAsync("The drop");
        await Button(page, "Order").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Timer)).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("^(10:00|9:[0-5][0-9])$"));
        Assert.Equal(3, await shop.As("alice").StockAsync(product));
        await Button(page, "Pay ₩12,000").ClickAsync();
        await Expect(page.GetByText("Paid. Thank you!")).ToBeVisibleAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync("₩288,000");
        Assert.Equal(288_000, await shop.As("alice").BalanceAsync());
        await page.ReloadAsync();
        await Expect(page.GetByText("Paid on ")).ToBeVisibleAsync();
        await Expect(page.GetByText("Paid. Thank you!")).ToHaveCountAsync(0);
        await Expect(page.Locator(".facts .of-coupon")).ToHaveTextAsync("The drop");

        // The coupon was used: its page says so and leads to the order, where it is given back.
        await ShowAsync(page, $"coupons/{coupon}");
        await Expect(page.Locator(".badge-line")).ToHaveTextAsync("Used");
        await Expect(page.GetByText("You have used it: number 1.")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "To the order" }).ClickAsync();

        await Button(page, "Refund this order").ClickAsync();
        await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0);
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Refund this order" }).ClickAsync();
        await Expect(page.GetByText("The order was refunded")).ToBeVisibleAsync();
        Assert.Equal(300_000, await shop.As("alice").BalanceAsync());
        Assert.Equal(5, await shop.As("alice").StockAsync(product));
        Assert.Equal("available", (string)(await shop.As("alice").GetAsync("/members/alice/coupons"))["items"]![0]!["status"]!);

        await GoAsync(page, "Points");
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(3);
        await GoAsync(page, "Orders");
        await Expect(page.Locator("tbody .badge")).ToHaveTextAsync("Refunded");
        Assert.Equal("H1", await page.EvaluateAsync<string>("document.activeElement.tagName"));
        Assert.Equal(29, (await shop.AsAdmin().GetAsync($"/coupons/{coupon}")).Number("remaining"));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_rush_is_watched_in_two_windows_and_both_show_its_end_within_a_second()
    {
        const int quantity = 400;
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long coupon = await shop.AsAdmin().CreateCouponAsync("""{"kind":"percent","value":50,"maximum":50000}""", quantity);
        (await shop.AsAdmin().PatchAsync($"/admin/coupons/{coupon}", """{"name":"곧 열리는 드롭 · The drop that opens soon"}""")).Is(200);
        IPage wide = await WatchAsync(shop, browser, coupon, "alice", new() { ViewportSize = Desk, Locale = "en-US" });
        IPage narrow = await WatchAsync(shop, browser, coupon, "bob", new() { ViewportSize = Phone, Locale = "ko-KR" });

        // One who looks has the first already.
        (await shop.As("carol").PostAsync($"/coupons/{coupon}")).Is(201);
        IPage holder = await WatchAsync(shop, browser, coupon, "carol", new() { ViewportSize = Phone, Locale = "en-US" });
        await Expect(holder.Locator(".badge-line")).ToHaveTextAsync("You have it");
        await Expect(holder.GetByText("It is yours: number 1.")).ToBeVisibleAsync();

        long rushed = coupon;
        await TestShop.BestOfThreeAsync(1_000, async () =>
        {
            double late = await RushAsync(shop, rushed, quantity, wide, narrow);
            if (late > 1_000)
            {
                // Another one, for another try.
                rushed = await shop.AsAdmin().CreateCouponAsync(quantity: quantity);
                (await shop.As("carol").PostAsync($"/coupons/{rushed}")).Is(201);
                await Task.WhenAll(new[] { wide, narrow }.Select(page => ShowAsync(page, $"coupons/{rushed}")));
            }

            return late;
        });
        await Expect(wide.Locator(".badge-line")).ToHaveTextAsync("Sold out");
        await Expect(narrow.Locator(".badge-line")).ToHaveTextAsync("소진");
        await Expect(wide.Locator(".button.large")).ToHaveAttributeAsync("aria-disabled", "true");
        await Expect(holder.Locator(".badge-line")).ToHaveTextAsync("Sold out You have it");
        await Expect(holder.GetByText("Sold out. You have number 1.")).ToBeVisibleAsync();
        await Chromium.IsForEverybodyAsync(holder, "a holder when it is sold out");

        // An order of carol's holds it.
        long product = await shop.AsAdmin().CreateProductAsync("Ceramic mug");
        (await shop.As("carol").OrderAsync(product, 1, coupon)).Is(201);
        await ShowAsync(holder, $"coupons/{coupon}");
        await Expect(holder.GetByText("An order of yours holds it, number 1")).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
        await shop.AuditAsync();
    }

    [Fact]
    public async Task The_button_is_live_within_a_quarter_of_a_second_by_the_servers_clock_and_never_too_early()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();

        // The browser's own clock is five minutes off the server's.
        TimeSpan ahead = TimeSpan.FromMinutes(5);
        shop.Clock.Advance(ahead);
        await TestShop.BestOfThreeAsync(250, async () =>
        {
            long coupon = await OpeningAsync(shop, seconds: 300);
            DateTimeOffset issueFrom = (await shop.AsAdmin().GetAsync($"/coupons/{coupon}"))["issueFrom"].Time();
            IPage page = await WatchAsync(shop, browser, coupon, "alice", new() { ViewportSize = Phone });
            await page.EvaluateAsync(
                """
                () => new MutationObserver((_, watching) => {
                  const button = document.querySelector('.button.large');
                  if (!button.hasAttribute('aria-disabled')) {
                    window.liveAt = Date.now();
                    watching.disconnect();
                    button.click();
                  }
                }).observe(document.querySelector('.button.large'), { attributes: true })
                """);
            ahead += await AdvanceAsync(shop, coupon, seconds: (issueFrom - shop.Clock.GetUtcNow()).TotalSeconds - 3);
            await UntilAsync(page, "window.liveAt !== undefined");
            double late = await page.EvaluateAsync<double>("window.liveAt") + ahead.TotalMilliseconds - issueFrom.ToUnixTimeMilliseconds();
            Assert.True(late >= -1, $"The button was live {-late} ms too early.");

            // Pressed at that very moment, it was not refused as too early.
            await Expect(page.GetByText("It is yours: number 1.")).ToBeVisibleAsync();
            Assert.Equal(1, await page.EvaluateAsync<int>("performance.getEntriesByName('coupon open').length"));
            Assert.Empty(browser.Complaints);
            return late;
        });
    }

    [Fact]
    public async Task A_coupon_beyond_the_first_page_of_ones_own_is_known_to_be_had()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long oldest = 0;
        for (int i = 0; i <= 100; i++)
        {
            long coupon = await shop.AsAdmin().CreateCouponAsync();
            oldest = i == 0 ? coupon : oldest;
            (await shop.As("alice").PostAsync($"/coupons/{coupon}")).Is(201);
        }

        IPage page = await WatchAsync(shop, browser, oldest, "alice", new() { ViewportSize = Phone });
        await page.GetByText("It is yours: number 1.").WaitForAsync();
        await GoAsync(page, "Coupons");
        await Expect(page.Locator("ul.grid > li")).ToHaveCountAsync(101);
        Assert.Empty(browser.Complaints);
    }

    [Theory, Once]
    [InlineData(ColorScheme.Light, "en-US")]
    [InlineData(ColorScheme.Dark, "ko-KR")]
    public async Task Every_view_is_for_everybody_on_a_phone(ColorScheme theme, string language)
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        (long product, long coupon) = await FillAsync(shop);
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(1_000_000);
        TestAnswer paid = (await alice.OrderAsync(product, 2)).Is(201);
        (await alice.PayAsync(paid)).Is(200);
        (await alice.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer pending = (await alice.OrderAsync(product, 3)).Is(201);
        (await alice.PutAsync($"/members/alice/cart/items/{product}", """{"quantity":9999}""")).Is(200);

        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Phone, ColorScheme = theme, Locale = language });
        await page.GotoAsync("/shop");
        await page.Locator(".demo-members").WaitForAsync();
        await Chromium.IsForEverybodyAsync(page, "sign in");
        await page.Locator(".demo-members button").First.ClickAsync();
        string[] views =
        [
            "products", "products?query=nothing", $"products/{product}", "coupons", $"coupons/{coupon}", "coupons/2", "cart", "orders",
            $"orders/{pending["orderId"]}", $"orders/{paid["orderId"]}", "points", "products/999",
        ];
        foreach (string view in views)
        {
            await ShowAsync(page, view);
            await Chromium.IsForEverybodyAsync(page, $"{view}, {theme}, {language}");
        }

        Assert.Equal(language[..2], await page.EvaluateAsync<string>("document.documentElement.lang"));
        browser.NothingBut("status of 404");
    }

    [Fact]
    public async Task A_no_is_said_in_the_buyers_language_where_it_belongs_and_the_language_is_remembered()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("머그컵", price: 12_000, stock: 3);
        TestAnswer order = (await shop.As("alice").OrderAsync(product)).Is(201);
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk, Locale = "ko-KR" });
        await page.GotoAsync("/shop");
        await Button(page, "alice 회원으로 로그인").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "상품", Exact = true })).ToBeVisibleAsync();

        await ShowAsync(page, $"orders/{order["orderId"]}");
        await Button(page, "12,000원 결제").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("잔액 부족");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "12,000원 충전" })).ToBeVisibleAsync();

        await ShowAsync(page, $"products/{product}");
        await page.GetByLabel("수량").FillAsync("3");
        await Button(page, "바로 주문").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("머그컵: 3개 요청, 2개 남음");

        await Button(page, "English").ClickAsync();
        await Expect(Button(page, "Order now")).ToBeVisibleAsync();
        await page.GetByLabel("Quantity").FillAsync("3");
        await Button(page, "Order now").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("머그컵: 3 wanted, 2 left");
        await page.ReloadAsync();
        await Expect(Button(page, "Order now")).ToBeVisibleAsync();
        browser.NothingBut("status of 409");
    }

    [Fact]
    public async Task An_answer_that_is_lost_is_asked_for_again_under_the_same_key_and_the_effect_is_one()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        var keys = new List<string>();
        await page.RouteAsync("**/points/charge", async route =>
        {
            keys.Add(await route.Request.HeaderValueAsync("Idempotency-Key") ?? "");
            if (keys.Count <= 2)
            {
                // It reaches the shop, and the answer never reaches the page.
                await route.FetchAsync();
                await route.AbortAsync("connectionreset");
                return;
            }

            await route.ContinueAsync();
        });
        await page.GotoAsync("/shop#/points");
        await Button(page, "Sign in as carol").ClickAsync();
        await page.GetByLabel("Amount in won").FillAsync("5000");
        await Button(page, "Charge").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("₩5,000");
        Assert.Equal(3, keys.Count);
        Assert.Single(keys.Distinct());
        Assert.Equal(5_000, await shop.As("carol").BalanceAsync());

        // The next charge is another intention, although it reads the same.
        await Expect(page.Locator("[aria-busy]")).ToHaveCountAsync(0);
        await page.GetByLabel("Amount in won").FillAsync("5000");
        await Button(page, "Charge").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("₩10,000");
        Assert.Equal(2, keys.Distinct().Count());
        browser.NothingBut("ERR_CONNECTION_RESET");
    }

    [Fact]
    public async Task A_server_that_never_answers_is_asked_again_under_the_same_key_and_the_effect_is_one()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        var keys = new List<string>();
        await page.RouteAsync("**/points/charge", async route =>
        {
            keys.Add(await route.Request.HeaderValueAsync("Idempotency-Key") ?? "");
            if (keys.Count == 1)
            {
                // It reaches the shop, and the page waits for ever.
                await route.FetchAsync();
                return;
            }

            await route.ContinueAsync();
        });
        await page.GotoAsync("/shop#/points");
        await Button(page, "Sign in as carol").ClickAsync();
        await page.GetByLabel("Amount in won").FillAsync("5000");
        await Button(page, "Charge").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("₩5,000", new() { Timeout = 40_000 });
        Assert.Equal(2, keys.Count);
        Assert.Single(keys.Distinct());
        Assert.Equal(5_000, await shop.As("carol").BalanceAsync());
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_token_of_anybody_signs_in_and_a_bad_one_says_so()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        await shop.AsAdmin().CreateProductAsync("Ceramic mug");
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        await page.GotoAsync("/shop");
        await Expect(page.Locator(".demo-members")).ToHaveCountAsync(0);
        await page.GetByLabel("Token").FillAsync("nonsense");
        await Button(page, "Sign in").ClickAsync();
        await Expect(page.GetByText("This is no token:")).ToBeVisibleAsync();
        await page.GetByLabel("Token").FillAsync(Jwt.Signed(Jwt.Claims("erin"), key: new string('x', 32)));
        await Button(page, "Sign in").ClickAsync();
        await Expect(page.GetByText("The shop does not take this token")).ToBeVisibleAsync();
        await page.GetByLabel("Token").FillAsync($"Bearer {TestShop.Token("erin").Insert(80, "\n")})");
        await page.GetByLabel("Token").PressAsync("Tab");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "Ceramic mug" })).ToBeVisibleAsync();
        browser.NothingBut("status of 401");
    }

    internal static ILocator Button(IPage page, string name) =>
        page.GetByRole(AriaRole.Button, new() { Name = name, Exact = name is "Charge" or "Order" or "Sign in" });

    internal static async Task GoAsync(IPage page, string place)
    {
        await page.GetByRole(AriaRole.Navigation).GetByRole(AriaRole.Link, new() { Name = place }).ClickAsync();
        await page.GetByRole(AriaRole.Heading, new() { Name = place, Exact = true }).WaitForAsync();
    }

    /// <summary>Asks the page until something is so. Playwright's own way of waiting needs a policy that lets pages evaluate texts.</summary>
    internal static Task UntilAsync(IPage page, string condition) =>
        TestShop.UntilAsync(async () => await page.EvaluateAsync<bool>(condition), seconds: 30);

    /// <summary>Goes to a view by its address, and waits until it is there and at rest.</summary>
    internal static async Task ShowAsync(IPage page, string view)
    {
        await page.Locator("main h1").EvaluateAsync("title => title.remove()");
        await page.EvaluateAsync("view => { location.hash = ''; location.hash = `#/${view}`; }", view);
        await page.Locator("main h1").WaitForAsync();
        await Chromium.AtRestAsync(page);
    }

    internal static async Task<IPage> WatchAsync(TestShop shop, Chromium browser, long coupon, string member, BrowserNewContextOptions options)
    {
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, options);
        await page.GotoAsync($"/shop#/coupons/{coupon.ToString(CultureInfo.InvariantCulture)}");
        await page.Locator(".demo-members button", new() { HasTextString = member }).ClickAsync();
        await page.Locator(".badge.live").WaitForAsync();
        return page;
    }

    /// <summary>A coupon of half the price that opens in some seconds of the server's clock.</summary>
    internal static async Task<long> OpeningAsync(TestShop shop, double seconds)
    {
        var coupon = new JsonObject
        {
            ["name"] = "The drop",
            ["discount"] = new JsonObject { ["kind"] = "percent", ["value"] = 50 },
            ["quantity"] = 30,
            ["issueFrom"] = (shop.Clock.GetUtcNow() + TimeSpan.FromSeconds(seconds)).ToString("O", CultureInfo.InvariantCulture),
            ["issueUntil"] = "2099-01-01T00:00:00Z",
            ["usableUntil"] = "2099-01-01T00:00:00Z",
        };
        return (await shop.AsAdmin().PostAsync("/admin/coupons", coupon.ToJsonString())).Is(201).Number("couponId");
    }

    /// <summary>So much later the shop goes on, and whoever watches the coupon hears what time it is. How much later.</summary>
    private static async Task<TimeSpan> AdvanceAsync(TestShop shop, long coupon, double seconds)
    {
        TimeSpan time = TimeSpan.FromSeconds(seconds);
        shop.Clock.Advance(time);
        (await shop.AsAdmin().PatchAsync($"/admin/coupons/{coupon}", """{"usableUntil":"2099-02-01T00:00:00Z"}""")).Is(200);
        return time;
    }

    /// <summary>
    /// Members take all that is left of a coupon, and two windows show it: how many milliseconds after the last one the later of them shows the end.
    /// </summary>
    private static async Task<double> RushAsync(TestShop shop, long coupon, int quantity, params IPage[] windows)
    {
        int next = 1;
        long lastAcknowledged = 0;
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Task rush = Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) is var one && one <= quantity)
            {
                if ((await shop.As($"member-{one}").PostAsync($"/coupons/{coupon}")).Is(201).Number("number") == quantity)
                {
                    Volatile.Write(ref lastAcknowledged, Stopwatch.GetTimestamp());
                }

                await Task.Delay(80, cancellation);
            }
        }, cancellation)));

        // In the middle of it the windows move, each without a request of its own for it.
        await Task.WhenAll(windows.Select(page => UntilAsync(
            page, $"Number(document.querySelector('.remaining .value').textContent) < {quantity / 2}")));
        await Chromium.PictureAsync(windows[0], "rush");
        await Chromium.PictureAsync(windows[1], "rush-phone");

        long[] seen = await Task.WhenAll(windows.Select(async page =>
        {
            await UntilAsync(page, "document.querySelector('.remaining .value').textContent === '0'");
            return Stopwatch.GetTimestamp();
        }));
        await rush;
        return seen.Max(at => Stopwatch.GetElapsedTime(lastAcknowledged, at).TotalMilliseconds);
    }

    /// <summary>The demo catalogue, as a developer finds it; a product and a coupon of it.</summary>
    private static async Task<(long Product, long Coupon)> FillAsync(TestShop shop)
    {
        Assert.True(await Server.Verbs.DemoCatalogue.FillAsync(shop.Shop));
        return (1, 1);
    }
}
