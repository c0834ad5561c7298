using System.Globalization;

namespace Jumun.Tests.Http;

/// <summary>Everybody at once, over real connections, and exact counts afterwards.</summary>
public sealed class StormTests
{
    private const int AtOnce = 2_000;

    // Longer runs set JUMUN_TEST_CALLERS, JUMUN_TEST_BUYERS and JUMUN_TEST_REPEATED_REQUESTS.
    private static readonly int Callers = Number("JUMUN_TEST_CALLERS", otherwise: 10_000);
    private static readonly int Buyers = Number("JUMUN_TEST_BUYERS", otherwise: 5_000);
    private static readonly int Repeated = Number("JUMUN_TEST_REPEATED_REQUESTS", otherwise: 2_000);

    [Fact]
    public async Task Ten_thousand_callers_for_a_hundred_coupons_get_exactly_a_hundred()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        long coupon = await admin.CreateCouponAsync(quantity: 100);
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => shop.As($"m{i}").PostAsync($"/coupons/{coupon}")));

        TestAnswer[] issued = [.. answers.Where(answer => answer.Status == 201)];
        Assert.Equal(Enumerable.Range(1, 100).Select(i => (long)i), issued.Select(answer => (long)answer["number"]!).Order());
        Assert.Equal(100, issued.Select(answer => (string)answer["memberId"]!).Distinct().Count());
        Assert.All(answers.Where(answer => answer.Status != 201), answer => answer.IsProblem(409, "coupon_sold_out"));
        Assert.Equal(0, (long)(await admin.GetAsync($"/coupons/{coupon}")).IsProblem(409, "coupon_sold_out")["coupon"]!["remaining"]!);
        await shop.AuditAsync();
    }

    [Fact]
    public async Task Five_thousand_buyers_for_the_last_fifty_pieces_get_exactly_fifty_and_pay_for_them()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        long product = await admin.CreateProductAsync(price: 700, stock: 50);
        TestCaller[] buyers = [.. Enumerable.Range(0, Buyers).Select(i => shop.As($"b{i}"))];
        await Task.WhenAll(buyers.Select(buyer => buyer.ChargeAsync(1_000)));
        bool[] bought = await Task.WhenAll(buyers.Select(async buyer =>
        {
            TestAnswer order = await buyer.OrderAsync(product);
            if (order.Status != 201)
            {
                order.IsProblem(409, "out_of_stock");
                return false;
            }

            (await buyer.PayAsync(order)).Is(200);
            return true;
        }));

        Assert.Equal(50, bought.Count(did => did));
        Assert.Equal(0, await admin.StockAsync(product));
        long[] balances = await Task.WhenAll(buyers.Select(buyer => buyer.BalanceAsync()));
        Assert.Equal(bought.Select(did => did ? 300L : 1_000L), balances);
        TestAnswer top = (await shop.AsNobody().GetAsync("/products/top")).Is(200);
        Assert.Equal(50, (long)top["items"]![0]!["soldQuantity"]!);
        await shop.AuditAsync();
    }

    [Fact]
    public async Task Two_thousand_requests_sent_five_times_at_once_under_their_keys_have_one_effect_each_and_equal_answers()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller member = shop.As("m");
        foreach (int[] some in Enumerable.Range(0, Repeated).Chunk(AtOnce))
        {
            TestAnswer[][] answers = await Task.WhenAll(some.Select(i => Task.WhenAll(Enumerable.Range(0, 5).Select(
                _ => member.PostAsync("/members/m/points/charge", """{"amount":7}""", key: $"key-{i}")))));
            Assert.All(answers, five => Assert.Single(five.Select(answer => answer.Is(200).Text).Distinct()));
            Assert.All(answers, five => Assert.Equal(4, five.Count(answer => answer.Headers.Contains("Idempotency-Replayed"))));
        }

        Assert.Equal(Repeated * 7L, await member.BalanceAsync());
        await shop.AuditAsync();
    }

    private static int Number(string variable, int otherwise) =>
        int.Parse(Environment.GetEnvironmentVariable(variable) ?? $"{otherwise}", CultureInfo.InvariantCulture);
}
