using System.Diagnostics;
using Jumun.Server.DataPlatform;

namespace Jumun.Tests.Sinks;

/// <summary>Events that are never taken, whatever the receiver says of them, keep nobody else's from going out.</summary>
public sealed partial class HttpSinkTests
{
    [Fact]
    public async Task One_event_that_is_gone_keeps_only_its_member_waiting()
    {
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Has("m1") ? 410 : 204);
        await BuyAsync(["m1"], times: 2);
        await StateAsync(CircuitState.Paused);
        await BuyAsync("m2");
        await AfterPausesAsync(events: 1);

        // From here on it is known that single events are meant: others are not asked for rarely.
        await StateAsync(CircuitState.Closed);
        await TestShop.UntilAsync(() => Task.FromResult(Receiver.Requests.Count(posted => posted.Has("m1")) >= 2));
        await HeldAsync(1);
        await BuyAsync(Members(20).Skip(2), times: 2);
        await Receiver.TookAsync(37);
        Assert.Equal(CircuitState.Closed, Shop.Figures.Circuit);
        Assert.DoesNotContain(Receiver.Taken, one => one.Member == "m1");
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await Receiver.TookAsync(39);
        Receiver.HasAll(Orders);
        await HeldAsync(0);
    }

    [Fact]
    public async Task One_event_that_is_gone_is_found_among_others()
    {
        Receiver.Answers = Receiver.Always(410);
        await BuyAsync(Members(20), times: 2);
        await StateAsync(CircuitState.Paused);
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Has("m1") ? 410 : 204);
        await AfterPausesAsync(events: 38);
        await StateAsync(CircuitState.Closed);
        await HeldAsync(1);
        Assert.DoesNotContain(Receiver.Taken, one => one.Member == "m1");

        // It is refused like any other that is not wanted: it dies of it.
        await TestShop.UntilAsync(() =>
        {
            Shop.Clock.Advance(TimeSpan.FromHours(1));
            return Task.FromResult(Shop.Figures.DeadEvents > 0);
        });
        Assert.Equal("m1", Assert.Single(await EventsAsync("dead")).Member);

        // Once more for all: after a few that it takes for refused it is asked rarely, as before.
        Receiver.Answers = Receiver.Always(410);
        await BuyAsync(Members(20));
        await StateAsync(CircuitState.Paused);
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(6));
        await Receiver.TookAsync(59);
        await CountsAsync("pending", 0);
    }

    [Fact]
    public async Task Many_events_that_are_refused_one_after_the_other_keep_a_good_one_waiting_only_for_a_moment()
    {
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Events.Any(one => one is not { Member: "late" or "later" }) ? 422 : 204);
        await BuyAsync(Members(40));
        long began = Stopwatch.GetTimestamp();
        await BuyAsync(["late", "later"], times: 2);
        await Receiver.TookAsync(4, seconds: 25);
        TestContext.Current.TestOutputHelper?.WriteLine($"{Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s");
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await Receiver.TookAsync(44);
        Receiver.HasAll(Orders);
    }

    [Fact]
    public async Task With_more_members_refused_than_can_be_held_back_the_others_go_on_and_each_ones_order_holds()
    {
        HeldMembers = 3;
        await RestartAsync();
        var poison = new HashSet<string>(Members(5));
        Receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Events.Any(one => one.Sequence == 1 && poison.Contains(one.Member)) ? 400 : 204);
        foreach (string member in poison)
        {
            await BuyAsync(member);
        }

        await HeldAsync(3);
        await BuyAsync(["n1", "n2"], times: 2);
        await Receiver.TookAsync(4);
        await BuyAsync(poison.Append("n1"), times: 2);
        await Receiver.TookAsync(6);

        // The later events of those who are refused would be taken, were they sent before their time; also by another start.
        await RestartAsync();
        await BuyAsync(poison.Append("n2"));
        await Receiver.TookAsync(7);
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await BuyAsync("n3");
        await Receiver.TookAsync(8);
        Assert.DoesNotContain(Receiver.Taken, one => poison.Contains(one.Member));
        Assert.Equal(3, Shop.Figures.Held);
        Assert.Equal(CircuitState.Closed, Shop.Figures.Circuit);

        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await Receiver.TookAsync(Orders.Count);
        Receiver.HasAll(Orders);
        await HeldAsync(0);
    }

    [Fact]
    public async Task A_platform_that_is_asked_rarely_is_seen_to_fall_behind()
    {
        Receiver.Answers = Receiver.Always(400);
        await BuyAsync("m1");
        await HeldAsync(1);
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Lag == TimeSpan.Zero));
        Receiver.Answers = Receiver.Always(410);
        Shop.Clock.Advance(TimeSpan.FromMinutes(1));
        await StateAsync(CircuitState.Paused);
        await BuyAsync("m2");
        Shop.Clock.Advance(TimeSpan.FromMinutes(6));
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Lag >= TimeSpan.FromMinutes(6)));
        Receiver.Answers = Receiver.Ok;
        Shop.Clock.Advance(TimeSpan.FromMinutes(6));
        await Receiver.TookAsync(2);
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Lag == TimeSpan.Zero));
    }

    /// <summary>Waits until so many events were taken, over some pauses of a receiver that said that it wants none.</summary>
    private async Task AfterPausesAsync(int events)
    {
        for (int i = 0; i < 4 && Receiver.Taken.Count < events; i++)
        {
            Shop.Clock.Advance(TimeSpan.FromMinutes(6));
            long began = Stopwatch.GetTimestamp();
            await TestShop.UntilAsync(() => Task.FromResult(Receiver.Taken.Count >= events || Stopwatch.GetElapsedTime(began).TotalSeconds > 3));
        }

        await Receiver.TookAsync(events);
    }
}
