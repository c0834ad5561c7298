using Microsoft.Playwright;
using static Jumun.Tests.Browser.ConsoleTests;
using static Microsoft.Playwright.Assertions;

namespace Jumun.Tests.Browser;

/// <summary>The console in a real browser while operators move: through the history, by addresses, with the keyboard, and after a lost connection.</summary>
[Once]
public sealed class ConsoleWayTests
{
    [Fact]
    public async Task An_order_that_the_history_leads_to_is_asked_about_anew()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long mug = await shop.AsAdmin().CreateProductAsync("mug", price: 1_000);
        long bowl = await shop.AsAdmin().CreateProductAsync("bowl", price: 2_000);
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(10_000);
        string one = await PaidAsync(alice, mug);
        string other = await PaidAsync(alice, bowl);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "orders");
        await Link(page, one).ClickAsync();
        await Expect(page.Locator("tbody").First).ToContainTextAsync("mug");
        await Expect(page.Locator("dt")).ToHaveTextAsync(
            ["Member", "Subtotal", "Discount", "Total", "Made (UTC)", "Pay before (UTC)", "Paid (UTC)", "Ended (UTC)"]);
        await Link(page, "All orders").ClickAsync();
        await Link(page, other).ClickAsync();
        await Expect(page.Locator("tbody").First).ToContainTextAsync("bowl");
        await Button(page, "Refund…").ClickAsync();
        await Expect(Button(page, "Refund now")).ToBeVisibleAsync();

        await page.EvaluateAsync("history.go(-2)");
        await Expect(page.Locator("tbody").First).ToContainTextAsync("mug");
        await Expect(Button(page, "Refund now")).ToHaveCountAsync(0);
        await Button(page, "Refund…").ClickAsync();
        await Button(page, "Refund now").ClickAsync();
        await Expect(page.Locator(".note.good")).ToHaveTextAsync("The order was refunded.");
        Assert.Equal(8_000, await alice.BalanceAsync());

        await page.EvaluateAsync("history.go(2)");
        await Expect(page.Locator("tbody").First).ToContainTextAsync("bowl");
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("paid");
        await Expect(page.Locator(".note.good")).ToHaveCountAsync(0);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task An_order_that_was_paid_meanwhile_is_not_refunded_by_who_cancels_it()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("mug", price: 1_000);
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(10_000);
        TestAnswer order = (await alice.OrderAsync(product)).Is(201);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, $"orders/alice/{order["orderId"]}");
        await Button(page, "Cancel the order…").ClickAsync();
        await Expect(Button(page, "Cancel now")).ToBeVisibleAsync();
        (await alice.PayAsync(order)).Is(200);
        await Button(page, "Cancel now").ClickAsync();
        await Expect(page.Locator(".note.warn", new() { HasText = "Its member has paid it meanwhile" })).ToBeVisibleAsync();
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("paid");
        await Expect(Button(page, "Refund…")).ToBeVisibleAsync();
        Assert.Equal(9_000, await alice.BalanceAsync());

        TestAnswer unpaid = (await alice.OrderAsync(product)).Is(201);
        await page.GotoAsync($"/console/orders/alice/{unpaid["orderId"]}");
        await Button(page, "Cancel the order…").ClickAsync();
        await Button(page, "Cancel now").ClickAsync();
        await Expect(page.Locator(".note.good")).ToHaveTextAsync("The order was cancelled.");
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_list_of_orders_is_that_of_its_address_also_in_the_other_language()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("mug");
        (await shop.As("alice").OrderAsync(product)).Is(201);
        (await shop.As("bob").OrderAsync(product)).Is(201);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "orders?member=alice");
        ILocator rows = page.Locator("tbody tr");
        await Expect(rows).ToHaveCountAsync(1);
        await Link(page, "Orders").ClickAsync();
        await Expect(rows).ToHaveCountAsync(2);
        await Expect(page.GetByLabel("Member")).ToHaveValueAsync("");
        await page.GoBackAsync();
        await Expect(rows).ToHaveCountAsync(1);
        await Expect(rows).ToContainTextAsync("alice");
        await Button(page, "한국어").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "주문", Exact = true, Level = 1 })).ToBeVisibleAsync();
        Assert.EndsWith("/console/orders?member=alice", page.Url, StringComparison.Ordinal);
        await Expect(rows).ToHaveCountAsync(1);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task A_page_whose_connection_is_lost_is_loaded_again_where_it_was()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();

        // Not where it was loaded: the address has changed since.
        IPage page = await SignInAsync(browser, shop, "members/alice");
        await Link(page, "show").ClickAsync();
        await Expect(page.GetByText("None found.")).ToBeVisibleAsync();

        // What the framework's script says after its last try.
        await page.EvaluateAsync("document.getElementById('components-reconnect-modal').classList.add('components-reconnect-failed')");
        IRequest request = await page.RunAndWaitForRequestAsync(
            () => Link(page, "Load the page again").ClickAsync(), request => request.IsNavigationRequest, new() { Timeout = 10_000 });
        Assert.EndsWith("/console/orders?member=alice", request.Url, StringComparison.Ordinal);
        await Expect(page.GetByText("None found.")).ToBeVisibleAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_focus_of_a_form_that_closes_goes_to_its_result()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "catalogue");
        await PressAsync(Button(page, "New product"));
        await page.GetByLabel("Name").FillAsync("mug");
        await page.GetByLabel("Price, won").FillAsync("1000");
        await page.GetByLabel("Stock, pieces").FillAsync("10");
        await PressAsync(Button(page, "Create"));
        ILocator result = page.Locator(".done");
        await Expect(result).ToContainTextAsync("Product 1 is on sale: mug.");
        await Expect(result).ToBeFocusedAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_focus_of_a_question_about_an_order_goes_to_it_and_back_and_to_what_became_of_it()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync("mug", price: 1_000);
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(10_000);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, $"orders/alice/{await PaidAsync(alice, product)}");
        await PressAsync(Button(page, "Refund…"));
        await Expect(page.GetByText("go back to alice")).ToBeFocusedAsync();
        await PressAsync(Button(page, "Leave it"));
        await Expect(Button(page, "Refund…")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByText("go back to alice")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Tab");
        await Expect(Button(page, "Refund now")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator(".done")).ToHaveTextAsync("The order was refunded.");
        await Expect(page.Locator(".done")).ToBeFocusedAsync();
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task The_button_of_the_audit_keeps_the_focus()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await SignInAsync(browser, shop, "audit");

        // A button that is disabled for a moment loses it.
        ILocator check = Button(page, "Check the books");
        await check.EvaluateAsync("""
            button => {
              window.wasDisabled = false;
              new MutationObserver(() => { window.wasDisabled ||= button.disabled; }).observe(button, { attributes: true });
            }
            """);
        await PressAsync(check);
        await Expect(page.GetByText("All hold, as of")).ToBeVisibleAsync();
        await Expect(check).ToBeFocusedAsync();
        Assert.False(await page.EvaluateAsync<bool>("window.wasDisabled"));
        Assert.Empty(browser.Complaints);
    }

    private static ILocator Link(IPage page, string name) => page.GetByRole(AriaRole.Link, new() { Name = name, Exact = true });

    private static Task PressAsync(ILocator button) => button.PressAsync("Enter");

    private static async Task<string> PaidAsync(TestCaller member, long product)
    {
        TestAnswer order = (await member.OrderAsync(product)).Is(201);
        (await member.PayAsync(order)).Is(200);
        return (string)order["orderId"]!;
    }
}
