using System.Text.Json;
using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Tests.Decisions;

/// <summary>
/// What the shop holds, in memory, and batches that are settled on it as the executor does: every command declares,
/// what they declared is loaded (orders first), each is decided, the changes are kept.
/// </summary>
internal sealed class Scene
{
    /// <summary>When most scenes play: the first moment of an hour.</summary>
    public static readonly DateTimeOffset Noon = new(2026, 3, 2, 12, 0, 0, TimeSpan.Zero);

    public static readonly TimeSpan PaymentWindow = TimeSpan.FromMinutes(10);
    public static readonly TimeSpan RefundWindow = TimeSpan.FromDays(7);

    private readonly List<Row> loaded = [];

    public DateTimeOffset Now { get; set; } = Noon;

    public Dictionary<long, Product> Products { get; } = [];

    public Dictionary<long, Coupon> Coupons { get; } = [];

    public Dictionary<(string MemberId, long CouponId), IssuedCoupon> IssuedCoupons { get; } = [];

    public Dictionary<(string MemberId, Guid OrderId), Order> Orders { get; } = [];

    public Dictionary<string, Wallet> Wallets { get; } = [];

    public Dictionary<string, SortedDictionary<long, long>> Carts { get; } = [];

    public Dictionary<Guid, OutboxState> Outbox { get; } = [];

    /// <summary>When the delivery of events first failed.</summary>
    public Dictionary<Guid, DateTimeOffset?> FailedAt { get; } = [];

    /// <summary>When events were committed; those of which nothing is said, at noon.</summary>
    public Dictionary<Guid, DateTimeOffset> EventsCreatedAt { get; } = [];

    public Dictionary<(long ProductId, long Hour), SalesDelta> Sales { get; } = [];

    public List<NewLedgerEntry> Ledger { get; } = [];

    public List<StockChange> StockChanges { get; } = [];

    /// <summary>An order's id, the same for the same number.</summary>
    public static Guid OrderId(int number) => Ids.ToOrderId(new Guid($"01957c00-0000-7000-8000-{number * 4:x12}"));

    public static OrderLine Line(long productId, long price = 1_000, long quantity = 1) => new(productId, "mug", price, quantity);

    public Scene WithProduct(long productId, long price = 1_000, long stock = 10, bool onSale = true, string name = "mug")
    {
        Products[productId] = new Product(productId, name, price, stock, onSale);
        return this;
    }

    /// <summary>A coupon that is issued for a day around noon, and usable for one day more.</summary>
    public Scene WithCoupon(
        long couponId,
        Discount? discount = null,
        long minimum = 0,
        long quantity = 10,
        long issued = 0,
        DateTimeOffset? issueFrom = null,
        DateTimeOffset? issueUntil = null,
        DateTimeOffset? usableUntil = null)
    {
        Coupons[couponId] = new Coupon(
            couponId, "coupon", discount ?? new Discount(DiscountKind.Amount, 100, null), minimum, quantity, issued,
            issueFrom ?? Noon.AddHours(-12), issueUntil ?? Noon.AddHours(12), usableUntil ?? Noon.AddHours(36));
        return this;
    }

    public Scene WithIssued(
        string memberId, long couponId, IssuedCouponStatus status = IssuedCouponStatus.Available, Guid? orderId = null, long number = 1)
    {
        IssuedCoupons[(memberId, couponId)] = new IssuedCoupon(memberId, couponId, number, status, orderId, Noon.AddHours(-1));
        return this;
    }

    public Scene WithWallet(string memberId, long balance, long entries = 0, long events = 0)
    {
        Wallets[memberId] = new Wallet(memberId, balance, entries, events);
        return this;
    }

    public Scene WithCart(string memberId, params IEnumerable<long> productIds)
    {
        Carts[memberId] = new SortedDictionary<long, long>(productIds.ToDictionary(id => id, _ => 1L));
        return this;
    }

    /// <summary>An order made at noon. Completed and refunded ones were paid at noon too.</summary>
    public Scene WithOrder(
        string memberId,
        Guid orderId,
        OrderStatus status = OrderStatus.PendingPayment,
        IReadOnlyList<OrderLine>? lines = null,
        long discount = 0,
        long? couponId = null,
        DateTimeOffset? paidAt = null)
    {
        lines ??= [Line(1)];
        bool isPaid = status is OrderStatus.Completed or OrderStatus.Refunded;
        bool isEnded = status is OrderStatus.Expired or OrderStatus.Cancelled or OrderStatus.Refunded;
        Orders[(memberId, orderId)] = new Order(
            memberId, orderId, status, lines, lines.Sum(line => line.Price * line.Quantity), discount, couponId, Noon,
            Noon + PaymentWindow, isPaid ? paidAt ?? Noon : null, isEnded ? Noon.AddMinutes(1) : null);
        return this;
    }

    public Scene WithEvent(Guid eventId, OutboxState state, DateTimeOffset? failedAt = null, DateTimeOffset? createdAt = null)
    {
        Outbox[eventId] = state;
        FailedAt[eventId] = failedAt;
        EventsCreatedAt[eventId] = createdAt ?? Noon;
        return this;
    }

    public Scene At(DateTimeOffset now)
    {
        Now = now;
        return this;
    }

    /// <summary>Settles one batch and keeps what it changed.</summary>
    public Batch Settle(params Command[] commands)
    {
        WorkingSet rows = Load(commands);
        Decision[] decisions = [.. commands.Select(command => command.Decide(rows))];
        Keep(rows);
        return new Batch(rows, decisions);
    }

    /// <summary>Settles one command, which is carried out.</summary>
    public T Done<T>(Command command)
        where T : Answer =>
        Settle(command).Answer<T>(0);

    /// <summary>Settles one command, which is refused and changes nothing.</summary>
    public Refusal Refused(Command command)
    {
        WorkingSet rows = Load([command]);
        string before = Picture();

        Decision decision = command.Decide(rows);

        Assert.Null(decision.Answer);
        Assert.NotNull(decision.Refusal);
        Assert.False(rows.HasChanges);
        Assert.Equal(before, Picture());
        return decision.Refusal;
    }

    private string Picture() => string.Join('\n', loaded.Select(row => JsonSerializer.Serialize(row, row.GetType())));

    private WorkingSet Load(Command[] commands)
    {
        var rows = new WorkingSet { Now = Now };
        foreach (Command command in commands)
        {
            command.Declare(rows.Keys);
        }

        loaded.Clear();
        foreach ((string, Guid) key in rows.Orders.Keys)
        {
            if (Orders.TryGetValue(key, out Order? order))
            {
                rows.LoadOrder(Loaded(Copy(order)));
            }
        }

        Fill(rows.Products, Products, Copy);
        Fill(rows.Coupons, Coupons, Copy);
        Fill(rows.IssuedCoupons, IssuedCoupons, Copy);
        Fill(rows.Wallets, Wallets, Copy);
        foreach (string memberId in rows.Carts.Keys)
        {
            var cart = new MemberCart();
            foreach ((long productId, long quantity) in CartOf(memberId))
            {
                cart.Put(productId, quantity);
            }

            rows.Carts.Load(memberId, Loaded(cart));
        }

        foreach (Guid eventId in rows.Outbox.Keys)
        {
            if (Outbox.TryGetValue(eventId, out OutboxState state))
            {
                DateTimeOffset createdAt = EventsCreatedAt.GetValueOrDefault(eventId, Noon);
                rows.Outbox.Load(eventId, Loaded(new OutboxRow(eventId, createdAt, state, FailedAt.GetValueOrDefault(eventId))));
            }
        }

        rows.NextProductId = rows.NextProductId is null ? null : Products.Keys.DefaultIfEmpty().Max() + 1;
        rows.NextCouponId = rows.NextCouponId is null ? null : Coupons.Keys.DefaultIfEmpty().Max() + 1;
        return rows;
    }

    private void Fill<TKey, TRow>(RowTable<TKey, TRow> table, Dictionary<TKey, TRow> held, Func<TRow, TRow> copy)
        where TKey : notnull
        where TRow : Row
    {
        foreach (TKey key in table.Keys)
        {
            if (held.TryGetValue(key, out TRow? row))
            {
                table.Load(key, Loaded(copy(row)));
            }
        }
    }

    private TRow Loaded<TRow>(TRow row)
        where TRow : Row
    {
        loaded.Add(row);
        return row;
    }

    private void Keep(WorkingSet rows)
    {
        foreach (Product row in rows.Products.Written)
        {
            Products[row.ProductId] = Copy(row);
        }

        foreach (Coupon row in rows.Coupons.Written)
        {
            Coupons[row.CouponId] = Copy(row);
        }

        foreach (IssuedCoupon row in rows.IssuedCoupons.Written)
        {
            IssuedCoupons[(row.MemberId, row.CouponId)] = Copy(row);
        }

        foreach (Order row in rows.NewOrders.Concat(rows.Orders.Written))
        {
            Orders[(row.MemberId, row.OrderId)] = Copy(row);
        }

        foreach (Wallet row in rows.Wallets.Written)
        {
            Wallets[row.MemberId] = Copy(row);
        }

        foreach (CartEdit edit in rows.CartEdits)
        {
            SortedDictionary<long, long> cart = CartOf(edit.MemberId);
            if (edit.ProductId is not { } productId)
            {
                cart.Clear();
            }
            else if (edit.Quantity is { } quantity)
            {
                cart[productId] = quantity;
            }
            else
            {
                cart.Remove(productId);
            }
        }

        foreach (((long, long) key, SalesDelta delta) in rows.Sales)
        {
            SalesDelta before = Sales.GetValueOrDefault(key);
            Sales[key] = new SalesDelta(before.Quantity + delta.Quantity, before.Amount + delta.Amount);
        }

        Ledger.AddRange(rows.Ledger);
        StockChanges.AddRange(rows.StockChanges);
        foreach (OrderEvent orderEvent in rows.Events)
        {
            Outbox.Add(orderEvent.EventId, OutboxState.Pending);
        }

        foreach (Delivery delivery in rows.Deliveries)
        {
            Outbox[delivery.EventId] = OutboxState.Delivered;
        }

        foreach (OutboxRow row in rows.Outbox.Written)
        {
            if (row.IsForgotten)
            {
                Outbox.Remove(row.EventId);
                continue;
            }

            Outbox[row.EventId] = row.Delivery;
            FailedAt[row.EventId] = row.FailedAt;
        }
    }

    private SortedDictionary<long, long> CartOf(string memberId)
    {
        if (!Carts.TryGetValue(memberId, out SortedDictionary<long, long>? cart))
        {
            Carts.Add(memberId, cart = []);
        }

        return cart;
    }

    private static Product Copy(Product row) => new(row.ProductId, row.Name, row.Price, row.Stock, row.OnSale);

    private static Coupon Copy(Coupon row) => new(
        row.CouponId, row.Name, row.Discount, row.MinimumOrderAmount, row.Quantity, row.Issued, row.IssueFrom, row.IssueUntil,
        row.UsableUntil);

    private static IssuedCoupon Copy(IssuedCoupon row) =>
        new(row.MemberId, row.CouponId, row.Number, row.Status, row.OrderId, row.IssuedAt);

    private static Order Copy(Order row) => new(
        row.MemberId, row.OrderId, row.Status, row.Lines, row.Subtotal, row.Discount, row.CouponId, row.CreatedAt, row.PayBefore,
        row.PaidAt, row.EndedAt);

    private static Wallet Copy(Wallet row) => new(row.MemberId, row.Balance, row.Entries, row.Events);
}

/// <summary>A batch that was decided.</summary>
internal sealed record Batch(WorkingSet Rows, Decision[] Decisions)
{
    /// <summary>The answer to a command that was carried out.</summary>
    public T Answer<T>(int index)
        where T : Answer
    {
        Assert.True(Decisions[index].Refusal is null, $"Refused: {Decisions[index].Refusal}");
        return Assert.IsType<T>(Decisions[index].Answer);
    }

    /// <summary>The refusal of a command that was not.</summary>
    public Refusal Refusal(int index)
    {
        Assert.Null(Decisions[index].Answer);
        Assert.NotNull(Decisions[index].Refusal);
        return Decisions[index].Refusal!;
    }
}
