using Jumun.DataPlatform;

namespace Jumun.Tests.Decisions;

public sealed class RecordDeliveryTests
{
    private static readonly Guid First = Ids.CompletedEventOf(Scene.OrderId(1));
    private static readonly Guid Second = Ids.RefundedEventOf(Scene.OrderId(2));

    [Fact]
    public void Every_event_is_recorded_as_delivered()
    {
        Scene scene = new Scene().WithEvent(First, OutboxState.Pending).WithEvent(Second, OutboxState.Dead);

        Batch batch = scene.Settle(new RecordDelivery([new("alice", First, 1), new("bob", Second, 2)]));

        batch.Answer<Done>(0);
        Assert.Equal([new Delivery("alice", First, 1), new Delivery("bob", Second, 2)], batch.Rows.Deliveries);
        Assert.All(scene.Outbox.Values, state => Assert.Equal(OutboxState.Delivered, state));
    }

    [Fact]
    public void Of_no_event_there_is_nothing_to_commit()
    {
        Assert.False(new Scene().Settle(new RecordDelivery([])).Rows.HasChanges);
    }
}

public sealed class ReplayEventsTests
{
    private static readonly Guid Event = Ids.CompletedEventOf(Scene.OrderId(1));
    private static readonly Guid Another = Ids.CompletedEventOf(Scene.OrderId(2));

    [Theory]
    [InlineData(OutboxState.Pending)]
    [InlineData(OutboxState.Delivered)]
    [InlineData(OutboxState.Dead)]
    public void An_event_is_pending_again_whatever_it_was(OutboxState state)
    {
        Scene scene = new Scene().WithEvent(Event, state).WithEvent(Another, OutboxState.Delivered);

        EventsReplayed answer = scene.Done<EventsReplayed>(new ReplayEvents([Event], Next: null));

        Assert.Equal(new EventsReplayed(1, null), answer);
        Assert.Equal((OutboxState.Pending, OutboxState.Delivered), (scene.Outbox[Event], scene.Outbox[Another]));
    }

    [Fact]
    public void Unknown_events_are_passed_over()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Dead);

        Assert.Equal(1, scene.Done<EventsReplayed>(new ReplayEvents([Another, Event], Next: null)).Replayed);
        Assert.DoesNotContain(Another, scene.Outbox.Keys);
    }

    [Fact]
    public void Of_unknown_events_only_nothing_changes()
    {
        Batch batch = new Scene().Settle(new ReplayEvents([Event], Next: null));

        Assert.Equal(0, batch.Answer<EventsReplayed>(0).Replayed);
        Assert.False(batch.Rows.HasChanges);
    }

    [Fact]
    public void An_event_that_is_named_twice_is_sent_again_once()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Delivered).WithEvent(Another, OutboxState.Delivered);

        Assert.Equal(2, scene.Done<EventsReplayed>(new ReplayEvents([Event, Another, Event], Next: null)).Replayed);
    }

    [Fact]
    public void It_tells_from_when_to_go_on()
    {
        Assert.Equal(Scene.Noon, new Scene().Done<EventsReplayed>(new ReplayEvents([], Scene.Noon)).Next);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Replayed_and_delivered_in_one_batch_it_is_sent_again(bool isDeliveredFirst)
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Pending);
        var delivery = new RecordDelivery([new("alice", Event, 1)]);
        var replay = new ReplayEvents([Event], Next: null);

        scene.Settle(isDeliveredFirst ? [delivery, replay] : [replay, delivery]);

        Assert.Equal(OutboxState.Pending, scene.Outbox[Event]);
    }
}

public sealed class ForgetIdempotencyKeysTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void Keys_stored_before_the_retention_are_forgotten(int days)
    {
        Batch batch = new Scene().Settle(new ForgetIdempotencyKeys(TimeSpan.FromDays(days)));

        batch.Answer<Done>(0);
        Assert.Equal(Scene.Noon.AddDays(-days), batch.Rows.ForgetKeysBefore);
        Assert.True(batch.Rows.HasChanges);
    }
}
