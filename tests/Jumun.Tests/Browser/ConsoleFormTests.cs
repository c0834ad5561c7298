using Jumun.Server;
using Jumun.Server.Stores.Sqlite;
using Microsoft.Playwright;
using static Jumun.Tests.Browser.ConsoleTests;
using static Microsoft.Playwright.Assertions;

namespace Jumun.Tests.Browser;

/// <summary>The console's forms in a real browser: impatient operators, two tabs, and a search that was not made.</summary>
[Once]
public sealed class ConsoleFormTests
{
    [Fact]
    public async Task An_impatient_operator_restocks_once()
    {
        // What holds a batch up is SQLite's.
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await using TestShop shop = await TestShop.StartAsync(data: data);
        long product = await shop.AsAdmin().CreateProductAsync("mug", stock: 100);
        var store = (SqliteStore)shop.Store;
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "catalogue");
        await Button(page, "Change mug").ClickAsync();
        await page.GetByLabel("Pieces: above zero in, below out").FillAsync("100");
        await page.GetByLabel("Reason").FillAsync("a delivery");
        using var open = new ManualResetEventSlim();
        store.Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.BeforeCommit && !open.IsSet)
            {
                open.Wait(TimeSpan.FromSeconds(30));
            }
        };
        for (int press = 0; press < 3; press++)
        {
            await Button(page, "Change the stock").ClickAsync();
        }

        // What was pressed after them is answered, so the server has all of them, and none has been answered yet.
        await page.GetByLabel("Price, won").FillAsync("many");
        await Button(page, "Save").ClickAsync();
        await Expect(page.Locator($"#product-{product}-price-error")).ToContainTextAsync("has the wrong type");
        open.Set();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("has 200 pieces now");
        await Expect(page.Locator($"#product-{product}-stock")).ToHaveTextAsync("200");
        Assert.Equal(200, await shop.AsAdmin().StockAsync(product));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_form_changes_what_was_changed_in_it_and_nothing_that_another_tab_did()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        long product = await admin.CreateProductAsync("mug", price: 1_000);
        long coupon = await admin.CreateCouponAsync(quantity: 10);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "catalogue");
        await Button(page, "Change mug").ClickAsync();
        await page.GetByRole(AriaRole.Form, new() { Name = "Name, price, sale" }).GetByLabel("Name").FillAsync("Ceramic mug");
        (await admin.PatchAsync($"/admin/products/{product}", """{"price":1500,"onSale":false}""")).Is(200);
        await Button(page, "Save").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("was changed");
        TestAnswer after = (await admin.GetAsync($"/products/{product}")).Is(200);
        Assert.Equal(("Ceramic mug", 1_500, false), ((string)after["name"]!, (long)after["price"]!, (bool)after["onSale"]!));

        await Button(page, "Change coupon").ClickAsync();
        await page.GetByLabel("Name").FillAsync("Spring");
        (await admin.PatchAsync($"/admin/coupons/{coupon}", """{"quantity":20,"usableUntil":"2099-02-01T00:00:00Z"}""")).Is(200);
        await Button(page, "Save").ClickAsync();
        await Expect(page.Locator(".note.good")).ToContainTextAsync("was changed");
        after = (await admin.GetAsync($"/coupons/{coupon}")).Is(200);
        Assert.Equal(
            ("Spring", 20, "2099-02-01T00:00:00.000Z"), ((string)after["name"]!, (long)after["quantity"]!, (string)after["usableUntil"]!));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_errors_of_a_field_stand_in_one_place_and_a_bug_is_said_to_be_in_the_log()
    {
        // What breaks a batch is SQLite's.
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await using TestShop shop = await TestShop.StartAsync(data: data);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "catalogue");
        await Button(page, "New coupon").ClickAsync();
        await page.GetByLabel("At most, won (percent only)").FillAsync("0");
        await Button(page, "Create").ClickAsync();
        await Expect(page.Locator("#coupon-new-maximum-error")).ToHaveTextAsync(
            new System.Text.RegularExpressions.Regex("^must be a whole number from 1 to [0-9]+; goes only with a percent discount$"));

        // The coupon's form, which has a name too, may still be there.
        await Button(page, "New product").ClickAsync();
        ILocator form = page.GetByRole(AriaRole.Form, new() { Name = "New product" });
        await form.GetByLabel("Name").FillAsync("Ceramic mug");
        await form.GetByLabel("Price, won").FillAsync("1000");
        await form.GetByLabel("Stock, pieces").FillAsync("1");
        int bugs = 0;
        ((SqliteStore)shop.Store).Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.Load && bugs++ == 0)
            {
                throw new InvalidOperationException("a bug");
            }
        };
        await Button(page, "Create").ClickAsync();
        await Expect(page.Locator("form .note.bad")).ToContainTextAsync("The server's log says what");
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Older_entries_are_those_of_the_member_that_is_shown()
    {
        await using TestShop shop = await TestShop.StartAsync();
        for (int number = 0; number <= Bounds.ConsoleRows; number++)
        {
            await shop.As("alice").ChargeAsync(1);
        }

        await shop.As("bob").ChargeAsync(777);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "members/alice");
        ILocator balance = page.Locator("#member-balance");
        await Expect(balance).ToHaveTextAsync($"₩{Bounds.ConsoleRows + 1}");
        await page.GetByLabel("Member").FillAsync("bob");
        await Button(page, "Older entries").ClickAsync();
        await Expect(page.Locator("tbody").First.Locator("tr")).ToHaveCountAsync(1);
        await Expect(page.Locator("tbody").First.Locator("tr td").First).ToHaveTextAsync("1");
        await Expect(balance).ToHaveTextAsync($"₩{Bounds.ConsoleRows + 1}");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "alice" })).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_member_that_is_none_is_refused_and_every_coupon_of_one_is_found()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller alice = shop.As("alice");
        long product = await shop.AsAdmin().CreateProductAsync("mug");
        long oldest = await shop.AsAdmin().CreateCouponAsync();
        (await shop.AsAdmin().PatchAsync($"/admin/coupons/{oldest}", """{"name":"The oldest"}""")).Is(200);
        (await alice.PostAsync($"/coupons/{oldest}")).Is(201);
        TestAnswer order = (await alice.OrderAsync(product, 1, oldest)).Is(201);
        for (int left = Bounds.PageItems - 1; left >= 0; left--)
        {
            long coupon = await shop.AsAdmin().CreateCouponAsync();
            (await alice.PostAsync($"/coupons/{coupon}")).Is(201);
            if (left % Bounds.ConsoleRows == 0)
            {
                (await shop.AsAdmin().PatchAsync($"/admin/coupons/{coupon}", $$"""{"name":"First of page {{left / Bounds.ConsoleRows}}"}""")).Is(200);
            }
        }

        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "orders?member=%00");
        await Expect(page.Locator("#orders-member-error")).ToContainTextAsync("must have 1 to 64 characters");
        await page.GotoAsync($"/console/orders/alice/{order["orderId"]}");
        await Expect(page.GetByText("The oldest")).ToBeVisibleAsync();
        await page.GotoAsync("/console/members/alice");
        ILocator coupons = page.Locator("tbody").Nth(1).Locator("tr");
        for (int shown = 0; shown < Bounds.PageItems / Bounds.ConsoleRows; shown++)
        {
            await Expect(coupons.First).ToContainTextAsync($"First of page {shown}");
            await Expect(coupons).ToHaveCountAsync(Bounds.ConsoleRows);
            await Button(page, "Older coupons").ClickAsync();
        }

        await Expect(coupons).ToContainTextAsync(["The oldest"]);
        Assert.Empty(browser.Complaints);
    }
}
