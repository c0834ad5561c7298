using System.Globalization;
using Jumun.DataPlatform;
using Jumun.Server.DataPlatform;
using Jumun.Server.Stores;

namespace Jumun.Tests.Sinks;

/// <summary>Members who wait behind an event that was not taken.</summary>
public sealed class HeldMembersTests
{
    private const int Most = 5;

    private readonly TestClock clock = new();
    private readonly HeldMembers held;

    public HeldMembersTests() => held = new HeldMembers(clock, deadAfter: TimeSpan.FromDays(3), Most);

    [Fact]
    public void With_as_many_as_may_be_no_further_one_is_held_and_each_still_has_its_pauses()
    {
        PendingEvent[] events = [.. Enumerable.Range(0, Most).Select(Event)];
        Array.ForEach(events, one => held.Hold(one, clock.GetUtcNow(), retryAfter: null));
        PendingEvent another = Event(Most);
        held.Hold(another, clock.GetUtcNow(), retryAfter: null);
        held.Suspect(another);
        Assert.DoesNotContain(another.MemberId, held.Names);

        // One that failed again is not the next to be tried again.
        clock.Advance(TimeSpan.FromSeconds(10));
        Delivery tried = Assert.Single(held.TakeDue(1));
        held.Hold(Array.Find(events, one => one.Key == tried)!, clock.GetUtcNow(), retryAfter: null);
        held.Return(tried);
        Assert.DoesNotContain(tried, held.TakeDue(Most));
    }

    [Fact]
    public void An_event_is_proven_once_others_were_taken_since_it_holds_its_member_back()
    {
        PendingEvent[] events = [Event(0), Event(1)];
        held.Hold(events[0], clock.GetUtcNow(), retryAfter: null);
        Assert.False(held.IsProven(events[0].Key));
        held.Prove();
        held.Hold(events[1], clock.GetUtcNow(), retryAfter: null);
        Assert.Equal((true, false), (held.IsProven(events[0].Key), held.IsProven(events[1].Key)));
        Assert.False(held.IsProven(Event(0).Key));
    }

    [Fact]
    public void What_is_hastened_is_due_at_once_but_for_what_is_being_tried()
    {
        PendingEvent[] events = [Event(0), Event(1)];
        Array.ForEach(events, one => held.Hold(one, clock.GetUtcNow(), retryAfter: TimeSpan.FromMinutes(1)));
        Delivery tried = Assert.Single(held.TakeNext());
        Assert.Empty(held.TakeDue(2));
        held.Hasten();
        Assert.NotEqual(tried, Assert.Single(held.TakeDue(2)));
        held.Return(tried);
        Assert.Empty(held.TakeDue(2));
    }

    private PendingEvent Event(int number) => new(
        $"m{number.ToString(CultureInfo.InvariantCulture)}", Guid.NewGuid(), 1, OrderEventType.Completed, [], clock.GetUtcNow(), null);
}
