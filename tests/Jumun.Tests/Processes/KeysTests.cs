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

    private static bool IsReplayed(TestAnswer answer) => answer.Headers.Contains("Idempotency-Replayed");

    private Task<TestAnswer> ChargeAsync(TestCaller caller, long amount, string key) => honest.AskAsync(
        () => caller.PostAsync($"/members/{caller.Member}/points/charge", $$"""{"amount":{{amount}}}""", key));
}
