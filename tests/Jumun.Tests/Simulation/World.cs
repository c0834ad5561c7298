using System.Collections.Immutable;
using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;

namespace Jumun.Tests.Simulation;

/// <summary>
/// A naive shop, written from the contract and not from the code: what every answer must be. It keeps what happened and
/// nothing that follows from it: a balance is a sum, a stock is what came in less what orders have, a coupon is held when
/// an order holds it. Its collections are immutable, so that a world may be forked when nobody knows what happened.
/// </summary>
internal sealed partial class World
{
    private ImmutableSortedDictionary<long, Goods> products = ImmutableSortedDictionary<long, Goods>.Empty;
    private ImmutableSortedDictionary<long, Promotion> coupons = ImmutableSortedDictionary<long, Promotion>.Empty;
    private ImmutableList<Claim> claims = [];
    private ImmutableList<Purchase> orders = [];
    private ImmutableList<Movement> ledger = [];
    private ImmutableSortedDictionary<(string Member, long Product), long> carts = ImmutableSortedDictionary<(string, long), long>.Empty;
    private ImmutableDictionary<(string Subject, string Key), Kept> keys = ImmutableDictionary<(string, string), Kept>.Empty;
    private ImmutableList<Told> events = [];

    private sealed record Goods(string Name, long Price, bool OnSale, long Received);

    private sealed record Promotion(
        string Name, Discount Discount, long Minimum, long Quantity, DateTimeOffset IssueFrom, DateTimeOffset IssueUntil, DateTimeOffset UsableUntil);

    private sealed record Claim(string Member, long Coupon, long Number, DateTimeOffset At);

    private sealed record Movement(string Member, LedgerKind Kind, long Amount, Guid? Order, DateTimeOffset At);

    private sealed record Kept(string Fingerprint, Outcome Outcome, DateTimeOffset At);

    private sealed record Told(Guid Id, OrderEventType Type, Purchase Order, long Sequence, DateTimeOffset At, bool IsPending);

    private sealed record Purchase(
        Guid Id, string Member, IReadOnlyList<OrderLine> Lines, long Discount, long? Coupon, DateTimeOffset At, DateTimeOffset PayBefore,
        OrderStatus Status = OrderStatus.PendingPayment, DateTimeOffset? PaidAt = null, DateTimeOffset? EndedAt = null, long? BalanceAfter = null)
    {
        public long Subtotal => Lines.Sum(line => line.Price * line.Quantity);

        public long Total => Subtotal - Discount;

        public OrderStatus Reads(DateTimeOffset now) => Status == OrderStatus.PendingPayment && now >= PayBefore ? OrderStatus.Expired : Status;
    }

    public World Fork() => (World)MemberwiseClone();

    /// <summary>What this request is answered, and what it changes.</summary>
    public Outcome Settle(Call call, DateTimeOffset now)
    {
        if (call.Key is { } key && keys.TryGetValue((call.Subject, key), out Kept? kept))
        {
            return kept.Fingerprint == call.Fingerprint
                ? kept.Outcome with { IsReplayed = true }
                : Outcome.Of(new Refusal(RefusalCode.IdempotencyKeyReused));
        }

        (Answer? answer, Refusal? refusal) = Decide(call.Command, now);
        if (refusal is not null)
        {
            return Outcome.Of(refusal);
        }

        Outcome outcome = Outcome.Of(call.Command, answer!);
        if (call.Key is not null)
        {
            keys = keys.Add((call.Subject, call.Key), new Kept(call.Fingerprint, outcome, now));
        }

        return outcome;
    }

    /// <summary>The sweep ends every order whose time is over.</summary>
    public void SweepOrders(DateTimeOffset now)
    {
        foreach (Purchase order in orders.Where(order => order.Status == OrderStatus.PendingPayment && now >= order.PayBefore))
        {
            Change(order, order with { Status = OrderStatus.Expired, EndedAt = now });
        }
    }

    /// <summary>The sweep forgets keys after seven days.</summary>
    public void SweepKeys(DateTimeOffset now) => keys = keys.Where(key => key.Value.At >= now.AddDays(-7)).ToImmutableDictionary();

    /// <summary>It is recorded that the platform has these.</summary>
    public void RecordDelivery(IReadOnlySet<Guid> delivered) =>
        events = [.. events.Select(told => delivered.Contains(told.Id) ? told with { IsPending = false } : told)];

    private (Answer? Answer, Refusal? Refusal) Decide(Command command, DateTimeOffset now) => command switch
    {
        ChargePoints c => Charge(c, now),
        CreateProduct c => Create(c),
        ChangeProduct c => products.ContainsKey(c.ProductId) ? Change(c) : No(RefusalCode.ProductNotFound),
        ChangeStock c => products.ContainsKey(c.ProductId) ? Change(c) : No(RefusalCode.ProductNotFound),
        QueryProduct c => products.ContainsKey(c.ProductId) ? (View(c.ProductId), null) : No(RefusalCode.ProductNotFound),
        CreateCoupon c => Create(c),
        ChangeCoupon c => coupons.ContainsKey(c.CouponId) ? Change(c) : No(RefusalCode.CouponNotFound),
        IssueCoupon c => Issue(c, now),
        PutCartLine c => Put(c),
        RemoveCartLine c => Remove(c),
        PlaceOrder c => Place(c, now),
        PayOrder c => Pay(c, now),
        CancelOrder c => Cancel(c, now),
        ExpireOrder c => Expire(c, now),
        ReplayEvents c => Replay(c),
        DoNothing => Yes,
        _ => throw new InvalidOperationException($"Say what {command.GetType().Name} does."),
    };

    private static (Answer? Answer, Refusal? Refusal) Yes => (Done.Instance, null);

    private static (Answer? Answer, Refusal? Refusal) No(RefusalCode code) => (null, new Refusal(code));

    private static (Answer? Answer, Refusal? Refusal) No(Refusal refusal) => (null, refusal);

    private (Answer? Answer, Refusal? Refusal) Charge(ChargePoints c, DateTimeOffset now)
    {
        if (BalanceOf(c.MemberId) + c.Amount > 9_007_199_254_740_991)
        {
            return No(RefusalCode.BalanceLimit);
        }

        Move(c.MemberId, LedgerKind.Charge, c.Amount, null, now);
        return (new PointsCharged(c.MemberId, BalanceOf(c.MemberId), HistoryOf(c.MemberId)[0]), null);
    }

    private (Answer? Answer, Refusal? Refusal) Create(CreateProduct c)
    {
        long id = products.Count + 1;
        products = products.Add(id, new Goods(c.Name, c.Price, OnSale: true, c.Stock));
        return (View(id), null);
    }

    private (Answer? Answer, Refusal? Refusal) Change(ChangeProduct c)
    {
        Goods old = products[c.ProductId];
        products = products.SetItem(
            c.ProductId, old with { Name = c.Name ?? old.Name, Price = c.Price ?? old.Price, OnSale = c.OnSale ?? old.OnSale });
        return (View(c.ProductId), null);
    }

    private (Answer? Answer, Refusal? Refusal) Change(ChangeStock c)
    {
        long stock = StockOf(c.ProductId);
        if (stock + c.Change < 0)
        {
            return No(Refusal.OutOfStock([new Shortage(c.ProductId, -c.Change, stock)]));
        }

        if (c.Change > 0 && stock + c.Change > 1_000_000_000)
        {
            return No(Refusal.Invalid("change", FieldRule.Range, -stock, Math.Max(0, 1_000_000_000 - stock)));
        }

        Goods old = products[c.ProductId];
        products = products.SetItem(c.ProductId, old with { Received = old.Received + c.Change });
        return (View(c.ProductId), null);
    }

    private (Answer? Answer, Refusal? Refusal) Create(CreateCoupon c)
    {
        long id = coupons.Count + 1;
        coupons = coupons.Add(id, new Promotion(c.Name, c.Discount, c.MinimumOrderAmount, c.Quantity, c.IssueFrom, c.IssueUntil, c.UsableUntil));
        return (ViewCoupon(id), null);
    }

    private (Answer? Answer, Refusal? Refusal) Change(ChangeCoupon c)
    {
        Promotion old = coupons[c.CouponId];
        Promotion next = old with
        {
            Name = c.Name ?? old.Name,
            Quantity = c.Quantity ?? old.Quantity,
            IssueFrom = c.IssueFrom ?? old.IssueFrom,
            IssueUntil = c.IssueUntil ?? old.IssueUntil,
            UsableUntil = c.UsableUntil ?? old.UsableUntil,
        };
        List<FieldError> errors = [];
        if (next.Quantity < IssuedOf(c.CouponId))
        {
            errors.Add(new FieldError("quantity", FieldRule.AtLeastIssued, IssuedOf(c.CouponId), 1_000_000_000));
        }

        if (next.IssueFrom >= next.IssueUntil)
        {
            errors.Add(new FieldError("issueUntil", FieldRule.Order));
        }

        if (next.IssueUntil > next.UsableUntil)
        {
            errors.Add(new FieldError("usableUntil", FieldRule.Order));
        }

        if (errors.Count > 0)
        {
            return No(Refusal.Invalid(errors));
        }

        coupons = coupons.SetItem(c.CouponId, next);
        return (ViewCoupon(c.CouponId), null);
    }

    private (Answer? Answer, Refusal? Refusal) Issue(IssueCoupon c, DateTimeOffset now)
    {
        if (!coupons.TryGetValue(c.CouponId, out Promotion? coupon))
        {
            return No(RefusalCode.CouponNotFound);
        }

        if (now < coupon.IssueFrom || now >= coupon.IssueUntil)
        {
            return No(now < coupon.IssueFrom ? RefusalCode.CouponNotOpen : RefusalCode.CouponClosed);
        }

        if (claims.Exists(claim => claim.Member == c.MemberId && claim.Coupon == c.CouponId))
        {
            return No(RefusalCode.CouponAlreadyIssued);
        }

        if (IssuedOf(c.CouponId) == coupon.Quantity)
        {
            return No(RefusalCode.CouponSoldOut);
        }

        var issued = new Claim(c.MemberId, c.CouponId, IssuedOf(c.CouponId) + 1, now);
        claims = claims.Add(issued);
        return (View(issued, readAt: null), null);
    }

    private (Answer? Answer, Refusal? Refusal) Put(PutCartLine c)
    {
        if (!products.TryGetValue(c.ProductId, out Goods? product))
        {
            return No(RefusalCode.ProductNotFound);
        }

        if (!product.OnSale)
        {
            return No(Refusal.NotOnSale([c.ProductId]));
        }

        carts = carts.SetItem((c.MemberId, c.ProductId), c.Quantity);
        return Yes;
    }

    private (Answer? Answer, Refusal? Refusal) Remove(RemoveCartLine c)
    {
        carts = c.ProductId is { } product
            ? carts.Remove((c.MemberId, product))
            : carts.RemoveRange(carts.Keys.Where(line => line.Member == c.MemberId));
        return Yes;
    }

    private (Answer? Answer, Refusal? Refusal) Place(PlaceOrder c, DateTimeOffset now)
    {
        long[] wanted = [.. c.Items.Select(item => item.ProductId)];
        if (wanted.Where(product => !products.ContainsKey(product)).ToList() is { Count: > 0 } unknown)
        {
            return No(Refusal.ProductsNotFound(unknown));
        }

        if (wanted.Where(product => !products[product].OnSale).ToList() is { Count: > 0 } notOnSale)
        {
            return No(Refusal.NotOnSale(notOnSale));
        }

        OrderLine[] lines = [.. c.Items.Select(item =>
            new OrderLine(item.ProductId, products[item.ProductId].Name, products[item.ProductId].Price, item.Quantity))];
        long subtotal = lines.Sum(line => line.Price * line.Quantity);
        if (c.CouponId is not null && NotUsable(c.MemberId, c.CouponId.Value, subtotal, now) is { } reason)
        {
            return No(Refusal.NotUsable(reason));
        }

        if (c.Items.Where(item => StockOf(item.ProductId) < item.Quantity).ToList() is { Count: > 0 } shortages)
        {
            return No(Refusal.OutOfStock([.. shortages.Select(item => new Shortage(item.ProductId, item.Quantity, StockOf(item.ProductId)))]));
        }

        long discount = c.CouponId is null ? 0 : Off(coupons[c.CouponId.Value].Discount, subtotal);
        if (c.ExpectedTotal is { } expected && expected != subtotal - discount)
        {
            return No(Refusal.PriceChanged(subtotal - discount));
        }

        var order = new Purchase(c.OrderId, c.MemberId, lines, discount, c.CouponId, now, now + c.PaymentWindow);
        orders = orders.Add(order);
        carts = carts.RemoveRange(wanted.Select(product => (c.MemberId, product)));
        return (View(order, now), null);
    }

    private CouponNotUsableReason? NotUsable(string member, long couponId, long subtotal, DateTimeOffset now) =>
        !claims.Exists(claim => claim.Member == member && claim.Coupon == couponId) ? CouponNotUsableReason.NotHeld
        : HolderOf(member, couponId) is { } order
            ? order.Status == OrderStatus.PendingPayment ? CouponNotUsableReason.HeldByOrder : CouponNotUsableReason.Used
        : now >= coupons[couponId].UsableUntil ? CouponNotUsableReason.Expired
        : subtotal < coupons[couponId].Minimum ? CouponNotUsableReason.MinimumNotMet
        : null;

    private (Answer? Answer, Refusal? Refusal) Pay(PayOrder c, DateTimeOffset now)
    {
        if (Find(c.MemberId, c.OrderId) is not { } order)
        {
            return No(RefusalCode.PaymentNotFound);
        }

        switch (order.Reads(now))
        {
            case OrderStatus.Completed or OrderStatus.Refunded:
                return No(RefusalCode.PaymentAlreadyCompleted);
            case OrderStatus.Expired:
                return No(RefusalCode.OrderExpired);
            case OrderStatus.Cancelled:
                return No(RefusalCode.OrderCancelled);
        }

        long balance = BalanceOf(c.MemberId);
        if (balance < order.Total)
        {
            return No(Refusal.InsufficientBalance(balance, order.Total));
        }

        Move(c.MemberId, LedgerKind.Payment, -order.Total, order.Id, now);
        Purchase paid = order with { Status = OrderStatus.Completed, PaidAt = now, BalanceAfter = balance - order.Total };
        Change(order, paid);
        Tell(OrderEventType.Completed, paid, now);
        return (new PaymentCompleted(
            Ids.PaymentOf(order.Id), order.Id, PaymentStatus.Completed, order.Total, BalanceOf(c.MemberId), now), null);
    }

    private (Answer? Answer, Refusal? Refusal) Cancel(CancelOrder c, DateTimeOffset now)
    {
        if (Find(c.MemberId, c.OrderId) is not { } order)
        {
            return No(RefusalCode.OrderNotFound);
        }

        OrderStatus status = order.Reads(now);
        if (status == OrderStatus.PendingPayment)
        {
            Purchase cancelled = order with { Status = OrderStatus.Cancelled, EndedAt = now };
            Change(order, cancelled);
            return (View(cancelled, now), null);
        }

        if (status != OrderStatus.Completed || (!c.ByAdministrator && now >= order.PaidAt + c.RefundWindow))
        {
            return No(Refusal.NotCancellable(status));
        }

        if (BalanceOf(c.MemberId) + order.Total > 9_007_199_254_740_991)
        {
            return No(RefusalCode.BalanceLimit);
        }

        Move(c.MemberId, LedgerKind.Refund, order.Total, order.Id, now);
        Purchase refunded = order with { Status = OrderStatus.Refunded, EndedAt = now };
        Change(order, refunded);
        Tell(OrderEventType.Refunded, refunded, now);
        return (View(refunded, now), null);
    }

    private (Answer? Answer, Refusal? Refusal) Expire(ExpireOrder c, DateTimeOffset now)
    {
        if (Find(c.MemberId, c.OrderId) is not { } order)
        {
            return No(RefusalCode.OrderNotFound);
        }

        if (order.Status == OrderStatus.PendingPayment && now >= order.PayBefore)
        {
            Change(order, order with { Status = OrderStatus.Expired, EndedAt = now });
        }

        return (View(Find(c.MemberId, c.OrderId)!, now), null);
    }

    private (Answer? Answer, Refusal? Refusal) Replay(ReplayEvents c)
    {
        int replayed = events.Count(told => c.EventIds.Contains(told.Id));
        events = [.. events.Select(told => c.EventIds.Contains(told.Id) ? told with { IsPending = true } : told)];
        return (new EventsReplayed(replayed, c.Next), null);
    }

    private Purchase? Find(string member, Guid order) => orders.Find(one => one.Member == member && one.Id == order);

    private void Change(Purchase before, Purchase after) => orders = orders.Replace(before, after);

    private void Move(string member, LedgerKind kind, long amount, Guid? order, DateTimeOffset now) =>
        ledger = ledger.Add(new Movement(member, kind, amount, order, now));

    private void Tell(OrderEventType type, Purchase order, DateTimeOffset now) => events = events.Add(new Told(
        type == OrderEventType.Completed ? Ids.CompletedEventOf(order.Id) : Ids.RefundedEventOf(order.Id), type, order,
        events.Count(told => told.Order.Member == order.Member) + 1, now, IsPending: true));

    private long BalanceOf(string member) => ledger.Where(entry => entry.Member == member).Sum(entry => entry.Amount);

    private long IssuedOf(long coupon) => claims.Count(claim => claim.Coupon == coupon);

    /// <summary>What came in, less what orders have that were not given up.</summary>
    private long StockOf(long product) => products[product].Received - orders
        .Where(order => order.Status is OrderStatus.PendingPayment or OrderStatus.Completed)
        .Sum(order => order.Lines.Where(line => line.ProductId == product).Sum(line => line.Quantity));

    /// <summary>The order that holds or used a member's coupon.</summary>
    private Purchase? HolderOf(string member, long coupon) => orders.Find(order =>
        order.Member == member && order.Coupon == coupon && order.Status is OrderStatus.PendingPayment or OrderStatus.Completed);

    private static long Off(Discount discount, long subtotal) => Math.Min(
        subtotal,
        discount.Kind == DiscountKind.Amount ? discount.Value : Math.Min(subtotal * discount.Value / 100, discount.Maximum ?? long.MaxValue));
}
