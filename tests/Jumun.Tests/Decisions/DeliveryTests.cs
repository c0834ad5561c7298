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

public sealed class RecordFailuresTests
{
    private static readonly TimeSpan DeadAfter = TimeSpan.FromDays(3);
    private static readonly Guid Event = Ids.CompletedEventOf(Scene.OrderId(1));
    private static readonly Guid Another = Ids.CompletedEventOf(Scene.OrderId(2));

    [Fact]
    public void The_first_failure_is_remembered_and_later_ones_change_nothing()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Pending);

        FailuresRecorded first = scene.Done<FailuresRecorded>(new RecordFailures([Event], DeadAfter));
        Batch second = scene.At(Scene.Noon.AddDays(1)).Settle(new RecordFailures([Event], DeadAfter));

        Assert.Equal([new FailedEvent(Event, Scene.Noon, IsDead: false)], first.Events);
        Assert.Equal(first.Events, second.Answer<FailuresRecorded>(0).Events);
        Assert.False(second.Rows.HasChanges);
        Assert.Equal((OutboxState.Pending, Scene.Noon), (scene.Outbox[Event], scene.FailedAt[Event]));
    }

    [Theory]
    [InlineData(-1, OutboxState.Pending)]
    [InlineData(0, OutboxState.Dead)]
    [InlineData(1, OutboxState.Dead)]
    public void An_event_is_dead_when_it_has_been_failing_for_the_whole_time(int milliseconds, OutboxState state)
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Pending, Scene.Noon).WithEvent(Another, OutboxState.Pending);

        FailuresRecorded recorded = scene.At(Scene.Noon + DeadAfter + TimeSpan.FromMilliseconds(milliseconds))
            .Done<FailuresRecorded>(new RecordFailures([Event, Another], DeadAfter));

        Assert.Equal([state == OutboxState.Dead, false], recorded.Events.Select(one => one.IsDead));
        Assert.Equal((state, OutboxState.Pending), (scene.Outbox[Event], scene.Outbox[Another]));
    }

    [Fact]
    public void However_short_the_time_is_one_failure_does_not_kill()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Pending);

        Assert.False(scene.Done<FailuresRecorded>(new RecordFailures([Event], TimeSpan.Zero)).Events.Single().IsDead);
        Assert.True(scene.Done<FailuresRecorded>(new RecordFailures([Event], TimeSpan.Zero)).Events.Single().IsDead);
    }

    [Fact]
    public void What_is_dead_already_is_told_as_dead_because_its_death_may_not_have_been_told()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Dead);

        Batch batch = scene.Settle(new RecordFailures([Event], DeadAfter));

        Assert.Equal([new FailedEvent(Event, Scene.Noon, IsDead: true)], batch.Answer<FailuresRecorded>(0).Events);
        Assert.False(batch.Rows.HasChanges);
        Assert.Equal(OutboxState.Dead, scene.Outbox[Event]);
    }

    [Fact]
    public void However_long_it_has_been_failing_it_does_not_die_when_all_do()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Pending, Scene.Noon);

        Assert.False(scene.At(Scene.Noon.AddYears(10)).Done<FailuresRecorded>(new RecordFailures([Event], TimeSpan.MaxValue)).Events.Single().IsDead);
    }

    [Fact]
    public void What_was_delivered_does_not_fail()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Delivered);

        Batch batch = scene.Settle(new RecordFailures([Event, Another], DeadAfter));

        Assert.Empty(batch.Answer<FailuresRecorded>(0).Events);
        Assert.False(batch.Rows.HasChanges);
    }

    [Fact]
    public void An_event_that_is_sent_again_has_all_its_time_anew()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Pending, Scene.Noon);

        scene.Done<EventsReplayed>(new ReplayEvents([Event], Next: null));

        Assert.Null(scene.FailedAt[Event]);
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

public sealed class ForgetDeliveredEventsTests
{
    private static readonly TimeSpan Retention = TimeSpan.FromDays(30);
    private static readonly Guid Event = Ids.CompletedEventOf(Scene.OrderId(1));
    private static readonly Guid Another = Ids.RefundedEventOf(Scene.OrderId(2));

    [Theory]
    [InlineData(OutboxState.Delivered, -1, false)]
    [InlineData(OutboxState.Delivered, 0, false)]
    [InlineData(OutboxState.Delivered, 1, true)]
    [InlineData(OutboxState.Pending, 1, false)]
    [InlineData(OutboxState.Dead, 1, false)]
    public void An_event_is_forgotten_when_it_was_delivered_and_is_older_than_it_is_kept(OutboxState state, int milliseconds, bool isForgotten)
    {
        Scene scene = new Scene().WithEvent(Event, state).At(Scene.Noon + Retention + TimeSpan.FromMilliseconds(milliseconds));

        Batch batch = scene.Settle(new ForgetDeliveredEvents([Event], Retention));

        batch.Answer<Done>(0);
        Assert.Equal(!isForgotten, scene.Outbox.ContainsKey(Event));
        Assert.Equal(isForgotten, batch.Rows.HasChanges);
        Assert.Equal(isForgotten ? Scene.Noon.AddMilliseconds(1) : null, batch.Rows.EventsForgottenBefore);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Events_may_be_gone_from_before_the_moment_after_the_youngest(bool isYoungestFirst)
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Delivered, createdAt: Scene.Noon.AddHours(1)).WithEvent(Another, OutboxState.Delivered)
            .At(Scene.Noon.AddDays(31));

        Batch batch = scene.Settle(new ForgetDeliveredEvents(isYoungestFirst ? [Event, Another] : [Another, Event], Retention));

        Assert.Empty(scene.Outbox);
        Assert.Equal(Scene.Noon.AddHours(1).AddMilliseconds(1), batch.Rows.EventsForgottenBefore);
    }

    [Fact]
    public void Unknown_events_are_passed_over()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Delivered).At(Scene.Noon.AddDays(31));

        Assert.False(scene.Settle(new ForgetDeliveredEvents([Another], Retention)).Rows.HasChanges);
        Assert.Equal([Event], scene.Outbox.Keys);
    }

    [Fact]
    public void Sent_again_in_the_same_batch_it_stays()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Delivered).At(Scene.Noon.AddDays(31));

        Batch batch = scene.Settle(new ReplayEvents([Event], Next: null), new ForgetDeliveredEvents([Event], Retention));

        Assert.Equal(1, batch.Answer<EventsReplayed>(0).Replayed);
        Assert.Equal(OutboxState.Pending, scene.Outbox[Event]);
        Assert.Null(batch.Rows.EventsForgottenBefore);
    }

    [Fact]
    public void Forgotten_in_the_same_batch_it_is_unknown_to_a_replay()
    {
        Scene scene = new Scene().WithEvent(Event, OutboxState.Delivered).WithEvent(Another, OutboxState.Dead).At(Scene.Noon.AddDays(31));

        Batch batch = scene.Settle(new ForgetDeliveredEvents([Event], Retention), new ReplayEvents([Event, Another], Next: null));

        Assert.Equal(1, batch.Answer<EventsReplayed>(1).Replayed);
        Assert.Equal([Another], scene.Outbox.Keys);
    }
}
