using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Jumun.Products;
using Jumun.Server;
using Jumun.Tests.Histories;
using Jumun.Tests.Http;

namespace Jumun.Tests.Processes;

/// <summary>
/// Balances, stocks and coupons are linearizable, one by one: many clients call through every process at once, their calls
/// are written down with their times, and afterwards there must be an order of them that explains each answer.
/// </summary>
[Collection(nameof(Servers))]
public sealed class HistoryTests
{
    private const int Clients = 12;
    private const long Coupons = 60;
    private const long Price = 40;

    // A longer run sets JUMUN_TEST_HISTORIES: so many rounds, each with numbers of its own.
    private static readonly int Rounds = int.Parse(Environment.GetEnvironmentVariable("JUMUN_TEST_HISTORIES") ?? "1", CultureInfo.InvariantCulture);

    private static int last;

    [Fact]
    public async Task Every_answer_about_a_balance_a_stock_and_a_coupon_fits_into_one_order()
    {
        await using Servers servers = await Servers.StartAsync(TestData.Kind == StoreKind.Postgres ? 3 : 1, kind: TestData.Kind);
        for (int round = 0; round < Rounds; round++)
        {
            History[] histories = await RecordAsync(() => servers.Running, calls: 500);
            Assert.All(histories, history => history.Holds());
            Assert.All(histories, history => Assert.Equal(0, history.Unknown));
            TestContext.Current.TestOutputHelper?.WriteLine($"{TestData.Kind}: {string.Join("; ", histories.Select(history => history.ToString()))}");
        }

        await servers.AuditAsync();
    }

    [Fact]
    [Once]
    public async Task Every_answer_fits_into_one_order_also_when_processes_are_killed_in_the_midst()
    {
        await using Servers servers = await Servers.StartAsync(4);
        for (int round = 0; round < Rounds; round++)
        {
            await servers.RunAsync(4);
            History[] histories = await RecordAsync(() => servers.Running, calls: 500, meanwhile: () => KillAsync(servers.Running.Take(2)));
            Assert.All(histories, history => history.Holds());
            TestContext.Current.TestOutputHelper?.WriteLine(string.Join("; ", histories.Select(history => history.ToString())));
        }

        await servers.AuditAsync();
    }

    /// <summary>The same calls, and reads that are answered by what was read a moment ago: that must be found.</summary>
    [Theory]
    [InlineData("as they are", true)]
    [InlineData("a reader who comes late joins the query that was sent", false)]
    [InlineData("what was read is told again for thirty milliseconds", false)]
    public async Task A_server_with_stale_reads_is_found(string reads, bool holds)
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        long product = await admin.CreateProductAsync(stock: 0);
        async Task<ProductView?> QueryAsync()
        {
            ProductView? view = await shop.Store.ProductAsync(product);
            await Task.Delay(1);
            return view;
        }

        Func<Task<ProductView?>> read = reads switch
        {
            "as they are" => QueryAsync,
            "a reader who comes late joins the query that was sent" => new LateReads(QueryAsync).ReadAsync,
            _ => new RememberedReads(QueryAsync, TimeSpan.FromMilliseconds(30)).ReadAsync,
        };
        var operations = new ConcurrentBag<Operation>();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async client =>
        {
            var random = new Random(client);
            for (int i = 0; i < 400; i++)
            {
                // Readers that were answered together would begin together, and never in the midst of a query.
                if (random.Next(4) == 0)
                {
                    await Task.Delay(random.Next(1, 4));
                }

                long called = Stopwatch.GetTimestamp();
                Effect effect = client < 2
                    ? new Effect(Deed.Add, 1, (await Restock(admin, product, 1)).Is(200).Number("stock"))
                    : new Effect(Deed.Read, 0, (await read())!.Stock);
                operations.Add(new Operation(called, Stopwatch.GetTimestamp(), effect));
            }
        }));
        Assert.Equal(holds, Linearizability.Holds(0, [.. operations]));
    }

    private static async Task KillAsync(IEnumerable<Server> servers)
    {
        foreach (Server server in servers)
        {
            await Task.Delay(150, TestContext.Current.CancellationToken);
            await server.KillAsync();
        }
    }

    /// <summary>A balance, a stock and a coupon at once, so many calls of each, and more until what happens meanwhile is done.</summary>
    private static async Task<History[]> RecordAsync(Func<IReadOnlyList<Server>> servers, int calls, Func<Task>? meanwhile = null)
    {
        TestCaller admin = servers()[^1].AsAdmin();
        int round = Interlocked.Increment(ref last);
        long plenty = await admin.CreateProductAsync(price: Price, stock: 1_000_000);
        long product = await admin.CreateProductAsync(price: 0, stock: 10);
        long coupon = await admin.CreateCouponAsync(quantity: Coupons);
        var balance = new History($"balance {round}", 0);
        var stock = new History($"stock {round}", 10);
        var remaining = new History($"coupon {round}", Coupons);
        Task other = meanwhile?.Invoke() ?? Task.CompletedTask;
        bool IsOver(History history) => history.Count >= calls && other.IsCompleted;
        await Task.WhenAll(
            other,
            CallAsync(balance, IsOver, random => BalanceAsync(balance, Any(servers, random).As($"h{round}"), plenty, random)),
            CallAsync(stock, IsOver, random => StockAsync(stock, Any(servers, random), product, random)),
            CallAsync(remaining, IsOver, random => CouponAsync(remaining, Any(servers, random), coupon, random)));
        return [balance, stock, remaining];
    }

    private static Server Any(Func<IReadOnlyList<Server>> servers, Random random)
    {
        IReadOnlyList<Server> running = servers();
        return running[random.Next(running.Count)];
    }

    private static Task CallAsync(History history, Func<History, bool> isOver, Func<Random, Task> callAsync) =>
        Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            var patience = new Patience();
            int before = history.Count;
            while (!isOver(history))
            {
                await callAsync(random);
                int now = history.Count;
                patience = now > before ? new Patience() : patience;
                before = now;
                patience.MayGoOn(history.ToString(), "none");
            }
        })));

    private static async Task BalanceAsync(History history, TestCaller member, long product, Random random)
    {
        switch (random.Next(4))
        {
            case 0:
                int amount = random.Next(1, 60);
                await history.CallAsync(
                    () => member.PostAsync($"/members/{member.Member}/points/charge", $$"""{"amount":{{amount}}}"""),
                    answer => new Effect(Deed.Add, amount, answer.Is(200).Number("balance")), new Effect(Deed.Add, amount, null));
                break;
            case 1:
                TestAnswer? order = await TryAsync(() => member.OrderAsync(product));
                if (order is not { Status: 201 })
                {
                    return;
                }

                TestAnswer? paid = await history.CallAsync(
                    () => member.PayAsync(order),
                    answer => answer.Status == 200
                        ? new Effect(Deed.Take, Price, answer.Number("balance"))
                        : new Effect(Deed.Refuse, Price, answer.IsProblem(409, "insufficient_balance").Number("balance")),
                    new Effect(Deed.Take, Price, null));
                if (paid is { Status: 200 } && random.Next(2) == 0)
                {
                    await history.CallAsync(
                        () => member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel"),
                        answer => new Effect(Deed.Add, Price, answer.Is(200).Word("status") == "refunded" ? null : -1), new Effect(Deed.Add, Price, null));
                }

                break;
            default:
                await history.CallAsync(
                    () => member.GetAsync($"/members/{member.Member}/points"),
                    answer => new Effect(Deed.Read, 0, answer.Is(200).Number("balance")), Effect.Query);
                break;
        }
    }

    private static async Task StockAsync(History history, Server server, long product, Random random)
    {
        int quantity = random.Next(1, 4);
        switch (random.Next(5))
        {
            case 0:
                await history.CallAsync(
                    () => Restock(server.AsAdmin(), product, quantity),
                    answer => new Effect(Deed.Add, quantity, answer.Is(200).Number("stock")), new Effect(Deed.Add, quantity, null));
                break;
            case 1:
                await history.CallAsync(
                    () => Restock(server.AsAdmin(), product, -quantity),
                    answer => answer.Status == 200 ? new Effect(Deed.Take, quantity, answer.Number("stock")) : OutOfStock(answer, quantity),
                    new Effect(Deed.Take, quantity, null));
                break;
            case 2:
                TestCaller buyer = server.As($"b{random.Next(1_000)}");
                TestAnswer? order = await history.CallAsync(
                    () => buyer.OrderAsync(product, quantity),
                    answer => answer.Status == 201 ? new Effect(Deed.Take, quantity, null) : OutOfStock(answer, quantity),
                    new Effect(Deed.Take, quantity, null));
                if (order is { Status: 201 } && random.Next(3) > 0)
                {
                    await history.CallAsync(
                        () => buyer.PostAsync($"/members/{buyer.Member}/orders/{order["orderId"]}/cancel"),
                        answer => new Effect(Deed.Add, quantity, answer.Is(200).Word("status") == "cancelled" ? null : -1),
                        new Effect(Deed.Add, quantity, null));
                }

                break;
            default:
                await history.CallAsync(
                    () => server.AsAdmin().GetAsync($"/products/{product}"), answer => new Effect(Deed.Read, 0, answer.Is(200).Number("stock")), Effect.Query);
                break;
        }
    }

    private static async Task CouponAsync(History history, Server server, long coupon, Random random)
    {
        if (random.Next(3) > 0)
        {
            await history.CallAsync(
                () => server.AsAdmin().GetAsync($"/coupons/{coupon}"),
                answer => new Effect(
                    Deed.Read, 0, answer.Status == 200 ? answer.Number("remaining") : (long)answer.IsProblem(409, "coupon_sold_out")["coupon"]!["remaining"]!),
                Effect.Query);
            return;
        }

        TestCaller member = server.As($"c{Interlocked.Increment(ref last)}");
        await history.CallAsync(
            () => member.PostAsync($"/coupons/{coupon}"),
            answer => answer.Status == 201 ? new Effect(Deed.Take, 1, Coupons - answer.Number("number")) : SoldOut(answer),
            new Effect(Deed.Take, 1, null));
    }

    private static Task<TestAnswer> Restock(TestCaller admin, long product, int change) =>
        admin.PostAsync($"/admin/products/{product}/stock", $$"""{"change":{{change}},"reason":"counted"}""");

    private static Effect SoldOut(TestAnswer answer)
    {
        answer.IsProblem(409, "coupon_sold_out");
        return new Effect(Deed.Refuse, 1, 0);
    }

    private static Effect OutOfStock(TestAnswer answer, int quantity) =>
        new(Deed.Refuse, quantity, (long)answer.IsProblem(409, "out_of_stock")["shortages"]![0]!["available"]!);

    private static async Task<TestAnswer?> TryAsync(Func<Task<TestAnswer>> ask)
    {
        try
        {
            return await ask();
        }
        catch (Exception error) when (error is HttpRequestException or IOException or TaskCanceledException)
        {
            return null;
        }
    }
}
