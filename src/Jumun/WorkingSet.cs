using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun;

/// <summary>
/// All that one batch reads and writes: the rows that its commands declared, as the store holds them, locked or guarded
/// by a unique key, and what the decisions add. The store loads it, the commands change it, the store commits it.
/// </summary>
public sealed class WorkingSet
{
    /// <summary>An empty working set.</summary>
    public WorkingSet() => Keys = new Keys(this);

    /// <summary>The moment of the batch, in UTC to the millisecond: every command of it happens now.</summary>
    public DateTimeOffset Now { get; set; }

    /// <summary>Where commands declare what they need.</summary>
    public Keys Keys { get; }

    /// <summary>Products by id.</summary>
    public RowTable<long, Product> Products { get; } = new();

    /// <summary>Coupons by id.</summary>
    public RowTable<long, Coupon> Coupons { get; } = new();

    /// <summary>Issued coupons by member and coupon.</summary>
    public RowTable<(string MemberId, long CouponId), IssuedCoupon> IssuedCoupons { get; } = new();

    /// <summary>Orders by member and id. Load them before anything else: what they hold is declared as they come (<see cref="LoadOrder"/>).</summary>
    public RowTable<(string MemberId, Guid OrderId), Order> Orders { get; } = new();

    /// <summary>Wallets by member.</summary>
    public RowTable<string, Wallet> Wallets { get; } = new();

    /// <summary>Carts by member. The store hands over an empty one for a member without lines.</summary>
    public RowTable<string, MemberCart> Carts { get; } = new();

    /// <summary>Events of the outbox by id.</summary>
    public RowTable<Guid, OutboxRow> Outbox { get; } = new();

    /// <summary>The next free product number: null when none is asked for; the store sets it.</summary>
    public long? NextProductId { get; set; }

    /// <summary>The next free coupon number: null when none is asked for; the store sets it.</summary>
    public long? NextCouponId { get; set; }

    /// <summary>New orders, in order.</summary>
    public List<Order> NewOrders { get; } = [];

    /// <summary>New entries of the points ledger, in order.</summary>
    public List<NewLedgerEntry> Ledger { get; } = [];

    /// <summary>New entries of the stock ledger, in order.</summary>
    public List<StockChange> StockChanges { get; } = [];

    /// <summary>What is to be done to carts, in order.</summary>
    public List<CartEdit> CartEdits { get; } = [];

    /// <summary>New events, in order.</summary>
    public List<OrderEvent> Events { get; } = [];

    /// <summary>What to add to the sales counters, by product and hour.</summary>
    public Dictionary<(long ProductId, long Hour), SalesDelta> Sales { get; } = [];

    /// <summary>Events that the data platform has taken.</summary>
    public List<Delivery> Deliveries { get; } = [];

    /// <summary>Idempotency keys stored before this moment are to be forgotten.</summary>
    public DateTimeOffset? ForgetKeysBefore { get; internal set; }

    /// <summary>
    /// Events that were committed before this moment may be gone, once they are forgotten: null when none is. The store
    /// remembers the latest of these moments.
    /// </summary>
    public DateTimeOffset? EventsForgottenBefore { get; private set; }

    /// <summary>Orders of which the products are needed too: a store that locks rows reads those first.</summary>
    public HashSet<Guid> OrdersWithStock { get; } = [];

    /// <summary>Hands over an order that the store holds, and declares the coupon and the products that go with it.</summary>
    public void LoadOrder(Order order)
    {
        Orders.Load((order.MemberId, order.OrderId), order);
        if (order.CouponId is { } couponId)
        {
            Keys.IssuedCoupon(order.MemberId, couponId);
        }

        if (OrdersWithStock.Contains(order.OrderId))
        {
            foreach (OrderLine line in order.Lines)
            {
                Keys.Product(line.ProductId);
            }
        }
    }

    /// <summary>Whether there is anything to commit.</summary>
    public bool HasChanges =>
        NewOrders.Count > 0 || Ledger.Count > 0 || StockChanges.Count > 0 || CartEdits.Count > 0 || Events.Count > 0
        || Sales.Count > 0 || Deliveries.Count > 0 || ForgetKeysBefore is not null
        || Products.Written.Any() || Coupons.Written.Any() || IssuedCoupons.Written.Any()
        || Orders.Written.Any() || Wallets.Written.Any() || Outbox.Written.Any();

    /// <summary>Empties the set for the next batch.</summary>
    public void Clear()
    {
        Products.Clear();
        Coupons.Clear();
        IssuedCoupons.Clear();
        Orders.Clear();
        Wallets.Clear();
        Carts.Clear();
        Outbox.Clear();
        NextProductId = null;
        NextCouponId = null;
        NewOrders.Clear();
        Ledger.Clear();
        StockChanges.Clear();
        CartEdits.Clear();
        Events.Clear();
        Sales.Clear();
        Deliveries.Clear();
        ForgetKeysBefore = null;
        EventsForgottenBefore = null;
        OrdersWithStock.Clear();
    }

    internal Wallet WalletOf(string memberId)
    {
        Wallet? wallet = Wallets.Find(memberId);
        if (wallet is null)
        {
            wallet = new Wallet(memberId, balance: 0, entries: 0, events: 0);
            Wallets.Add(memberId, wallet);
        }

        return wallet;
    }

    internal void EditCart(CartEdit edit)
    {
        CartEdits.Add(edit);
        if (Carts.FindIfDeclared(edit.MemberId) is not { } cart)
        {
            return;
        }

        // A later command of this batch counts the lines as this one leaves them.
        if (edit.ProductId is not { } productId)
        {
            cart.Clear();
        }
        else if (edit.Quantity is { } quantity)
        {
            cart.Put(productId, quantity);
        }
        else
        {
            cart.Remove(productId);
        }
    }

    internal void ForgetEventsUntil(DateTimeOffset createdAt)
    {
        // Times are whole milliseconds: the next one is the first that stays.
        DateTimeOffset before = createdAt.AddMilliseconds(1);
        EventsForgottenBefore = EventsForgottenBefore > before ? EventsForgottenBefore : before;
    }

    internal void AddSales(long productId, long hour, long quantity, long amount)
    {
        SalesDelta before = Sales.GetValueOrDefault((productId, hour));
        Sales[(productId, hour)] = new SalesDelta(before.Quantity + quantity, before.Amount + amount);
    }
}
