using Jumun.Ranking;
using Jumun.Server;
using Jumun.Server.Api;

namespace Jumun.Tests.Http;

/// <summary>How often the store is asked for the top products. A read takes a second, and the clock stands still otherwise.</summary>
public sealed class TopProductsCacheTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly ManualClock clock = new();
    private readonly TopProductsCache top;
    private TimeSpan takes = Second;
    private int reads;

    public TopProductsCacheTests() => top = new TopProductsCache(ReadAsync, clock);

    [Fact]
    public async Task Whatever_windows_are_asked_for_the_reader_rests_between_reads_and_an_old_list_is_given_meanwhile()
    {
        TopProducts first = await top.ReadAsync(3, 5);
        Task<TopProducts>[] others = [.. Enumerable.Range(4, 27).Select(days => top.ReadAsync(days, 5).AsTask())];
        for (int read = 1; read <= 10; read++)
        {
            await HasReadAsync(read);
            if (read < 10)
            {
                clock.Pass(Second);
            }
        }

        // Nineteen seconds old, and a round through the ten lists that are known takes twenty.
        for (int i = 0; i < 3; i++)
        {
            ValueTask<TopProducts> old = top.ReadAsync(3, 5);
            Assert.True(old.IsCompletedSuccessfully);
            Assert.Same(first, await old);
        }

        // It is read anew all the same, once, behind the others.
        for (int read = 11; read <= 29; read++)
        {
            clock.Pass(Second);
            await HasReadAsync(read);
        }

        await Task.WhenAll(others);
        clock.Pass(Second);
        Assert.Equal(29, reads);
    }

    [Fact]
    public async Task A_list_that_is_older_than_a_round_is_not_given_also_when_another_is_read()
    {
        TopProducts first = await top.ReadAsync(3, 5);
        await HasReadAsync(1);
        clock.Pass(TimeSpan.FromHours(1));
        await top.ReadAsync(4, 5);
        await HasReadAsync(2);
        Task<TopProducts> late = top.ReadAsync(3, 5).AsTask();
        Assert.False(late.IsCompleted);
        clock.Pass(Second);
        await HasReadAsync(3);
        Assert.Equal(first.Until.AddHours(1), (await late).Until);
    }

    [Fact]
    public async Task When_nothing_else_is_read_an_old_list_is_read_anew_for_whoever_asks()
    {
        takes = TimeSpan.Zero;
        TopProducts first = await top.ReadAsync(3, 5);
        clock.Pass(TimeSpan.FromMilliseconds(Bounds.TopProductsAgeMilliseconds - 1));
        Assert.Same(first, await top.ReadAsync(3, 5));
        Assert.Equal(1, reads);
        clock.Pass(TimeSpan.FromMilliseconds(1));
        Assert.NotSame(first, await top.ReadAsync(3, 5));
        Assert.Equal(2, reads);
    }

    [Fact]
    public async Task A_read_that_fails_is_told_and_the_next_one_follows_at_once()
    {
        var failing = new TopProductsCache((_, _) => throw new InvalidOperationException($"read {++reads}"), clock);
        for (int read = 1; read <= 3; read++)
        {
            var error = await Assert.ThrowsAsync<InvalidOperationException>(() => failing.ReadAsync(3, 5).AsTask());
            Assert.Equal($"read {read}", error.Message);
        }
    }

    private ValueTask<List<TopProduct>> ReadAsync(SalesWindow window, int limit)
    {
        clock.Pass(takes);
        Interlocked.Increment(ref reads);
        return new([]);
    }

    /// <summary>So many reads are over, and the reader rests.</summary>
    private Task HasReadAsync(int count) => TestShop.UntilAsync(() => Task.FromResult(Volatile.Read(ref reads) == count && clock.Waiting == 1));

    /// <summary>A clock, and timers of one shot, that go on when time is let pass.</summary>
    private sealed class ManualClock : TimeProvider
    {
        private readonly Lock gate = new();
        private readonly List<Shot> shots = [];
        private DateTimeOffset now = new(2026, 3, 2, 12, 0, 0, TimeSpan.Zero);

        public int Waiting
        {
            get
            {
                lock (gate)
                {
                    return shots.Count;
                }
            }
        }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Pass(TimeSpan time)
        {
            List<Shot> due;
            lock (gate)
            {
                now += time;
                due = shots.FindAll(shot => shot.At <= now);
                shots.RemoveAll(due.Contains);
            }

            due.ForEach(shot => shot.Fire());
        }

        public override DateTimeOffset GetUtcNow()
        {
            lock (gate)
            {
                return now;
            }
        }

        public override long GetTimestamp() => GetUtcNow().Ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            lock (gate)
            {
                var shot = new Shot(now + dueTime, () => callback(state));
                shots.Add(shot);
                return shot;
            }
        }

        private sealed record Shot(DateTimeOffset At, Action Fire) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
