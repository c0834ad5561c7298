using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Jumun.Coupons;
using Jumun.Points;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Tests.Http;
using Jumun.Tests.Operators;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Jumun.Tests.Browser;

/// <summary>The console in a real browser, used as operators use it.</summary>
[Once]
public sealed partial class ConsoleTests
{
    private static readonly ViewportSize Phone = new() { Width = 390, Height = 844 };
    private static readonly ViewportSize Desk = new() { Width = 1280, Height = 800 };

    [Fact]
    public async Task An_operator_creates_restocks_refunds_and_replays()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop);

        await GoAsync(page, "Catalogue");
        await Button(page, "New product").ClickAsync();
        await page.GetByLabel("Name").FillAsync("Ceramic mug");
        await page.GetByLabel("Price, won").FillAsync("-1");
        await page.GetByLabel("Stock, pieces").FillAsync("many");
        await Button(page, "Create").ClickAsync();
        await Expect(page.Locator("#product-new-price-error")).ToContainTextAsync("must be a whole number from 0");
        await Expect(page.Locator("#product-new-stock-error")).ToContainTextAsync("has the wrong type");
        await page.GetByLabel("Price, won").FillAsync("12000");
        await page.GetByLabel("Stock, pieces").FillAsync("10");
        await Button(page, "Create").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("Product 1 is on sale: Ceramic mug.");
        Assert.Equal(10, await shop.AsAdmin().StockAsync(1));

        await Button(page, "Change Ceramic mug").ClickAsync();
        await page.GetByLabel("Pieces: above zero in, below out").FillAsync("-11");
        await page.GetByLabel("Reason").FillAsync("a broken shelf");
        await Button(page, "Change the stock").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Asked for 11, left 10.");
        await page.GetByLabel("Pieces: above zero in, below out").FillAsync("5");
        await Button(page, "Change the stock").ClickAsync();
        await Expect(page.Locator("#product-1-stock")).ToHaveTextAsync("15");
        Assert.Equal(15, await shop.AsAdmin().StockAsync(1));

        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(100_000);
        TestAnswer order = (await alice.OrderAsync(1, quantity: 2)).Is(201);
        (await alice.PayAsync(order)).Is(200);
        await GoAsync(page, "Orders");
        await page.GetByLabel("Order or payment id").FillAsync((string)order["paymentId"]!);
        await Button(page, "Search").ClickAsync();
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("paid");
        await Expect(page.GetByText("order completed")).ToBeVisibleAsync();
        await Button(page, "Refund…").ClickAsync();
        await Button(page, "Refund now").ClickAsync();
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("refunded");
        await Expect(page.GetByText("order refunded")).ToBeVisibleAsync();
        Assert.Equal(100_000, await alice.BalanceAsync());
        await page.GetByRole(AriaRole.Link, new() { Name = "alice" }).ClickAsync();
        await Expect(page.Locator("#member-balance")).ToHaveTextAsync("₩100,000");

        await GoAsync(page, "Events");
        string id = (await page.Locator("tbody .mono").First.InnerTextAsync()).Trim();
        await TestShop.UntilAsync(async () => await TimesToldAsync(shop, id) == 1);
        await Button(page, $"Send again: event {id}").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("1 to be sent again.");
        await TestShop.UntilAsync(async () => await TimesToldAsync(shop, id) == 2);

        await GoAsync(page, "Audit");
        await Button(page, "Check the books").ClickAsync();
        await Expect(page.GetByText("All hold, as of")).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task An_operator_makes_a_coupon_and_is_told_which_field_is_wrong()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "catalogue");
        await Button(page, "New coupon").ClickAsync();
        await page.GetByLabel("Name").FillAsync("Spring");
        await page.GetByLabel("Discount").SelectOptionAsync("percent");
        await page.GetByLabel("How much").FillAsync("101");
        await page.GetByLabel("How many").FillAsync("3");
        await page.GetByLabel("Issued until (UTC)").FillAsync("2020-01-01T00:00:01");
        await Button(page, "Create").ClickAsync();
        await Expect(page.Locator("#coupon-new-value-error")).ToContainTextAsync("from 1 to 100");
        await Expect(page.Locator("#coupon-new-until-error")).ToContainTextAsync("out of order");
        await page.GetByLabel("How much").FillAsync("10");
        await page.GetByLabel("Issued until (UTC)").FillAsync("2090-01-01T00:00:01");
        await page.GetByLabel("Usable until (UTC)").FillAsync("2090-01-01T00:00:01");
        await Button(page, "Create").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("Coupon 1 is there: Spring.");
        (await shop.As("alice").PostAsync("/coupons/1")).Is(201);
        await Button(page, "Change Spring").ClickAsync();
        await page.GetByLabel("How many").FillAsync("0");
        await Button(page, "Save").ClickAsync();
        await Expect(page.Locator("#coupon-1-quantity-error")).ToContainTextAsync("must not be below the 1 already issued");
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_live_view_moves_while_commands_are_settled()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop);
        await Expect(page.Locator(".bar .who")).ToHaveTextAsync("root");
        await Expect(page.Locator("#live-done")).ToHaveTextAsync("0", new() { Timeout = 10_000 });
        ILocator line = page.Locator(".chart").First.Locator(".line-1");
        string before = await line.GetAttributeAsync("points") ?? "";
        await using (new Storm(shop, couponId: null))
        {
            await Expect(page.Locator("#live-done")).ToHaveTextAsync(AboveZero(), new() { Timeout = 10_000 });
            await Expect(page.GetByText("charge_points")).ToBeVisibleAsync();
        }

        Assert.NotEqual(before, await line.GetAttributeAsync("points"));
        await Button(page, "Hour").ClickAsync();
        await Expect(page.GetByText("an hour ago").First).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_rush_view_counts_down_to_sold_out()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long coupon = await shop.AsAdmin().CreateCouponAsync(quantity: 3);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "rush");
        await page.GetByRole(AriaRole.Link, new() { Name = "coupon" }).First.ClickAsync();
        ILocator left = page.Locator("#rush-left");
        await Expect(left).ToHaveTextAsync("3");
        for (int number = 1; number <= 3; number++)
        {
            (await shop.As($"member-{number}").PostAsync($"/coupons/{coupon}")).Is(201);
            await Expect(left).ToHaveTextAsync($"{3 - number}", new() { Timeout = 5_000 });
        }

        await Expect(page.Locator("#rush-state")).ToHaveTextAsync("sold out");
        await Expect(page.Locator("tbody tr").First.Locator("td").First).ToHaveTextAsync("3");
        await Expect(page.GetByText("of 3", new() { Exact = true })).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_rush_that_is_over_is_shown_to_whoever_comes_late_with_the_moment_at_which_it_ended()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long coupon = await shop.AsAdmin().CreateCouponAsync(quantity: 3);
        for (int number = 1; number <= 3; number++)
        {
            shop.Clock.Advance(TimeSpan.FromSeconds(2));
            (await shop.As($"member-{number}").PostAsync($"/coupons/{coupon}")).Is(201);
        }

        DateTimeOffset gone = shop.Clock.GetUtcNow();
        shop.Clock.Advance(TimeSpan.FromMinutes(20));
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "rush");
        await Expect(page.Locator(".card .badge").First).ToHaveTextAsync("sold out");
        await page.GetByRole(AriaRole.Link, new() { Name = "coupon" }).First.ClickAsync();
        await Expect(page.Locator("#rush-state")).ToHaveTextAsync("sold out");
        string at = await page.Locator("#rush-gone-at").InnerTextAsync();
        Assert.Contains(at, new[] { gone, gone.AddSeconds(-1) }.Select(moment => moment.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture)));
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(3);
        await Expect(page.Locator("tbody td:nth-child(2)")).ToHaveTextAsync(["3", "2", "1"]);
        Assert.Contains(" ", await page.Locator(".line-1").GetAttributeAsync("points") ?? "", StringComparison.Ordinal);
        await Chromium.IsForEverybodyAsync(page, "a rush that is over");
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_rush_that_ended_before_the_server_started_says_that_nobody_saw_it()
    {
        await using TestData data = await TestData.CreateAsync();
        long coupon;
        await using (TestShop before = await TestShop.StartAsync(data: data))
        {
            coupon = await before.AsAdmin().CreateCouponAsync(quantity: 1);
            (await before.As("alice").PostAsync($"/coupons/{coupon}")).Is(201);
        }

        await using TestShop shop = await TestShop.StartAsync(data: data);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, $"rush/coupon/{coupon}");
        await Expect(page.Locator("#rush-state")).ToHaveTextAsync("sold out");
        await Expect(page.GetByText("It was sold out before this server began to watch")).ToBeVisibleAsync();
        await Expect(page.Locator(".chart")).ToHaveCountAsync(0);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_member_and_nobody_are_kept_out()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!);
        await page.GotoAsync("/console/orders");
        await Expect(page).ToHaveURLAsync(DoorUrl());
        await page.GetByLabel("An administrator's token").FillAsync(TestShop.Token("alice"));
        await Button(page, "Sign in").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The console is for administrators");
        await page.GetByLabel("An administrator's token").FillAsync("nonsense");
        await Button(page, "Sign in").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("This is no token: it has three parts");
        await page.GetByLabel("An administrator's token").FillAsync(Jwt.Signed(Jwt.Claims("root"), key: new string('x', 32)));
        await Button(page, "Sign in").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("no token that counts here");
        await page.GotoAsync("/console/");
        await Expect(page).ToHaveURLAsync(DoorUrl());
        browser.NothingBut("status of 401", "status of 403");
    }

    [Fact]
    public async Task An_open_page_ends_with_its_token_and_a_sign_out_leaves_nothing()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop);
        await Button(page, "Sign out").ClickAsync();
        await Expect(page).ToHaveURLAsync(DoorUrl());
        Assert.DoesNotContain(await page.Context.CookiesAsync(), cookie => cookie.Name == "jumun-console");

        // The other tab of the same window is open still, and sends no request.
        IPage one = await SignInAsync(browser, shop);
        IPage other = await one.Context.NewPageAsync();
        await other.GotoAsync("/console/orders");
        await Expect(other.GetByRole(AriaRole.Heading, new() { Name = "Orders" })).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await Button(one, "Sign out").ClickAsync();
        await Expect(one).ToHaveURLAsync(DoorUrl());
        await Expect(other.GetByRole(AriaRole.Heading, new() { Name = "The session has ended" })).ToBeVisibleAsync(new() { Timeout = 15_000 });
        await Expect(other.GetByRole(AriaRole.Table)).ToHaveCountAsync(0);

        IPage open = await SignInAsync(browser, shop, "events");
        shop.Clock.Advance(TimeSpan.FromHours(25));
        await Expect(open.GetByRole(AriaRole.Heading, new() { Name = "The session has ended" })).ToBeVisibleAsync(new() { Timeout = 15_000 });
        await Expect(Button(open, "Look again")).ToHaveCountAsync(0);
        await open.GetByRole(AriaRole.Link, new() { Name = "Sign in" }).ClickAsync();
        await Expect(open).ToHaveURLAsync(DoorUrl());
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Older_orders_are_those_of_the_search_that_was_made_and_every_coupon_is_found()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        long product = await admin.CreateProductAsync("Ceramic mug", stock: 1_000);
        (await shop.As("bob").OrderAsync(product)).Is(201);
        for (int number = 0; number <= Bounds.ConsoleRows; number++)
        {
            (await shop.As("alice").OrderAsync(product)).Is(201);
            await admin.CreateCouponAsync();
        }

        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "orders");
        await page.GetByLabel("Member").FillAsync("alice");
        await Button(page, "Search").ClickAsync();
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(Bounds.ConsoleRows);
        await page.GetByLabel("Member").FillAsync("bob");
        await Button(page, "Older orders").ClickAsync();
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(1);
        await Expect(page.Locator("tbody tr")).ToContainTextAsync("alice");

        await GoAsync(page, "Catalogue");
        await Button(page, "Older coupons").ClickAsync();
        await Expect(page.Locator("tbody").Last.Locator("tr")).ToHaveCountAsync(1);
        await Button(page, "The newest coupons").ClickAsync();
        await Expect(page.Locator("tbody").Last.Locator("tr")).ToHaveCountAsync(Bounds.ConsoleRows);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_server_that_stops_does_not_wait_for_open_consoles()
    {
        await using TestData data = await TestData.CreateAsync();
        TestShop shop = await TestShop.StartAsync(data: data);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop);
        long begun = Stopwatch.GetTimestamp();
        await shop.StopAsync();
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0, Bounds.DrainSeconds / 2.0);
        await Expect(page.GetByText("The connection to the server was lost.")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task An_operator_who_signs_in_at_the_issuer_arrives()
    {
        await using Issuer issuer = await Issuer.StartAsync();
        await using TestShop shop = await SessionTests.StartAsync(issuer);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!);
        await page.GotoAsync("/console/");
        await page.GetByRole(AriaRole.Link, new() { Name = "Sign in" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Live" })).ToBeVisibleAsync(new() { Timeout = 30_000 });
        browser.NothingBut("another host: " + issuer.Url);
    }

    [Fact, Once]
    public async Task Every_view_is_for_everybody_on_a_desk_and_on_a_phone()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("A ceramic mug with a rather long name for a narrow screen", stock: 100);
        long coupon = await shop.AsAdmin().CreateCouponAsync();
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(50_000);
        (await alice.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer order = (await alice.OrderAsync(product, 2, coupon)).Is(201);
        (await alice.PayAsync(order)).Is(200);
        (await alice.PutAsync($"/members/alice/cart/items/{product}", """{"quantity":1}""")).Is(200);
        foreach (ViewportSize size in new[] { Desk, Phone })
        {
            IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = size, ColorScheme = ColorScheme.Light });
            async Task IsForEverybodyAsync(string view)
            {
                await Chromium.IsForEverybodyAsync(page, view);
                await Chromium.IsForEverybodyInTheDarkAsync(page, view);
            }

            await page.GotoAsync("/console/sign-in");
            await IsForEverybodyAsync($"sign-in {size.Width}");
            await SignInAsync(page, "");
            foreach (string view in new[]
            {
                "", "rush", $"rush/coupon/{coupon}", $"rush/product/{product}", "catalogue", "orders", $"orders/alice/{order["orderId"]}",
                "members/alice", "events",
            })
            {
                await page.GotoAsync($"/console/{view}");
                await page.Locator("main h1").WaitForAsync();
                await page.Locator("main :is(.card, .empty)").First.WaitForAsync();
                await IsForEverybodyAsync($"{view} {size.Width}");
            }

            await page.GotoAsync("/console/audit");
            await Button(page, "Check the books").ClickAsync();
            await page.GetByText("All hold, as of").WaitForAsync();
            await IsForEverybodyAsync($"audit {size.Width}");
            await page.GotoAsync("/console/catalogue");
            await Button(page, "New coupon").ClickAsync();
            await Button(page, "Create").ClickAsync();
            await page.Locator(".error").First.WaitForAsync();
            await IsForEverybodyAsync($"form {size.Width}");
        }

        Assert.Empty(browser.Complaints);
    }

    [Fact, Once]
    public async Task It_speaks_Korean_to_a_Korean_browser_and_English_when_asked()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { Locale = "ko-KR" });
        await page.GotoAsync("/console/sign-in");
        await page.GetByLabel("관리자 토큰").FillAsync(TestShop.Token("root", admin: true));
        await Button(page, "로그인").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "실시간" })).ToBeVisibleAsync();
        Assert.Equal("ko", await page.Locator("html").GetAttributeAsync("lang"));
        await page.GetByRole(AriaRole.Link, new() { Name = "주문" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "주문" })).ToBeVisibleAsync();
        await Button(page, "English").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Orders" })).ToBeVisibleAsync();
        Assert.Equal("en", await page.Locator("html").GetAttributeAsync("lang"));
        Assert.Empty(browser.Complaints);
    }

    [Fact, Once]
    public async Task It_can_be_used_with_the_keyboard_alone()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!);
        await page.GotoAsync("/console/sign-in");
        await Expect(page.GetByLabel("An administrator's token")).ToBeFocusedAsync();
        await page.Keyboard.TypeAsync(TestShop.Token("root", admin: true));
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Live" })).ToBeFocusedAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Members" }).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Members" })).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Tab");
        await Expect(page.Locator("main input").First).ToBeFocusedAsync();
        await page.Keyboard.TypeAsync("alice");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "alice" })).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Live_and_rush_show_a_storm()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        bool isForPictures = Environment.GetEnvironmentVariable("JUMUN_TEST_SCREENSHOTS") is "1";
        long coupon = await shop.AsAdmin().CreateCouponAsync(quantity: isForPictures ? 120_000 : 20_000);
        IPage live = await SignInAsync(browser, shop);
        IPage rush = await SignInAsync(browser, shop, $"rush/coupon/{coupon}");
        IPage dark = await SignInAsync(browser, shop, theme: ColorScheme.Dark);
        IPage darkRush = await SignInAsync(browser, shop, $"rush/coupon/{coupon}", ColorScheme.Dark);
        await using (new Storm(shop, coupon))
        {
            await Expect(rush.GetByText("numbers", new() { Exact = true })).ToBeVisibleAsync();
            await Expect(rush.Locator("tbody tr").Nth(isForPictures ? 9 : 1)).ToBeVisibleAsync(new() { Timeout = 30_000 });
            await Expect(live.GetByText("issue_coupon")).ToBeVisibleAsync();
            if (isForPictures)
            {
                await live.WaitForFunctionAsync("() => document.querySelector('.line-1').getAttribute('points').split(' ').length > 40");
                await Chromium.PictureAsync(live, "console-live-light");
                await Chromium.PictureAsync(rush, "console-rush-light");
                await Chromium.PictureAsync(dark, "console-live-dark");
                await Chromium.PictureAsync(darkRush, "console-rush-dark");
            }
        }

        Assert.Empty(browser.Complaints);
    }

    internal static async Task<IPage> SignInAsync(Chromium browser, TestShop shop, string view = "", ColorScheme theme = ColorScheme.Light)
    {
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!, new() { ViewportSize = Desk, ColorScheme = theme, Locale = "en" });
        await page.GotoAsync("/console/sign-in");
        await SignInAsync(page, view);
        return page;
    }

    private static async Task SignInAsync(IPage page, string view)
    {
        // Pasted with the bracket that stood behind it.
        await page.GetByLabel("An administrator's token").FillAsync($"{TestShop.Token("root", admin: true)})");
        await Button(page, "Sign in").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Live" })).ToBeVisibleAsync(new() { Timeout = 30_000 });
        if (view.Length > 0)
        {
            await page.GotoAsync($"/console/{view}");
        }

        // The heading takes the focus a moment after the page is there, also from what is being typed into.
        await Expect(page.Locator("main h1")).ToBeFocusedAsync();
    }

    private static async Task GoAsync(IPage page, string view)
    {
        await page.GetByRole(AriaRole.Link, new() { Name = view, Exact = true }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = view, Exact = true, Level = 1 })).ToBeFocusedAsync();
    }

    internal static ILocator Button(IPage page, string name) => page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    private static async Task<int> TimesToldAsync(TestShop shop, string id) =>
        File.Exists(shop.EventsPath) ? (await File.ReadAllTextAsync(shop.EventsPath)).Split($"\"id\":\"{id}\"").Length - 1 : 0;

    [GeneratedRegex("/console/sign-in")]
    private static partial Regex DoorUrl();

    [GeneratedRegex("[1-9]")]
    private static partial Regex AboveZero();

    /// <summary>Members who charge, and take a coupon if there is one, each as soon as the last was answered, until it is over.</summary>
    private sealed class Storm : IAsyncDisposable
    {
        private const int Members = 48;

        private readonly CancellationTokenSource over = new();
        private readonly Task[] members;

        public Storm(TestShop shop, long? couponId) =>
            members = [.. Enumerable.Range(0, Members).Select(member => Task.Run(() => RunAsync(shop.Shop.Executor, member, couponId)))];

        public async ValueTask DisposeAsync()
        {
            await over.CancelAsync();
            await Task.WhenAll(members);
            over.Dispose();
        }

        private async Task RunAsync(Executor executor, int member, long? couponId)
        {
            for (int round = 0; !over.IsCancellationRequested; round++)
            {
                await executor.SubmitAsync(new ChargePoints($"member-{member}", 1));
                if (couponId is { } coupon)
                {
                    await executor.SubmitAsync(new IssueCoupon($"member-{member}-{round - (round % 5 == 0 ? 1 : 0)}", coupon));
                    await Task.Delay(20);
                }
            }
        }
    }
}
