using System.Globalization;
using System.Text.Json.Nodes;
using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Tests.Simulation;

/// <summary>What can be seen of the naive shop.</summary>
internal sealed partial class World
{
    /// <summary>Every order that there is, with its owner.</summary>
    public IReadOnlyList<(string Member, Guid Order)> Orders => [.. orders.Select(order => (order.Member, order.Id))];

    public PointsView Points(string member) => new(member, BalanceOf(member));

    /// <summary>A member's ledger, newest first.</summary>
    public IReadOnlyList<LedgerEntry> HistoryOf(string member)
    {
        var entries = new List<LedgerEntry>();
        long balance = 0;
        foreach (Movement movement in ledger.Where(movement => movement.Member == member))
        {
            balance += movement.Amount;
            entries.Add(new LedgerEntry(entries.Count + 1, movement.Kind, movement.Amount, balance, movement.Order, movement.At));
        }

        entries.Reverse();
        return entries;
    }

    public ProductView? Product(long id) => products.ContainsKey(id) ? View(id) : null;

    public IReadOnlyList<ProductView> OnSale => [.. products.Where(product => product.Value.OnSale).Select(product => View(product.Key))];

    public CouponView? Coupon(long id) => coupons.ContainsKey(id) ? ViewCoupon(id) : null;

    public IReadOnlyList<CouponView> Coupons => [.. coupons.Keys.Reverse().Select(ViewCoupon)];

    public IReadOnlyList<IssuedCouponView> CouponsOf(string member, IssuedCouponStatus? status, DateTimeOffset now) =>
        [.. claims.Where(claim => claim.Member == member).Select(claim => View(claim, now)).Where(view => status is null || view.Status == status)
            .OrderByDescending(view => view.IssuedAt).ThenByDescending(view => view.CouponId)];

    public CartView Cart(string member)
    {
        CartLineView[] lines = [.. carts.Where(line => line.Key.Member == member).Select(line => new CartLineView(
            line.Key.Product, products[line.Key.Product].Name, products[line.Key.Product].Price, line.Value, StockOf(line.Key.Product)))];
        return new CartView(member, lines, lines.Sum(line => line.Price * line.Quantity));
    }

    public OrderView? Order(string member, Guid id, DateTimeOffset now) => Find(member, id) is { } order ? View(order, now) : null;

    /// <summary>Orders, newest first: all as they were committed, a member's by their ids.</summary>
    public IReadOnlyList<OrderView> OrdersOf(string? member, OrderStatus? status, DateTimeOffset now)
    {
        IEnumerable<Purchase> found = orders.Where(order => (member is null || order.Member == member) && (status is null || order.Reads(now) == status));
        found = member is null ? found.Reverse() : found.OrderByDescending(order => order.Id);
        return [.. found.Select(order => View(order, now))];
    }

    public PaymentView? Payment(string member, Guid id, DateTimeOffset now)
    {
        if (Find(member, id) is not { } order)
        {
            return null;
        }

        PaymentStatus status = order.Reads(now) switch
        {
            OrderStatus.PendingPayment => PaymentStatus.Pending,
            OrderStatus.Completed => PaymentStatus.Completed,
            OrderStatus.Expired => PaymentStatus.Expired,
            OrderStatus.Cancelled => PaymentStatus.Cancelled,
            OrderStatus.Refunded => PaymentStatus.Refunded,
        };
        return new PaymentView(Ids.PaymentOf(id), id, status, order.Total, order.BalanceAfter, order.PayBefore, order.PaidAt);
    }

    /// <summary>The products sold most in the last days: whole hours, the running one included, refunded orders left out.</summary>
    public IReadOnlyList<TopProduct> Top(int days, int limit, DateTimeOffset now)
    {
        DateTimeOffset until = now.Date.AddHours(now.Hour + 1);
        var sold = orders
            .Where(order => order.Status == OrderStatus.Completed && order.PaidAt >= until.AddDays(-days) && order.PaidAt < until)
            .SelectMany(order => order.Lines)
            .GroupBy(line => line.ProductId)
            .Select(lines => (Id: lines.Key, Pieces: lines.Sum(line => line.Quantity), Won: lines.Sum(line => line.Quantity * line.Price)))
            .OrderByDescending(product => product.Pieces).ThenByDescending(product => product.Won).ThenBy(product => product.Id)
            .Take(limit);
        return [.. sold.Select((product, place) => new TopProduct(
            place + 1, product.Id, products[product.Id].Name, products[product.Id].Price, product.Pieces, product.Won))];
    }

    /// <summary>Orders that the sweep has to end.</summary>
    public IReadOnlyList<(string Member, Guid Order)> Overdue(DateTimeOffset now) =>
        [.. orders.Where(order => order.Status == OrderStatus.PendingPayment && now >= order.PayBefore)
            .OrderBy(order => order.PayBefore).ThenBy(order => order.Id).Select(order => (order.Member, order.Id))];

    public bool HasKeysBefore(DateTimeOffset moment) => keys.Values.Any(key => key.At < moment);

    /// <summary>Events, newest first.</summary>
    public IReadOnlyList<OutboxEventView> Events(OutboxState? state) =>
        [.. events.Reverse().Select(told => new OutboxEventView(
                told.Id, told.Type, told.Order.Id, told.Order.Member, told.Sequence,
                told.IsPending ? OutboxState.Pending : OutboxState.Delivered, told.At))
            .Where(told => state is null || told.State == state)];

    /// <summary>An event as the contract writes it; null when it must not be there.</summary>
    public JsonObject? Event(Guid id)
    {
        if (events.Find(told => told.Id == id) is not { } told)
        {
            return null;
        }

        Purchase order = told.Order;
        var data = new JsonObject
        {
            ["orderId"] = order.Id.ToString(),
            ["paymentId"] = Ids.PaymentOf(order.Id).ToString(),
            ["memberId"] = order.Member,
            ["items"] = new JsonArray([.. order.Lines.Select(line => new JsonObject
            {
                ["productId"] = line.ProductId,
                ["name"] = line.Name,
                ["price"] = line.Price,
                ["quantity"] = line.Quantity,
            })]),
            ["subtotal"] = order.Subtotal,
            ["discount"] = order.Discount,
            ["total"] = order.Total,
            ["paidAt"] = Written(order.PaidAt!.Value),
        };
        if (order.Coupon is { } coupon)
        {
            data["couponId"] = coupon;
        }

        if (told.Type == OrderEventType.Refunded)
        {
            data["refundedAt"] = Written(order.EndedAt!.Value);
        }

        return new JsonObject
        {
            ["specversion"] = "1.0",
            ["id"] = told.Id.ToString(),
            ["source"] = "/jumun",
            ["type"] = told.Type == OrderEventType.Completed ? "jumun.order.completed.v1" : "jumun.order.refunded.v1",
            ["subject"] = order.Id.ToString(),
            ["time"] = Written(told.At),
            ["datacontenttype"] = "application/json",
            ["partitionkey"] = order.Member,
            ["sequence"] = told.Sequence,
            ["data"] = data,
        };
    }

    private static string Written(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private ProductView View(long id) => new(id, products[id].Name, products[id].Price, StockOf(id), products[id].OnSale);

    private CouponView ViewCoupon(long id)
    {
        Promotion coupon = coupons[id];
        return new CouponView(
            id, coupon.Name, coupon.Discount, coupon.Minimum, coupon.Quantity, coupon.Quantity - IssuedOf(id), coupon.IssueFrom,
            coupon.IssueUntil, coupon.UsableUntil);
    }

    /// <param name="claim">A member's coupon.</param>
    /// <param name="readAt">When it is read; null in the answer to its claim, which gives it as available.</param>
    private IssuedCouponView View(Claim claim, DateTimeOffset? readAt)
    {
        Promotion coupon = coupons[claim.Coupon];
        Purchase? order = HolderOf(claim.Member, claim.Coupon);
        IssuedCouponStatus status =
            order is not null ? order.Status == OrderStatus.PendingPayment ? IssuedCouponStatus.Held : IssuedCouponStatus.Used
            : readAt >= coupon.UsableUntil ? IssuedCouponStatus.Expired
            : IssuedCouponStatus.Available;
        return new IssuedCouponView(
            claim.Coupon, claim.Member, claim.Number, status, coupon.Discount, coupon.Minimum, claim.At, coupon.UsableUntil, coupon.Name, order?.Id);
    }

    private static OrderView View(Purchase order, DateTimeOffset now) => new(
        order.Id, order.Member, Ids.PaymentOf(order.Id), order.Reads(now), order.Lines, order.Subtotal, order.Discount, order.Total, order.Coupon,
        order.At, order.PayBefore, order.PaidAt, order.EndedAt);
}
