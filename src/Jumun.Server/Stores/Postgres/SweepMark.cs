using System.Diagnostics;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// How far a sweep has come, in milliseconds since 1970, so that the next round goes on from there. What was swept leaves entries
/// at the beginning of its index that cannot be removed while an old snapshot lives, of a dump or an audit: each round would go
/// through all of them. Now and then, and when time went back, it begins at the beginning, for what came late.
/// </summary>
internal sealed class SweepMark
{
    private static readonly TimeSpan Anew = TimeSpan.FromMinutes(10);

    private long reached;
    private long begun = Stopwatch.GetTimestamp();

    /// <summary>From where on to look for what is older than a moment.</summary>
    public long From(long moment)
    {
        if (moment < Volatile.Read(ref reached) || Stopwatch.GetElapsedTime(Volatile.Read(ref begun)) >= Anew)
        {
            Volatile.Write(ref reached, 0);
            Volatile.Write(ref begun, Stopwatch.GetTimestamp());
        }

        return Volatile.Read(ref reached);
    }

    /// <summary>Nothing is left before this moment.</summary>
    public void Reached(long moment) => Volatile.Write(ref reached, Math.Max(moment, Volatile.Read(ref reached)));
}
