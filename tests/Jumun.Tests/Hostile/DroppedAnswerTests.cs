using System.Globalization;
using System.Text;

namespace Jumun.Tests.Hostile;

/// <summary>
/// The network loses an answer: the shop did what was asked, and the client does not know. It asks again under its key, and
/// whatever was lost, the effect is one.
/// </summary>
public sealed class DroppedAnswerTests
{
    private const int Lanes = 8;
    private const long Charged = 1_000;
    private const long Price = 300;

    // A longer run sets JUMUN_TEST_DROPPED_ANSWERS.
    private static readonly int Dropped = int.Parse(Environment.GetEnvironmentVariable("JUMUN_TEST_DROPPED_ANSWERS") ?? "200", CultureInfo.InvariantCulture);

    private int answered;
    private int replayed;

    [Fact]
    public async Task A_request_whose_answer_was_lost_and_that_is_sent_again_has_one_effect()
    {
        // Each member sends four requests: a charge, a claim, an order, a payment.
        int members = (Dropped + 3) / 4;
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        long product = await admin.CreateProductAsync(price: Price, stock: members);
        long coupon = await admin.CreateCouponAsync(quantity: members);
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(lane => Task.Run(async () =>
        {
            var random = new Random(lane);
            for (int i = lane; i < members; i += Lanes)
            {
                string member = $"m{i}";
                await LoseAsync(shop, member, $"/members/{member}/points/charge", $$"""{"amount":{{Charged}}}""", random);
                await LoseAsync(shop, member, $"/coupons/{coupon}", null, random);
                TestAnswer order = await LoseAsync(shop, member, $"/order/{member}", $$"""{"items":[{"productId":{{product}},"quantity":1}]}""", random);
                await LoseAsync(shop, member, $"/payment/{order["paymentId"]}", null, random);
            }
        })));

        for (int i = 0; i < members; i++)
        {
            Assert.Equal(Charged - Price, await shop.As($"m{i}").BalanceAsync());
            Assert.Single((await shop.As($"m{i}").GetAsync($"/members/m{i}/orders")).Is(200)["items"]!.AsArray());
        }

        Assert.Equal(0, await admin.StockAsync(product));
        (await admin.GetAsync($"/coupons/{coupon}")).IsProblem(409, "coupon_sold_out");
        await shop.AuditAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"{4 * members} answers lost: {answered} that had come, {replayed} requests had been carried out");
        Assert.True(answered >= 2 * members && replayed >= answered);
    }

    /// <summary>Sends a request, loses its answer, and sends it again.</summary>
    private async Task<TestAnswer> LoseAsync(TestShop shop, string member, string path, string? json, Random random)
    {
        string key = Guid.NewGuid().ToString();
        bool hadCome = random.Next(4) > 0;
        using (RawConnection connection = await RawConnection.OpenAsync(shop.Http.BaseAddress!))
        {
            string body = json is null ? "" : $"Content-Type: application/json\r\nContent-Length: {Encoding.Latin1.GetByteCount(json)}\r\n";
            await connection.SendAsync(
                $"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TestShop.Token(member)}\r\nIdempotency-Key: {key}\r\n{body}\r\n{json}");
            if (hadCome)
            {
                // It is here, and nobody reads it: what it told is done.
                await connection.ComesAsync();
                Interlocked.Increment(ref answered);
            }
            else
            {
                await Task.Delay(random.Next(3));
            }

            connection.Reset();
        }

        TestAnswer again = await shop.As(member).PostAsync(path, json, key);
        Assert.True(again.Status is 200 or 201, again.Text);
        bool isReplayed = again.Headers.Contains("Idempotency-Replayed");
        Assert.True(isReplayed || !hadCome, $"{path} was answered, and then carried out again.");
        if (isReplayed)
        {
            Interlocked.Increment(ref replayed);
        }

        return again;
    }
}
