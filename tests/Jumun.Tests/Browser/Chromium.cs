using System.Collections.Concurrent;
using Deque.AxeCore.Commons;
using Microsoft.Playwright;

namespace Jumun.Tests.Browser;

/// <summary>
/// The real browser of this machine, and what the pages that were opened here complain of. All tests of a run share the
/// browser, started by the first that asks; what each opens shares nothing with the others.
/// </summary>
internal sealed class Chromium : IAsyncDisposable
{
    /// <summary>No sandbox, because root has none; and nothing that talks to anybody but the page's own server.</summary>
    private static readonly string[] Flags =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ];

    // In the page itself: what the package for Playwright does opens another page for each answer.
    private static readonly string AxeText = new BundledAxeScriptProvider().GetScript();

    private const string AskText =
        """
        async isColoursAlone => {
          const result = await axe.run(document, { resultTypes: ['violations'], ...(isColoursAlone && { runOnly: ['color-contrast'] }) });
          return [String(result.passes.length + result.violations.length),
            ...result.violations.filter(found => found.impact === 'serious' || found.impact === 'critical')
              .map(found => `${found.id} (${found.impact}): ${found.nodes.map(node => node.html).join('; ')}`)];
        }
        """;

    private static readonly Lazy<Task<IBrowser>> Shared = new(StartSharedAsync);

    private readonly IBrowser browser;
    private readonly ConcurrentQueue<IBrowserContext> opened = [];
    private readonly ConcurrentQueue<string> complaints = [];

    private Chromium(IBrowser browser) => this.browser = browser;

    /// <summary>Everything that a person would find in the console of any page, and every request to another host.</summary>
    public IReadOnlyCollection<string> Complaints => complaints;

    public static async Task<Chromium> StartAsync() => new(await Shared.Value);

    /// <summary>A window of its own, that shares nothing with others.</summary>
    /// <param name="address">The page's server.</param>
    /// <param name="options">Its size, language and theme.</param>
    public async Task<IPage> OpenAsync(Uri address, BrowserNewContextOptions? options = null)
    {
        options ??= new();
        options.BaseURL = address.ToString();
        IBrowserContext context = await browser.NewContextAsync(options);
        opened.Enqueue(context);
        IPage page = await context.NewPageAsync();
        page.SetDefaultTimeout(60_000);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                complaints.Enqueue($"console {message.Type}: {message.Text}");
            }
        };
        page.PageError += (_, error) => complaints.Enqueue($"uncaught: {error}");
        page.RequestFailed += (_, request) =>
        {
            // A view that is left ends what it waits for.
            if (request.Failure != "net::ERR_ABORTED")
            {
                complaints.Enqueue($"failed: {request.Url} {request.Failure}");
            }
        };
        page.Request += (_, request) =>
        {
            var url = new Uri(request.Url);
            if (url.Scheme != "data" && url.Authority != address.Authority)
            {
                complaints.Enqueue($"another host: {url}");
            }
        };
        await page.AddInitScriptAsync(
            "addEventListener('securitypolicyviolation', e => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`))");
        return page;
    }

    /// <summary>What a page says of refusals in its console is the browser's doing; that is expected from here on, and nothing else is.</summary>
    public void NothingBut(params string[] expected) =>
        Assert.All(complaints, complaint => Assert.Contains(expected, part => complaint.Contains(part, StringComparison.Ordinal)));

    /// <summary>Nobody is kept out: axe finds nothing serious, and nothing is wider than the window.</summary>
    public static async Task IsForEverybodyAsync(IPage page, string view)
    {
        await NothingSeriousAsync(page, view, isColoursAlone: false);
        int[] widths = await page.EvaluateAsync<int[]>("() => [document.documentElement.scrollWidth, innerWidth]");
        Assert.True(widths[0] <= widths[1], $"{view} is {widths[0]} pixels wide in a window of {widths[1]}.");
    }

    /// <summary>The same in the dark, where nothing but the colours is another.</summary>
    public static async Task IsForEverybodyInTheDarkAsync(IPage page, string view)
    {
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        Assert.True(await page.EvaluateAsync<bool>("() => matchMedia('(prefers-color-scheme: dark)').matches"));
        await AtRestAsync(page);
        await NothingSeriousAsync(page, $"{view}, dark", isColoursAlone: true);
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });
    }

    private static async Task NothingSeriousAsync(IPage page, string view, bool isColoursAlone)
    {
        await page.EvaluateAsync(AxeText);
        string[] found = await page.EvaluateAsync<string[]>(AskText, isColoursAlone);
        Assert.True(found[0] != "0", $"{view}: axe found nothing to look at.");
        Assert.True(found.Length == 1, $"{view}: {string.Join('\n', found[1..])}");
    }

    /// <summary>Waits until nothing moves but what always does. Playwright's own way of waiting needs a policy that lets pages evaluate texts.</summary>
    public static Task AtRestAsync(IPage page) => TestShop.UntilAsync(
        async () => await page.EvaluateAsync<bool>(
            "document.getAnimations().every(one => one.playState !== 'running' || one.effect.getTiming().iterations === Infinity)"),
        seconds: 30);

    /// <summary>Keeps a picture for the documents, when somebody asked for them.</summary>
    public static async Task PictureAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("JUMUN_TEST_SCREENSHOTS") is "1")
        {
            DirectoryInfo? folder = new(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(folder.FullName, "Jumun.slnx")))
            {
                folder = folder.Parent!;
            }

            await page.ScreenshotAsync(new() { Path = Path.Combine(folder.FullName, "docs", "images", $"{name}.png") });
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (IBrowserContext context in opened)
        {
            await context.CloseAsync();
        }
    }

    private static async Task<IBrowser> StartSharedAsync()
    {
        // A machine that runs all the tests is slow. Where a time is what a test shows, it says which.
        Assertions.SetDefaultExpectTimeout(30_000);

        // Its driver ends with the process, and the browser with its driver.
        IPlaywright playwright = await Playwright.CreateAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => playwright.Dispose();
        return await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Place(), Args = Flags, Timeout = 60_000 });
    }

    private static string Place()
    {
        string[] places = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "chromium"))];
        string? found = Array.Find(places, File.Exists);
        Assert.True(found is not null, "No chromium on the PATH. Run ./test, which installs it, or: sudo apt-get install chromium");
        return found;
    }
}
