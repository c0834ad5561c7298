using System.Text.Json.Nodes;
using Jumun.Server.DataPlatform;
using Jumun.Server.Stores;

namespace Jumun.Tests.Simulation;

/// <summary>A data platform that fails at every edge: before it takes events, half way, and after.</summary>
internal sealed class Platform : ISink
{
    private readonly Dictionary<Guid, PendingEvent> taken = [];
    private readonly Dictionary<string, long> last = [];
    private Mood mood;
    private TaskCompletionSource answers = new();

    /// <summary>What it has, by id.</summary>
    public IReadOnlyDictionary<Guid, PendingEvent> Taken => taken;

    /// <summary>What it was handed last.</summary>
    public IReadOnlyList<PendingEvent> Handed { get; private set; } = [];

    /// <summary>The first thing that was wrong with what it was handed.</summary>
    public string? Complaint { get; private set; }

    public void Expect(Mood next)
    {
        (mood, answers) = (next, new(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    /// <summary>It may answer now.</summary>
    public void Answer() => answers.SetResult();

    public async ValueTask<DeliveryOutcome> DeliverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cancellation)
    {
        Handed = events;
        await answers.Task;
        int takes = mood switch
        {
            Mood.Takes or Mood.TakesAndFails or Mood.Hangs => events.Count,
            Mood.TakesHalf => events.Count / 2,
            Mood.Refuses => 0,
        };
        foreach (PendingEvent one in events.Take(takes))
        {
            Take(one);
        }

        if (mood is not (Mood.Takes or Mood.Hangs))
        {
            throw new IOException("the platform failed");
        }

        return DeliveryOutcome.Of(Verdict.Taken, events.Count);
    }

    private void Take(PendingEvent one)
    {
        if (taken.TryGetValue(one.EventId, out PendingEvent? before))
        {
            if (!before.Body.AsSpan().SequenceEqual(one.Body))
            {
                Complaint ??= $"event {one.EventId} came again with other bytes";
            }

            return;
        }

        // A member's events come for the first time in their order, and none is left out.
        long sequence = last.GetValueOrDefault(one.MemberId) + 1;
        if (one.Sequence != sequence)
        {
            Complaint ??= $"event {sequence} of {one.MemberId} was due, and {one.Sequence} came";
        }

        last[one.MemberId] = one.Sequence;
        taken.Add(one.EventId, one);
    }

    /// <summary>An event in one way of writing it, so that the order of members does not matter.</summary>
    public static string Canonical(JsonNode? node) => node switch
    {
        null => "none",
        JsonObject members => $"{{{string.Join(", ", members.OrderBy(member => member.Key, StringComparer.Ordinal)
            .Select(member => $"{member.Key}: {Canonical(member.Value)}"))}}}",
        JsonArray items => $"[{string.Join(", ", items.Select(Canonical))}]",
        _ => node.ToJsonString(),
    };
}
