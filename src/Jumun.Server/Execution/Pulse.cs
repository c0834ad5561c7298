using System.Diagnostics;
using Jumun.Server.Stores;

namespace Jumun.Server.Execution;

/// <summary>
/// Feels the shop's pulse once a second: what the executor's counters gained since, kept for a minute in seconds and for an
/// hour in half minutes. That costs an object a second and no lock of the lane. What the database must be asked for is asked only
/// while somebody looks, or while it is away: in a quiet shop nobody else would find out that it is back.
/// </summary>
internal sealed class Pulse(Executor executor, IStore store, TimeProvider clock, ILogger<Pulse> log) : BackgroundService
{
    private readonly Ring seconds = new(Bounds.PulseSeconds, every: 1);
    private readonly Ring hour = new(Bounds.PulseHourBeats, Bounds.PulseBeatSeconds);
    private readonly SemaphoreSlim asking = new(1, 1);
    private OutboxBacklog? backlog;
    private StoreHealth? health;
    private Task returning = Task.CompletedTask;
    private long askedAt = long.MinValue;
    private int watchers;

    /// <summary>Raised after each beat, for those who watch. Handlers only signal.</summary>
    public event Action? Beaten;

    /// <summary>Now.</summary>
    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>What the outbox held when it was last asked; null when nobody wanted to know.</summary>
    public OutboxBacklog? Backlog => Volatile.Read(ref backlog);

    /// <summary>How the store answered last; null when nobody wanted to know.</summary>
    public StoreHealth? Health => Volatile.Read(ref health);

    /// <summary>The last minute, a beat a second, oldest first.</summary>
    public IReadOnlyList<Beat> Minute => seconds.Beats;

    /// <summary>The last hour, a beat each half minute, oldest first.</summary>
    public IReadOnlyList<Beat> Hour => hour.Beats;

    /// <summary>Somebody looks, until what is returned is disposed of.</summary>
    public IDisposable Watch(Action beaten)
    {
        Interlocked.Increment(ref watchers);
        Beaten += beaten;
        return new Watcher(this, beaten);
    }

    /// <summary>The backlog, kept up to date for a while because it was asked for; null the first time.</summary>
    public OutboxBacklog? AskBacklog()
    {
        Volatile.Write(ref askedAt, Stopwatch.GetTimestamp());
        return Backlog;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var reading = new PulseReading();
        seconds.Begin(executor.Counters, reading);
        hour.Begin(executor.Counters, reading);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                try
                {
                    Beat(reading);
                }
                catch (Exception error)
                {
                    // A service of the host that fails would take the shop with it.
                    Log.LoopFailed(log, error, "pulse");
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private void Beat(PulseReading reading)
    {
        if (IsWanted())
        {
            // A store that hangs holds up no beat.
            _ = AskStoreAsync();
        }
        else
        {
            // What waited when somebody last looked would seem to grow older, although it was delivered long ago.
            Volatile.Write(ref backlog, null);
            Volatile.Write(ref health, null);
        }

        if (executor.Outage.Lasts && returning.IsCompleted)
        {
            returning = executor.TouchAsync();
        }

        seconds.Beat(executor, this, reading);
        hour.Beat(executor, this, reading);
        Beaten?.Invoke();
    }

    private bool IsWanted()
    {
        long asked = Volatile.Read(ref askedAt);
        return Volatile.Read(ref watchers) > 0
            || (asked != long.MinValue && Stopwatch.GetElapsedTime(asked).TotalSeconds < Bounds.BacklogAskedSeconds);
    }

    private async Task AskStoreAsync()
    {
        if (!await asking.WaitAsync(0).ConfigureAwait(false))
        {
            Volatile.Write(ref health, new StoreHealth("the store does not answer in time", TimeSpan.FromSeconds(1)));
            return;
        }

        try
        {
            long begun = Stopwatch.GetTimestamp();
            OutboxBacklog now = await store.BacklogAsync().ConfigureAwait(false);
            TimeSpan took = Stopwatch.GetElapsedTime(begun);
            Volatile.Write(ref backlog, now);
            string? problem = await store.ProbeAsync().ConfigureAwait(false);
            Volatile.Write(ref health, new StoreHealth(problem, took));
        }
        catch (StoreUnavailableException error)
        {
            Volatile.Write(ref health, new StoreHealth(error.Message, TimeSpan.Zero));
        }
        catch (Exception error)
        {
            Log.LoopFailed(log, error, "pulse");
        }
        finally
        {
            asking.Release();
        }
    }

    private void Leave(Action beaten)
    {
        Beaten -= beaten;
        if (Interlocked.Decrement(ref watchers) == 0)
        {
            // What was read last would be old when the next one comes.
            Volatile.Write(ref health, null);
        }
    }

    public override void Dispose()
    {
        asking.Dispose();
        base.Dispose();
    }

    private sealed class Watcher(Pulse pulse, Action beaten) : IDisposable
    {
        private bool left;

        public void Dispose()
        {
            if (!Interlocked.Exchange(ref left, true))
            {
                pulse.Leave(beaten);
            }
        }
    }

    /// <summary>Beats of one length, the last so many of them.</summary>
    private sealed class Ring(int length, int every)
    {
        private readonly Queue<Beat> beats = new(length);
        private readonly PulseReading before = new();
        private Beat[] shown = [];
        private long begun;
        private int ticks;

        public IReadOnlyList<Beat> Beats => Volatile.Read(ref shown);

        public void Begin(ExecutorCounters counters, PulseReading now)
        {
            now.Read(counters);
            before.CopyFrom(now);
            begun = Stopwatch.GetTimestamp();
        }

        public void Beat(Executor executor, Pulse pulse, PulseReading now)
        {
            if (++ticks < every)
            {
                return;
            }

            ticks = 0;
            now.Read(executor.Counters);
            double took = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            begun = Stopwatch.GetTimestamp();
            if (beats.Count == length)
            {
                beats.Dequeue();
            }

            beats.Enqueue(now.Since(before, took, executor.QueueLength, pulse));
            before.CopyFrom(now);
            Volatile.Write(ref shown, [.. beats]);
        }
    }
}

/// <summary>How the store answered.</summary>
/// <param name="Problem">Why it cannot be used; null when it can.</param>
/// <param name="Took">How long a small read took.</param>
internal sealed record StoreHealth(string? Problem, TimeSpan Took);
