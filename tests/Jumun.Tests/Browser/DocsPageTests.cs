using System.Text.Json.Nodes;
using Microsoft.Playwright;

namespace Jumun.Tests.Browser;

/// <summary>The page at /docs in a real browser, used as a person uses it. It knows nothing of the store.</summary>
[Once]
public sealed class DocsPageTests
{
    [Fact]
    public async Task A_person_pastes_a_token_and_buys_something_by_clicking()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long product = await shop.AsAdmin().CreateProductAsync(price: 12_000, stock: 5);
        await using Chromium browser = await Chromium.StartAsync();
        IPage page = await browser.OpenAsync(shop.Http.BaseAddress!);

        await page.GotoAsync(new Uri(shop.Http.BaseAddress!, "/docs").ToString());
        Assert.Equal("Jumun API", await page.TitleAsync());
        await page.Locator(".opblock").First.WaitForAsync();
        foreach (ILocator chapter in await page.Locator(".opblock-tag-section").AllAsync())
        {
            Assert.True(await chapter.Locator(".opblock").CountAsync() > 0, $"An empty chapter: {await chapter.InnerTextAsync()}");
        }

        string token = TestShop.Token("alice");
        await AuthorizeAsync(page, token);
        Assert.DoesNotContain(token, await page.EvaluateAsync<string>("JSON.stringify(localStorage)"), StringComparison.Ordinal);

        string charged = await TryAsync(page, "POST", "/members/{memberId}/points/charge", 200, new() { ["memberId"] = "alice" }, """{"amount":50000}""");
        Assert.Equal(50_000, (long)JsonNode.Parse(charged)!["balance"]!);

        string ordered = await TryAsync(
            page, "POST", "/order/{userId}", 201, new() { ["userId"] = "alice" }, $$"""{"items":[{"productId":{{product}},"quantity":2}]}""");
        Assert.Equal(24_000, (long)JsonNode.Parse(ordered)!["total"]!);
        string payment = (string)JsonNode.Parse(ordered)!["paymentId"]!;

        string paid = await TryAsync(page, "POST", "/payment/{paymentId}", 200, new() { ["paymentId"] = payment });
        Assert.Equal("completed", (string)JsonNode.Parse(paid)!["status"]!);
        Assert.Equal(26_000, (long)JsonNode.Parse(paid)!["balance"]!);

        Assert.Equal(26_000, await shop.As("alice").BalanceAsync());
        Assert.Equal(3, await shop.As("alice").StockAsync(product));
        Assert.Empty(browser.Complaints);
    }

    /// <summary>Presses Authorize, pastes the token, and closes the dialogue.</summary>
    private static async Task AuthorizeAsync(IPage page, string token)
    {
        await page.GetByRole(AriaRole.Button, new() { Name = "Authorize", Exact = true }).ClickAsync();
        ILocator dialogue = page.Locator(".dialog-ux");
        await dialogue.GetByRole(AriaRole.Textbox).FillAsync(token);
        await dialogue.GetByRole(AriaRole.Button, new() { Name = "Apply credentials" }).ClickAsync();
        await dialogue.GetByRole(AriaRole.Button, new() { Name = "Close" }).ClickAsync();
        await dialogue.WaitForAsync(new() { State = WaitForSelectorState.Detached });
    }

    /// <summary>Opens an operation, fills it in, presses Execute, and reads the answer's body from the page.</summary>
    private static async Task<string> TryAsync(
        IPage page, string method, string path, int status, Dictionary<string, string> parameters, string? json = null)
    {
        ILocator operation = page.Locator($".opblock-{method.ToLowerInvariant()}", new() { Has = page.Locator($"[data-path='{path}']") });
        await operation.Locator(".opblock-summary-control").ClickAsync();
        foreach ((string name, string value) in parameters)
        {
            await operation.Locator($"tr[data-param-name='{name}'] input").FillAsync(value);
        }

        if (json is not null)
        {
            await operation.Locator("textarea").FillAsync(json);
        }

        await operation.GetByRole(AriaRole.Button, new() { Name = "Execute" }).ClickAsync();
        ILocator answer = operation.Locator(".live-responses-table .response");
        string shown = await answer.Locator(".response-col_status").InnerTextAsync();
        string body = await answer.Locator(".highlight-code code").First.InnerTextAsync();
        Assert.True(shown.Trim() == $"{status}", $"{method} {path}: the page shows {shown}: {body}");
        return body;
    }
}
