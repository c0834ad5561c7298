using Jumun.Points;
using Jumun.Products;
using Jumun.Server.Stores;

namespace Jumun.Tests.Stores;

/// <summary>Point reads that are answered together: by one query that begins after the last of them came.</summary>
public sealed class PointReadsTests
{
    private readonly Queue<Query> queries = new();
    private readonly SemaphoreSlim sent = new(0);
    private readonly PointReads reads;

    public PointReadsTests() => reads = new PointReads(SendAsync);

    [Fact]
    public async Task Reads_that_come_while_a_query_runs_wait_for_the_next_and_share_it()
    {
        Task<ProductView?> first = reads.ProductAsync(1).AsTask();
        Query one = await NextAsync();
        Task<ProductView?>[] later = [.. Enumerable.Range(0, 10).Select(_ => reads.ProductAsync(1).AsTask())];
        Task<PointsView> balance = reads.PointsAsync("m").AsTask();
        Assert.Equal([1], one.Products);
        Assert.Empty(one.Members);

        one.Answer(stock: 5);
        Assert.Equal(5, (await first)!.Stock);
        Query two = await NextAsync();
        Assert.Equal([1], two.Products);
        Assert.Equal(["m"], two.Members);
        Assert.All(later, task => Assert.False(task.IsCompleted));

        two.Answer(stock: 4);
        Assert.All(await Task.WhenAll(later), product => Assert.Equal(4, product!.Stock));
        Assert.Equal(new PointsView("m", 0), await balance);
        Assert.Empty(queries);
    }

    [Fact]
    public async Task What_is_not_handed_over_is_not_there()
    {
        Task<ProductView?> product = reads.ProductAsync(1).AsTask();
        (await NextAsync()).Answer(stock: null);
        Assert.Null(await product);

        var coupon = reads.CouponAsync(2).AsTask();
        (await NextAsync()).Answer(stock: null);
        Assert.Null(await coupon);
    }

    [Fact]
    public async Task A_query_that_fails_fails_for_those_who_waited_for_it_and_for_nobody_else()
    {
        Task<ProductView?> first = reads.ProductAsync(1).AsTask();
        Query one = await NextAsync();
        Task<ProductView?> second = reads.ProductAsync(1).AsTask();
        one.Done.SetException(new StoreUnavailableException(RequestOutcome.None, null));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => first);

        (await NextAsync()).Answer(stock: 3);
        Assert.Equal(3, (await second)!.Stock);
    }

    [Fact]
    public async Task Whoever_came_first_is_answered_although_others_never_stop_to_ask()
    {
        // A store that answers on the thread that asks, and somebody who comes during each query.
        bool isEnough = false;
        PointReads busy = null!;
        busy = new PointReads(round =>
        {
            if (!Volatile.Read(ref isEnough))
            {
                _ = busy.ProductAsync(2);
            }

            return ValueTask.CompletedTask;
        });
        try
        {
            Task first = Task.Run(async () => await busy.ProductAsync(1), TestContext.Current.CancellationToken);
            await first.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        }
        finally
        {
            Volatile.Write(ref isEnough, true);
        }
    }

    private async Task<Query> NextAsync()
    {
        Assert.True(await sent.WaitAsync(TimeSpan.FromSeconds(10)), "No query was sent.");
        return queries.Dequeue();
    }

    private async ValueTask SendAsync(PointRound round)
    {
        var query = new Query(round);
        queries.Enqueue(query);
        sent.Release();
        await query.Done.Task;
        if (query.Stock is { } stock)
        {
            foreach (long productId in round.Products)
            {
                round.Found(new ProductView(productId, "mug", 1, stock, true));
            }
        }
    }

    private sealed class Query(PointRound round)
    {
        public List<long> Products { get; } = [.. round.Products];

        public List<string> Members { get; } = [.. round.Members];

        public TaskCompletionSource Done { get; } = new();

        public long? Stock { get; private set; }

        public void Answer(long? stock)
        {
            Stock = stock;
            Done.SetResult();
        }
    }
}
