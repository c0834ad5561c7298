using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;

namespace Jumun.Tests.Simulation;

/// <summary>
/// Makes up what happens in a shop, from a seed. Each story has tastes of its own: how many members, how few pieces, how
/// often something fails; so that some stories are quiet and some are all trouble.
/// </summary>
internal sealed class Storyteller
{
    private const int Steps = 60;
    private const long Cap = 9_007_199_254_740_991;

    private static readonly TimeSpan PaymentWindow = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan RefundWindow = TimeSpan.FromDays(7);
    private static readonly TimeSpan Instant = TimeSpan.FromMilliseconds(1);

    private static readonly TimeSpan[] Whiles =
    [
        Instant, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(3), TimeSpan.FromMinutes(3), PaymentWindow, TimeSpan.FromHours(1),
        TimeSpan.FromHours(26), TimeSpan.FromDays(3), RefundWindow,
    ];

    private readonly Random random;
    private readonly string[] members;
    private readonly double faults;
    private readonly double keyed;
    private readonly int together;
    private readonly bool isRich;
    private readonly List<(string Member, Guid Order)> orders = [];
    private readonly List<(string Member, Guid Order)> justMade = [];
    private readonly List<Call> sent = [];
    private readonly List<DateTimeOffset> edges = [];
    private DateTimeOffset now = StillClock.Start;
    private int products;
    private int coupons;
    private int keys;

    private Storyteller(int seed)
    {
        random = new Random(seed);
        members = [.. ((string[])["ann", "ben", "cho|d~e@f:g.h-i_J", "dia"]).Take(random.Next(1, 5))];
        faults = Pick(0, 0.1, 0.3);
        keyed = Pick(0.2, 0.6, 0.9);
        together = Pick(1, 4, 12);
        isRich = random.Next(12) == 0;
    }

    public static List<Step> Tell(int seed)
    {
        var teller = new Storyteller(seed);
        List<Step> story = [teller.Open()];
        while (story.Count < Steps)
        {
            story.Add(teller.Next());
        }

        return story;
    }

    /// <summary>A shop with something to sell.</summary>
    private Submit Open()
    {
        List<Call> calls = [];
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            calls.Add(new Call("admin", MakeProduct()));
        }

        calls.Add(new Call("admin", MakeCoupon(isOpen: true)));
        calls.AddRange(members.Select(member => new Call(member, new ChargePoints(member, random.Next(1, 20_000)))));
        return new Submit(calls, Fault.None);
    }

    private Step Next()
    {
        switch (random.Next(100))
        {
            case < 60:
                return Requests(FaultOrNone());
            case < 75:
                return Time();
            case < 80:
                return new SweepOrders(FaultOrNone());
            case < 82:
                return new SweepKeys(FaultOrNone());
            case < 92:
                return Relay();
            case < 93:
                return new Restart();
            case < 95:
                return random.NextDouble() < faults ? new Kill() : new Restart();
            default:
                return new LookAround();
        }
    }

    private Submit Requests(Fault fault)
    {
        int count = random.Next(1, together + 1);
        List<Call> calls = [];
        for (int i = 0; i < count; i++)
        {
            calls.Add(Request());
        }

        // Nobody knows an order, or an event, before the answer that names it.
        orders.AddRange(justMade);
        justMade.Clear();
        if (calls.Find(call => call.Command is ReplayEvents) is { } replay)
        {
            calls = [replay];
        }

        sent.AddRange(calls.Where(call => call.Key is not null));
        return new Submit(calls, fault);
    }

    private Pass Time()
    {
        TimeSpan time = Pick(Whiles);
        DateTimeOffset[] ahead = [.. edges.Where(edge => edge > now + Instant && edge < now.AddDays(10))];
        if (ahead.Length > 0 && random.Next(2) == 0)
        {
            // To the very edge of a window, or just before it.
            time = Pick(ahead) - now - (random.Next(2) == 0 ? Instant : TimeSpan.Zero);
        }

        now += time;
        return new Pass(time);
    }

    private Relaying Relay()
    {
        Mood mood = random.NextDouble() < faults + 0.2 ? Pick(Enum.GetValues<Mood>()) : Mood.Takes;
        if (mood == Mood.Hangs)
        {
            now += TimeSpan.FromSeconds(30);
        }

        return new Relaying(mood, FaultOrNone(), mood == Mood.Hangs && random.Next(2) == 0 ? Requests(Fault.None) : null);
    }

    private Fault FaultOrNone() => random.NextDouble() < faults ? Pick(Enum.GetValues<Fault>()) : Fault.None;

    private Call Request()
    {
        if (sent.Count > 0 && random.NextDouble() < keyed / 3)
        {
            return Again(sent[^(1 + (int)(sent.Count * Math.Pow(random.NextDouble(), 3)))]);
        }

        Call call = Fresh();
        return IsPost(call.Command) && random.NextDouble() < keyed ? call with { Key = $"k{++keys}" } : call;
    }

    /// <summary>A retry, as a client makes it; seldom another request under a key that was used.</summary>
    private Call Again(Call call)
    {
        if (random.Next(10) == 0)
        {
            Call other = Fresh();
            return IsPost(other.Command) ? other with { Subject = call.Subject, Key = call.Key } : other;
        }

        // The server gives each order that it is asked for an id of its own.
        return call.Command is PlaceOrder order ? call with { Command = order with { OrderId = NewOrder(order.MemberId) } } : call;
    }

    private Call Fresh()
    {
        string member = Pick(members);
        switch (random.Next(100))
        {
            case < 14:
                return new Call(member, new ChargePoints(member, isRich && random.Next(3) == 0 ? Cap - random.Next(20_000) : random.Next(1, 5_000)));
            case < 40:
                return new Call(member, Place(member));
            case < 60:
                return new Call(member, Pay(member));
            case < 72:
                (string owner, Guid order) = AnOrder(member);
                bool isAdmin = random.Next(4) == 0;
                return new Call(isAdmin ? "admin" : member, new CancelOrder(isAdmin ? owner : member, order, isAdmin, RefundWindow));
            case < 82:
                return new Call(member, new IssueCoupon(member, ACoupon()));
            case < 85:
                return new Call(member, new QueryProduct(AProduct()));
            case < 89:
                return new Call(member, random.Next(3) > 0
                    ? new PutCartLine(member, AProduct(), random.Next(1, 5))
                    : new RemoveCartLine(member, random.Next(3) > 0 ? AProduct() : null));
            default:
                return new Call("admin", Administration());
        }
    }

    private Command Administration()
    {
        switch (random.Next(12))
        {
            case 0:
                return products < 6 ? MakeProduct() : new DoNothing();
            case 1 or 2:
                return new ChangeProduct(
                    AProduct(), random.Next(3) == 0 ? $"cup {random.Next(9)}" : null, random.Next(2) == 0 ? random.Next(2_000) : null,
                    random.Next(3) == 0 ? random.Next(3) > 0 : null);
            case 3 or 4 or 5:
                long change = random.Next(8) == 0 ? 1_000_000_000 : random.Next(-4, 8);
                return new ChangeStock(AProduct(), change == 0 ? 5 : change, "counted");
            case 6:
                return coupons < 6 ? MakeCoupon(isOpen: random.Next(2) == 0) : new DoNothing();
            case 7 or 8:
                return new ChangeCoupon(
                    ACoupon(), null, random.Next(2) == 0 ? random.Next(6) : null, random.Next(4) == 0 ? Edge(-2, 2) : null,
                    random.Next(4) == 0 ? Edge(-1, 4) : null, random.Next(3) == 0 ? Edge(0, 9) : null);
            case 9:
                (string member, Guid order) = AnOrder(Pick(members));
                return new ExpireOrder(member, order);
            default:
                return new ReplayEvents(
                    [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => AnOrder(Pick(members)).Order)
                        .Select(order => random.Next(3) > 0 ? Ids.CompletedEventOf(order) : Ids.RefundedEventOf(order))],
                    null);
        }
    }

    private PlaceOrder Place(string member)
    {
        List<OrderItem> items = [];
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            long product = AProduct();
            if (!items.Exists(item => item.ProductId == product))
            {
                items.Add(new OrderItem(product, random.Next(1, 4)));
            }
        }

        edges.Add(now + PaymentWindow);
        return new PlaceOrder(
            member, NewOrder(member), items, random.Next(2) == 0 ? ACoupon() : null, random.Next(8) == 0 ? random.Next(3_000) : null, PaymentWindow);
    }

    private PayOrder Pay(string member)
    {
        (string owner, Guid order) = AnOrder(member);
        edges.Add(now + RefundWindow);
        return new PayOrder(random.Next(20) == 0 ? Pick(members) : owner, order);
    }

    private CreateProduct MakeProduct()
    {
        products += 1;
        return new CreateProduct($"머그 {products}", random.Next(6) == 0 ? 0 : random.Next(1, 2_000), random.Next(12));
    }

    private CreateCoupon MakeCoupon(bool isOpen)
    {
        coupons += 1;
        DateTimeOffset from = isOpen ? now.AddDays(-1) : Edge(-1, 1);
        DateTimeOffset until = from + Pick(TimeSpan.FromHours(2), TimeSpan.FromDays(3), TimeSpan.FromDays(30));
        DateTimeOffset usable = until + Pick(TimeSpan.Zero, TimeSpan.FromHours(1), TimeSpan.FromDays(20));
        edges.AddRange([from, until, usable]);
        Discount discount = random.Next(2) == 0
            ? new Discount(DiscountKind.Amount, random.Next(1, 3_000), null)
            : new Discount(DiscountKind.Percent, random.Next(1, 101), random.Next(2) == 0 ? random.Next(1, 500) : null);
        return new CreateCoupon($"coupon {coupons}", discount, random.Next(2) == 0 ? 0 : random.Next(1_500), random.Next(5), from, until, usable);
    }

    private DateTimeOffset Edge(int fromDays, int untilDays)
    {
        DateTimeOffset edge = now.AddHours(random.Next(24 * fromDays, 24 * untilDays));
        edges.Add(edge);
        return edge;
    }

    private Guid NewOrder(string member)
    {
        Guid order = Story.Order(orders.Count + justMade.Count + 1);
        justMade.Add((member, order));
        return order;
    }

    /// <summary>An order, mostly one of the last; now and then one that is not there.</summary>
    private (string Member, Guid Order) AnOrder(string member) => orders.Count == 0 || random.Next(30) == 0
        ? (member, Story.Order(9_999))
        : orders[^(1 + (int)(orders.Count * Math.Pow(random.NextDouble(), 2)))];

    private long AProduct() => random.Next(25) == 0 ? 77 : random.Next(1, products + 1);

    private long ACoupon() => random.Next(25) == 0 ? 77 : random.Next(1, coupons + 1);

    private T Pick<T>(params T[] choices) => choices[random.Next(choices.Length)];

    private static bool IsPost(Command command) => command is
        ChargePoints or IssueCoupon or PlaceOrder or PayOrder or CancelOrder or QueryProduct or CreateProduct or ChangeStock or CreateCoupon or ReplayEvents;
}
