using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Stores;

/// <summary>Delivered events are forgotten after their time, nothing else is, and the audit knows which may be gone.</summary>
public abstract partial class StoreContract
{
    private static readonly TimeSpan Retention = TimeSpan.FromDays(30);

    [Fact]
    public async Task Delivered_events_are_forgotten_after_their_time_and_a_replay_does_not_know_them_any_more()
    {
        ProductView product = await ProductAsync();
        OrderView[] old = [await BuyAsync("m", product), await BuyAsync("n", product)];
        await CancelAsync(old[1]);
        await DeliverAsync();
        Clock.Advance(Retention + TimeSpan.FromMinutes(1));
        OrderView young = await BuyAsync("m", product);
        await DeliverAsync();
        Guid[] events =
        [
            Ids.CompletedEventOf(old[0].OrderId), Ids.CompletedEventOf(old[1].OrderId), Ids.RefundedEventOf(old[1].OrderId),
            Ids.CompletedEventOf(young.OrderId), Guid.Empty,
        ];

        await DoAsync<Done>(new ForgetDeliveredEvents(events, Retention));
        await RestartAsync();
        Assert.Equal(events[3], Assert.Single(await Store.EventsAsync(null, null, 10)).Event.EventId);
        Assert.Empty((await Store.OrderTrailAsync("n", old[1].OrderId)).Events);
        Assert.Equal(2, (await Store.OrderTrailAsync("n", old[1].OrderId)).Entries.Count);
        Assert.Equal(events[3], Assert.Single(await Store.EventIdsAsync(old[0].CreatedAt, Clock.GetUtcNow().AddDays(1), 10)).EventId);
        await AuditAsync();

        Assert.Equal(
            await DoAsync<EventsReplayed>(new ReplayEvents([Guid.Empty], Next: null)),
            await DoAsync<EventsReplayed>(new ReplayEvents(events[..3], Next: null)));
        Assert.Empty(await PendingAsync(10));
        Assert.Equal(1, (await DoAsync<EventsReplayed>(new ReplayEvents(events, Next: null))).Replayed);
        Assert.Equal([2L], (await PendingAsync(10)).Select(one => one.Sequence));

        // The members go on where they were.
        await BuyAsync("n", product);
        Assert.Equal([2L, 3L], (await PendingAsync(10)).Select(one => one.Sequence));
        await AuditAsync();
    }

    [Fact]
    public async Task Pending_and_dead_events_are_never_forgotten()
    {
        ProductView product = await ProductAsync();
        OrderView[] orders = [await BuyAsync("m", product), await BuyAsync("m", product), await BuyAsync("n", product), await BuyAsync("n", product)];
        Guid[] events = [.. orders.Select(order => Ids.CompletedEventOf(order.OrderId))];
        await DeliverAsync(but: events[1..]);
        await DieAsync(events[2]);
        Clock.Advance(Retention * 2);

        await DoAsync<Done>(new ForgetDeliveredEvents(events, Retention));
        Assert.Equal(
            [(events[3], OutboxState.Pending), (events[2], OutboxState.Dead), (events[1], OutboxState.Pending)],
            (await Store.EventsAsync(null, null, 10)).Select(row => (row.Event.EventId, row.Event.State)));
        await AuditAsync();

        // Sent again in the batch that forgets, it stays as well.
        await DeliverAsync();
        await Task.WhenAll(
            DoAsync<EventsReplayed>(new ReplayEvents([events[1]], Next: null)), DoAsync<Done>(new ForgetDeliveredEvents(events[..2], Retention)));
        Assert.Equal(events[1], Assert.Single(await PendingAsync(10)).EventId);
        await AuditAsync();
    }

    [Fact]
    public async Task Old_events_come_in_pages_oldest_first_with_their_states()
    {
        ProductView product = await ProductAsync();
        var events = new List<Guid>();
        for (int i = 0; i < 5; i++)
        {
            events.Add(Ids.CompletedEventOf((await BuyAsync($"m{i}", product)).OrderId));
            Clock.Advance(TimeSpan.FromHours(1));
        }

        await DeliverAsync(but: events[1..3]);
        await DieAsync(events[2]);
        DateTimeOffset fifth = Assert.Single(await Store.EventsAsync(null, null, 1)).Event.CreatedAt;
        List<((long First, long Second) Place, Guid EventId, OutboxState State)> page = await Store.OldEventsAsync(fifth, null, 3);
        Assert.Equal(
            [(events[0], OutboxState.Delivered), (events[1], OutboxState.Pending), (events[2], OutboxState.Dead)],
            page.Select(one => (one.EventId, one.State)));
        Assert.Equal([events[3]], (await Store.OldEventsAsync(fifth, page[2].Place, 3)).Select(one => one.EventId));
        Assert.Equal(events[1..4], (await Store.OldEventsAsync(fifth, page[0].Place, 10)).Select(one => one.EventId));
        Assert.Empty(await Store.OldEventsAsync(fifth.AddHours(-10), null, 10));
    }

    [Fact]
    public async Task Events_of_one_moment_come_once_over_pages_of_any_size()
    {
        ProductView product = await ProductAsync(stock: 1_000);
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => ChargeAsync($"m{i}", 1_000)));
        OrderView[] orders = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => OrderAsync($"m{i}", null, (product.ProductId, 1))));
        await Task.WhenAll(orders.Select(PayAsync));
        Clock.Advance(TimeSpan.FromHours(1));
        OrderView last = await BuyAsync("last", product);

        var seen = new List<Guid>();
        (long First, long Second)? place = null;
        while (await Store.OldEventsAsync(last.CreatedAt, place, 7) is { Count: > 0 } page)
        {
            seen.AddRange(page.Select(one => one.EventId));
            place = page[^1].Place;
        }

        Assert.Equal(orders.Select(order => Ids.CompletedEventOf(order.OrderId)).Order(), seen.Order());
    }

    [Fact]
    public async Task The_sweep_forgets_a_bounded_number_at_a_time_and_comes_back_for_what_was_late()
    {
        ProductView product = await ProductAsync(stock: 10_000);
        OrderView late = await BuyAsync("late", product);
        await ChargeAsync("m", 1_000_000);
        OrderView[] orders = await Task.WhenAll(Enumerable.Range(0, Bounds.ForgottenEvents).Select(_ => OrderAsync("m", null, (product.ProductId, 1))));
        await Task.WhenAll(orders.Select(PayAsync));
        await DeliverAsync(but: Ids.CompletedEventOf(late.OrderId));
        using var leases = new Leases(Store, NullLogger<Leases>.Instance);
        using EventSweep sweep = Sweep(leases, Retention);
        Clock.Advance(Retention + TimeSpan.FromMinutes(1));
        await BuyAsync("m", product);

        // Without the lease it is another's to do.
        Assert.False(await sweep.SweepAsync());
        Assert.Equal(Bounds.ForgottenEvents + 2, await CountEventsAsync());
        await leases.StartAsync(CancellationToken.None);
        await TestShop.UntilAsync(() => Task.FromResult(leases.Sweeps));

        Assert.True(await sweep.SweepAsync());
        Assert.Equal(3, await CountEventsAsync());
        Assert.False(await sweep.SweepAsync());
        Assert.Equal(2, await CountEventsAsync());
        await AuditAsync();

        await DeliverAsync();
        Assert.False(await sweep.SweepAsync());
        Assert.Equal(2, await CountEventsAsync());
        Clock.Advance(TimeSpan.FromHours(1));
        Assert.False(await sweep.SweepAsync());
        Assert.Equal(1, await CountEventsAsync());
        await AuditAsync();
        await leases.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Without_a_time_set_everything_is_kept()
    {
        ProductView product = await ProductAsync();
        await BuyAsync("m", product);
        await DeliverAsync();
        Clock.Advance(TimeSpan.FromDays(10_000));
        await BuyAsync("m", product);
        using var leases = new Leases(Store, NullLogger<Leases>.Instance);
        await leases.StartAsync(CancellationToken.None);
        await TestShop.UntilAsync(() => Task.FromResult(leases.Sweeps));
        using EventSweep sweep = Sweep(leases, retention: null);
        Assert.False(await sweep.SweepAsync());
        Assert.Equal(2, await CountEventsAsync());
        await leases.StopAsync(CancellationToken.None);
    }

    /// <summary>What may be gone is gone, and whatever else is wrong with an event is still named.</summary>
    [Theory]
    [InlineData("DELETE FROM outbox WHERE member_id = 'young'")]
    [InlineData("DELETE FROM outbox WHERE member_id = 'back' AND type = 1")]
    [InlineData("DELETE FROM outbox WHERE member_id = 'dead'")]
    [InlineData("UPDATE outbox SET type = 1 WHERE member_id = 'dead'")]
    [InlineData("UPDATE outbox SET sequence = sequence + 1 WHERE member_id = 'young'")]
    [InlineData("UPDATE outbox SET sequence = 1 WHERE member_id = 'back'")]
    [InlineData("DELETE FROM orders WHERE member_id = 'young'")]
    [InlineData("UPDATE forgotten_events SET before = 0")]
    [InlineData("DELETE FROM forgotten_events")]
    public async Task The_audit_still_names_what_is_wrong_with_events_when_some_are_forgotten(string sql)
    {
        ProductView product = await ProductAsync();
        OrderView old = await BuyAsync("old", product);
        OrderView back = await BuyAsync("back", product);
        OrderView dead = await BuyAsync("dead", product);
        await DeliverAsync(but: Ids.CompletedEventOf(dead.OrderId));
        await DieAsync(Ids.CompletedEventOf(dead.OrderId));
        Clock.Advance(Retention + TimeSpan.FromMinutes(1));
        await DoAsync<OrderView>(new CancelOrder("back", back.OrderId, ByAdministrator: true, TimeSpan.FromDays(7)));
        await BuyAsync("young", product);
        await DeliverAsync();
        await DoAsync<Done>(new ForgetDeliveredEvents([.. new[] { old, back, dead }.Select(order => Ids.CompletedEventOf(order.OrderId))], Retention));
        Assert.Equal(3, await CountEventsAsync());
        await AuditAsync();

        await RunAsync(sql);
        InvariantReport report = (await Store.AuditAsync()).Single(report => report.Id == "I7");
        Assert.False(report.Holds);
        Assert.NotEmpty(report.Offenders);
    }

    private EventSweep Sweep(Leases leases, TimeSpan? retention) =>
        new(Executor, Store, leases, retention, Clock, NullLogger<EventSweep>.Instance);

    private protected async Task<OrderView> BuyAsync(string member, ProductView product)
    {
        await ChargeAsync(member, product.Price);
        OrderView order = await OrderAsync(member, null, (product.ProductId, 1));
        await PayAsync(order);
        return order;
    }

    /// <summary>Records all that is pending as delivered, but these.</summary>
    private async Task DeliverAsync(params IEnumerable<Guid> but)
    {
        List<PendingEvent> pending = await PendingAsync(1_000);
        await DoAsync<Done>(new RecordDelivery([.. pending.Where(one => !but.Contains(one.EventId)).Select(one => one.Key)]));
    }

    private async Task DieAsync(Guid eventId)
    {
        await DoAsync<FailuresRecorded>(new RecordFailures([eventId], TimeSpan.Zero));
        Assert.True(Assert.Single((await DoAsync<FailuresRecorded>(new RecordFailures([eventId], TimeSpan.Zero))).Events).IsDead);
    }

    private async Task<int> CountEventsAsync() => (await Store.EventsAsync(null, null, 10_000)).Count;
}
