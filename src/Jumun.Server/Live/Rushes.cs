using Jumun.Coupons;
using Jumun.Products;
using Jumun.Server.Execution;

namespace Jumun.Server.Live;

/// <summary>What was left of a product or a coupon at a moment.</summary>
/// <param name="At">When.</param>
/// <param name="Left">What was left.</param>
/// <param name="Total">How many there are of a coupon; of a product what was left.</param>
internal readonly record struct RushMoment(DateTimeOffset At, long Left, long Total);

/// <summary>
/// Remembers how the products and coupons that changed last went, as this process settled it: for each the last seconds in which
/// something changed. So an operator who comes late sees the rush all the same, and the database is asked for nothing.
/// </summary>
internal sealed class Rushes
{
    private readonly Lock gate = new();
    private readonly Dictionary<(bool IsCoupon, long Id), LinkedListNode<Rush>> rushes = [];

    /// <summary>The same, that which changed last at the end.</summary>
    private readonly LinkedList<Rush> byAge = [];

    /// <param name="executor">Tells what it committed.</param>
    public Rushes(Executor executor) => executor.Committed += Note;

    /// <summary>The last seconds in which a coupon, or else a product, changed: oldest first, at most <see cref="Bounds.RushSeconds"/>.</summary>
    public IReadOnlyList<RushMoment> Of(bool isCoupon, long id)
    {
        lock (gate)
        {
            return rushes.TryGetValue((isCoupon, id), out LinkedListNode<Rush>? rush) ? [.. rush.Value.Moments] : [];
        }
    }

    /// <summary>On the executor's lane: looks at the rows that were written, and at no other.</summary>
    private void Note(WorkingSet rows)
    {
        DateTimeOffset now = rows.Now;
        lock (gate)
        {
            foreach (Coupon coupon in rows.Coupons.Written)
            {
                Rush rush = RushOf((true, coupon.CouponId));
                long left = coupon.Quantity - coupon.Issued;
                if (rush.Moments.Count == 0 && TakenOf(coupon, rows) is > 0 and int taken)
                {
                    // What there was before the first that this process gave away.
                    rush.Keep(new RushMoment(now.AddSeconds(-1), left + taken, coupon.Quantity));
                }

                rush.Keep(new RushMoment(now, left, coupon.Quantity));
            }

            foreach (Product product in rows.Products.Written)
            {
                RushOf((false, product.ProductId)).Keep(new RushMoment(now, product.Stock, product.Stock));
            }
        }
    }

    private static int TakenOf(Coupon coupon, WorkingSet rows) =>
        rows.IssuedCoupons.Written.Count(one => one.CouponId == coupon.CouponId && one.State == RowState.Added);

    private Rush RushOf((bool IsCoupon, long Id) key)
    {
        if (rushes.TryGetValue(key, out LinkedListNode<Rush>? rush))
        {
            byAge.Remove(rush);
        }
        else if (rushes.Count == Bounds.Rushes)
        {
            // The oldest one begins anew as this one: sales that are spread over thousands of products allocate nothing here.
            rush = byAge.First!;
            byAge.RemoveFirst();
            rushes.Remove(rush.Value.Key);
            rush.Value.Begin(key);
            rushes[key] = rush;
        }
        else
        {
            rushes[key] = rush = new LinkedListNode<Rush>(new Rush());
            rush.Value.Begin(key);
        }

        byAge.AddLast(rush);
        return rush.Value;
    }

    /// <summary>One product or coupon, a moment a second.</summary>
    private sealed class Rush
    {
        public (bool IsCoupon, long Id) Key { get; private set; }

        public List<RushMoment> Moments { get; } = [];

        public void Begin((bool IsCoupon, long Id) key)
        {
            Key = key;
            Moments.Clear();
        }

        public void Keep(RushMoment moment)
        {
            if (Moments.Count > 0 && Moments[^1].At.ToUnixTimeSeconds() == moment.At.ToUnixTimeSeconds())
            {
                Moments[^1] = moment;
                return;
            }

            if (Moments.Count == Bounds.RushSeconds)
            {
                Moments.RemoveAt(0);
            }

            Moments.Add(moment);
        }
    }
}
