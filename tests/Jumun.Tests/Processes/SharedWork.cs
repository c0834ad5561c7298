using System.Globalization;
using Jumun.Tests.Http;

namespace Jumun.Tests.Processes;

/// <summary>
/// What the processes do once and not each: they end orders that were not paid, and carry events to the data platform.
/// Here are two of them, of which the first sweeps, and shoppers who give them work.
/// </summary>
public abstract class SharedWork : IAsyncLifetime
{
    private protected const int Members = 30;

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(15);

    private protected Servers Servers { get; private set; } = null!;

    private protected Shoppers Shoppers { get; private set; } = null!;

    private protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        // One after the other: the first sweeps.
        Servers = await Processes.Servers.StartAsync(1, new() { ["Jumun:Orders:PaymentWindow"] = Window.ToString("c", CultureInfo.InvariantCulture) });
        await Servers.RunAsync(2);
        Shoppers = new Shoppers(Servers, "m", await Servers[0].AsAdmin().CreateProductAsync(stock: 100_000));
    }

    public ValueTask DisposeAsync() => Servers.DisposeAsync();

    /// <summary>Orders that nobody pays, through every process, for all that there is of a product; and when the last one's window ends.</summary>
    private protected async Task<(long Product, DateTimeOffset PayBefore)> LeaveUnpaidAsync()
    {
        IReadOnlyList<Server> running = Servers.Running;
        long product = await running[0].AsAdmin().CreateProductAsync(stock: Members);
        TestAnswer[] orders = await Task.WhenAll(Enumerable.Range(0, Members).Select(i => running[i % running.Count].As($"u{i}").OrderAsync(product)));
        return (product, orders.Max(order => order.Is(201)["payBefore"].Time()));
    }

    /// <summary>All that unpaid orders held is back, once, so many seconds after the last window at the latest.</summary>
    private protected async Task BackAsync(long product, DateTimeOffset payBefore, double seconds)
    {
        Server server = Servers.Running[^1];
        await TestShop.UntilAsync(
            async () => await server.AsAdmin().StockAsync(product) == Members, (payBefore - DateTimeOffset.UtcNow).TotalSeconds + seconds);
        TestAnswer[] orders = await Task.WhenAll(Enumerable.Range(0, Members).Select(i => server.As($"u{i}").GetAsync($"/members/u{i}/orders")));
        Assert.All(orders, list => Assert.Equal("expired", (string?)Assert.Single(list.Is(200)["items"]!.AsArray())!["status"]));
    }

    /// <summary>No event is pending.</summary>
    private protected Task ToldAsync(double seconds) => TestShop.UntilAsync(
        async () => (await Servers.Running[0].AsAdmin().GetAsync("/admin/events?state=pending")).Is(200)["items"]!.AsArray().Count == 0, seconds);
}
