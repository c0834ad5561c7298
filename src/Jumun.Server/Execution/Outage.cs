using System.Diagnostics;
using Jumun.Server.Stores;

namespace Jumun.Server.Execution;

/// <summary>
/// Tells the log of a store that is unavailable: when it begins, in sums now and then, and when it is over. Never a line
/// for each request: those are the most when there is the least to say.
/// </summary>
internal sealed class Outage(ILogger log)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(Bounds.OutageQuietSeconds);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(Bounds.OutageLogSeconds);

    private readonly Lock gate = new();
    private bool lasts;
    private long begun;
    private long last;
    private long told;
    private long none;
    private long unknown;

    /// <summary>Whether it lasts.</summary>
    public bool Lasts => Volatile.Read(ref lasts);

    /// <summary>Requests were refused because the store is unavailable; without one, work of the server's own failed.</summary>
    public void Refused(StoreUnavailableException error, int requests)
    {
        lock (gate)
        {
            last = Stopwatch.GetTimestamp();
            if (!lasts)
            {
                (begun, told, none, unknown) = (last, last, 0, 0);
                Volatile.Write(ref lasts, true);
                Log.StoreUnavailable(log, error, error.Outcome);
            }

            none += error.Outcome == RequestOutcome.None ? requests : 0;
            unknown += error.Outcome == RequestOutcome.Unknown ? requests : 0;
            if (Stopwatch.GetElapsedTime(told, last) >= Pause)
            {
                told = last;
                Log.StoreStillUnavailable(log, Stopwatch.GetElapsedTime(begun, last), none, unknown, error.Message);
            }
        }
    }

    /// <summary>The store settled a batch. The outage is over when nothing was refused for a while: it may come and go.</summary>
    public void Settled()
    {
        if (!Volatile.Read(ref lasts))
        {
            return;
        }

        lock (gate)
        {
            if (lasts && Stopwatch.GetElapsedTime(last) >= Quiet)
            {
                Volatile.Write(ref lasts, false);
                Log.StoreAvailable(log, Stopwatch.GetElapsedTime(begun, last), none, unknown);
            }
        }
    }
}
