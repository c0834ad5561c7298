using System.Diagnostics;
using Jumun.Server;

namespace Jumun.Tests.Hostile;

/// <summary>More comes than can be settled: what does not fit is refused without effect, and all is well again afterwards.</summary>
public sealed class OverloadTests
{
    private const int Callers = 300;
    private const int Room = 100;

    [Fact]
    public async Task Beyond_the_queue_requests_are_refused_at_once_reads_go_on_and_everything_accepted_is_done_once()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller[] members = [.. Enumerable.Range(0, Callers).Select(i => shop.As($"m{i}"))];
        using var gate = new ManualResetEventSlim();
        var waiting = new List<Task> { shop.Shop.Executor.SubmitAsync(new Held(gate)).AsTask() };
        Task<TestAnswer>[] charges;
        TestAnswer[] refused;
        try
        {
            await TestShop.UntilAsync(() => Task.FromResult(shop.Shop.Executor.QueueLength == 0));
            while (shop.Shop.Executor.QueueLength < Bounds.QueuedCommands - Room)
            {
                waiting.Add(shop.Shop.Executor.SubmitAsync(new Held(gate)).AsTask());
            }

            // Nothing moves: so many are taken as there is room, and every other one has its answer before the gate opens.
            charges = [.. members.Select(member => ChargeAsync(member))];
            await TestShop.UntilAsync(() => Task.FromResult(charges.Count(charge => charge.IsCompleted) == Callers - Room));
            refused = await Task.WhenAll(charges.Where(charge => charge.IsCompleted));
            Assert.All(refused, answer => answer.IsProblem(503, "unavailable"));
            Assert.All(refused, answer => Assert.Equal("none", (string?)answer["outcome"]));
            Assert.All(refused, answer => Assert.True(answer.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1)));
            Assert.Equal(0, await members[0].BalanceAsync());
            (await shop.AsNobody().GetAsync("/products/top")).Is(200);
            (await shop.AsNobody().GetAsync("/health/live")).Is(200);
        }
        finally
        {
            gate.Set();
        }

        await Task.WhenAll(waiting);
        TestAnswer[] answers = await Task.WhenAll(charges);
        for (int i = 0; i < Callers; i++)
        {
            TestAnswer again = (await ChargeAsync(members[i])).Is(200);
            Assert.Equal(answers[i].Status == 200, again.Headers.Contains("Idempotency-Replayed"));
            Assert.Equal(7, await members[i].BalanceAsync());
        }

        Assert.Equal(Room, answers.Count(answer => answer.Status == 200));
        await shop.AuditAsync();
    }

    [Fact]
    public async Task A_bound_on_requests_in_work_refuses_the_rest_after_a_while_with_Retry_After_and_without_effect()
    {
        await using TestShop shop = await TestShop.StartAsync(new() { ["Jumun:RateLimit:Concurrency"] = "10" });
        TestCaller[] members = [.. Enumerable.Range(0, 50).Select(i => shop.As($"m{i}"))];
        using var gate = new ManualResetEventSlim();
        Task held = shop.Shop.Executor.SubmitAsync(new Held(gate)).AsTask();
        Task<TestAnswer>[] charges;
        try
        {
            long begun = Stopwatch.GetTimestamp();
            charges = [.. members.Select(member => ChargeAsync(member))];
            await Task.WhenAny(charges);
            Assert.True(Stopwatch.GetElapsedTime(begun).TotalMilliseconds > Bounds.RefusalMilliseconds / 2.0, "Somebody was refused at once.");
            await TestShop.UntilAsync(() => Task.FromResult(charges.Count(charge => charge.IsCompleted) == 40));
            TestAnswer[] refused = await Task.WhenAll(charges.Where(charge => charge.IsCompleted));
            Assert.All(refused, answer => answer.IsProblem(429, "rate_limited"));
            Assert.All(refused, answer => Assert.NotNull(answer.Headers.RetryAfter));
        }
        finally
        {
            gate.Set();
        }

        await held;
        Assert.Equal(10, (await Task.WhenAll(charges)).Count(answer => answer.Status == 200));
        (await ChargeAsync(members[0])).Is(200);
    }

    private static Task<TestAnswer> ChargeAsync(TestCaller member) =>
        member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":7}""", key: "k");

    /// <summary>Holds the lane of charges up until a gate opens.</summary>
    private sealed record Held(ManualResetEventSlim Gate) : Command, IOfMemberAlone
    {
        public string MemberId => "m";

        public override void Declare(Keys keys)
        {
        }

        public override Decision Decide(WorkingSet rows)
        {
            Gate.Wait();
            return Done.Instance;
        }
    }
}
