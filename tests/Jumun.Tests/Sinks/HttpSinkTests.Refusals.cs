using System.Diagnostics;
using Jumun.Server.DataPlatform;
using Jumun.Tests.Crashes;
using Jumun.Tests.Http;

namespace Jumun.Tests.Sinks;

/// <summary>What becomes of events that the receiver refuses, and of all others meanwhile.</summary>
public sealed partial class HttpSinkTests
{
    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(429)]
    [InlineData(408)]
    [InlineData(401)]
    public async Task While_the_receiver_takes_nothing_it_is_asked_with_one_event_at_a_time_and_then_gets_everything(int status)
    {
        Receiver.Answers = Receiver.Always(status);
        await BuyAsync(Members(50), times: 2);
        await StateAsync(CircuitState.Open);
        int before = Receiver.Requests.Count;
        await TestShop.UntilAsync(() => Task.FromResult(Receiver.Requests.Count >= before + 3), seconds: 45);
        Assert.All(Receiver.Requests.Skip(before + 1), posted => Assert.Single(posted.Events));
        Assert.InRange(Receiver.Requests.Count, 1, 60);
        Assert.True(Shop.Figures.Lag > TimeSpan.Zero);

        Receiver.Answers = Receiver.Ok;
        await Receiver.TookAsync(100);
        Receiver.HasAll(Orders);
        Assert.Equal(100, Receiver.Taken.Count);
        await StateAsync(CircuitState.Closed);
        await CountsAsync("pending", 0);
        await HeldAsync(0);
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Lag == TimeSpan.Zero));
    }

    [Fact]
    public async Task A_receiver_that_comes_and_goes_gets_everything_and_the_log_is_not_flooded()
    {
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data, new()
        {
            ["Jumun:DataPlatform:Sink"] = "http",
            ["Jumun:DataPlatform:Url"] = Receiver.Url,
            ["Jumun:DataPlatform:Secret"] = Secret,
            ["Logging:LogLevel:Default"] = "Warning",
        });
        await server.StartAsync(Cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        int requests = 0;
        Receiver.Answers = (_, _) => Task.FromResult<int?>(Interlocked.Increment(ref requests) % 2 == 0 ? 204 : 500);
        long product = await new TestCaller(http, "admin", TestShop.Token("admin", admin: true)).CreateProductAsync(price: 1, stock: 1_000);
        for (int i = 0; i < 40; i++)
        {
            var member = new TestCaller(http, $"m{i}", TestShop.Token($"m{i}"));
            await member.ChargeAsync(1);
            (await member.PayAsync((await member.OrderAsync(product)).Is(201))).Is(200);
        }

        await Receiver.TookAsync(40, seconds: 60);
        Assert.True(requests > 20, $"{requests} requests");
        Assert.InRange(server.Said.Count(line => line.Contains("The data platform takes", StringComparison.Ordinal)), 2, 6);
    }

    [Fact]
    public async Task A_receiver_that_comes_back_slowly_still_gets_each_members_events_in_order()
    {
        Receiver.Answers = Receiver.Always(503);
        await BuyAsync(Members(100), times: 2);
        await StateAsync(CircuitState.Open);

        // One event, two, four, each half a second late: a round ends before all that it read is through.
        Receiver.Answers = async (_, _) =>
        {
            await Task.Delay(500, Cancellation);
            return 204;
        };
        await StateAsync(CircuitState.Closed);
        for (int i = 0; i < 5; i++)
        {
            await BuyAsync(Members(100));
            await Task.Delay(300, Cancellation);
        }

        await Receiver.TookAsync(700, seconds: 40);
        Receiver.HasAll(Orders);
    }

    [Fact]
    public async Task A_receiver_that_wants_no_more_events_is_asked_rarely_and_nothing_of_it_dies()
    {
        await RestartAsync(("Jumun:DataPlatform:DeadAfter", "00:00:00.001"));
        Receiver.Answers = Receiver.Always(410);
        await BuyAsync(Members(5), times: 2);
        await StateAsync(CircuitState.Paused);
        int asked = Receiver.Requests.Count;
        Shop.Clock.Advance(TimeSpan.FromMinutes(2));
        await BuyAsync("another");
        await Task.Delay(1_500, Cancellation);
        Assert.Equal(asked, Receiver.Requests.Count);

        // The pause is over, and it says the same; at the next start it does not.
        Shop.Clock.Advance(TimeSpan.FromMinutes(3));
        await TestShop.UntilAsync(() => Task.FromResult(Receiver.Requests.Count == asked + 1));
        Assert.Single(Receiver.Requests[^1].Events);
        Assert.Equal(CircuitState.Paused, Shop.Figures.Circuit);
        Assert.Empty(await EventsAsync("dead"));
        (await Shop.AsNobody().GetAsync("/health/ready")).Is(200);
        Receiver.Answers = Receiver.Ok;
        await RestartAsync();
        await Receiver.TookAsync(11);
        Receiver.HasAll(Orders);
        Assert.Empty(await EventsAsync("dead"));
    }

    [Fact]
    public async Task A_paused_receiver_that_wants_events_again_gets_them_after_the_pause()
    {
        Receiver.Answers = Receiver.Always(410);
        await BuyAsync(Members(5), times: 2);
        await StateAsync(CircuitState.Paused);
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(5));
        await Receiver.TookAsync(10);
        Receiver.HasAll(Orders);
        await StateAsync(CircuitState.Closed);
    }

    [Fact]
    public async Task A_receiver_that_wants_no_more_is_left_alone_too_when_only_what_it_refused_is_left()
    {
        Receiver.Answers = Receiver.Always(400);
        await BuyAsync("m1", "m2");
        await HeldAsync(2);
        Receiver.Answers = Receiver.Always(410);
        Shop.Clock.Advance(TimeSpan.FromMinutes(1));
        await StateAsync(CircuitState.Paused);
        long gone = Shop.Figures.Deliveries(Verdict.Gone);
        Assert.InRange(gone, 1, 2);
        Shop.Clock.Advance(TimeSpan.FromMinutes(2));
        await Task.Delay(1_500, Cancellation);
        Assert.Equal(gone, Shop.Figures.Deliveries(Verdict.Gone));
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(5));
        await Receiver.TookAsync(2);
        await StateAsync(CircuitState.Closed);
    }

    [Fact]
    public async Task What_is_tried_again_comes_no_sooner_than_the_receiver_asked()
    {
        Receiver.Answers = Receiver.Always(400);
        await BuyAsync("m1");
        await HeldAsync(1);
        Receiver.Answers = (_, http) =>
        {
            http.Response.Headers.RetryAfter = "600";
            return Task.FromResult<int?>(429);
        };
        Shop.Clock.Advance(TimeSpan.FromMinutes(1));
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Deliveries(Verdict.Failed) == 1));
        await Task.Delay(500, Cancellation);
        Shop.Clock.Advance(TimeSpan.FromMinutes(5));
        await Task.Delay(1_500, Cancellation);
        Assert.Equal(1, Shop.Figures.Deliveries(Verdict.Failed));
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(11));
        await Receiver.TookAsync(1);
    }

    [Fact]
    public async Task What_was_refused_before_a_pause_is_tried_again_after_it()
    {
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Has("m1") ? 400 : 204);
        await BuyAsync("m1");
        await HeldAsync(1);
        Receiver.Answers = Receiver.Always(410);
        await BuyAsync("m2");
        await StateAsync(CircuitState.Paused);
        for (int i = 0; i < 4; i++)
        {
            // The next pause begins when the answer is settled, not when the receiver was asked: only then may the clock go on.
            long settled = Shop.Figures.Deliveries(Verdict.Gone);
            Shop.Clock.Advance(TimeSpan.FromMinutes(6));
            await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Deliveries(Verdict.Gone) > settled));
        }

        Assert.True(Receiver.Requests.Count(posted => posted.Has("m1")) > 1);
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(6));
        await Receiver.TookAsync(2);
        await CountsAsync("pending", 0);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(500)]
    public async Task One_event_that_is_refused_keeps_its_members_later_ones_waiting_and_nobody_elses(int status)
    {
        // Whatever has the member's first event in it fails.
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Events.Any(one => one is { Member: "m7", Sequence: 1 }) ? status : 204);
        await BuyAsync(Members(100), times: 2);
        await Receiver.TookAsync(198);
        await BuyAsync(Members(100));
        await Receiver.TookAsync(297);
        Assert.DoesNotContain(Receiver.Taken, one => one.Member == "m7");
        await CountsAsync("pending", 3);
        await HeldAsync(1);
        Assert.Equal(297, Receiver.Taken.Count);

        // Found by halves, and then tried by itself.
        Assert.InRange(Receiver.Requests.Count(posted => posted.Has("m7")), 1, 40);

        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await Receiver.TookAsync(300);
        Receiver.HasAll(Orders);
        await CountsAsync("pending", 0);
        await HeldAsync(0);
    }

    [Fact]
    public async Task An_event_that_is_refused_for_too_long_is_dead_then_the_next_ones_go_out_and_it_can_be_sent_again()
    {
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Events.Any(one => one is { Member: "m2", Sequence: 1 }) ? 422 : 204);
        await BuyAsync(Members(3), times: 2);
        await Receiver.TookAsync(4);
        await CountsAsync("pending", 2);
        await HeldAsync(1);

        // It remembers since when, also over a restart.
        Shop.Clock.Advance(TimeSpan.FromDays(2));
        await RestartAsync();
        Shop.Clock.Advance(TimeSpan.FromDays(2));
        await Task.Delay(1_500, Cancellation);
        Assert.Empty(await EventsAsync("dead"));
        Shop.Clock.Advance(TimeSpan.FromDays(2));
        await CountsAsync("dead", 1);
        await Receiver.TookAsync(5);
        (string id, string member) = Assert.Single(await EventsAsync("dead"));
        Assert.Equal("m2", member);
        Assert.Equal([2L], Receiver.Taken.Where(one => one.Member == "m2").Select(one => one.Sequence));
        Assert.Equal((0, 1), (Shop.Figures.Held, Shop.Figures.DeadEvents));
        await CountsAsync("delivered", 5);

        Receiver.Answers = Receiver.Ok;
        (await Shop.Administrator().PostAsync("/admin/events/replay", $$"""{"eventIds":["{{id}}"]}""")).Is(200);
        await Receiver.TookAsync(6);
        Assert.Contains(Receiver.Taken, one => one.Id == id);
        await CountsAsync("delivered", 6);
        Assert.Empty(await EventsAsync("dead"));
        await Shop.AuditAsync();
    }

    [Fact]
    public async Task Of_an_outage_that_lasts_too_long_nothing_dies()
    {
        await RestartAsync(("Jumun:DataPlatform:DeadAfter", "00:00:01"));
        Receiver.Answers = Receiver.Always(500);
        await BuyAsync("m1");
        await StateAsync(CircuitState.Open);
        await BuyAsync(Members(60), times: 2);
        for (int i = 0; i < 10; i++)
        {
            // By turns one that failed before and a new one; all that failed, failed long ago.
            int asked = Receiver.Requests.Count;
            await TestShop.UntilAsync(() =>
            {
                Shop.Clock.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(Receiver.Requests.Count > asked);
            });
        }

        Assert.Empty(await EventsAsync("dead"));
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(1));
        await Receiver.TookAsync(121);
        Receiver.HasAll(Orders);
        Assert.Empty(await EventsAsync("dead"));
        Assert.Equal(0, Shop.Figures.DeadEvents);
    }

    [Fact]
    public async Task Events_that_are_refused_without_end_open_the_circuit_soon()
    {
        Receiver.Answers = Receiver.Always(404);
        await BuyAsync(Members(100));
        await StateAsync(CircuitState.Open);
        Assert.InRange(Receiver.Requests.Count, 8, 60);
    }

    [Fact]
    public async Task Many_refused_events_keep_only_their_members_waiting()
    {
        var poison = new HashSet<string>(Members(100).Where((_, number) => number % 4 == 0));
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Events.Any(one => poison.Contains(one.Member)) ? 400 : 204);
        await BuyAsync(Members(100), times: 2);
        await Receiver.TookAsync(150);
        Assert.DoesNotContain(Receiver.Taken, one => poison.Contains(one.Member));
        await CountsAsync("pending", 50);

        // Another start knows them by their mark.
        await RestartAsync();
        await BuyAsync(Members(100));
        await Receiver.TookAsync(225);
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await Receiver.TookAsync(300);
        Receiver.HasAll(Orders);
    }

    [Fact]
    public async Task One_that_makes_the_receiver_hang_delays_nobody_but_its_like()
    {
        Receiver.Answers = async (posted, http) =>
        {
            if (posted.Has("m1"))
            {
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            return 204;
        };
        // What the other buys is there before the first delivery is given up: the pause that follows is short, and after it what is not new is asked for.
        await BuyAsync("m1");
        await TestShop.UntilAsync(() => Task.FromResult(Receiver.Requests.Count > 0));
        await BuyAsync("m2");
        await StateAsync(CircuitState.Open, seconds: 30);
        await Receiver.TookAsync(1);

        // It is tried again, and hangs again, beside what others buy.
        int tried = Receiver.Requests.Count(posted => posted.Has("m1"));
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await TestShop.UntilAsync(() => Task.FromResult(Receiver.Requests.Count(posted => posted.Has("m1")) > tried));
        long began = Stopwatch.GetTimestamp();
        await BuyAsync(Members(20).Skip(1));
        await Receiver.TookAsync(20);
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 5);
        Assert.Equal(CircuitState.Closed, Shop.Figures.Circuit);
    }

    [Fact]
    public async Task What_is_tried_again_goes_no_further_once_the_partitions_are_anothers()
    {
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Has("m1") || posted.Has("m2") ? 400 : 204);
        await BuyAsync(Members(20));
        await Receiver.TookAsync(18);
        await HeldAsync(2);
        var answered = new TaskCompletionSource();
        int tried = 0;
        Receiver.Answers = async (_, _) =>
        {
            Interlocked.Increment(ref tried);
            await answered.Task;
            return 400;
        };
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await TestShop.UntilAsync(() => Task.FromResult(Volatile.Read(ref tried) == 1));

        // The leases end while the first of them is under way. What becomes of it is recorded when all are through.
        await Shop.Leases.StopAsync(Cancellation);
        long settled = Shop.Shop.Executor.Counters.Commands;
        answered.SetResult();
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Shop.Executor.Counters.Commands > settled));
        Assert.Equal(1, tried);
    }
}
