using System.Collections.Concurrent;
using System.Text.Json.Serialization.Metadata;
using Jumun.Coupons;
using Jumun.Products;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;

namespace Jumun.Server.Live;

/// <summary>
/// Who watches what. Members watch products and coupons, each member a few and all together a bounded number; each row
/// has one reader (<see cref="Watched{T}"/>) while it is watched and none otherwise.
/// </summary>
internal sealed class LiveHub
{
    private static readonly Refusal TooMany = Refusal.RateLimited(retryAfterSeconds: 2);
    private static readonly Refusal Full = Refusal.Unavailable(RequestOutcome.None, retryAfterSeconds: 5);

    private readonly Lock gate = new();
    private readonly Dictionary<string, int> streamsOfMembers = [];
    private readonly CancellationTokenSource stop = new();
    private int streams;
    private long reads;

    public LiveHub(Executor executor, IStore store, TimeProvider clock)
    {
        Products = new LiveRows<ProductView>(Counted(store.ProductAsync), ApiJson.Default.ProductView, clock);
        Coupons = new LiveRows<CouponView>(Counted(store.CouponAsync), ApiJson.Default.CouponView, clock);
        executor.Committed += Touch;
    }

    /// <summary>The products that are watched.</summary>
    public LiveRows<ProductView> Products { get; }

    /// <summary>The coupons that are watched.</summary>
    public LiveRows<CouponView> Coupons { get; }

    /// <summary>Streams that are open.</summary>
    public int Streams => Volatile.Read(ref streams);

    /// <summary>Reads of the store since the start.</summary>
    public long Reads => Volatile.Read(ref reads);

    /// <summary>Cancelled when the server stops.</summary>
    public CancellationToken Stopping => stop.Token;

    /// <summary>Opens a stream of a member: null, or why not. Whoever opened one closes it.</summary>
    public Refusal? Open(string memberId)
    {
        lock (gate)
        {
            int own = streamsOfMembers.GetValueOrDefault(memberId);
            if (own == Bounds.LiveStreamsOfMember)
            {
                return TooMany;
            }

            if (streams == Bounds.LiveStreams || stop.IsCancellationRequested)
            {
                return Full;
            }

            streamsOfMembers[memberId] = own + 1;
            streams += 1;
            return null;
        }
    }

    /// <summary>Closes a stream of a member.</summary>
    public void Close(string memberId)
    {
        lock (gate)
        {
            streams -= 1;
            if (--streamsOfMembers[memberId] == 0)
            {
                streamsOfMembers.Remove(memberId);
            }
        }
    }

    /// <summary>Ends every stream: the server stops and waits for none of them.</summary>
    public void Stop()
    {
        // Who has taken what was sent goes by itself; who has not is cut off.
        Products.End();
        Coupons.End();
        stop.Cancel();
    }

    /// <summary>On the executor's lane: only signals, and looks at nothing while nobody watches.</summary>
    private void Touch(WorkingSet rows)
    {
        if (Streams == 0)
        {
            return;
        }

        foreach (Product product in rows.Products.Written)
        {
            Products.Touch(product.ProductId);
        }

        foreach (Coupon coupon in rows.Coupons.Written)
        {
            Coupons.Touch(coupon.CouponId);
        }
    }

    private Func<long, ValueTask<T?>> Counted<T>(Func<long, ValueTask<T?>> read) => id =>
    {
        Interlocked.Increment(ref reads);
        return read(id);
    };
}

/// <summary>The rows of one table that are watched.</summary>
/// <param name="read">Reads one as it is now.</param>
/// <param name="json">How one is written.</param>
/// <param name="clock">Measures pauses.</param>
internal sealed class LiveRows<T>(Func<long, ValueTask<T?>> read, JsonTypeInfo<T> json, TimeProvider clock)
    where T : class
{
    private readonly Lock gate = new();
    private readonly ConcurrentDictionary<long, Watched<T>> rows = new();
    private bool isEnded;

    /// <summary>Begins to watch a row. Whoever joined leaves.</summary>
    public Watched<T> Join(long id)
    {
        lock (gate)
        {
            if (!rows.TryGetValue(id, out Watched<T>? watched))
            {
                rows[id] = watched = new Watched<T>(() => read(id), json, clock);
                if (isEnded)
                {
                    watched.End();
                }
            }

            watched.Watchers += 1;
            return watched;
        }
    }

    /// <summary>Watches a row no longer; the last one ends its reader.</summary>
    public void Leave(long id)
    {
        lock (gate)
        {
            Watched<T> watched = rows[id];
            watched.Watchers -= 1;
            if (watched.Watchers == 0)
            {
                rows.TryRemove(id, out _);
                watched.End();
            }
        }
    }

    /// <summary>A commit touched a row.</summary>
    public void Touch(long id)
    {
        if (rows.TryGetValue(id, out Watched<T>? watched))
        {
            watched.Touch();
        }
    }

    /// <summary>Lets everybody go, also those who come later.</summary>
    public void End()
    {
        lock (gate)
        {
            isEnded = true;
            foreach (Watched<T> watched in rows.Values)
            {
                watched.End();
            }
        }
    }
}
