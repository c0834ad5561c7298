namespace Jumun.Tests.Simulation;

/// <summary>What was seen is not what can be.</summary>
internal sealed class Contradiction(string message) : Exception(message);

/// <summary>
/// All that may have happened. A batch whose outcome nobody knows makes two worlds of each: one in which it happened, and
/// one in which it did not. Whatever is seen afterwards ends the worlds in which it could not be seen.
/// </summary>
internal sealed class Worlds
{
    private List<World> possible = [new World()];

    public int Count => possible.Count;

    /// <summary>One of them.</summary>
    public World Any => possible[0];

    /// <summary>A batch was answered.</summary>
    public void Settle(IReadOnlyList<Call> calls, IReadOnlyList<Outcome> outcomes, DateTimeOffset now)
    {
        switch (outcomes[0].Unavailable)
        {
            case RequestOutcome.None:
                return;
            case RequestOutcome.Unknown:
                Perhaps(world => _ = Settle(world, calls, now));
                return;
        }

        var after = new List<World>();
        string? complaint = null;
        foreach (World world in possible)
        {
            World next = world.Fork();
            Outcome[] expected = Settle(next, calls, now);
            int wrong = Enumerable.Range(0, calls.Count).FirstOrDefault(i => expected[i] != outcomes[i], -1);
            if (wrong < 0)
            {
                after.Add(next);
            }
            else
            {
                complaint ??= $"{calls[wrong]}\n  was answered  {outcomes[wrong]}\n  but should be {expected[wrong]}";
            }
        }

        possible = after.Count > 0 ? after : throw new Contradiction(complaint!);
    }

    /// <summary>Something happened.</summary>
    public void Surely(Action<World> change) => possible = [.. possible.Select(world => Changed(world, change))];

    /// <summary>Something happened, or did not.</summary>
    public void Perhaps(Action<World> change) => possible = [.. possible, .. possible.Select(world => Changed(world, change))];

    /// <summary>Something was read.</summary>
    public void See(string what, string seen, Func<World, string> expected)
    {
        List<World> after = possible.FindAll(world => expected(world) == seen);
        possible = after.Count > 0
            ? after
            : throw new Contradiction($"{what}\n  reads     {seen}\n  but is    {string.Join("\n  or        ", possible.Select(expected).Distinct())}");
    }

    private static Outcome[] Settle(World world, IReadOnlyList<Call> calls, DateTimeOffset now) => [.. calls.Select(call => world.Settle(call, now))];

    private static World Changed(World world, Action<World> change)
    {
        World next = world.Fork();
        change(next);
        return next;
    }
}
