using Jumun.Server.Stores;

namespace Jumun.Server.Execution;

/// <summary>What happened in a second, or in half a minute. Rates are a second.</summary>
/// <param name="At">Its end.</param>
/// <param name="Kinds">Commands by kind.</param>
/// <param name="Refusals">Refused commands by code, those that came alone.</param>
/// <param name="BatchSize">Commands a batch; null without one.</param>
/// <param name="Commits">Commits a second.</param>
/// <param name="Median">Milliseconds in which half the commands were settled; null without one.</param>
/// <param name="Slowest">Milliseconds in which 99 of 100 were.</param>
/// <param name="Queue">Commands that waited at its end.</param>
/// <param name="LagSeconds">Age of the oldest event to be delivered; null when nobody looked.</param>
internal sealed record Beat(
    DateTimeOffset At,
    IReadOnlyList<KindRate> Kinds,
    IReadOnlyDictionary<RefusalCode, double> Refusals,
    double? BatchSize,
    double Commits,
    double? Median,
    double? Slowest,
    int Queue,
    double? LagSeconds)
{
    /// <summary>Commands carried out.</summary>
    public double Done { get; } = Kinds.Sum(kind => kind.Done);

    /// <summary>Commands refused.</summary>
    public double Refused { get; } = Kinds.Sum(kind => kind.Refused);
}

/// <summary>Commands of one kind, a second.</summary>
/// <param name="Name">Its name, such as <c>place_order</c>.</param>
/// <param name="Done">Carried out.</param>
/// <param name="Refused">Refused.</param>
internal sealed record KindRate(string Name, double Done, double Refused);

/// <summary>The counters as they were at one moment.</summary>
internal sealed class PulseReading
{
    private static readonly RefusalCode[] Codes = Enum.GetValues<RefusalCode>();

    private readonly Dictionary<string, long[]> kinds = [];
    private readonly long[] durations = new long[DurationBuckets.Count];
    private readonly long[] gained = new long[DurationBuckets.Count];
    private long commands;
    private long batches;
    private long commits;

    /// <summary>Reads the counters as they are now.</summary>
    public void Read(ExecutorCounters counters)
    {
        commands = counters.Commands;
        batches = counters.Batches;
        commits = counters.Commits;
        counters.CopyDurations(durations);
        foreach (CommandCounter kind in counters.Kinds)
        {
            long[] outcomes = OutcomesOf(kind.Name);
            foreach (RefusalCode code in Codes)
            {
                outcomes[(int)code] = kind.RefusedWith(code);
            }

            outcomes[^1] = kind.Done;
        }
    }

    public void CopyFrom(PulseReading other)
    {
        (commands, batches, commits) = (other.commands, other.batches, other.commits);
        other.durations.CopyTo(durations, 0);
        foreach ((string name, long[] outcomes) in other.kinds)
        {
            outcomes.CopyTo(OutcomesOf(name), 0);
        }
    }

    /// <summary>What the counters gained since an earlier reading.</summary>
    public Beat Since(PulseReading before, double seconds, int queue, Pulse pulse)
    {
        for (int bucket = 0; bucket < gained.Length; bucket++)
        {
            gained[bucket] = durations[bucket] - before.durations[bucket];
        }

        var rates = new List<KindRate>();
        var refusals = new Dictionary<RefusalCode, double>();
        foreach ((string name, long[] outcomes) in kinds)
        {
            long[] earlier = before.OutcomesOf(name);
            long refused = 0;
            foreach (RefusalCode code in Codes)
            {
                long more = outcomes[(int)code] - earlier[(int)code];
                if (more > 0)
                {
                    refused += more;
                    refusals[code] = refusals.GetValueOrDefault(code) + (more / seconds);
                }
            }

            rates.Add(new KindRate(name, (outcomes[^1] - earlier[^1]) / seconds, refused / seconds));
        }

        OutboxBacklog? backlog = pulse.Backlog;
        return new Beat(
            pulse.Now, rates, refusals, batches > before.batches ? (double)(commands - before.commands) / (batches - before.batches) : null,
            (commits - before.commits) / seconds, DurationBuckets.Quantile(gained, 0.5), DurationBuckets.Quantile(gained, 0.99), queue,
            backlog?.LagAt(pulse.Now).TotalSeconds);
    }

    private long[] OutcomesOf(string name)
    {
        if (!kinds.TryGetValue(name, out long[]? outcomes))
        {
            kinds.Add(name, outcomes = new long[Codes.Length + 1]);
        }

        return outcomes;
    }
}
