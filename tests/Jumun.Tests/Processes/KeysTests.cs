namespace Jumun.Tests.Processes;

/// <summary>Idempotency keys hold across processes: whichever of them is asked, however often and at once.</summary>
[Once]
[Collection(nameof(Servers))]
public sealed class KeysTests(ServersFixture fixture)
{
    private const int Repeats = 5;

    private readonly Honest honest = new();

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task The_same_request_sent_to_all_at_once_has_one_effect_and_one_answer(int processes)
    {
        const int Keys = 40;
        IReadOnlyList<Server> servers = await fixture.RunAsync(processes);
        string member = $"k{processes}";
        TestCaller[] callers = [.. servers.Select(server => server.As(member))];
        TestAnswer[][] answers = await Task.WhenAll(Enumerable.Range(0, Keys).Select(i => Task.WhenAll(
            Enumerable.Range(0, processes * Repeats).Select(n => ChargeAsync(callers[n % processes], 7, $"key-{i}")))));
        Assert.All(answers, same => Assert.Single(same.Select(answer => Convert.ToHexString(answer.Is(200).Bytes)).Distinct()));
        Assert.All(answers, same => Assert.Single(same, answer => !IsReplayed(answer)));
        Assert.Equal(Keys * 7, await callers[0].BalanceAsync());

        foreach (TestCaller caller in callers)
        {
            (await ChargeAsync(caller, 8, "key-0")).IsProblem(422, "idempotency_key_reused");
        }

        await fixture.AuditAsync();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_claim_an_order_and_its_payment_sent_to_all_at_once_happen_once(int processes)
    {
        const int Members = 10;
        IReadOnlyList<Server> servers = await fixture.RunAsync(processes);
        TestCaller admin = servers[0].AsAdmin();
        long product = await admin.CreateProductAsync(price: 1_000, stock: 100);
        long coupon = await admin.CreateCouponAsync(quantity: 50);
        await Task.WhenAll(Enumerable.Range(0, Members).Select(async i =>
        {
            TestCaller[] callers = [.. servers.Select(server => server.As($"o{processes}.{i}"))];
            string member = callers[0].Member;
            await callers[0].ChargeAsync(1_000);
            await OnceAsync(callers, 201, $"/coupons/{coupon}", null);
            TestAnswer order = await OnceAsync(
                callers, 201, $"/order/{member}", $$"""{"items":[{"productId":{{product}},"quantity":1}],"couponId":{{coupon}}}""");
            await OnceAsync(callers, 200, $"/payment/{order["paymentId"]}", null);
            Assert.Equal(100, await callers[0].BalanceAsync());
            TestAnswer orders = (await callers[^1].GetAsync($"/members/{member}/orders")).Is(200);
            Assert.Equal((string?)order["orderId"], (string?)Assert.Single(orders["items"]!.AsArray())!["orderId"]);
            Assert.Single((await callers[^1].GetAsync($"/members/{member}/coupons")).Is(200)["items"]!.AsArray());
        }));
        Assert.Equal(100 - Members, await admin.StockAsync(product));
        Assert.Equal(50 - Members, (long)(await admin.GetAsync($"/coupons/{coupon}")).Is(200)["remaining"]!);
        await fixture.AuditAsync();
    }

    [Fact]
    public async Task Two_requests_of_unlike_content_under_one_key_at_once_have_the_effect_of_one()
    {
        IReadOnlyList<Server> servers = await fixture.RunAsync(2);
        for (int i = 0; i < 20; i++)
        {
            string member = $"u{i}";
            TestAnswer[] answers = await Task.WhenAll(
                ChargeAsync(servers[0].As(member), 7, "key"), ChargeAsync(servers[1].As(member), 8, "key"));
            TestAnswer done = Assert.Single(answers, answer => answer.Status == 200);
            Assert.Single(answers, answer => answer.Status == 422).IsProblem(422, "idempotency_key_reused");
            Assert.Equal((long)done["balance"]!, await servers[1].As(member).BalanceAsync());
        }
    }

    [Fact]
    public async Task When_the_process_that_answered_is_killed_another_one_replays()
    {
        const int Charges = 60;
        IReadOnlyList<Server> servers = await fixture.RunAsync(2);
        TestAnswer[] before = await Task.WhenAll(Enumerable.Range(0, Charges).Select(i => ChargeAsync(servers[0].As($"d{i}"), 7, "answered")));

        // Some of these are answered, some commit unheard and some never began: only the key can tell.
        Task<TestAnswer?>[] underWay = [.. Enumerable.Range(0, Charges).Select(i => TryChargeAsync(servers[0].As($"d{i}"), 9, "under-way"))];
        await Task.WhenAny(underWay);
        await servers[0].KillAsync();
        TestAnswer?[] heard = await Task.WhenAll(underWay);

        for (int i = 0; i < Charges; i++)
        {
            TestCaller other = servers[1].As($"d{i}");
            TestAnswer again = (await ChargeAsync(other, 7, "answered")).Is(200);
            Assert.True(IsReplayed(again));
            Assert.Equal(before[i].Is(200).Bytes, again.Bytes);
            again = (await ChargeAsync(other, 9, "under-way")).Is(200);
            if (heard[i] is { } answer)
            {
                Assert.True(IsReplayed(again));
                Assert.Equal(answer.Is(200).Bytes, again.Bytes);
            }

            Assert.Equal(7 + 9, await other.BalanceAsync());
        }

        await fixture.AuditAsync();
    }

    private static async Task<TestAnswer?> TryChargeAsync(TestCaller caller, long amount, string key)
    {
        try
        {
            return await caller.PostAsync($"/members/{caller.Member}/points/charge", $$"""{"amount":{{amount}}}""", key);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return null;
        }
    }

    /// <summary>Sends a request under one key to all at once, several times to each: it happens once, and all answers are that one's.</summary>
    private async Task<TestAnswer> OnceAsync(TestCaller[] callers, int status, string path, string? json)
    {
        string key = Guid.NewGuid().ToString();
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, callers.Length * Repeats).Select(
            n => honest.AskAsync(() => callers[n % callers.Length].PostAsync(path, json, key))));
        Assert.Single(answers.Select(answer => Convert.ToHexString(answer.Is(status).Bytes)).Distinct());
        Assert.Single(answers, answer => !IsReplayed(answer));
        return answers[0];
    }

    private static bool IsReplayed(TestAnswer answer) => answer.Headers.Contains("Idempotency-Replayed");

    private Task<TestAnswer> ChargeAsync(TestCaller caller, long amount, string key) => honest.AskAsync(
        () => caller.PostAsync($"/members/{caller.Member}/points/charge", $$"""{"amount":{{amount}}}""", key));
}
