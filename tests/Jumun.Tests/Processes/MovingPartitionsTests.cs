using System.Text.Json;
using Jumun.Server;
using Jumun.Server.Stores.Postgres;
using Jumun.Tests.Sinks;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Jumun.Tests.Processes;

/// <summary>Partitions go from one process to another and come back, while members of all of them buy.</summary>
[Once]
public sealed class MovingPartitionsTests : IAsyncLifetime
{
    private const int Members = 40;
    private const int Half = Bounds.Partitions / 2;

    private Receiver receiver = null!;
    private Servers servers = null!;
    private Shoppers shoppers = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        receiver = await Receiver.StartAsync();

        receiver.Answers = SlowlyAsync;
        servers = await Servers.StartAsync(1, new()
        {
            ["Jumun:DataPlatform:Sink"] = "http",
            ["Jumun:DataPlatform:Url"] = receiver.Url,
            ["Jumun:DataPlatform:Secret"] = "a secret of the tests",
        });
        shoppers = new Shoppers(servers, "m", await servers[0].AsAdmin().CreateProductAsync(stock: 100_000));
    }

    public async ValueTask DisposeAsync()
    {
        await servers.DisposeAsync();
        await receiver.DisposeAsync();
    }

    [Fact]
    public async Task Partitions_that_move_and_come_back_lose_no_event_and_repeat_none_but_at_a_kill()
    {
        // Half of them go to the second process, while there is much to deliver.
        await servers.SettledAsync(1);
        Guid first = (await HoldersAsync())[0];
        await WhileTheyBuyAsync(() => servers.RunAsync(2), processes: 2);
        Dictionary<short, Guid> holders = await HoldersAsync();
        Guid second = holders.Values.Distinct().Single(holder => holder != first);
        Assert.Equal(Half, holders.Values.Count(holder => holder == second));
        await ToldAsync();
        Assert.Equal(shoppers.Paid.Count, receiver.Taken.Count);

        // It is killed in the midst of its work: what is bought by its members waits for the end of its leases.
        ILookup<bool, string> members = Enumerable.Range(0, Members).Select(i => $"m{i}")
            .ToLookup(member => holders[PostgresHash.PartitionOf(member)] == second);
        Assert.NotEmpty(members[true]);
        Assert.NotEmpty(members[false]);
        using (var stop = new CancellationTokenSource())
        {
            Task shopping = shoppers.LiveAsync(Members, stop.Token);
            await Task.Delay(500, Cancellation);
            await servers[1].KillAsync();
            await HeardOfAsync(second);

            // Until its leases end there are seconds: what the first process has to tell must not take them up.
            receiver.Answers = Receiver.Ok;
            await stop.CancelAsync();
            await shopping;
        }

        await Task.WhenAll(members[true].Select(shoppers.BuyAsync));
        await Task.WhenAll(members[false].Select(shoppers.BuyAsync));
        await TestShop.UntilAsync(async () => (await PendingAsync()).IsSubsetOf(members[true]), seconds: 4);
        HashSet<string> waiting = await PendingAsync();
        Assert.Contains((await HoldersAsync()).Values, holder => holder == second);
        Assert.Equal(members[true].ToHashSet(), waiting);
        receiver.Answers = SlowlyAsync;

        // They come back to the first one.
        await servers.SettledAsync(1);
        Assert.All((await HoldersAsync()).Values, holder => Assert.Equal(first, holder));
        await ToldAsync();
        int repeated = receiver.Taken.Count - shoppers.Paid.Count;

        // Half go to a third process, and come back when it is stopped.
        await WhileTheyBuyAsync(() => servers.RunAsync(2), processes: 2);
        holders = await HoldersAsync();
        Assert.DoesNotContain(second, holders.Values);
        Assert.Equal(Half, holders.Values.Count(holder => holder == first));
        await WhileTheyBuyAsync(() => servers[2].StopAsync(), processes: 1);
        Assert.All((await HoldersAsync()).Values, holder => Assert.Equal(first, holder));
        await ToldAsync();
        Assert.Equal(repeated, receiver.Taken.Count - shoppers.Paid.Count);

        receiver.HasAll(shoppers.Paid);
        Assert.All(BodiesById(), bodies => Assert.Single(bodies.Distinct()));
        await servers.AuditAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"{shoppers.Paid.Count} events, {repeated} of them sent again after the kill");
    }

    /// <summary>Slow enough that leases are renewed, and partitions asked for, in the midst of a delivery.</summary>
    private static async Task<int?> SlowlyAsync(Posted posted, HttpContext http)
    {
        await Task.Delay(700, Cancellation);
        return 204;
    }

    /// <summary>Has partitions moved while members buy, and goes on for a moment when so many processes have their shares.</summary>
    private async Task WhileTheyBuyAsync(Func<Task> move, int processes)
    {
        using var stop = new CancellationTokenSource();
        Task shopping = shoppers.LiveAsync(Members, stop.Token);
        await move();
        await servers.SettledAsync(processes);
        await Task.Delay(500, Cancellation);
        await stop.CancelAsync();
        await shopping;
    }

    /// <summary>As if a process that is dead was last heard of two seconds later: there is time to look at what it left.</summary>
    private async Task HeardOfAsync(Guid process)
    {
        await using var connection = new NpgsqlConnection($"{servers.Address};Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(
            $"UPDATE processes SET seen_at = seen_at + 2000 WHERE process_id = '{process}' RETURNING 1", connection);
        Assert.Equal(1, await command.ExecuteScalarAsync(Cancellation));
    }

    private async Task<Dictionary<short, Guid>> HoldersAsync() =>
        (await servers.LeasesAsync()).ToDictionary(lease => lease.Partition, lease => lease.Holder);

    /// <summary>Whose events are pending, of the last hundred.</summary>
    private async Task<HashSet<string>> PendingAsync() =>
        [.. (await servers.Running[0].AsAdmin().GetAsync("/admin/events?state=pending&limit=100")).Is(200)["items"]!.AsArray()
            .Select(one => (string)one!["memberId"]!)];

    /// <summary>Everything has arrived and nothing is pending.</summary>
    private async Task ToldAsync()
    {
        await receiver.TookAsync(shoppers.Paid.Count);
        await TestShop.UntilAsync(async () => (await PendingAsync()).Count == 0);
    }

    /// <summary>The events of all requests as they were in them, by id.</summary>
    private IEnumerable<IGrouping<string, string>> BodiesById() => receiver.Requests
        .SelectMany(posted =>
        {
            using var body = JsonDocument.Parse(posted.Body);
            return body.RootElement.EnumerateArray().Select(one => (Id: one.GetProperty("id").GetString()!, Text: one.GetRawText())).ToList();
        })
        .GroupBy(one => one.Id, one => one.Text);
}
