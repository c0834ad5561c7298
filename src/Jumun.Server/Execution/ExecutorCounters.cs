using System.Numerics;
using System.Text.Json;
using Jumun.Server.Problems;

namespace Jumun.Server.Execution;

/// <summary>
/// What the executor has done since the start: read by anybody, written by its lanes under one lock a batch, so that counting
/// takes no lock a command and no object. Readers that want what happened in a second subtract what they read a second before.
/// </summary>
internal sealed class ExecutorCounters
{
    private readonly long[] durations = new long[DurationBuckets.Count];
    private CommandCounter[] kinds = [];
    private CommandCounter? last;
    private long commands;
    private long batches;
    private long commits;
    private long races;
    private long turnedAway;

    /// <summary>Commands settled.</summary>
    public long Commands => Volatile.Read(ref commands);

    /// <summary>Batches settled.</summary>
    public long Batches => Volatile.Read(ref batches);

    /// <summary>Batches that wrote something: one commit and one fsync each.</summary>
    public long Commits => Volatile.Read(ref commits);

    /// <summary>Batches that were settled anew because another writer was first.</summary>
    public long Races => Volatile.Read(ref races);

    /// <summary>Commands that were not taken, because the queue was full or the server drains.</summary>
    public long Rejections => Volatile.Read(ref turnedAway);

    /// <summary>The kinds of commands that came so far, with their outcomes.</summary>
    public IReadOnlyList<CommandCounter> Kinds => Volatile.Read(ref kinds);

    /// <summary>Copies how many commands took how long, from their submission to their answer, by bucket.</summary>
    public void CopyDurations(Span<long> counts)
    {
        for (int bucket = 0; bucket < durations.Length; bucket++)
        {
            counts[bucket] = Volatile.Read(ref durations[bucket]);
        }
    }

    internal void Raced() => races += 1;

    /// <summary>Counts a command that was not taken: by its caller, so this one is shared.</summary>
    internal void TurnedAway() => Interlocked.Increment(ref turnedAway);

    internal void Settled(int settled, bool committed)
    {
        commands += settled;
        batches += 1;
        commits += committed ? 1 : 0;
    }

    /// <summary>Counts the outcome of one command; the counter of its kind.</summary>
    internal CommandCounter Settled(Type command, Refusal? refusal, uint microseconds)
    {
        durations[DurationBuckets.Of(microseconds)] += 1;

        // A rush is many of one kind.
        CommandCounter kind = last is { } same && same.Command == command ? same : last = Of(command);
        kind.Count(refusal);
        return kind;
    }

    private CommandCounter Of(Type command)
    {
        foreach (CommandCounter known in kinds)
        {
            if (known.Command == command)
            {
                return known;
            }
        }

        var kind = new CommandCounter(command);
        Volatile.Write(ref kinds, [.. kinds, kind]);
        return kind;
    }
}

/// <summary>The outcomes of one kind of command.</summary>
/// <param name="command">The kind.</param>
internal sealed class CommandCounter(Type command)
{
    private static readonly int Codes = Enum.GetValues<RefusalCode>().Length;

    private readonly long[] outcomes = new long[Codes + 1];

    /// <summary>The kind.</summary>
    public Type Command { get; } = command;

    /// <summary>Its name, such as <c>place_order</c>.</summary>
    public string Name { get; } = JsonNamingPolicy.SnakeCaseLower.ConvertName(command.Name);

    /// <summary>How many were carried out.</summary>
    public long Done => Volatile.Read(ref outcomes[Codes]);

    /// <summary>How many were refused.</summary>
    public long Refused => Enum.GetValues<RefusalCode>().Sum(RefusedWith);

    /// <summary>How many were refused with a code.</summary>
    public long RefusedWith(RefusalCode code) => Volatile.Read(ref outcomes[(int)code]);

    /// <summary>The name of an outcome: <c>done</c>, or the code of the refusal.</summary>
    public static string OutcomeOf(Refusal? refusal) => refusal is null ? "done" : ProblemAnswer.NameOf(refusal.Code);

    internal void Count(Refusal? refusal) => outcomes[refusal is null ? Codes : (int)refusal.Code] += 1;
}

/// <summary>Durations in buckets that grow with them: eight to each doubling, from a microsecond to an hour. A bucket is right to a tenth.</summary>
internal static class DurationBuckets
{
    private const int StepBits = 3;
    private const int Steps = 1 << StepBits;

    /// <summary>How many there are.</summary>
    public const int Count = (32 - StepBits + 1) * Steps;

    /// <summary>The bucket of a duration.</summary>
    public static int Of(uint microseconds)
    {
        if (microseconds < Steps)
        {
            return (int)microseconds;
        }

        int shift = BitOperations.Log2(microseconds) - StepBits;
        return (shift * Steps) + (int)(microseconds >> shift);
    }

    /// <summary>The duration below which a share of the commands were settled, in milliseconds; null without commands.</summary>
    /// <param name="counts">Commands by bucket.</param>
    /// <param name="share">The share, such as 0.99.</param>
    public static double? Quantile(ReadOnlySpan<long> counts, double share)
    {
        long sum = 0;
        foreach (long count in counts)
        {
            sum += count;
        }

        if (sum == 0)
        {
            return null;
        }

        double wanted = share * sum;
        int bucket = 0;
        for (long before = counts[0]; before < wanted && bucket < Count - 1; before += counts[bucket])
        {
            bucket++;
        }

        return EndOf(bucket) / 1_000.0;
    }

    /// <summary>The first duration after a bucket, in microseconds.</summary>
    private static double EndOf(int bucket)
    {
        int next = bucket + 1;
        if (next <= Steps)
        {
            return next;
        }

        int shift = (next / Steps) - 1;
        return (double)((next % Steps) + Steps) * (1UL << shift);
    }
}
