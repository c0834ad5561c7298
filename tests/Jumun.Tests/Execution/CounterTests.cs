using System.Collections.Concurrent;
using System.Diagnostics;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Execution;

/// <summary>What the executor counts, times and traces.</summary>
public sealed class CounterTests : IAsyncLifetime
{
    private readonly TemporaryFolder folder = new();
    private SqliteStore store = null!;
    private Executor executor = null!;

    public ValueTask InitializeAsync()
    {
        store = SqliteStore.Open(Path.Combine(folder.FullName, "jumun.db"));
        executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await executor.DisposeAsync();
        await store.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Commands_are_counted_by_kind_and_outcome_and_timed()
    {
        await executor.SubmitAsync(new ChargePoints("m", 1));
        await executor.SubmitAsync(new ChargePoints("m", 2));
        await executor.SubmitAsync(new ChangeProduct(1, "mug", null, null));
        Assert.Equal(["charge_points", "change_product"], executor.Counters.Kinds.Select(kind => kind.Name));
        Assert.Equal([(2, 0), (0, 1)], executor.Counters.Kinds.Select(kind => ((int)kind.Done, (int)kind.Refused)));
        Assert.Equal(1, executor.Counters.Kinds[1].RefusedWith(RefusalCode.ProductNotFound));
        long[] durations = new long[DurationBuckets.Count];
        executor.Counters.CopyDurations(durations);
        Assert.Equal(3, durations.Sum());
        Assert.InRange(DurationBuckets.Quantile(durations, 1)!.Value, 0.001, 60_000);
    }

    [Fact]
    public async Task Counting_takes_no_memory_when_nobody_listens()
    {
        var refusal = new Refusal(RefusalCode.CouponSoldOut);

        // The instruments are the process's, and another test may listen to them just now: counted until one try took nothing. What
        // counting itself takes, it would take in each, with counters of its own.
        await TestShop.UntilAsync(
            () =>
            {
                var counters = new ExecutorCounters();
                Count(counters, 10);
                long before = GC.GetAllocatedBytesForCurrentThread();
                Count(counters, 10_000);
                return Task.FromResult(GC.GetAllocatedBytesForCurrentThread() == before);
            },
            seconds: 30);

        void Count(ExecutorCounters counters, int times)
        {
            for (int i = 0; i < times; i++)
            {
                CommandCounter kind = counters.Settled(i % 2 == 0 ? typeof(ChargePoints) : typeof(ChangeProduct), i % 3 == 0 ? refusal : null, (uint)i);
                ExecutorInstruments.Settled(kind, refusal, (uint)i);
                ExecutorInstruments.Settled(512, TimeSpan.FromMilliseconds(1));
            }
        }
    }

    [Theory]
    [InlineData(new uint[0], 0.5, null)]
    [InlineData(new uint[] { 5 }, 0.5, 0.006)]
    [InlineData(new uint[] { 1_000, 1_000, 1_000, 50_000 }, 0.5, 1.0)]
    [InlineData(new uint[] { 1_000, 1_000, 1_000, 50_000 }, 0.99, 50.0)]
    [InlineData(new uint[] { 4_294_967_295 }, 0.99, 4_294_967.0)]
    public void A_quantile_is_right_to_an_eighth(uint[] microseconds, double share, double? expected)
    {
        long[] counts = new long[DurationBuckets.Count];
        foreach (uint one in microseconds)
        {
            counts[DurationBuckets.Of(one)] += 1;
        }

        double? quantile = DurationBuckets.Quantile(counts, share);
        Assert.Equal(expected is null, quantile is null);
        Assert.InRange(quantile ?? 0, (expected ?? 0) * 0.999, (expected ?? 0) * 1.13);
    }

    [Fact]
    public void Buckets_grow_with_the_durations_and_none_is_left_out()
    {
        int last = -1;
        for (ulong duration = 0; duration <= uint.MaxValue; duration += Math.Max(1, duration / 16))
        {
            int bucket = DurationBuckets.Of((uint)duration);
            Assert.InRange(bucket, last, last + 1);
            last = bucket;
        }

        Assert.Equal(DurationBuckets.Count - 1, DurationBuckets.Of(uint.MaxValue));
    }

    [Fact]
    public async Task A_batch_is_traced_under_its_first_request_and_linked_with_the_others()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var source = new ActivitySource($"requests of {folder.FullName}");
        using var listener = new ActivityListener
        {
            ShouldListenTo = one => one.Name == Executor.SourceName || one == source,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        var requests = new ConcurrentDictionary<ActivitySpanId, Activity>();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async member =>
        {
            using Activity request = source.StartActivity("request")!;
            requests[request.SpanId] = request;
            await executor.SubmitAsync(new ChargePoints($"member-{member}", 1));
        }));

        await TestShop.UntilAsync(() => Task.FromResult(Mine().Sum(batch => (int)batch.GetTagItem("jumun.batch.size")!) == 200));
        Assert.Contains(Mine(), batch => batch.Links.Any());
        foreach (Activity batch in Mine())
        {
            Assert.Equal(requests[batch.ParentSpanId].TraceId, batch.TraceId);
            Assert.All(batch.Links, link => Assert.Contains(
                requests[link.Context.SpanId].Links, back => back.Context.SpanId == batch.SpanId));
            Assert.Equal(["load", "commit"], spans.Where(span => span.ParentSpanId == batch.SpanId).Select(span => span.OperationName));
        }

        IEnumerable<Activity> Mine() => spans.Where(span => span.OperationName == "settle batch" && requests.ContainsKey(span.ParentSpanId));
    }

    [Fact]
    public async Task The_pulse_tells_what_was_gained_in_a_second_and_asks_the_store_only_for_those_who_watch()
    {
        using var pulse = new Pulse(executor, store, TimeProvider.System, NullLogger<Pulse>.Instance);
        await pulse.StartAsync(TestContext.Current.CancellationToken);
        await TestShop.UntilAsync(() => Task.FromResult(pulse.Minute.Count > 0));
        await executor.SubmitAsync(new ChargePoints("m", 1));
        await executor.SubmitAsync(new ChangeProduct(1, "mug", null, null));
        await TestShop.UntilAsync(() => Task.FromResult(pulse.Minute.Any(beat => beat.Refused > 0)));
        Assert.InRange(pulse.Minute.Sum(beat => beat.Done), 0.5, 1.5);
        Assert.InRange(pulse.Minute.Sum(beat => beat.Refusals.GetValueOrDefault(RefusalCode.ProductNotFound)), 0.5, 1.5);
        Assert.NotNull(pulse.Minute.First(beat => beat.Done > 0).Slowest);
        Assert.All(pulse.Minute, beat => Assert.Null(beat.LagSeconds));
        Assert.Null(pulse.Health);

        int beats = 0;
        using (pulse.Watch(() => Interlocked.Increment(ref beats)))
        {
            await TestShop.UntilAsync(() => Task.FromResult(pulse.Health is not null && beats > 1));
            Assert.Null(pulse.Health!.Problem);
            Assert.Equal(new OutboxBacklog(0, 0, null), pulse.Backlog);
        }

        Assert.Null(pulse.Health);
        await TestShop.UntilAsync(() => Task.FromResult(pulse.Backlog is null));
        await pulse.StopAsync(TestContext.Current.CancellationToken);
    }
}
