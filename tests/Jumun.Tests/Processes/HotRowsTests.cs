using System.Globalization;

namespace Jumun.Tests.Processes;

/// <summary>Everybody at once for the same coupon and the same product, through every process; then exact counts.</summary>
[Once]
[Collection(nameof(Servers))]
public sealed class HotRowsTests(ServersFixture fixture)
{
    private const int Coupons = 100;
    private const int Claimants = 300;
    private const int Pieces = 50;
    private const int Buyers = 200;
    private const long Charged = 1_000;
    private const long Price = 700;

    // One here; a longer run sets JUMUN_TEST_STORMS.
    private static readonly int Storms = int.Parse(Environment.GetEnvironmentVariable("JUMUN_TEST_STORMS") ?? "1", CultureInfo.InvariantCulture);

    private readonly Honest honest = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task Exactly_what_is_there_is_given_away_whatever_process_is_asked(int processes)
    {
        IReadOnlyList<Server> servers = await fixture.RunAsync(processes);
        for (int storm = 0; storm < Storms; storm++)
        {
            string prefix = $"s{processes}.{storm}.";
            await Task.WhenAll(ClaimAsync(servers, prefix), BuyAsync(servers, prefix));
            await fixture.AuditAsync();
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{processes} processes, {Storms} storms: {honest.Refused} answers were an honest 503.");
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public async Task Charges_of_one_member_through_every_process_add_up(int processes)
    {
        const int Callers = 10;
        const int Times = 20;
        IReadOnlyList<Server> servers = await fixture.RunAsync(processes);
        string member = $"h{processes}";
        await Task.WhenAll(Enumerable.Range(0, processes * Callers).Select(async i =>
        {
            TestCaller caller = servers[i % processes].As(member);
            for (int time = 0; time < Times; time++)
            {
                (await honest.AskAsync(() => caller.PostAsync($"/members/{member}/points/charge", """{"amount":3}"""))).Is(200);
            }
        }));
        Assert.Equal(processes * Callers * Times * 3, await servers[0].As(member).BalanceAsync());
        await fixture.AuditAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"{processes} processes, one wallet: {honest.Refused} answers were an honest 503.");
    }

    /// <summary>Each member asks two processes for the same coupon at the same moment.</summary>
    private async Task ClaimAsync(IReadOnlyList<Server> servers, string prefix)
    {
        long coupon = await servers[0].AsAdmin().CreateCouponAsync(quantity: Coupons);
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 2 * Claimants).Select(
            i => honest.AskAsync(() => servers[(i + (i / Claimants)) % servers.Count].As($"{prefix}c{i % Claimants}").PostAsync($"/coupons/{coupon}"))));
        TestAnswer[] issued = [.. answers.Where(answer => answer.Status == 201)];
        Assert.Equal(Enumerable.Range(1, Coupons).Select(i => (long)i), issued.Select(answer => (long)answer["number"]!).Order());
        Assert.Equal(Coupons, issued.Select(answer => (string)answer["memberId"]!).Distinct().Count());
        Assert.All(answers.Except(issued), answer =>
        {
            answer.Is(409);
            Assert.True((string?)answer["code"] is "coupon_sold_out" or "coupon_already_issued", answer.Text);
        });
    }

    /// <summary>Each buyer orders through one process, and pays through all of them at the same moment.</summary>
    private async Task BuyAsync(IReadOnlyList<Server> servers, string prefix)
    {
        long product = await servers[0].AsAdmin().CreateProductAsync(price: Price, stock: Pieces);
        long[] balances = await Task.WhenAll(Enumerable.Range(0, Buyers).Select(async i =>
        {
            string member = $"{prefix}b{i}";
            TestCaller[] callers = [.. servers.Select(server => server.As(member))];
            TestCaller own = callers[i % callers.Length];
            (await honest.AskAsync(() => own.PostAsync($"/members/{member}/points/charge", $$"""{"amount":{{Charged}}}"""))).Is(200);
            TestAnswer order = await honest.AskAsync(() => own.OrderAsync(product));
            if (order.Status != 201)
            {
                order.IsProblem(409, "out_of_stock");
                return await own.BalanceAsync();
            }

            TestAnswer[] paid = await Task.WhenAll(callers.Select(caller => honest.AskAsync(() => caller.PayAsync(order))));
            Assert.Single(paid, answer => answer.Status == 200);
            Assert.All(paid.Where(answer => answer.Status != 200), answer => answer.IsProblem(409, "payment_already_completed"));
            return await own.BalanceAsync();
        }));

        Assert.Equal(Pieces, balances.Count(balance => balance == Charged - Price));
        Assert.Equal(Buyers - Pieces, balances.Count(balance => balance == Charged));
        Assert.Equal(0, await servers[^1].AsAdmin().StockAsync(product));
    }
}
