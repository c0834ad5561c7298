using Jumun.DataPlatform;
using Jumun.Server;
using Jumun.Server.DataPlatform;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Simulation;

/// <summary>
/// The real parts of a server, but for its sockets, its loops and its delivery: the store on a real file, the executor and
/// the sweeps. The store fails on demand, and a batch is exactly what is handed in together.
/// </summary>
internal sealed class SimulatedServer(string folder, TimeProvider clock) : IAsyncDisposable
{
    private readonly SemaphoreSlim held = new(0);
    private readonly SemaphoreSlim go = new(0);
    private int lives;
    private volatile bool holds;
    private volatile Fault fault;
    private bool reopenFails;
    private long logBefore;
    private Leases leases = null!;

    public SqliteStore Store { get; private set; } = null!;

    public Executor Executor { get; private set; } = null!;

    /// <summary>Whether the process died: what is left is what was in its files.</summary>
    public bool IsDead { get; private set; }

    /// <summary>How much of a commit is in the log when the process dies in it, in percent.</summary>
    public int Torn { get; set; }

    private string Path => System.IO.Path.Combine(folder, $"life-{lives}.db");

    public async Task StartAsync()
    {
        Store = SqliteStore.Open(Path);
        Store.Fault = Meet;
        Executor = new Executor(Store, clock, NullLogger<Executor>.Instance);
        leases = new Leases(Store, NullLogger<Leases>.Instance);
        await leases.StartAsync(CancellationToken.None);
        (IsDead, fault, reopenFails) = (false, Fault.None, false);
    }

    /// <summary>Stops as an operator wants it, and starts again.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    /// <summary>Dies while it does nothing.</summary>
    public void Kill() => Die();

    /// <summary>Starts on the files of the process that died.</summary>
    public async Task RecoverAsync()
    {
        string before = Path;
        lives += 1;
        await StopAsync();
        File.Delete(before);
        await StartAsync();
    }

    /// <summary>Settles what is submitted in one batch: the lane is held until all of it is in the queue.</summary>
    /// <param name="submit">Submits, before it returns.</param>
    /// <param name="next">What the store does to the batch.</param>
    public async Task<T> TogetherAsync<T>(Func<Task<T>> submit, Fault next)
    {
        holds = true;
        ValueTask<Settlement> idle = Executor.SubmitAsync(new DoNothing());
        await held.WaitAsync();
        Task<T> submitted = submit();
        fault = next;
        go.Release();
        await idle;
        T result = await submitted;
        (fault, reopenFails) = (Fault.None, false);
        return result;
    }

    public async Task SweepOrdersAsync(Fault next)
    {
        await LeasesAsync();
        using var sweep = new ExpirySweep(Executor, Store, leases, clock, NullLogger<ExpirySweep>.Instance);
        await TogetherAsync(() => sweep.SweepAsync().AsTask(), next);
    }

    public async Task SweepKeysAsync(Fault next)
    {
        await LeasesAsync();
        using var sweep = new KeySweep(Executor, Store, leases, clock, NullLogger<KeySweep>.Instance);
        await TogetherAsync(() => sweep.SweepAsync().AsTask(), next);
    }

    /// <summary>
    /// One round of delivery: what is pending goes to the platform, and if that took it, it is recorded. When the relay would
    /// try again is not part of a story: the tests of the sinks show that.
    /// </summary>
    /// <param name="platform">The platform; something must be pending.</param>
    /// <param name="next">What the store does when the delivery is recorded.</param>
    /// <param name="meanwhile">Done while the platform has been handed the events and has not answered.</param>
    public async Task RelayAsync(Platform platform, Fault next, Func<Task> meanwhile)
    {
        await LeasesAsync();
        List<PendingEvent> events = await Store.PendingEventsAsync(leases.Partitions, new HashSet<string>(), anew: true, Bounds.RelayedEvents);
        ValueTask<DeliveryOutcome> delivery = platform.DeliverAsync(events, CancellationToken.None);
        await meanwhile();
        fault = next;
        platform.Answer();
        try
        {
            DeliveryOutcome outcome = await delivery;
            await Executor.SubmitAsync(new RecordDelivery(outcome.With(Verdict.Taken, events).ConvertAll(taken => taken.Key)));
        }
        catch (IOException)
        {
            // Nothing is known to be taken, and nothing is recorded.
        }

        (fault, reopenFails) = (Fault.None, false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        held.Dispose();
        go.Dispose();
    }

    private async Task StopAsync()
    {
        await Executor.DisposeAsync();
        await leases.StopAsync(CancellationToken.None);
        leases.Dispose();
        Store.Fault = null;
        await Store.DisposeAsync();
    }

    private Task LeasesAsync() => TestShop.UntilAsync(() => Task.FromResult(leases.Sweeps));

    private void Meet(SqliteStore.FaultPoint point)
    {
        if (point == SqliteStore.FaultPoint.Load && holds)
        {
            holds = false;
            held.Release();
            go.Wait();
            return;
        }

        if (point == SqliteStore.FaultPoint.Write)
        {
            logBefore = LogLength();
        }

        if (point == SqliteStore.FaultPoint.Reopen && reopenFails)
        {
            reopenFails = false;
            throw new SqliteException(14, "unable to open database file");
        }

        if (point == PointOf(fault))
        {
            Strike();
        }
    }

    private static SqliteStore.FaultPoint? PointOf(Fault fault) => fault switch
    {
        Fault.None => null,
        Fault.Load => SqliteStore.FaultPoint.Load,
        Fault.Write => SqliteStore.FaultPoint.Write,
        Fault.BeforeCommit or Fault.UnknownAndUndone or Fault.Race or Fault.RacesWithoutEnd or Fault.DiesBeforeCommit =>
            SqliteStore.FaultPoint.BeforeCommit,
        Fault.CommitLookedUp or Fault.UnknownAndDone or Fault.DiesAfterCommit or Fault.DiesInCommit => SqliteStore.FaultPoint.AfterCommit,
    };

    private void Strike()
    {
        Fault struck = fault;
        if (struck != Fault.RacesWithoutEnd)
        {
            fault = Fault.None;
        }

        reopenFails = struck == Fault.UnknownAndDone;
        switch (struck)
        {
            case Fault.Load or Fault.Write or Fault.BeforeCommit or Fault.CommitLookedUp or Fault.UnknownAndDone:
                throw new SqliteException(10, "disk I/O error");
            case Fault.UnknownAndUndone:
                Store.AbandonAsync();
                throw new StoreUnavailableException(RequestOutcome.Unknown, null);
            case Fault.Race or Fault.RacesWithoutEnd:
                Store.AbandonAsync();
                throw new StoreRaceException(new InvalidOperationException("Another process was first."));
            case Fault.DiesInCommit:
                Die(isTorn: true);
                break;
            default:
                Die();
                break;
        }

        throw new StoreUnavailableException(RequestOutcome.Unknown, null);
    }

    /// <summary>
    /// The files as they are at this moment are all that the next process finds. What this one still does to its own is
    /// not seen by anybody.
    /// </summary>
    private void Die(bool isTorn = false)
    {
        IsDead = true;
        string next = System.IO.Path.Combine(folder, $"life-{lives + 1}.db");
        File.Copy(Path, next);
        if (!File.Exists($"{Path}-wal"))
        {
            return;
        }

        File.Copy($"{Path}-wal", $"{next}-wal");
        if (isTorn && LogLength() is var length && length > logBefore)
        {
            using FileStream log = File.OpenWrite($"{next}-wal");
            log.SetLength(logBefore + ((length - logBefore) * Torn / 100));
        }
    }

    private long LogLength() => new FileInfo($"{Path}-wal") is { Exists: true } log ? log.Length : 0;
}
