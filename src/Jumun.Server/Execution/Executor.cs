using System.Collections.Concurrent;
using System.Diagnostics;
using Jumun.Server.Stores;

namespace Jumun.Server.Execution;

/// <summary>A request that came with an idempotency key.</summary>
/// <param name="Key">The key.</param>
/// <param name="Fingerprint">What request it was: a hash of method, path and body.</param>
/// <param name="Render">How its answer goes over the wire.</param>
internal sealed record KeyedRequest(IdempotencyKey Key, byte[] Fingerprint, Func<Answer, StoredAnswer> Render);

/// <summary>What became of a command. Exactly one of the first three is there.</summary>
/// <param name="Answer">It was carried out, and has no stored answer.</param>
/// <param name="Stored">It was carried out, and this is its answer as stored under its key.</param>
/// <param name="Refusal">It was refused and changed nothing.</param>
/// <param name="Replayed">The stored answer is an earlier one's.</param>
internal readonly record struct Settlement(Answer? Answer, StoredAnswer? Stored, Refusal? Refusal, bool Replayed = false)
{
    public static Settlement Of(Refusal refusal) => new(null, null, refusal);
}

/// <summary>
/// Settles commands in batches: takes what is queued, loads all rows that those commands need, decides each in order of
/// arrival, commits everything at once and only then answers. While one batch commits, the next one gathers. The store says how many
/// lanes of batches there are, and which one a command goes (<see cref="IStore.LaneOf"/>).
/// </summary>
internal sealed partial class Executor : IAsyncDisposable
{
    /// <summary>No more is taken: nothing was done.</summary>
    public static readonly Refusal QueueFull = Refusal.Unavailable(RequestOutcome.None, retryAfterSeconds: 1);

    private static readonly Refusal Bug = new(RefusalCode.InternalError);
    private static readonly Refusal Draining = Refusal.Unavailable(RequestOutcome.None, retryAfterSeconds: 2);
    private static readonly Refusal KeyReused = new(RefusalCode.IdempotencyKeyReused);
    private static readonly Refusal KeyInUse = new(RefusalCode.IdempotencyKeyInUse);

    // Where the requests under a key wait that are not settled yet, and how many they are.
    private readonly ConcurrentDictionary<IdempotencyKey, (Lane Lane, int Count)> unsettledKeys = new();
    private readonly IStore store;
    private readonly TimeProvider clock;
    private readonly ILogger<Executor> log;
    private readonly TimeSpan duplicateWait;
    private readonly uint longestWait;
    private readonly Lane[] lanes;

    // Held while a batch is told of: lanes share what counts and who listens.
    private readonly Lock telling = new();
    private DateTimeOffset lastMoment;
    private bool draining;

    /// <param name="store">Where batches commit; the executor is the only one to write to it.</param>
    /// <param name="clock">Stamps each batch.</param>
    /// <param name="log">Where failures go.</param>
    /// <param name="queueLength">Commands that may wait for a lane.</param>
    /// <param name="duplicateWait">How long a duplicate waits for the first request under its key.</param>
    /// <param name="longestWait">How long a command may wait for its batch to begin.</param>
    public Executor(
        IStore store, TimeProvider clock, ILogger<Executor> log, int queueLength = Bounds.QueuedCommands, TimeSpan? duplicateWait = null,
        TimeSpan? longestWait = null)
    {
        this.store = store;
        this.clock = clock;
        this.log = log;
        Outage = new Outage(log);
        this.duplicateWait = duplicateWait ?? TimeSpan.FromMilliseconds(Bounds.DuplicateWaitMilliseconds);
        this.longestWait = (uint)(longestWait ?? TimeSpan.FromSeconds(Bounds.QueuedSeconds)).TotalMicroseconds;
        lanes = [.. Enumerable.Range(0, store.Lanes).Select(number => new Lane(number, queueLength))];
        foreach (Lane lane in lanes)
        {
            lane.Work = Task.Run(() => RunAsync(lane));
        }
    }

    /// <summary>Raised on the executor's lane after a commit, with what it wrote. Handlers look and signal, and keep nothing.</summary>
    public event Action<WorkingSet>? Committed;

    /// <summary>Raised on the executor's lane after a commit with events for the data platform. Handlers only signal.</summary>
    public event Action? EventsCommitted;

    /// <summary>What was settled since the start.</summary>
    public ExecutorCounters Counters { get; } = new();

    /// <summary>Where a store that is unavailable is told of.</summary>
    public Outage Outage { get; }

    /// <summary>Commands that wait now.</summary>
    public int QueueLength => lanes.Sum(static lane => lane.Queue.Reader.Count);

    /// <summary>
    /// Settles a command together with whatever else is queued. The answer is durable when it comes. Never throws: a
    /// full queue, a lost database and a bug are refusals too.
    /// </summary>
    public ValueTask<Settlement> SubmitAsync(Command command, KeyedRequest? keyed = null)
    {
        Submission submission = Requester() is { } request ? new TracedSubmission(command, keyed, request) : new Submission(command, keyed);
        if (keyed is not null)
        {
            return SubmitKeyedAsync(submission, keyed.Key);
        }

        return Enqueue(submission, LaneOf(command)) is { } refusal
            ? new ValueTask<Settlement>(Settlement.Of(refusal))
            : new ValueTask<Settlement>(submission.Task);
    }

    /// <summary>
    /// Settles a batch of nothing in each lane: one whose session was lost opens another for its next batch, and without other work this is it.
    /// </summary>
    /// <returns>Whether any did.</returns>
    public async Task<bool> TouchAsync()
    {
        Settlement[] settled = await Task.WhenAll(lanes.Select(lane =>
        {
            var nothing = new Submission(new DoNothing(), null);
            return Enqueue(nothing, lane) is { } refusal ? Task.FromResult(Settlement.Of(refusal)) : nothing.Task;
        })).ConfigureAwait(false);
        return Array.Exists(settled, static one => one.Refusal is null);
    }

    /// <summary>Takes no more commands, and settles those that wait.</summary>
    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref draining, true);
        foreach (Lane lane in lanes)
        {
            lane.Queue.Writer.TryComplete();
        }

        foreach (Lane lane in lanes)
        {
            await lane.Work.ConfigureAwait(false);
        }
    }

    private async ValueTask<Settlement> SubmitKeyedAsync(Submission submission, IdempotencyKey key)
    {
        // A duplicate goes behind the first, wherever its like goes by now: before it, it would be decided as if it were the first, and
        // beside it, the two batches would wait for one key.
        (Lane lane, int count) = unsettledKeys.AddOrUpdate(
            key, static (_, lane) => (lane, 1), static (_, waiting, _) => (waiting.Lane, waiting.Count + 1), LaneOf(submission.Command));
        bool isDuplicate = count > 1;
        if (Enqueue(submission, lane) is { } refusal)
        {
            Settled(key);
            return Settlement.Of(refusal);
        }

        if (!isDuplicate)
        {
            return await submission.Task.ConfigureAwait(false);
        }

        try
        {
            return await submission.Task.WaitAsync(duplicateWait).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return Settlement.Of(KeyInUse);
        }
    }

    private Lane LaneOf(Command command) => lanes[store.LaneOf(command)];

    private Refusal? Enqueue(Submission submission, Lane lane)
    {
        if (!Volatile.Read(ref draining) && lane.Queue.Writer.TryWrite(submission))
        {
            return null;
        }

        Counters.TurnedAway();
        return Volatile.Read(ref draining) ? Draining : QueueFull;
    }

    private void Settled(IdempotencyKey key)
    {
        while (unsettledKeys.TryGetValue(key, out (Lane Lane, int Count) waiting))
        {
            if (waiting.Count == 1 ? unsettledKeys.TryRemove(new(key, waiting)) : unsettledKeys.TryUpdate(key, (waiting.Lane, waiting.Count - 1), waiting))
            {
                return;
            }
        }
    }

    private async Task RunAsync(Lane lane)
    {
        var submissions = new List<Submission>(Bounds.BatchCommands);
        while (await lane.Queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            submissions.Clear();
            while (submissions.Count < Bounds.BatchCommands && lane.Queue.Reader.TryRead(out Submission? submission))
            {
                submissions.Add(submission);
            }

            try
            {
                RefuseLate(submissions);
                if (submissions.Count > 0)
                {
                    await SettleAsync(lane, submissions).ConfigureAwait(false);
                }

                await store.MaintainAsync(lane.Number).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                // What promises never to throw did, or somebody who listens: a bug. A lane that ended of it would leave everybody
                // waiting for ever, in a process that seems to be well. What became of those who were not answered is not known.
                List<Submission> left = submissions.FindAll(static submission => !submission.Task.IsCompleted);
                Log.LaneFailed(log, error, left.Count);
                AnswerAll(left, Refusal.Unavailable(RequestOutcome.Unknown, retryAfterSeconds: 1));
            }
        }
    }

    /// <summary>
    /// Refuses those that waited for too long: behind a database that answers nothing, each batch before theirs took until its time was over.
    /// </summary>
    private void RefuseLate(List<Submission> submissions)
    {
        // The first is about the oldest: they are stamped before they are queued, each by its own caller.
        long now = Stopwatch.GetTimestamp();
        if (submissions[0].MicrosecondsUntil(now) < longestWait)
        {
            return;
        }

        Predicate<Submission> isLate = submission => submission.MicrosecondsUntil(now) >= longestWait;
        List<Submission> late = submissions.FindAll(isLate);
        submissions.RemoveAll(isLate);
        AnswerAll(late, QueueFull);
    }

    /// <summary>Settles these submissions, each exactly once. Throws only when the store or a listener does what it must not.</summary>
    /// <param name="lane">Where.</param>
    /// <param name="submissions">What is settled together.</param>
    /// <param name="since">When the whole was begun of which this is a part; null when it is the whole.</param>
    private async ValueTask SettleAsync(Lane lane, List<Submission> submissions, long? since = null)
    {
        long begun = Stopwatch.GetTimestamp();
        using Activity? span = BeginSpan(submissions);
        try
        {
            await SettleAmongOthersAsync(lane, submissions).ConfigureAwait(false);
        }
        catch (StoreUnavailableException error) when (
            error.IsOfPart && submissions.Count > 1 && Stopwatch.GetElapsedTime(since ?? begun).TotalMilliseconds < Bounds.SplitMilliseconds)
        {
            // Whoever needs the part that is away is refused; the neighbours live.
            span?.SetStatus(ActivityStatusCode.Error, error.Message);
            int half = submissions.Count / 2;
            await SettleAsync(lane, submissions[..half], since ?? begun).ConfigureAwait(false);
            await SettleAsync(lane, submissions[half..], since ?? begun).ConfigureAwait(false);
            return;
        }
        catch (StoreUnavailableException error)
        {
            span?.SetStatus(ActivityStatusCode.Error, error.Message);
            Outage.Refused(error, submissions.Count(static submission => submission.Command is not DoNothing));
            AnswerAll(submissions, Refusal.Unavailable(error.Outcome, retryAfterSeconds: 1));
            return;
        }
        catch (Exception error)
        {
            // A constraint that a decision broke, or a decision that threw: a bug. Nothing was written.
            span?.SetStatus(ActivityStatusCode.Error, error.Message);
            await store.AbandonAsync(lane.Number).ConfigureAwait(false);
            await SettleHalvesAsync(lane, submissions, error).ConfigureAwait(false);
            return;
        }

        lock (telling)
        {
            Tell(lane.Batch, submissions, begun);
        }
    }

    /// <summary>Answers every caller of a batch that is settled, and tells whoever listens.</summary>
    private void Tell(Batch batch, List<Submission> submissions, long begun)
    {
        Outage.Settled();
        bool committed = batch.HasChanges;
        long settled = Stopwatch.GetTimestamp();
        Counters.Settled(submissions.Count, committed);
        bool hasEvents = batch.Rows.Events.Count > 0 || batch.Rows.Outbox.Count > 0;
        foreach (Submission submission in submissions)
        {
            Answer(submission, submission.Outcome, settled);
        }

        if (hasEvents)
        {
            EventsCommitted?.Invoke();
        }

        ExecutorInstruments.Settled(submissions.Count, Stopwatch.GetElapsedTime(begun, settled));
        if (committed)
        {
            Committed?.Invoke(batch.Rows);
        }
    }

    /// <summary>
    /// Settles a batch on a store that other processes, and other lanes, write to as well. Where one of them was first the batch begins
    /// anew, with the rows as they are then, a few times and after pauses of no common length.
    /// </summary>
    private async ValueTask SettleAmongOthersAsync(Lane lane, List<Submission> submissions)
    {
        int pause = Bounds.BatchPauseMilliseconds;
        for (int tries = 1; ; tries++)
        {
            try
            {
                await SettleOnceAsync(lane, submissions, isRetry: tries > 1).ConfigureAwait(false);
                return;
            }
            catch (StoreRaceException error) when (tries == Bounds.BatchTries)
            {
                throw new StoreUnavailableException(RequestOutcome.None, error);
            }
            catch (StoreRaceException)
            {
                lock (telling)
                {
                    Counters.Raced();
                }
            }

            await Task.Delay(Random.Shared.Next(pause + 1)).ConfigureAwait(false);
            pause *= 2;
        }
    }

    private async ValueTask SettleOnceAsync(Lane lane, List<Submission> submissions, bool isRetry)
    {
        Batch batch = lane.Batch;
        batch.Begin(NextMoment(), submissions.Count, isRetry);
        foreach (Submission submission in submissions)
        {
            submission.Command.Declare(batch.Rows.Keys);
            if (submission.Keyed is { } keyed)
            {
                batch.Keys.TryAdd(keyed.Key, null);
            }
        }

        using (StepSpan("load"))
        {
            await store.LoadAsync(batch).ConfigureAwait(false);
        }

        // Decided now, whenever it was begun: meanwhile it may have waited for another batch's locks, and a window may have ended. Of two
        // batches that change one row the later one is not stamped earlier.
        batch.Rows.Now = NextMoment();
        foreach (Submission submission in submissions)
        {
            submission.Outcome = Decide(batch, submission);
        }

        if (batch.HasChanges)
        {
            using (StepSpan("commit"))
            {
                await store.CommitAsync(batch).ConfigureAwait(false);
            }
        }
        else
        {
            await store.EndAsync(batch).ConfigureAwait(false);
        }
    }

    /// <summary>Finds the command that broke its batch by settling the halves: its neighbours live, and it answers 500, once.</summary>
    private async ValueTask SettleHalvesAsync(Lane lane, List<Submission> submissions, Exception error)
    {
        if (submissions.Count == 1)
        {
            Log.CommandFailed(log, error, submissions[0].Command.GetType().Name);
            AnswerAll(submissions, Bug);
            return;
        }

        Log.BatchFailed(log, error, submissions.Count);
        int half = submissions.Count / 2;
        await SettleAsync(lane, submissions[..half]).ConfigureAwait(false);
        await SettleAsync(lane, submissions[half..]).ConfigureAwait(false);
    }

    private static Settlement Decide(Batch batch, Submission submission)
    {
        if (submission.Keyed is not { } keyed)
        {
            Decision decision = submission.Command.Decide(batch.Rows);
            return new Settlement(decision.Answer, null, decision.Refusal);
        }

        // What an earlier command of this batch stored counts like what the store holds: both commit before any answer.
        if (batch.Keys[keyed.Key] is { } stored)
        {
            return stored.Fingerprint.AsSpan().SequenceEqual(keyed.Fingerprint)
                ? new Settlement(null, stored.Answer, null, Replayed: true)
                : Settlement.Of(KeyReused);
        }

        Decision fresh = submission.Command.Decide(batch.Rows);
        if (fresh.Refusal is not null)
        {
            return Settlement.Of(fresh.Refusal);
        }

        StoredAnswer answer = keyed.Render(fresh.Answer!);
        batch.Keys[keyed.Key] = new KeyedAnswer(keyed.Fingerprint, answer);
        batch.NewKeys.Add(keyed.Key);
        return new Settlement(null, answer, null);
    }

    private void AnswerAll(List<Submission> submissions, Refusal refusal)
    {
        long now = Stopwatch.GetTimestamp();
        lock (telling)
        {
            foreach (Submission submission in submissions)
            {
                Answer(submission, Settlement.Of(refusal), now);
            }
        }
    }

    private void Answer(Submission submission, in Settlement settlement, long now)
    {
        CommandCounter kind = Counters.Settled(submission.Command.GetType(), settlement.Refusal, submission.MicrosecondsUntil(now));
        ExecutorInstruments.Settled(kind, settlement.Refusal, submission.MicrosecondsUntil(now));
        if (submission.Keyed is { } keyed)
        {
            Settled(keyed.Key);
        }

        submission.SetResult(settlement);
    }

    /// <summary>
    /// Now, to the millisecond, and never before the moment of an earlier batch. Only a clock that was set back by more than
    /// <see cref="Bounds.ClockMilliseconds"/> is followed: it was wrong before, and windows must not go on by what it said.
    /// </summary>
    private DateTimeOffset NextMoment()
    {
        DateTimeOffset now = clock.GetUtcNow();
        now = new DateTimeOffset(now.Ticks - (now.Ticks % TimeSpan.TicksPerMillisecond), TimeSpan.Zero);
        lock (telling)
        {
            TimeSpan back = lastMoment - now;
            if (back > TimeSpan.Zero)
            {
                if (back.TotalMilliseconds <= Bounds.ClockMilliseconds)
                {
                    return lastMoment;
                }

                Log.ClockSetBack(log, back);
            }

            return lastMoment = now;
        }
    }
}
