using Jumun.Tests.Sinks;

namespace Jumun.Tests.Processes;

/// <summary>Several processes tell one receiver, each its share.</summary>
[Once]
public sealed class SharedReceiverTests : IAsyncLifetime
{
    private const int Members = 40;

    private Receiver receiver = null!;
    private Servers servers = null!;
    private Shoppers shoppers = null!;

    public async ValueTask InitializeAsync()
    {
        receiver = await Receiver.StartAsync();
        servers = await Servers.StartAsync(2, new()
        {
            ["Jumun:DataPlatform:Sink"] = "http",
            ["Jumun:DataPlatform:Url"] = receiver.Url,
            ["Jumun:DataPlatform:Secret"] = "a secret of the tests",
            ["Jumun:DataPlatform:DeadAfter"] = "00:00:10",
        });
        shoppers = new Shoppers(servers, "m", await servers[0].AsAdmin().CreateProductAsync(stock: 100_000));
    }

    public async ValueTask DisposeAsync()
    {
        await servers.DisposeAsync();
        await receiver.DisposeAsync();
    }

    [Fact]
    public async Task Through_an_outage_and_the_death_of_a_process_each_members_events_arrive_in_order()
    {
        await shoppers.BuyAsync(Members, times: 3);
        await receiver.TookAsync(Members * 3);
        await receiver.CloseAsync();
        await shoppers.BuyAsync(Members, times: 2);
        await servers[0].KillAsync();
        await shoppers.BuyAsync(Members, times: 1);
        await receiver.ListenAsync();
        await receiver.TookAsync(Members * 6, seconds: 60);
        receiver.HasAll(shoppers.Paid);
        await servers.AuditAsync();
    }

    [Fact]
    public async Task A_refused_event_keeps_its_member_waiting_until_it_is_dead_whoever_delivers()
    {
        receiver.Answers = (posted, _) => Task.FromResult<int?>(posted.Events.Any(one => one is { Member: "m3", Sequence: 1 }) ? 400 : 204);
        await shoppers.BuyAsync(Members, times: 2);
        await receiver.TookAsync((Members * 2) - 2);
        Assert.DoesNotContain(receiver.Taken, one => one.Member == "m3");
        await receiver.TookAsync((Members * 2) - 1, seconds: 40);
        TestAnswer dead = (await servers[0].AsAdmin().GetAsync("/admin/events?state=dead")).Is(200);
        Assert.Equal("m3", (string?)Assert.Single(dead["items"]!.AsArray())!["memberId"]);

        receiver.Answers = Receiver.Ok;
        (await servers[1].AsAdmin().PostAsync("/admin/events/replay", $$"""{"eventIds":["{{dead["items"]![0]!["eventId"]}}"]}""")).Is(200);
        await receiver.TookAsync(Members * 2);
        Assert.Equal([2L, 1L], receiver.Taken.Where(one => one.Member == "m3").Select(one => one.Sequence));
        await servers.AuditAsync();
    }
}
