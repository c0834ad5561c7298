using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;
using Jumun.Server.Execution;

namespace Jumun.Server.Stores;

/// <summary>
/// The seam between the shop and its database: a batch is loaded under locks and committed as a whole, and reads see
/// every commit that was acknowledged before they began. One executor uses the write half, one batch at a time a lane.
/// </summary>
internal interface IStore : IAsyncDisposable
{
    /// <summary>How many batches may be under way at once: one for one writer, two on PostgreSQL, or one a node of a divided database.</summary>
    int Lanes => 1;

    /// <summary>The lane that settles a command best; any other does it, too.</summary>
    int LaneOf(Command command) => 0;

    /// <summary>
    /// Loads every row and every idempotency key that the batch declared. What no unique key guards stays locked, itself or by
    /// a row that guards it, until <see cref="CommitAsync"/> or <see cref="AbandonAsync(int)"/>.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The database cannot be reached; nothing was written.</exception>
    /// <exception cref="StoreRaceException">Another writer was first; nothing was written.</exception>
    ValueTask LoadAsync(Batch batch);

    /// <summary>Writes all changes of the batch and commits them durably.</summary>
    /// <exception cref="StoreUnavailableException">The database went away; the exception knows whether the outcome is known.</exception>
    /// <exception cref="StoreRaceException">Another writer was first; nothing was written.</exception>
    /// <exception cref="StoreRejectedException">A constraint was violated, which is a bug; nothing was written.</exception>
    ValueTask CommitAsync(Batch batch);

    /// <summary>Ends a batch that changes nothing; its refusals stand.</summary>
    /// <exception cref="StoreUnavailableException">The database went away before it was certain that they do.</exception>
    /// <exception cref="StoreRaceException">Something is stored under a key that was not found.</exception>
    ValueTask EndAsync(Batch batch) => AbandonAsync(batch.Lane);

    /// <summary>Ends a batch without writing. Never throws.</summary>
    ValueTask AbandonAsync(int lane = 0);

    /// <summary>Does what may be done between batches, after the callers were answered. Never throws.</summary>
    ValueTask MaintainAsync(int lane = 0);

    /// <summary>Whether the store can be reached now; null when it can, otherwise why not.</summary>
    ValueTask<string?> ProbeAsync();

    ValueTask<PointsView> PointsAsync(string memberId);

    ValueTask<ProductView?> ProductAsync(long productId);

    ValueTask<CouponView?> CouponAsync(long couponId);

    ValueTask<CartView> CartAsync(string memberId);

    ValueTask<OrderView?> OrderAsync(string memberId, Guid orderId, DateTimeOffset now);

    ValueTask<PaymentView?> PaymentAsync(string memberId, Guid orderId, DateTimeOffset now);

    /// <summary>The member's ledger, newest first, below the entry number given.</summary>
    ValueTask<List<LedgerEntry>> HistoryAsync(string memberId, long? below, int limit);

    /// <summary>Products on sale by id, above the id given, whose names contain the text given.</summary>
    ValueTask<List<ProductView>> ProductsAsync(string? query, long? above, int limit);

    /// <summary>All products by id, on sale or not, above the id given.</summary>
    ValueTask<List<ProductView>> AllProductsAsync(long? above, int limit);

    /// <summary>Coupons, newest first, below the id given.</summary>
    ValueTask<List<CouponView>> CouponsAsync(long? below, int limit);

    /// <summary>A member's coupons, newest first, those after the place given.</summary>
    ValueTask<List<IssuedCouponView>> IssuedCouponsAsync(
        string memberId, IssuedCouponStatus? status, (DateTimeOffset IssuedAt, long CouponId)? after, DateTimeOffset now, int limit);

    /// <summary>Orders, newest first, those after the place given, with the place of each.</summary>
    ValueTask<List<((long First, long Second) Place, OrderView Order)>> OrdersAsync(
        string? memberId, OrderStatus? status, (long First, long Second)? after, DateTimeOffset now, int limit);

    /// <summary>Whose an order is, for operators who know its id alone; null when it is not found.</summary>
    ValueTask<string?> OwnerOfOrderAsync(Guid orderId);

    /// <summary>What an order moved and told.</summary>
    ValueTask<OrderTrail> OrderTrailAsync(string memberId, Guid orderId);

    ValueTask<List<TopProduct>> TopProductsAsync(SalesWindow window, int limit);

    /// <summary>Orders that are pending although their payment window is over, oldest first.</summary>
    ValueTask<List<(string MemberId, Guid OrderId)>> ExpiredOrdersAsync(DateTimeOffset now, int limit);

    /// <summary>
    /// Events of these partitions that are to be delivered, each member's in their order. Calls go on where the last one
    /// ended, so that nothing is gone through twice and no member keeps the others waiting. One caller at a time.
    /// </summary>
    /// <param name="partitions">The partitions.</param>
    /// <param name="held">Members whose events are passed over.</param>
    /// <param name="anew">Whether to look also for what calls passed over, or made pending again since.</param>
    /// <param name="limit">How many at most; fewer came when there are no more.</param>
    ValueTask<List<PendingEvent>> PendingEventsAsync(IReadOnlyList<short> partitions, IReadOnlySet<string> held, bool anew, int limit);

    /// <summary>Those of some events that are in these partitions and still to be delivered.</summary>
    ValueTask<List<PendingEvent>> PendingEventsAsync(IReadOnlyList<short> partitions, IReadOnlyList<Delivery> events);

    /// <summary>
    /// Renews the leases of a process, and takes free partitions up to its share among the processes that live. A store is one
    /// process's, which asks for this and gives up one after the other.
    /// </summary>
    /// <param name="process">The process.</param>
    /// <param name="mayGive">Whether partitions beyond its share may be given to others now.</param>
    ValueTask<LeasedShare> RenewLeasesAsync(Guid process, bool mayGive);

    /// <summary>Ends the leases of a process that stops.</summary>
    ValueTask GiveUpLeasesAsync(Guid process);

    /// <summary>Events of a state, newest first, those after the place given, with the place of each.</summary>
    ValueTask<List<((long First, long Second) Place, OutboxEventView Event)>> EventsAsync(
        OutboxState? state, (long First, long Second)? after, int limit);

    /// <summary>What the outbox has still to deliver.</summary>
    ValueTask<OutboxBacklog> BacklogAsync();

    /// <summary>The ids of events committed from a moment until before another, oldest first.</summary>
    ValueTask<List<(Guid EventId, DateTimeOffset CreatedAt)>> EventIdsAsync(DateTimeOffset from, DateTimeOffset to, int limit);

    /// <summary>
    /// Events committed before a moment, oldest first, those after the place given, with the place and the state of each.
    /// A store may leave out the newest of all events.
    /// </summary>
    ValueTask<List<((long First, long Second) Place, Guid EventId, OutboxState State)>> OldEventsAsync(
        DateTimeOffset before, (long First, long Second)? after, int limit);

    /// <summary>Whether an idempotency key was stored before the moment given.</summary>
    ValueTask<bool> HasKeysBeforeAsync(DateTimeOffset moment);

    /// <summary>Every invariant that the store can show, in one snapshot.</summary>
    ValueTask<List<InvariantReport>> AuditAsync();
}

/// <summary>What a process holds of the partitions.</summary>
/// <param name="Partitions">Those that are its own, in order.</param>
/// <param name="Processes">How many processes live.</param>
/// <param name="IsSettled">Whether that is its share, no more and no less; otherwise partitions are about to move.</param>
/// <param name="GoodFor">How long it may go by that, from when it asked.</param>
internal sealed record LeasedShare(IReadOnlyList<short> Partitions, int Processes, bool IsSettled, TimeSpan GoodFor)
{
    /// <summary>What a process holds that does not know.</summary>
    public static LeasedShare Nothing { get; } = new([], Processes: 0, IsSettled: false, TimeSpan.Zero);

    /// <summary>What a process holds whose clock is off the database's: nothing, until it is right.</summary>
    public static LeasedShare ClockIsOff { get; } = new([], Processes: 0, IsSettled: true, TimeSpan.Zero);
}

/// <summary>An event to be delivered.</summary>
/// <param name="MemberId">Whose.</param>
/// <param name="EventId">Its id.</param>
/// <param name="Sequence">Its place among the member's events.</param>
/// <param name="Type">What happened.</param>
/// <param name="Body">A CloudEvent in JSON, as it was stored.</param>
/// <param name="CreatedAt">When it was committed.</param>
/// <param name="FailedAt">When its delivery first failed by itself; null when it did not.</param>
internal sealed record PendingEvent(
    string MemberId, Guid EventId, long Sequence, OrderEventType Type, byte[] Body, DateTimeOffset CreatedAt, DateTimeOffset? FailedAt)
{
    /// <summary>What is recorded once it is delivered.</summary>
    public Delivery Key => new(MemberId, EventId, Sequence);
}

/// <summary>What is still to be delivered.</summary>
/// <param name="Pending">Events to be delivered, counted up to <see cref="Bounds.CountedEvents"/>.</param>
/// <param name="Dead">Events given up, counted as far.</param>
/// <param name="Oldest">
/// When the oldest that is to be delivered was committed, on PostgreSQL the oldest of those that were counted; null when there is none.
/// </param>
internal sealed record OutboxBacklog(long Pending, long Dead, DateTimeOffset? Oldest)
{
    /// <summary>How long the oldest has waited.</summary>
    public TimeSpan LagAt(DateTimeOffset now) => Oldest is { } oldest && now > oldest ? now - oldest : TimeSpan.Zero;
}

/// <summary>What an order moved and told: its entries in the ledger and its events, in their order.</summary>
internal sealed record OrderTrail(IReadOnlyList<LedgerEntry> Entries, IReadOnlyList<OutboxEventView> Events);

/// <summary>The database went away or cannot write.</summary>
internal sealed class StoreUnavailableException(RequestOutcome outcome, Exception? cause)
    : Exception($"The store is unavailable ({cause?.Message ?? "no connection"}).", cause)
{
    /// <summary>Whether the batch certainly had no effect.</summary>
    public RequestOutcome Outcome { get; } = outcome;

    /// <summary>Whether a part of the store is away, so that others of the same batch may be settled without it.</summary>
    public bool IsOfPart { get; init; }
}

/// <summary>
/// Another process wrote what this batch was about to write, or held what it needed: normal, and no bug. Nothing of the
/// batch was written; it is settled again from the start.
/// </summary>
internal sealed class StoreRaceException(Exception cause) : Exception(cause.Message, cause);

/// <summary>The database refused a write that the decisions allowed: a bug.</summary>
internal sealed class StoreRejectedException(Exception cause) : Exception(cause.Message, cause);

/// <summary>An invariant of the shop and whether it holds.</summary>
/// <param name="Id">I1 to I7, or I11.</param>
/// <param name="Name">What it says.</param>
/// <param name="Figure">How many rows were checked.</param>
/// <param name="Holds">Whether all of them agree.</param>
/// <param name="Offenders">The first that do not.</param>
internal sealed record InvariantReport(string Id, string Name, long Figure, bool Holds, IReadOnlyList<string> Offenders);
