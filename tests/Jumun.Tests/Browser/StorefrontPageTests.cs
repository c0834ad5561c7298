using System.Text.RegularExpressions;
using Jumun.Server.Problems;
using Microsoft.Playwright;
using static Jumun.Tests.Browser.StorefrontOutcomeTests;
using static Jumun.Tests.Browser.StorefrontTests;
using static Microsoft.Playwright.Assertions;

namespace Jumun.Tests.Browser;

/// <summary>The storefront's pages as such: what stands beside the main thing, narrow phones, keyboards, screen readers, and what a refusal says.</summary>
[Once]
public sealed class StorefrontPageTests
{
    private static readonly ViewportSize SmallPhone = new() { Width = 320, Height = 640 };

    /// <summary>What the storefront's own requests are never refused for.</summary>
    private static readonly RefusalCode[] NeverMet =
        [RefusalCode.IdempotencyKeyReused, RefusalCode.PayloadTooLarge, RefusalCode.UnsupportedMediaType, RefusalCode.MethodNotAllowed];

    [Fact]
    public async Task What_stands_beside_products_and_orders_holds_neither_up()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("Ceramic mug");
        long coupon = await shop.AsAdmin().CreateCouponAsync();
        TestCaller alice = shop.As("alice");
        (await alice.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer order = (await alice.OrderAsync(product, 1, coupon)).Is(201);
        IPage page = await OpenAsync(shop, browser, "alice", "points");

        // The list of what sold most is never answered, and no coupon can be read.
        await page.RouteAsync("**/products/top", _ => Task.CompletedTask);
        await BreakAsync(page, "**/coupons?*");
        await ShowAsync(page, "products");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "Ceramic mug" })).ToBeVisibleAsync(new() { Timeout = 10_000 });
        await ShowAsync(page, $"orders/{order["orderId"]}");
        await Expect(Button(page, "Pay")).ToBeVisibleAsync();
        browser.NothingBut("status of 500");
    }

    [Fact]
    public async Task More_products_stay_shown_and_beyond_the_last_of_them_one_is_told_to_search()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        for (int i = 0; i <= 96; i++)
        {
            await shop.AsAdmin().CreateProductAsync($"mug {i}");
        }

        IPage page = await OpenAsync(shop, browser, "alice", "products");
        ILocator cards = page.Locator("ul.grid > li");
        await Expect(cards).ToHaveCountAsync(24);
        var hold = new TaskCompletionSource();
        int asked = 0;
        var first = new Regex("/products\\?limit=24$");
        await page.RouteAsync(first, async route =>
        {
            asked++;
            await hold.Task;
            await route.ContinueAsync();
        });
        await TestShop.UntilAsync(() => Task.FromResult(asked > 0), seconds: 30);
        await Button(page, "Show more").ClickAsync();
        await Expect(cards).ToHaveCountAsync(48);
        await page.RunAndWaitForResponseAsync(() => Task.Run(hold.SetResult), first);
        await page.EvaluateAsync("new Promise(resolve => setTimeout(resolve, 300))");
        Assert.Equal(48, await cards.CountAsync());
        await Button(page, "Show more").ClickAsync();
        await Expect(cards).ToHaveCountAsync(72);
        await Expect(page.GetByText("There are more: search for them by name.")).ToBeHiddenAsync();
        await Button(page, "Show more").ClickAsync();
        await Expect(cards).ToHaveCountAsync(96);
        await Expect(page.GetByText("There are more: search for them by name.")).ToBeVisibleAsync();
        await Expect(Button(page, "Show more")).ToBeHiddenAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_search_that_is_left_does_not_write_over_the_address_of_the_next_view()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "alice", "products");
        await page.GetByLabel("Search products").EvaluateAsync(
            "search => { search.value = 'mug'; search.dispatchEvent(new Event('input')); location.hash = '#/points'; }");
        await page.GetByRole(AriaRole.Heading, new() { Name = "Points", Exact = true }).WaitForAsync();
        await page.EvaluateAsync("new Promise(resolve => setTimeout(resolve, 500))");
        Assert.Equal("#/points", await page.EvaluateAsync<string>("location.hash"));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task What_a_page_asks_for_in_the_background_tells_nobody_that_it_failed()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await OpenAsync(shop, browser, "alice", "products");
        int asked = 0;
        await page.RouteAsync("**/products?*", route =>
        {
            asked++;
            return route.AbortAsync("internetdisconnected");
        });
        await TestShop.UntilAsync(() => Task.FromResult(asked >= 2), seconds: 30);
        Assert.Equal(0, await page.Locator(".toast").CountAsync());

        // Who waits for a view is told, and not that something would happen once.
        await page.GetByRole(AriaRole.Link, new() { Name = "Orders" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Products" }).ClickAsync();
        await Expect(page.Locator(".toast")).ToHaveTextAsync("No answer yet. The shop is asked again.");
        browser.NothingBut("ERR_INTERNET_DISCONNECTED");
    }

    [Fact]
    public async Task A_refusal_says_in_a_buyers_words_what_to_do_in_both_languages()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("머그컵", stock: 1);
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk, Locale = "ko-KR" });
        await page.GotoAsync($"/shop#/products/{product}");
        await Button(page, "alice 회원으로 로그인").ClickAsync();
        await page.GetByLabel("수량").FillAsync("3");
        await Button(page, "바로 주문").ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("원하는 수량보다 재고가 적어 주문하지 않았습니다.");
        await Expect(page.Locator(".note.bad")).Not.ToContainTextAsync("shortages");

        await ShowAsync(page, "points");
        await Button(page, "충전").Last.ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("금액(원): ");
        await Expect(page.Locator(".note.bad")).Not.ToContainTextAsync("amount");
        await page.RouteAsync("**/points/charge", route => route.FulfillAsync(Problem(500, "internal_error")));
        await Button(page, "충전").Last.ClickAsync();
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("이 번호를 상점에 알려 주세요: 0");

        string[] met = [.. Enum.GetValues<RefusalCode>().Except(NeverMet).Select(ProblemAnswer.NameOf).Order(StringComparer.Ordinal)];
        foreach (string language in (string[])["ko", "en"])
        {
            string[] said = await page.EvaluateAsync<string[]>(
                "async language => { const words = await import('/shop/words.js'); words.speak(language); return Object.keys(words.say('problem')).sort(); }",
                language);
            Assert.Equal(met, said);
        }

        browser.NothingBut("status of 409", "status of 400", "status of 500");
    }

    [Theory]
    [InlineData("en-US")]
    [InlineData("ko-KR")]
    public async Task A_narrow_phone_shows_the_whole_bar_also_of_a_member_with_a_long_name(string language)
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        const string member = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";
        await shop.As(member).ChargeAsync(100_000_000);
        await shop.As(member).ChargeAsync(100_000_000);
        IPage page = await SignInAsync(shop, browser, member, new() { ViewportSize = SmallPhone, Locale = language });
        foreach (int width in (int[])[320, 360, 390])
        {
            await page.SetViewportSizeAsync(width, 640);
            double[] edges = await page.EvaluateAsync<double[]>(
                """
                () => {
                  const parts = [...document.querySelectorAll('.brand, .bar-end > *, .balance > *')].map(one => one.getBoundingClientRect());
                  const [brand, ...others] = parts;
                  return [document.documentElement.scrollWidth, Math.min(...parts.map(one => one.left)), Math.max(...parts.map(one => one.right)),
                    Math.min(...others.map(one => one.top >= brand.bottom - 1 ? 0 : one.left - brand.right))];
                }
                """);
            Assert.True(
                edges[0] <= width && edges[1] >= 0 && edges[2] <= width && edges[3] >= 0,
                $"{language}, {width} pixels: the page has {edges[0]}, the bar goes from {edges[1]} to {edges[2]}, {edges[3]} beside the name.");
        }
    }

    [Fact]
    public async Task What_has_the_focus_is_not_behind_the_bar_at_the_bottom()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        for (int i = 0; i < 6; i++)
        {
            await shop.AsAdmin().CreateProductAsync($"mug {i}");
        }

        IPage page = await OpenAsync(shop, browser, "alice", "products");
        await page.SetViewportSizeAsync(390, 844);
        await page.GetByLabel("Search products").FocusAsync();
        for (int i = 0; i < 6; i++)
        {
            await page.Keyboard.PressAsync("Tab");
            double room = await page.EvaluateAsync<double>(
                "() => document.getElementById('places').getBoundingClientRect().top - document.activeElement.getBoundingClientRect().bottom");
            Assert.True(room >= 0, $"Product {i} is {-room} pixels behind the bar.");
        }
    }

    [Fact]
    public async Task What_will_say_something_is_there_before_it_does_and_takes_no_room()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        long coupon = await shop.AsAdmin().CreateCouponAsync();
        IPage page = await OpenAsync(shop, browser, "alice", $"coupons/{coupon}");
        string[] found = await page.EvaluateAsync<string[]>(
            """
            () => [...document.querySelectorAll('.slot:empty')].map(slot =>
              `${getComputedStyle(slot).display === 'none'} ${slot.getBoundingClientRect().height} `
              + `${slot.parentElement.getBoundingClientRect().bottom - slot.parentElement.querySelector('button').getBoundingClientRect().bottom < 26}`)
            """);
        Assert.Equal(["false 0 true", "false 0 true"], found);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_error_of_a_token_is_told_with_its_field()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        await page.GotoAsync("/shop");
        await page.GetByLabel("Token").FillAsync("nonsense");
        await Button(page, "Sign in").ClickAsync();
        await Expect(page.GetByText("This is no token:")).ToBeVisibleAsync();
        string described = await page.GetByLabel("Token").EvaluateAsync<string>(
            "field => field.getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id).textContent).join(' ')");
        Assert.Contains("A bearer token of this shop.", described, StringComparison.Ordinal);
        Assert.Contains("This is no token:", described, StringComparison.Ordinal);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_browser_that_keeps_nothing_shows_the_shop_and_repeats_under_the_same_key()
    {
        await using TestShop shop = await TestShop.StartAsync(isDevelopment: true);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk });
        await page.AddInitScriptAsync(
            """
            for (const name of ['localStorage', 'sessionStorage']) {
              Object.defineProperty(window, name, { get() { throw new DOMException('forbidden', 'SecurityError'); } });
            }
            """);
        await page.GotoAsync("/shop#/points?amount=150000000");
        await Button(page, "Sign in as carol").ClickAsync();

        // Nor is more offered than can be charged at once.
        await Expect(page.GetByLabel("Amount in won")).ToHaveValueAsync("");
        await StorefrontRushTests.LoseAsync(page, "**/points/charge");
        await ChargeAsync(page);
        await Expect(page.Locator(".note.bad")).ToContainTextAsync("Nobody knows yet whether this was done.");
        await page.UnrouteAsync("**/points/charge");
        await ChargeAsync(page);
        await Expect(page.Locator(".note.good")).ToContainTextAsync("Your earlier charge of ₩5,000 had arrived.");
        Assert.Equal(5_000, await shop.As("carol").BalanceAsync());
        browser.NothingBut("status of 502");
    }

    /// <summary>A window of a member who pasted a token.</summary>
    private static async Task<IPage> SignInAsync(TestShop shop, Chromium browser, string member, BrowserNewContextOptions options)
    {
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, options);
        await page.GotoAsync("/shop");
        await page.Locator("textarea").FillAsync(TestShop.Token(member));
        await page.Locator("form button").ClickAsync();
        await Expect(page.Locator("#balance")).ToContainTextAsync(member);
        return page;
    }
}
