using Jumun.DataPlatform;
using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Members whose events wait behind one that the data platform did not take, and when that one is tried again. It lives in
/// memory: whoever has no memory of it finds the event in the queue, marked as failed, and holds its member back anew.
/// </summary>
internal sealed class HeldMembers(TimeProvider clock, TimeSpan deadAfter, int most)
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(Bounds.HeldPauseSeconds);

    private readonly long start = clock.GetTimestamp();
    private readonly Dictionary<string, Held> members = new(StringComparer.Ordinal);
    private readonly HashSet<string> names = new(StringComparer.Ordinal);
    private readonly List<Held> unproven = [];

    /// <summary>Who is held back.</summary>
    public IReadOnlySet<string> Names => names;

    /// <summary>Whether no further member may be held back.</summary>
    public bool IsFull => names.Count >= most;

    private TimeSpan Now => clock.GetElapsedTime(start);

    /// <summary>Holds a member back, or goes on to: the event was not taken. With as many as may be, no further one is.</summary>
    /// <param name="pending">The event.</param>
    /// <param name="failedAt">When its delivery first failed.</param>
    /// <param name="retryAfter">How long the data platform asked to be left alone.</param>
    public void Hold(PendingEvent pending, DateTimeOffset failedAt, TimeSpan? retryAfter)
    {
        if (IsFull && !names.Contains(pending.MemberId))
        {
            return;
        }

        Held held = HeldBy(pending);
        TimeSpan wait = held.Pause * Circuit.Jitter();
        wait = retryAfter > wait ? retryAfter.Value : wait;
        held.Pause = held.Pause * 2 < LongestPause ? held.Pause * 2 : LongestPause;

        // The attempt that it dies of is not put off.
        TimeSpan left = failedAt + deadAfter - clock.GetUtcNow();
        held.DueAt = Now + (left > TimeSpan.Zero && left < wait ? left : wait);
    }

    /// <summary>Holds a member back because of an event that failed before, for all that is known: it is tried by itself, now.</summary>
    public void Suspect(PendingEvent pending)
    {
        if (!names.Contains(pending.MemberId) && !IsFull)
        {
            HeldBy(pending).DueAt = Now;
        }
    }

    /// <summary>
    /// The data platform takes events. What it did not take since it last took any may have been its own fault: that is tried
    /// again now.
    /// </summary>
    public void Prove()
    {
        foreach (Held held in unproven)
        {
            held.DueAt = held.IsTried ? held.DueAt : Now;
        }

        unproven.Clear();
    }

    /// <summary>Whether the data platform took others since this event holds its member back.</summary>
    public bool IsProven(Delivery pending) =>
        members.TryGetValue(pending.MemberId, out Held? held) && held.Event == pending && !unproven.Contains(held);

    /// <summary>Everything that is held back is due now.</summary>
    public void Hasten()
    {
        foreach (Held held in members.Values)
        {
            held.DueAt = !held.IsTried && held.DueAt > Now ? Now : held.DueAt;
        }
    }

    /// <summary>Lets a member's events go out again. Whether it was held back by this event.</summary>
    public bool Release(Delivery pending)
    {
        if (!members.TryGetValue(pending.MemberId, out Held? held) || held.Event != pending)
        {
            return false;
        }

        unproven.Remove(held);
        names.Remove(pending.MemberId);
        return members.Remove(pending.MemberId);
    }

    /// <summary>Events whose time has come, the longest overdue first. Whoever asked tries them, and then calls <see cref="Return"/>.</summary>
    public List<Delivery> TakeDue(int limit) => Take(Now, limit);

    /// <summary>The event that is the next to be tried, also before its time.</summary>
    public List<Delivery> TakeNext() => Take(TimeSpan.MaxValue, 1);

    /// <summary>How long until an event's time has come.</summary>
    public TimeSpan UntilDue()
    {
        TimeSpan due = TimeSpan.MaxValue;
        foreach (Held held in members.Values)
        {
            due = !held.IsTried && held.DueAt < due ? held.DueAt : due;
        }

        return due == TimeSpan.MaxValue ? due : due - Now;
    }

    /// <summary>An event is no longer being tried, whether it was or not.</summary>
    public void Return(Delivery pending)
    {
        if (members.TryGetValue(pending.MemberId, out Held? held) && held.Event == pending)
        {
            held.IsTried = false;
        }
    }

    private List<Delivery> Take(TimeSpan until, int limit)
    {
        List<Held> due = [.. members.Values.Where(held => !held.IsTried && held.DueAt <= until).OrderBy(held => held.DueAt).Take(limit)];
        due.ForEach(held => held.IsTried = true);
        return due.ConvertAll(held => held.Event);
    }

    private Held HeldBy(PendingEvent pending)
    {
        if (!members.TryGetValue(pending.MemberId, out Held? held) || held.Event != pending.Key)
        {
            held = new Held(pending.Key);
            members[pending.MemberId] = held;
            names.Add(pending.MemberId);
            unproven.Add(held);
        }

        held.IsTried = false;
        return held;
    }

    private sealed class Held(Delivery pending)
    {
        public Delivery Event { get; } = pending;

        public TimeSpan DueAt { get; set; }

        public TimeSpan Pause { get; set; } = ShortestPause;

        public bool IsTried { get; set; }
    }
}
