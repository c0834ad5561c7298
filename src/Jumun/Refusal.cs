namespace Jumun;

/// <summary>
/// Every expected "no" of the shop. The list is closed: the map to HTTP problems names each (and the compiler checks
/// that it does). In JSON a code is its name in snake_case and never changes.
/// </summary>
public enum RefusalCode
{
    /// <summary>No token, or one that is not valid.</summary>
    Unauthenticated,

    /// <summary>The token is another member's, or not an administrator's.</summary>
    Forbidden,

    /// <summary>The request is malformed or out of range; <see cref="Refusal.Errors"/> names each field.</summary>
    InvalidRequest,

    /// <summary>No such product.</summary>
    ProductNotFound,

    /// <summary>No such coupon.</summary>
    CouponNotFound,

    /// <summary>No such order of this member.</summary>
    OrderNotFound,

    /// <summary>No such payment of this member.</summary>
    PaymentNotFound,

    /// <summary>A product is not on sale; <see cref="Refusal.ProductIds"/>.</summary>
    ProductNotOnSale,

    /// <summary>Too few pieces are left; <see cref="Refusal.Shortages"/>. Nothing was taken.</summary>
    OutOfStock,

    /// <summary>The total is not the expected one; <see cref="Refusal.Total"/>.</summary>
    PriceChanged,

    /// <summary>No coupon is left to be issued; on a query with <see cref="Refusal.Coupon"/>.</summary>
    CouponSoldOut,

    /// <summary>The member already has this coupon.</summary>
    CouponAlreadyIssued,

    /// <summary>The coupon's issue window has not begun.</summary>
    CouponNotOpen,

    /// <summary>The coupon's issue window is over.</summary>
    CouponClosed,

    /// <summary>The coupon cannot be used for this order; <see cref="Refusal.Reason"/>.</summary>
    CouponNotUsable,

    /// <summary>The balance is too small; <see cref="Refusal.Balance"/>, <see cref="Refusal.Required"/>.</summary>
    InsufficientBalance,

    /// <summary>The credit would exceed <see cref="Limits.Balance"/>.</summary>
    BalanceLimit,

    /// <summary>The order was paid already.</summary>
    PaymentAlreadyCompleted,

    /// <summary>The payment window is over.</summary>
    OrderExpired,

    /// <summary>The order was cancelled.</summary>
    OrderCancelled,

    /// <summary>The order can no longer be cancelled; <see cref="Refusal.Status"/>.</summary>
    OrderNotCancellable,

    /// <summary>The idempotency key was used for another request.</summary>
    IdempotencyKeyReused,

    /// <summary>The first request under this idempotency key is still being settled.</summary>
    IdempotencyKeyInUse,

    /// <summary>The body is too large.</summary>
    PayloadTooLarge,

    /// <summary>The body is not JSON in UTF-8.</summary>
    UnsupportedMediaType,

    /// <summary>The path exists, but not for this method.</summary>
    MethodNotAllowed,

    /// <summary>No such path.</summary>
    NotFound,

    /// <summary>Too many requests; <see cref="Refusal.RetryAfterSeconds"/>.</summary>
    RateLimited,

    /// <summary>The shop cannot settle the request now; <see cref="Refusal.Outcome"/>, <see cref="Refusal.RetryAfterSeconds"/>.</summary>
    Unavailable,

    /// <summary>A bug. Nothing more is said than the trace id.</summary>
    InternalError,
}

/// <summary>Why a coupon cannot be used for an order.</summary>
public enum CouponNotUsableReason
{
    /// <summary>The member does not hold it, or there is no such coupon.</summary>
    NotHeld,

    /// <summary>Another unpaid order holds it.</summary>
    HeldByOrder,

    /// <summary>A completed order used it.</summary>
    Used,

    /// <summary>Its time of use is over.</summary>
    Expired,

    /// <summary>The order is smaller than the coupon's minimum.</summary>
    MinimumNotMet,
}

/// <summary>What is known of a request that could not be answered.</summary>
public enum RequestOutcome
{
    /// <summary>It certainly had no effect.</summary>
    None,

    /// <summary>It may have had its effect: retry under the same idempotency key.</summary>
    Unknown,
}

/// <summary>What a field of a request must be and is not.</summary>
public enum FieldRule
{
    /// <summary>It must be there and not null.</summary>
    Required,

    /// <summary>It has the wrong JSON type, or is no whole number.</summary>
    WrongType,

    /// <summary>There is no such member.</summary>
    Unknown,

    /// <summary>It stands there twice.</summary>
    Duplicate,

    /// <summary>A whole number from minimum to maximum.</summary>
    Range,

    /// <summary>A text of minimum to maximum characters, without control characters.</summary>
    Length,

    /// <summary>A number of items from minimum to maximum.</summary>
    Count,

    /// <summary>It must not be zero.</summary>
    NotZero,

    /// <summary>One of the words that the documentation lists.</summary>
    OneOf,

    /// <summary>A UUID.</summary>
    Uuid,

    /// <summary>A time as RFC 3339 writes it, with its offset.</summary>
    Time,

    /// <summary>Later than the field before it: <c>issueFrom</c> &lt; <c>issueUntil</c> ≤ <c>usableUntil</c>.</summary>
    Order,

    /// <summary>Only together with a percent discount.</summary>
    PercentOnly,

    /// <summary>Not fewer than were issued already (the minimum).</summary>
    AtLeastIssued,

    /// <summary>The cart is full.</summary>
    CartFull,

    /// <summary>A cursor that this list issued.</summary>
    Cursor,

    /// <summary>1–255 visible ASCII characters.</summary>
    IdempotencyKey,

    /// <summary>A member id: 1–64 characters of <c>A-Z a-z 0-9 . _ ~ @ | : -</c>.</summary>
    MemberId,

    /// <summary>One JSON object, in UTF-8, not deeper than allowed.</summary>
    Json,

    /// <summary>A form as browsers send it, with no more and no longer names than a form may have.</summary>
    Form,

    /// <summary>One of two ways to say it, and not both.</summary>
    Either,

    /// <summary>A body that comes as fast as the server waits for it.</summary>
    InTime,
}

/// <summary>A field of a request and the rule that it breaks.</summary>
/// <param name="Field">The field as the client wrote it, such as <c>items[0].quantity</c>; empty for the whole body.</param>
/// <param name="Rule">The rule.</param>
/// <param name="Minimum">The rule's lower bound, where it has one.</param>
/// <param name="Maximum">The rule's upper bound, where it has one.</param>
public sealed record FieldError(string Field, FieldRule Rule, long Minimum = 0, long Maximum = 0);

/// <summary>A product of which fewer pieces are left than were asked for.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Requested">Pieces asked for.</param>
/// <param name="Available">Pieces that can still be ordered.</param>
public sealed record Shortage(long ProductId, long Requested, long Available);

/// <summary>An expected "no", with what the caller needs to know of it.</summary>
/// <param name="Code">Which "no".</param>
public sealed record Refusal(RefusalCode Code)
{
    /// <summary>With <see cref="RefusalCode.InvalidRequest"/>: each field that is wrong.</summary>
    public IReadOnlyList<FieldError>? Errors { get; private init; }

    /// <summary>With <see cref="RefusalCode.OutOfStock"/>: each product that is short.</summary>
    public IReadOnlyList<Shortage>? Shortages { get; private init; }

    /// <summary>With <see cref="RefusalCode.ProductNotOnSale"/> and, in an order, <see cref="RefusalCode.ProductNotFound"/>.</summary>
    public IReadOnlyList<long>? ProductIds { get; private init; }

    /// <summary>With <see cref="RefusalCode.PriceChanged"/>: the total as it is now, in won.</summary>
    public long? Total { get; private init; }

    /// <summary>With <see cref="RefusalCode.CouponSoldOut"/> on a query: the coupon.</summary>
    public Coupons.CouponView? Coupon { get; private init; }

    /// <summary>With <see cref="RefusalCode.CouponNotUsable"/>.</summary>
    public CouponNotUsableReason? Reason { get; private init; }

    /// <summary>With <see cref="RefusalCode.InsufficientBalance"/>: what the member has, in won.</summary>
    public long? Balance { get; private init; }

    /// <summary>With <see cref="RefusalCode.InsufficientBalance"/>: what the payment takes, in won.</summary>
    public long? Required { get; private init; }

    /// <summary>With <see cref="RefusalCode.OrderNotCancellable"/>: what the order is.</summary>
    public Orders.OrderStatus? Status { get; private init; }

    /// <summary>With <see cref="RefusalCode.Unavailable"/>.</summary>
    public RequestOutcome? Outcome { get; private init; }

    /// <summary>With <see cref="RefusalCode.Unavailable"/> and <see cref="RefusalCode.RateLimited"/>: when to try again.</summary>
    public int? RetryAfterSeconds { get; private init; }

    /// <summary>A request that breaks a rule in one field.</summary>
    public static Refusal Invalid(string field, FieldRule rule, long minimum = 0, long maximum = 0) =>
        Invalid([new FieldError(field, rule, minimum, maximum)]);

    /// <summary>A request that breaks rules in some fields.</summary>
    public static Refusal Invalid(IReadOnlyList<FieldError> errors) => new(RefusalCode.InvalidRequest) { Errors = errors };

    /// <summary>Products of an order that do not exist.</summary>
    public static Refusal ProductsNotFound(IReadOnlyList<long> productIds) => new(RefusalCode.ProductNotFound) { ProductIds = productIds };

    /// <summary>Products that are not on sale.</summary>
    public static Refusal NotOnSale(IReadOnlyList<long> productIds) => new(RefusalCode.ProductNotOnSale) { ProductIds = productIds };

    /// <summary>Products of which too little is left.</summary>
    public static Refusal OutOfStock(IReadOnlyList<Shortage> shortages) => new(RefusalCode.OutOfStock) { Shortages = shortages };

    /// <summary>A total that is not the expected one.</summary>
    public static Refusal PriceChanged(long total) => new(RefusalCode.PriceChanged) { Total = total };

    /// <summary>A query for a coupon of which nothing is left.</summary>
    public static Refusal SoldOut(Coupons.CouponView coupon) => new(RefusalCode.CouponSoldOut) { Coupon = coupon };

    /// <summary>A coupon that this order cannot use.</summary>
    public static Refusal NotUsable(CouponNotUsableReason reason) => new(RefusalCode.CouponNotUsable) { Reason = reason };

    /// <summary>A balance below what a payment takes.</summary>
    public static Refusal InsufficientBalance(long balance, long required) =>
        new(RefusalCode.InsufficientBalance) { Balance = balance, Required = required };

    /// <summary>An order that can no longer be cancelled.</summary>
    public static Refusal NotCancellable(Orders.OrderStatus status) => new(RefusalCode.OrderNotCancellable) { Status = status };

    /// <summary>The shop cannot settle the request now.</summary>
    public static Refusal Unavailable(RequestOutcome outcome, int retryAfterSeconds) =>
        new(RefusalCode.Unavailable) { Outcome = outcome, RetryAfterSeconds = retryAfterSeconds };

    /// <summary>Too many requests, of one member or of all at once.</summary>
    public static Refusal RateLimited(int retryAfterSeconds) => new(RefusalCode.RateLimited) { RetryAfterSeconds = retryAfterSeconds };
}
