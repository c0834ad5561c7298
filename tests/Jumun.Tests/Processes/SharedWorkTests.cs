using System.Diagnostics;

namespace Jumun.Tests.Processes;

/// <summary>Each process works on its own share; the shares move when a process comes or stops.</summary>
[Once]
public sealed class SharedWorkTests : SharedWork
{
    [Fact]
    public async Task In_calm_weather_each_order_expires_in_time_and_each_event_is_told_once_and_in_order()
    {
        await Servers.RunAsync(3);
        await Servers.SettledAsync(3);
        (long product, DateTimeOffset payBefore) = await LeaveUnpaidAsync();
        await Shoppers.BuyAsync(Members, times: 4);
        await ToldAsync(seconds: 3);

        List<DeliveredEvent> events = await EventFiles.ReadAsync(Servers);
        EventFiles.AreExactly(Shoppers.Paid, events);
        Assert.All(events.GroupBy(one => one.MemberId), ofMember =>
        {
            Assert.Single(ofMember.Select(one => one.File).Distinct());
            Assert.Equal([1L, 2L, 3L, 4L], ofMember.Select(one => one.Sequence));
        });
        Assert.Equal(3, events.Select(one => one.File).Distinct().Count());
        await BackAsync(product, payBefore, seconds: 2);
        await Servers.AuditAsync();
    }

    [Fact]
    public async Task When_a_process_comes_and_one_stops_the_work_goes_on_and_no_event_is_told_twice()
    {
        await Servers.SettledAsync(2);
        using var stop = new CancellationTokenSource();
        Task shopping = Shoppers.LiveAsync(Members, stop.Token);

        await Servers.RunAsync(3);
        long begun = Stopwatch.GetTimestamp();
        await Servers.SettledAsync(3);
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0, 4);
        await TestShop.UntilAsync(() => Task.FromResult(new FileInfo(Servers[2].EventsPath) is { Exists: true, Length: > 0 }), seconds: 3);

        // The one that sweeps goes.
        (long product, DateTimeOffset payBefore) = await LeaveUnpaidAsync();
        await Servers[0].StopAsync();
        begun = Stopwatch.GetTimestamp();
        await Servers.SettledAsync(2);
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0, 3);
        await stop.CancelAsync();
        await shopping;
        await ToldAsync(seconds: 3);
        EventFiles.AreExactly(Shoppers.Paid, await EventFiles.ReadAsync(Servers));
        await BackAsync(product, payBefore, seconds: 2);
        await Servers.AuditAsync();
    }
}
