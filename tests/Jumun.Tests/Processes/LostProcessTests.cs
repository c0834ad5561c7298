using System.Diagnostics;
using Jumun.Server;
using Jumun.Server.Stores.Postgres;

namespace Jumun.Tests.Processes;

/// <summary>A process that is killed leaves work behind, and the others soon see that its session has ended.</summary>
[Once]
public sealed class LostProcessTests : SharedWork
{
    [Fact]
    public async Task When_a_process_is_killed_the_others_do_what_it_left_seconds_later()
    {
        await Servers.SettledAsync(2);
        short[] left = await PartitionsOfFirstAsync();
        using var stop = new CancellationTokenSource();
        Task shopping = Shoppers.LiveAsync(Members, stop.Token);
        await Task.Delay(500, Cancellation);
        await Servers[0].KillAsync();
        long killed = Stopwatch.GetTimestamp();
        int linesOfOther = (await EventFiles.ReadAsync(Servers)).Count(one => one.File == Servers[1].EventsPath && IsOf(left, one));
        Assert.Equal(0, linesOfOther);
        await Task.Delay(500, Cancellation);
        await stop.CancelAsync();
        await shopping;
        (long product, DateTimeOffset payBefore) = await LeaveUnpaidAsync();

        // It might be about to open another session; then the other one has its partitions within a second.
        await ToldAsync(Bounds.LeaseOfEndedSeconds + 4 - Stopwatch.GetElapsedTime(killed).TotalSeconds);
        List<DeliveredEvent> events = await EventFiles.ReadAsync(Servers);
        EventFiles.AreAtLeast(Shoppers.Paid, events);
        Assert.Contains(events, one => one.File == Servers[1].EventsPath && IsOf(left, one));
        await BackAsync(product, payBefore, Bounds.LeaseOfEndedSeconds + 2);
        await Servers.AuditAsync();
    }

    private static bool IsOf(short[] partitions, DeliveredEvent one) => partitions.Contains(PostgresHash.PartitionOf(one.MemberId));

    /// <summary>What the process that started first has: process ids sort by when they were made.</summary>
    private async Task<short[]> PartitionsOfFirstAsync()
    {
        List<(Guid Holder, short Partition)> leases = await Servers.LeasesAsync();
        Guid first = leases.Single(lease => lease.Partition == 0).Holder;
        return [.. leases.Where(lease => lease.Holder == first).Select(lease => lease.Partition)];
    }
}
