using System.Collections.Concurrent;
using Jumun.Server.DataPlatform;
using Jumun.Tests.Http;

namespace Jumun.Tests.Sinks;

/// <summary>A shop, and a data platform to which it tells what is bought.</summary>
public abstract class SinkTest : IAsyncLifetime
{
    private readonly ConcurrentQueue<string> orders = [];
    private Dictionary<string, string?> platform = null!;
    private TestData data = null!;
    private long product;

    private protected TestShop Shop { get; private set; } = null!;

    /// <summary>Members whom the shop holds back at most, from its next start on.</summary>
    private protected int HeldMembers { get; set; } = Jumun.Server.Bounds.HeldMembers;

    /// <summary>Every order that was paid.</summary>
    private protected IReadOnlyCollection<string> Orders => orders;

    private protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Makes the data platform ready; the settings that lead to it.</summary>
    private protected abstract Task<Dictionary<string, string?>> PrepareAsync();

    private protected abstract ValueTask EndAsync();

    public async ValueTask InitializeAsync()
    {
        platform = await PrepareAsync();
        data = await TestData.CreateAsync();
        await OpenAsync();
        product = await Shop.Administrator().CreateProductAsync(price: 1, stock: 1_000_000);
    }

    public async ValueTask DisposeAsync()
    {
        await Shop.DisposeAsync();
        await EndAsync();
        await data.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Stops the shop and starts it on the same data.</summary>
    private protected async Task RestartAsync(params (string Name, string Value)[] settings)
    {
        await Shop.StopAsync();
        await OpenAsync(settings);
    }

    /// <summary>Members buy, so many times each.</summary>
    private protected Task BuyAsync(IEnumerable<string> members, int times = 1) => Task.WhenAll(members.Select(async name =>
    {
        TestCaller member = Shop.Member(name);
        await member.ChargeAsync(1_000);
        for (int i = 0; i < times; i++)
        {
            TestAnswer order = (await member.OrderAsync(product)).Is(201);
            (await member.PayAsync(order)).Is(200);
            orders.Enqueue(order.Word("orderId"));
        }
    }));

    private protected Task BuyAsync(params string[] members) => BuyAsync(members, times: 1);

    private protected static IEnumerable<string> Members(int count) => Enumerable.Range(1, count).Select(number => $"m{number}");

    /// <summary>Waits until the outbox has so many events of a state.</summary>
    private protected Task CountsAsync(string state, int events, double seconds = 20) => TestShop.UntilAsync(
        async () => (await EventsAsync(state)).Count == events, seconds);

    /// <summary>Events of a state, up to a hundred.</summary>
    private protected async Task<List<(string Id, string Member)>> EventsAsync(string state) =>
        [.. (await Shop.Administrator().GetAsync($"/admin/events?state={state}&limit=100")).Is(200)["items"]!.AsArray()
            .Select(one => ((string)one!["eventId"]!, (string)one["memberId"]!))];

    /// <summary>Waits until so many members are held back.</summary>
    private protected Task HeldAsync(int members) => TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Held == members));

    private protected Task StateAsync(CircuitState state, double seconds = 20) =>
        TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Circuit == state), seconds);

    private async Task OpenAsync(params (string Name, string Value)[] settings)
    {
        var all = new Dictionary<string, string?>(platform);
        foreach ((string name, string value) in settings)
        {
            all[name] = value;
        }

        Shop = await TestShop.StartAsync(
            all, data, change: read => read with { DataPlatform = read.DataPlatform with { HeldMembers = HeldMembers } });
    }
}
