using System.Diagnostics;
using System.Globalization;
using Jumun.Server;
using Jumun.Server.Stores.Postgres;
using Jumun.Tests.Http;
using Npgsql;

namespace Jumun.Tests.Processes;

/// <summary>
/// What the processes do once and not each: they end orders that were not paid, and carry events to the data platform.
/// Each is its own share's; the shares move when a process comes or goes.
/// </summary>
[Once]
[Collection(nameof(Servers))]
public sealed class SharedWorkTests : IAsyncLifetime
{
    private const int Members = 30;

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(4);

    private Servers servers = null!;
    private Shoppers shoppers = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        // One after the other: the first sweeps.
        servers = await Servers.StartAsync(1, new() { ["Jumun:Orders:PaymentWindow"] = Window.ToString("c", CultureInfo.InvariantCulture) });
        await servers.RunAsync(2);
        shoppers = new Shoppers(servers, "m", await servers[0].AsAdmin().CreateProductAsync(stock: 100_000));
    }

    public ValueTask DisposeAsync() => servers.DisposeAsync();

    [Fact]
    public async Task In_calm_weather_each_order_expires_in_time_and_each_event_is_told_once_and_in_order()
    {
        await servers.RunAsync(3);
        await SettledAsync(3);
        (long product, DateTimeOffset payBefore) = await LeaveUnpaidAsync();
        await shoppers.BuyAsync(Members, times: 4);
        await ToldAsync(seconds: 3);

        List<DeliveredEvent> events = await EventFiles.ReadAsync(servers);
        EventFiles.AreExactly(shoppers.Paid, events);
        Assert.All(events.GroupBy(one => one.MemberId), ofMember =>
        {
            Assert.Single(ofMember.Select(one => one.File).Distinct());
            Assert.Equal([1L, 2L, 3L, 4L], ofMember.Select(one => one.Sequence));
        });
        Assert.Equal(3, events.Select(one => one.File).Distinct().Count());
        await BackAsync(product, payBefore, seconds: 2);
        await servers.AuditAsync();
    }

    [Fact]
    public async Task When_a_process_comes_and_one_stops_the_work_goes_on_and_no_event_is_told_twice()
    {
        await SettledAsync(2);
        using var stop = new CancellationTokenSource();
        Task shopping = shoppers.LiveAsync(Members, stop.Token);

        await servers.RunAsync(3);
        long begun = Stopwatch.GetTimestamp();
        await SettledAsync(3);
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0, 4);
        await TestShop.UntilAsync(() => Task.FromResult(new FileInfo(servers[2].EventsPath) is { Exists: true, Length: > 0 }), seconds: 3);

        // The one that sweeps goes.
        (long product, DateTimeOffset payBefore) = await LeaveUnpaidAsync();
        await servers[0].StopAsync();
        begun = Stopwatch.GetTimestamp();
        await SettledAsync(2);
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0, 3);
        await stop.CancelAsync();
        await shopping;
        await ToldAsync(seconds: 3);
        EventFiles.AreExactly(shoppers.Paid, await EventFiles.ReadAsync(servers));
        await BackAsync(product, payBefore, seconds: 2);
        await servers.AuditAsync();
    }

    [Fact]
    public async Task When_a_process_is_killed_the_others_do_what_it_left_when_its_leases_end()
    {
        await SettledAsync(2);
        short[] left = await PartitionsOfFirstAsync();
        using var stop = new CancellationTokenSource();
        Task shopping = shoppers.LiveAsync(Members, stop.Token);
        await Task.Delay(500, Cancellation);
        await servers[0].KillAsync();
        long killed = Stopwatch.GetTimestamp();
        int linesOfOther = (await EventFiles.ReadAsync(servers)).Count(one => one.File == servers[1].EventsPath && IsOf(left, one));
        Assert.Equal(0, linesOfOther);
        await Task.Delay(500, Cancellation);
        await stop.CancelAsync();
        await shopping;
        (long product, DateTimeOffset payBefore) = await LeaveUnpaidAsync();

        // Its leases run on; then the other one has them within a second.
        await ToldAsync(Bounds.LeaseSeconds + 2 - Stopwatch.GetElapsedTime(killed).TotalSeconds);
        List<DeliveredEvent> events = await EventFiles.ReadAsync(servers);
        EventFiles.AreAtLeast(shoppers.Paid, events);
        Assert.Contains(events, one => one.File == servers[1].EventsPath && IsOf(left, one));
        await BackAsync(product, payBefore, Bounds.LeaseSeconds + 2);
        await servers.AuditAsync();
    }

    private static bool IsOf(short[] partitions, DeliveredEvent one) => partitions.Contains(PostgresHash.PartitionOf(one.MemberId));

    /// <summary>Orders that nobody pays, through every process, for all that there is of a product; and when the last one's window ends.</summary>
    private async Task<(long Product, DateTimeOffset PayBefore)> LeaveUnpaidAsync()
    {
        IReadOnlyList<Server> running = servers.Running;
        long product = await running[0].AsAdmin().CreateProductAsync(stock: Members);
        TestAnswer[] orders = await Task.WhenAll(Enumerable.Range(0, Members).Select(i => running[i % running.Count].As($"u{i}").OrderAsync(product)));
        return (product, orders.Max(order => order.Is(201)["payBefore"].Time()));
    }

    /// <summary>All that unpaid orders held is back, once, so many seconds after the last window at the latest.</summary>
    private async Task BackAsync(long product, DateTimeOffset payBefore, double seconds)
    {
        Server server = servers.Running[^1];
        await TestShop.UntilAsync(
            async () => await server.AsAdmin().StockAsync(product) == Members, (payBefore - DateTimeOffset.UtcNow).TotalSeconds + seconds);
        TestAnswer[] orders = await Task.WhenAll(Enumerable.Range(0, Members).Select(i => server.As($"u{i}").GetAsync($"/members/u{i}/orders")));
        Assert.All(orders, list => Assert.Equal("expired", (string?)Assert.Single(list.Is(200)["items"]!.AsArray())!["status"]));
    }

    /// <summary>No event is pending.</summary>
    private Task ToldAsync(double seconds) => TestShop.UntilAsync(
        async () => (await servers.Running[0].AsAdmin().GetAsync("/admin/events?state=pending")).Is(200)["items"]!.AsArray().Count == 0, seconds);

    /// <summary>So many processes have all partitions among them, each its share.</summary>
    private Task SettledAsync(int processes) => TestShop.UntilAsync(async () =>
    {
        List<(Guid Holder, short Partition)> leases = await LeasesAsync();
        List<int> shares = [.. leases.CountBy(lease => lease.Holder).Select(share => share.Value)];
        return leases.Count == Bounds.Partitions && shares.Count == processes && shares.Max() - shares.Min() <= 1;
    });

    /// <summary>What the process that started first has: process ids sort by when they were made.</summary>
    private async Task<short[]> PartitionsOfFirstAsync()
    {
        List<(Guid Holder, short Partition)> leases = await LeasesAsync();
        Guid first = leases.Single(lease => lease.Partition == 0).Holder;
        return [.. leases.Where(lease => lease.Holder == first).Select(lease => lease.Partition)];
    }

    private async Task<List<(Guid Holder, short Partition)>> LeasesAsync()
    {
        await using var connection = new NpgsqlConnection($"{servers.Address};Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(
            "SELECT holder, partition FROM leases WHERE until > extract(epoch FROM clock_timestamp()) * 1000", connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(Cancellation);
        var leases = new List<(Guid Holder, short Partition)>();
        while (await rows.ReadAsync(Cancellation))
        {
            leases.Add((rows.GetGuid(0), rows.GetInt16(1)));
        }

        return leases;
    }
}
