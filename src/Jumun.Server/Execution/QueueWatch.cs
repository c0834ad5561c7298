using System.Diagnostics;

namespace Jumun.Server.Execution;

/// <summary>
/// Tells an overload from a burst. A burst fills the queue and is settled. When commands have waited long for a while, more
/// comes than can be settled: each one that is taken makes all others wait longer, and clients who gave up are served before
/// those who are there. Then nothing more is taken until the wait is short again; and for some time after, at once.
/// </summary>
internal sealed class QueueWatch
{
    private static readonly long Wait = Bounds.QueueMilliseconds * Stopwatch.Frequency / 1_000;
    private static readonly long Burst = Bounds.BurstSeconds * Stopwatch.Frequency;
    private static readonly long Memory = Bounds.OverloadSeconds * Stopwatch.Frequency;

    private long longSince;
    private long strictUntil = long.MinValue;
    private bool isOverloaded;

    /// <summary>Whether new work is to be refused now.</summary>
    public bool IsOverloaded => Volatile.Read(ref isOverloaded);

    /// <summary>To be told by the lane of each batch that it takes.</summary>
    /// <param name="first">When its first command began to wait, as <see cref="Stopwatch.GetTimestamp"/> has it.</param>
    /// <param name="now">Now.</param>
    /// <param name="waiting">Commands that still wait. A few are no overload, however slow the disk may be.</param>
    public void Taken(long first, long now, int waiting)
    {
        if (now - first <= Wait || waiting < Bounds.OverloadCommands)
        {
            longSince = 0;
            Volatile.Write(ref isOverloaded, false);
            return;
        }

        if (longSince == 0)
        {
            longSince = now;
        }

        if (now < strictUntil || now - longSince >= Burst)
        {
            strictUntil = now + Memory;
            Volatile.Write(ref isOverloaded, true);
        }
    }
}
