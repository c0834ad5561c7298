using Jumun.Coupons;

namespace Jumun.Server.Api;

// What clients send. A type names every member that a body may have: price, status and owner never come from a body.

/// <summary>How much is charged.</summary>
internal sealed record ChargeRequest(long Amount);

/// <summary>The new quantity of a cart line.</summary>
internal sealed record CartLineRequest(long Quantity);

/// <summary>An order.</summary>
internal sealed record OrderRequest(IReadOnlyList<OrderItemRequest> Items, long? CouponId = null, long? ExpectedTotal = null);

/// <summary>A line of an order.</summary>
internal sealed record OrderItemRequest(long ProductId, long Quantity);

/// <summary>A new product.</summary>
internal sealed record CreateProductRequest(string Name, long Price, long Stock);

/// <summary>What changes of a product; what is absent stays.</summary>
internal sealed record ChangeProductRequest(string? Name = null, long? Price = null, bool? OnSale = null);

/// <summary>Pieces put in (above zero) or taken out (below).</summary>
internal sealed record ChangeStockRequest(long Change, string Reason);

/// <summary>A new coupon.</summary>
internal sealed record CreateCouponRequest(
    string Name,
    DiscountRequest Discount,
    long Quantity,
    DateTimeOffset IssueFrom,
    DateTimeOffset IssueUntil,
    DateTimeOffset UsableUntil,
    long? MinimumOrderAmount = null);

/// <summary>What a coupon takes off.</summary>
internal sealed record DiscountRequest(DiscountKind Kind, long Value, long? Maximum = null);

/// <summary>What changes of a coupon; what is absent stays.</summary>
internal sealed record ChangeCouponRequest(
    string? Name = null,
    long? Quantity = null,
    DateTimeOffset? IssueFrom = null,
    DateTimeOffset? IssueUntil = null,
    DateTimeOffset? UsableUntil = null);

/// <summary>Which events to send again: those of a time range, or those named.</summary>
internal sealed record ReplayRequest(
    DateTimeOffset? From = null, DateTimeOffset? To = null, IReadOnlyList<Guid>? EventIds = null);
