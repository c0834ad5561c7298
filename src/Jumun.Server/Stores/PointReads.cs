using Jumun.Coupons;
using Jumun.Points;
using Jumun.Products;

namespace Jumun.Server.Stores;

/// <summary>The rows that one query is to read, and who waits for each. Rows that are not handed over are not there.</summary>
internal sealed class PointRound
{
    private readonly Dictionary<long, Waiting<ProductView?>> products = [];
    private readonly Dictionary<long, Waiting<CouponView?>> coupons = [];
    private readonly Dictionary<string, Waiting<PointsView>> points = [];

    /// <summary>Products to read.</summary>
    public IReadOnlyCollection<long> Products => products.Keys;

    /// <summary>Coupons to read.</summary>
    public IReadOnlyCollection<long> Coupons => coupons.Keys;

    /// <summary>Members whose balances are to be read.</summary>
    public IReadOnlyCollection<string> Members => points.Keys;

    /// <summary>Hands over a product.</summary>
    public void Found(ProductView product) => products[product.ProductId].Value = product;

    /// <summary>Hands over a coupon.</summary>
    public void Found(CouponView coupon) => coupons[coupon.CouponId].Value = coupon;

    /// <summary>Hands over a balance.</summary>
    public void Found(PointsView balance) => points[balance.MemberId].Value = balance;

    internal Task<ProductView?> Product(long productId) => Wait(products, productId, null);

    internal Task<CouponView?> Coupon(long couponId) => Wait(coupons, couponId, null);

    internal Task<PointsView> Points(string memberId) => Wait(points, memberId, new PointsView(memberId, 0));

    internal bool IsEmpty => products.Count + coupons.Count + points.Count == 0;

    /// <summary>Answers everybody who waits.</summary>
    internal void Complete(Exception? error)
    {
        Complete(products, error);
        Complete(coupons, error);
        Complete(points, error);
    }

    internal void Clear()
    {
        products.Clear();
        coupons.Clear();
        points.Clear();
    }

    private static Task<TRow> Wait<TKey, TRow>(Dictionary<TKey, Waiting<TRow>> rows, TKey key, TRow absent)
        where TKey : notnull
    {
        if (!rows.TryGetValue(key, out Waiting<TRow>? waiting))
        {
            rows.Add(key, waiting = new Waiting<TRow>(absent));
        }

        return waiting.Task;
    }

    private static void Complete<TKey, TRow>(Dictionary<TKey, Waiting<TRow>> rows, Exception? error)
        where TKey : notnull
    {
        foreach (Waiting<TRow> waiting in rows.Values)
        {
            if (error is null)
            {
                waiting.SetResult(waiting.Value);
            }
            else
            {
                waiting.SetException(error);
            }
        }
    }

    /// <summary>Everybody who waits for one row.</summary>
    private sealed class Waiting<TRow>(TRow absent) : TaskCompletionSource<TRow>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public TRow Value { get; set; } = absent;
    }
}

/// <summary>
/// Answers the point reads (a product, a coupon, a balance) that arrive together by one query. They stay exact: the list of
/// what to read is closed before the query is sent, so the query begins after the last of its readers arrived and sees every
/// commit that was acknowledged before; whoever comes later waits for the next one. One query runs at a time, and the next
/// gathers meanwhile: the more is asked, the less a read costs.
/// </summary>
/// <param name="query">Reads a round, each row as it is in a snapshot begun now.</param>
internal sealed class PointReads(Func<PointRound, ValueTask> query)
{
    private const int RoundsOfACaller = 8;

    private readonly Lock gate = new();
    private PointRound gathering = new();
    private PointRound resting = new();
    private bool running;

    public ValueTask<ProductView?> ProductAsync(long productId) =>
        Join(productId, static (round, productId) => round.Product(productId));

    public ValueTask<CouponView?> CouponAsync(long couponId) =>
        Join(couponId, static (round, couponId) => round.Coupon(couponId));

    public ValueTask<PointsView> PointsAsync(string memberId) =>
        Join(memberId, static (round, memberId) => round.Points(memberId));

    private ValueTask<TRow> Join<TKey, TRow>(TKey key, Func<PointRound, TKey, Task<TRow>> join)
    {
        Task<TRow> row;
        bool starts;
        lock (gate)
        {
            row = join(gathering, key);
            starts = !running;
            running = true;
        }

        if (starts)
        {
            _ = RunAsync();
        }

        return new ValueTask<TRow>(row);
    }

    /// <summary>
    /// Runs rounds until nobody waits, the first ones on the thread of whoever began and the others elsewhere: an embedded store
    /// answers on the thread that asks, and a busy one is never done. What fails is told to those who wait.
    /// </summary>
    private async Task RunAsync()
    {
        for (int rounds = 0; ; rounds++)
        {
            PointRound round;
            lock (gate)
            {
                if (gathering.IsEmpty)
                {
                    running = false;
                    return;
                }

                round = gathering;
                gathering = resting;
            }

            if (rounds == RoundsOfACaller)
            {
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }

            Exception? failure = null;
            try
            {
                await query(round).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                failure = error;
            }

            round.Complete(failure);
            round.Clear();
            resting = round;
        }
    }
}
