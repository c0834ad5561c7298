using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Stores;

namespace Jumun.Tests.Stores;

/// <summary>What a store keeps of events until they are delivered, and what it shows operators of them.</summary>
public abstract partial class StoreContract
{
    [Fact]
    public async Task Events_are_pending_until_recorded_as_delivered_and_can_be_replayed()
    {
        ProductView product = await ProductAsync();
        await ChargeAsync("m", 1_000);
        await PayAsync(await OrderAsync("m", null, (product.ProductId, 1)));
        PendingEvent pending = Assert.Single(await PendingAsync(10));
        await DoAsync<Done>(new RecordDelivery([pending.Key]));
        Assert.Empty(await PendingAsync(10));
        OutboxEventView delivered = Assert.Single(await Store.EventsAsync(OutboxState.Delivered, null, 10)).Event;

        Assert.Equal(pending.EventId, Assert.Single(await Store.EventIdsAsync(delivered.CreatedAt, delivered.CreatedAt.AddMilliseconds(1), 10)).EventId);
        Assert.Empty(await Store.EventIdsAsync(delivered.CreatedAt.AddMilliseconds(1), delivered.CreatedAt.AddDays(1), 10));
        EventsReplayed replayed = await DoAsync<EventsReplayed>(new ReplayEvents([pending.EventId, Guid.Empty], Next: null));
        Assert.Equal(1, replayed.Replayed);
        PendingEvent again = Assert.Single(await PendingAsync(10));
        Assert.Equal(pending.Body, again.Body);
        Assert.Single(await Store.EventsAsync(OutboxState.Pending, null, 10));
        Assert.Empty(await Store.EventsAsync(OutboxState.Dead, null, 10));
    }

    [Fact]
    public async Task Pending_events_come_once_in_each_members_order_and_anew_when_asked_for()
    {
        ProductView product = await ProductAsync(stock: 100);
        foreach (string member in new[] { "m", "n", "o" })
        {
            await ChargeAsync(member, 1_000);
        }

        for (int i = 0; i < 12; i++)
        {
            await PayAsync(await OrderAsync("mno"[i % 3].ToString(), null, (product.ProductId, 1)));
        }

        // Pages of five come to all of them, though nothing is recorded as delivered.
        var seen = new List<PendingEvent>();
        for (bool anew = true; seen.DistinctBy(one => one.EventId).Count() < 12; anew = false)
        {
            List<PendingEvent> page = await Store.PendingEventsAsync(AllPartitions, new HashSet<string>(), anew, 5);
            Assert.All(
                page.GroupBy(one => one.MemberId),
                ofMember => Assert.Equal(ofMember.Select(one => one.Sequence).Order(), ofMember.Select(one => one.Sequence)));
            seen.AddRange(page);
            Assert.InRange(seen.Count, 1, 25);
        }

        Assert.Equal([1L, 2L, 3L, 4L], (await PendingAsync(100)).Where(one => one.MemberId == "n").Select(one => one.Sequence));
        Assert.Equal(12, (await PendingAsync(100)).Count);
    }

    [Fact]
    public async Task A_member_of_whom_there_is_always_more_keeps_no_other_waiting()
    {
        ProductView product = await ProductAsync(stock: 100);
        foreach (string member in (string[])["a", "b"])
        {
            await ChargeAsync(member, 1_000);
        }

        foreach (string member in (string[])["a", "a", "a", "b"])
        {
            await PayAsync(await OrderAsync(member, null, (product.ProductId, 1)));
        }

        List<PendingEvent> page = await NextAsync();
        Assert.Equal([("a", 1L), ("a", 2L)], page.Select(one => (one.MemberId, one.Sequence)));
        await DoAsync<Done>(new RecordDelivery(page.ConvertAll(one => one.Key)));
        await PayAsync(await OrderAsync("a", null, (product.ProductId, 1)));
        await PayAsync(await OrderAsync("a", null, (product.ProductId, 1)));
        page = await NextAsync();
        Assert.Equal([("a", 3L), ("b", 1L)], page.Select(one => (one.MemberId, one.Sequence)).Order());
        await DoAsync<Done>(new RecordDelivery(page.ConvertAll(one => one.Key)));
        Assert.Equal([("a", 4L), ("a", 5L)], (await NextAsync()).Select(one => (one.MemberId, one.Sequence)));

        ValueTask<List<PendingEvent>> NextAsync() => Store.PendingEventsAsync(AllPartitions, new HashSet<string>(), anew: false, 2);
    }

    [Fact]
    public async Task An_event_that_is_replayed_and_fails_in_one_batch_waits_again()
    {
        ProductView product = await ProductAsync();
        await ChargeAsync("m", 1_000);
        for (int i = 0; i < 2; i++)
        {
            await PayAsync(await OrderAsync("m", null, (product.ProductId, 1)));
        }

        List<PendingEvent> pending = await PendingAsync(10);
        await DoAsync<Done>(new RecordDelivery([pending[0].Key]));
        var failure = new RecordFailures([.. pending.Select(one => one.EventId)], TimeSpan.Zero);
        await DoAsync<FailuresRecorded>(failure);
        await DoAsync<FailuresRecorded>(failure);
        Assert.Equal([OutboxState.Dead, OutboxState.Delivered], (await Store.EventsAsync(null, null, 10)).Select(row => row.Event.State));

        // While the first charge commits, the two wait for the same batch.
        Task<PointsCharged> charge = ChargeAsync("m", 1);
        Task<EventsReplayed> replay = DoAsync<EventsReplayed>(new ReplayEvents([.. pending.Select(one => one.EventId)], Next: null));
        Task<FailuresRecorded> failing = DoAsync<FailuresRecorded>(new RecordFailures(failure.EventIds, TimeSpan.FromDays(3)));
        await charge;
        Assert.Equal(2, (await replay).Replayed);
        DateTimeOffset?[] failedAt = [.. (await failing).Events.Select(one => (DateTimeOffset?)one.FailedAt)];
        Assert.Equal(2, failedAt.Length);
        Assert.Equal(failedAt, (await PendingAsync(10)).Select(one => one.FailedAt));
        Assert.Equal([OutboxState.Pending, OutboxState.Pending], (await Store.EventsAsync(null, null, 10)).Select(row => row.Event.State));
        await AuditAsync();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(100)]
    public async Task Members_who_are_held_back_are_passed_over_and_come_when_they_are_no_more(int limit)
    {
        ProductView product = await ProductAsync(stock: 100);
        string[] members = ["a", "b", "c", "d", "e"];
        foreach (string member in members)
        {
            await ChargeAsync(member, 1_000);
            await PayAsync(await OrderAsync(member, null, (product.ProductId, 1)));
            await PayAsync(await OrderAsync(member, null, (product.ProductId, 1)));
        }

        // Whoever delivers what comes comes to all but these.
        Assert.Equal(["c", "c", "d", "d"], await DeliverAllAsync("a", "b", "e"));
        Assert.Equal(["a", "a", "e", "e"], await DeliverAllAsync("b"));
        Assert.Equal(["b", "b"], (await PendingAsync(100)).Select(one => one.MemberId));
        Assert.Equal(["b", "b"], await DeliverAllAsync());

        async Task<List<string>> DeliverAllAsync(params string[] held)
        {
            var delivered = new List<PendingEvent>();
            while (await PendingAsync(limit, held) is { Count: > 0 } page)
            {
                await DoAsync<Done>(new RecordDelivery(page.ConvertAll(one => one.Key)));
                delivered.AddRange(page);
            }

            Assert.All(delivered.GroupBy(one => one.MemberId), ofMember => Assert.Equal([1L, 2L], ofMember.Select(one => one.Sequence)));
            return [.. delivered.Select(one => one.MemberId).Order()];
        }
    }

    [Fact]
    public async Task An_event_that_failed_for_too_long_is_dead_and_stays_so_until_it_is_sent_again()
    {
        ProductView product = await ProductAsync();
        await ChargeAsync("m", 1_000);
        await PayAsync(await OrderAsync("m", null, (product.ProductId, 1)));
        await PayAsync(await OrderAsync("m", null, (product.ProductId, 1)));
        List<PendingEvent> pending = await PendingAsync(10);
        var failure = new RecordFailures([pending[0].EventId], TimeSpan.FromDays(3));
        FailedEvent failed = Assert.Single((await DoAsync<FailuresRecorded>(failure)).Events);
        Assert.Null(pending[0].FailedAt);
        Assert.False(failed.IsDead);
        Assert.Equal([failed.FailedAt, null], (await PendingAsync(10)).Select(one => one.FailedAt));
        Assert.Equal(failed.FailedAt, Assert.Single(await Store.PendingEventsAsync(AllPartitions, [pending[0].Key])).FailedAt);

        Clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal([failed with { IsDead = true }], (await DoAsync<FailuresRecorded>(failure)).Events);
        Assert.Equal(pending[1].EventId, Assert.Single(await PendingAsync(10)).EventId);
        Assert.Empty(await Store.PendingEventsAsync(AllPartitions, [pending[0].Key]));
        OutboxEventView dead = Assert.Single(await Store.EventsAsync(OutboxState.Dead, null, 10)).Event;
        Assert.Equal((pending[0].EventId, OutboxState.Dead), (dead.EventId, dead.State));
        Assert.Equal([OutboxState.Pending, OutboxState.Dead], (await Store.EventsAsync(null, null, 10)).Select(row => row.Event.State));
        Assert.Empty(await Store.EventsAsync(OutboxState.Delivered, null, 10));
        Assert.True(Assert.Single((await DoAsync<FailuresRecorded>(failure)).Events).IsDead);
        await AuditAsync();

        await DoAsync<EventsReplayed>(new ReplayEvents([pending[0].EventId], Next: null));
        Assert.Empty(await Store.EventsAsync(OutboxState.Dead, null, 10));
        Assert.Equal([null, null], (await PendingAsync(10)).Select(one => one.FailedAt));
        await DoAsync<Done>(new RecordDelivery([pending[0].Key]));
        Assert.Equal(pending[1].EventId, Assert.Single(await PendingAsync(10)).EventId);
        Assert.Equal([OutboxState.Pending, OutboxState.Delivered], (await Store.EventsAsync(null, null, 10)).Select(row => row.Event.State));
    }

    [Fact]
    public async Task Operators_find_whose_an_order_is_and_what_it_moved_and_told()
    {
        await LiveAsync();
        List<OrderView> orders = (await Store.OrdersAsync(null, null, null, Clock.GetUtcNow(), 10)).ConvertAll(row => row.Order);
        Assert.Equal(3, orders.Count);
        foreach (OrderView order in orders)
        {
            Assert.Equal(order.MemberId, await Store.OwnerOfOrderAsync(order.OrderId));
            OrderTrail trail = await Store.OrderTrailAsync(order.MemberId, order.OrderId);
            int steps = order.Status switch
            {
                OrderStatus.PendingPayment => 0,
                OrderStatus.Completed => 1,
                OrderStatus.Refunded => 2,
                OrderStatus.Expired or OrderStatus.Cancelled => throw new InvalidOperationException(),
            };
            Assert.Equal(new[] { LedgerKind.Payment, LedgerKind.Refund }.Take(steps), trail.Entries.Select(entry => entry.Kind));
            Assert.Equal(new[] { OrderEventType.Completed, OrderEventType.Refunded }.Take(steps), trail.Events.Select(told => told.Type));
            Assert.All(trail.Events, told => Assert.Equal((order.OrderId, OutboxState.Pending), (told.OrderId, told.State)));
            Assert.Empty((await Store.OrderTrailAsync("somebody", order.OrderId)).Entries);
        }

        Assert.Null(await Store.OwnerOfOrderAsync(OrderIds.Next()));
        Assert.Null(await Store.OwnerOfOrderAsync(Guid.Empty));
    }

    [Fact]
    public async Task The_backlog_is_what_is_still_to_be_delivered_and_since_when()
    {
        Assert.Equal(new OutboxBacklog(0, 0, null), await Store.BacklogAsync());
        await LiveAsync();
        OutboxBacklog backlog = await Store.BacklogAsync();
        Assert.Equal((3, 0), (backlog.Pending, backlog.Dead));
        List<PendingEvent> pending = await PendingAsync(10);
        Assert.Equal((await Store.EventsAsync(null, null, 10)).Min(row => row.Event.CreatedAt), backlog.Oldest);
        await DoAsync<Done>(new RecordDelivery(pending.ConvertAll(one => one.Key)));
        Assert.Equal(new OutboxBacklog(0, 0, null), await Store.BacklogAsync());
    }
}
