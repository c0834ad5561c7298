using System.Text.Json.Nodes;
using Microsoft.Playwright;

namespace Jumun.Tests.Platform;

/// <summary>The platform's page in a real browser, on a desk and on a telephone.</summary>
public sealed class PageTests
{
    /// <summary>No sandbox, because root has none; and nothing that talks to anybody but the page's own server.</summary>
    private static readonly string[] Flags =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ];

    [Fact]
    public async Task A_person_reads_the_page_in_their_language_on_any_screen_and_it_runs_nothing()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        (await platform.SendAsync([.. Events()])).Is(200);
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Chromium(), Args = Flags, Timeout = 60_000 });

        (IPage desk, List<string> complaints) = await OpenAsync(browser, platform, new()
        {
            Locale = "en-US",
            ColorScheme = ColorScheme.Light,
            ViewportSize = new() { Width = 1_200, Height = 900 },
        });
        Assert.Equal("Data platform · Jumun", await desk.TitleAsync());
        Assert.Equal(
            [["Net revenue", "₩11,600"], ["Orders", "4"], ["Discounts given", "₩400"], ["Events received", "5"]],
            (await Tiles(desk))[..4]);
        Assert.Contains("<b>mug</b> & 머그잔", await Card(desk, "Top products").InnerTextAsync(), StringComparison.Ordinal);
        Assert.Contains("1 of 2 buyers came back", await Card(desk, "Repeat buyers").InnerTextAsync(), StringComparison.Ordinal);
        Assert.Equal(24, await Card(desk, "Revenue by hour").Locator("rect").CountAsync());
        Assert.Equal(0, await desk.Locator("script").CountAsync());
        Assert.Equal("rgb(246, 247, 249)", await GroundAsync(desk));
        Assert.Empty(complaints);

        (IPage telephone, complaints) = await OpenAsync(browser, platform, new()
        {
            Locale = "ko-KR",
            ColorScheme = ColorScheme.Dark,
            ViewportSize = new() { Width = 390, Height = 844 },
            IsMobile = true,
        });
        Assert.Equal("데이터 플랫폼 · Jumun", await telephone.TitleAsync());
        Assert.Equal("ko", await telephone.Locator("html").GetAttributeAsync("lang"));
        Assert.Equal(["순매출", "11,600원"], (await Tiles(telephone))[0]);
        Assert.Equal(390, await telephone.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        Assert.Equal("rgb(17, 21, 27)", await GroundAsync(telephone));
        Assert.Empty(complaints);
    }

    /// <summary>A name that would be markup if it were not written as text, and one without a place to break.</summary>
    private static List<JsonObject> Events()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        var mug = new TestLine(1, "<b>mug</b> & 머그잔", 3_000);
        JsonObject given = TestEvents.Completed("bob", 1, now, discount: 0, mug);
        string member = new('m', 64);
        return
        [
            given,
            TestEvents.Refunded(given, 2, now),
            TestEvents.Completed(member, 1, now, discount: 0, mug),
            TestEvents.Completed(member, 2, now.AddMinutes(-1), discount: 400, mug, new TestLine(2, new string('p', 200), 3_000)),
            TestEvents.Completed("carol", 1, now, discount: 0, mug),
        ];
    }

    private static async Task<(IPage Page, List<string> Complaints)> OpenAsync(IBrowser browser, PlatformProcess platform, BrowserNewContextOptions options)
    {
        IPage page = await (await browser.NewContextAsync(options)).NewPageAsync();
        page.SetDefaultTimeout(60_000);
        List<string> complaints = [];
        page.Console += (_, message) => complaints.Add($"console {message.Type}: {message.Text}");
        page.PageError += (_, error) => complaints.Add($"uncaught: {error}");
        page.RequestFailed += (_, request) => complaints.Add($"failed: {request.Url} {request.Failure}");
        page.Response += (_, response) =>
        {
            if (!response.Ok || new Uri(response.Url).Authority != platform.Address.Authority)
            {
                complaints.Add($"{response.Status} of {response.Url}");
            }
        };
        await page.AddInitScriptAsync(
            "addEventListener('securitypolicyviolation', e => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`))");
        await page.GotoAsync(platform.Address.ToString(), new() { WaitUntil = WaitUntilState.NetworkIdle });
        return (page, complaints);
    }

    private static ILocator Card(IPage page, string title) => page.Locator("section", new() { HasText = title });

    /// <summary>The name and the figure of each tile.</summary>
    private static async Task<List<string[]>> Tiles(IPage page)
    {
        List<string[]> tiles = [];
        foreach (ILocator tile in await page.Locator(".tile").AllAsync())
        {
            tiles.Add([await tile.Locator("dt").InnerTextAsync(), await tile.Locator(".figure").InnerTextAsync()]);
        }

        return tiles;
    }

    private static Task<string> GroundAsync(IPage page) => page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor");

    /// <summary>The browser of this machine.</summary>
    private static string Chromium()
    {
        string[] places = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "chromium"))];
        string? found = Array.Find(places, File.Exists);
        Assert.True(found is not null, "No chromium on the PATH. Run ./test, which installs it, or: sudo apt-get install chromium");
        return found;
    }
}
