using System.Diagnostics;
using Jumun.Server.Stores;

namespace Jumun.Server.Execution;

/// <summary>
/// What the server processes on one database do once and not each: deliver a member's events and sweep. The members are
/// divided into partitions, and a process works on those that it leases. A process that went away is followed by the others
/// <see cref="Bounds.LeaseOfEndedSeconds"/> after it was last heard of, or <see cref="Bounds.LeaseSeconds"/> if it left its session open.
/// </summary>
internal sealed class Leases(IStore store, ILogger<Leases> log) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(Bounds.LeaseSeconds / 8.0);
    private static readonly TimeSpan Soon = Period / 4;

    private readonly Guid process = Guid.CreateVersion7(TimeProvider.System.GetUtcNow());
    private readonly SemaphoreSlim unused = new(1, 1);
    private Held held = Held.Nothing;
    private bool failed;

    /// <summary>
    /// The partitions that are this process's now: none when the leases were not renewed in time.
    /// </summary>
    public IReadOnlyList<short> Partitions => Current.Partitions;

    /// <summary>Whether this process sweeps: the one that holds the first partition does.</summary>
    public bool Sweeps => Partitions is [0, ..];

    /// <summary>Whether its leases are renewed and its clock is right, whatever it holds: it may end orders that whoever sweeps is late with.</summary>
    public bool StandsIn => Current.Processes > 0;

    /// <summary>Processes on this database, this one included.</summary>
    public int Processes => Volatile.Read(ref held).Share.Processes;

    private LeasedShare Current
    {
        get
        {
            Held now = Volatile.Read(ref held);
            return Stopwatch.GetElapsedTime(now.RenewedAt) < now.Share.GoodFor ? now.Share : LeasedShare.Nothing;
        }
    }

    /// <summary>Begins work on the partitions: until it is released none of them is handed to another process that asks for its share.</summary>
    public Task UseAsync(CancellationToken stopping) => unused.WaitAsync(stopping);

    /// <summary>Ends what <see cref="UseAsync"/> began.</summary>
    public void Release() => unused.Release();

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        // A lone process works from its first moment on.
        await Task.Yield();
        await RenewAsync().ConfigureAwait(false);
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        Volatile.Write(ref held, Held.Nothing);
        try
        {
            // The others need not wait for the end of the leases.
            await store.GiveUpLeasesAsync(process).ConfigureAwait(false);
        }
        catch (StoreUnavailableException error)
        {
            Log.LoopFailed(log, error, "leases");
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            // Partitions that move wait for their next process no longer than they must, nor do leases that end.
            TimeSpan pause = failed || !Volatile.Read(ref held).Share.IsSettled ? Soon : Period;
            await Task.Delay(pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!stoppingToken.IsCancellationRequested)
            {
                await RenewAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task RenewAsync()
    {
        // Work on the partitions is hardly ever at rest when there is much of it, so its end is waited for; but not for long,
        // because the leases must be renewed while a delivery hangs.
        bool mayGive = await unused.WaitAsync(Soon).ConfigureAwait(false);
        try
        {
            long asked = Stopwatch.GetTimestamp();
            LeasedShare share = await store.RenewLeasesAsync(process, mayGive).ConfigureAwait(false);
            if (ReferenceEquals(share, LeasedShare.ClockIsOff) && !ReferenceEquals(share, Volatile.Read(ref held).Share))
            {
                Log.ClockOff(log);
            }

            Volatile.Write(ref held, new Held(share, asked));
            failed = false;
        }
        catch (Exception error)
        {
            failed = true;

            // Of a store that is unavailable those tell whose work it stops.
            if (error is not StoreUnavailableException)
            {
                Log.LoopFailed(log, error, "leases");
            }

            if (mayGive)
            {
                // Some may be given already, although that was not heard.
                Volatile.Write(ref held, Held.Nothing);
            }

            // Otherwise the leases run on for a while, and then end here before they end there.
        }
        finally
        {
            if (mayGive)
            {
                unused.Release();
            }
        }
    }

    public override void Dispose()
    {
        unused.Dispose();
        base.Dispose();
    }

    private sealed record Held(LeasedShare Share, long RenewedAt)
    {
        public static Held Nothing { get; } = new(LeasedShare.Nothing, 0);
    }
}
