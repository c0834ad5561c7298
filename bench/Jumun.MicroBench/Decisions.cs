using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;

namespace Jumun.MicroBench;

/// <summary>
/// What the core itself costs: batches of commands are declared, their rows handed over as a store does, and each is decided.
/// No database, no web server. Time and bytes are a batch's; the columns of the table say how many commands it has.
/// </summary>
[MemoryDiagnoser]
[Config(typeof(InThisProcess))]
public class Decisions
{
    private static readonly DateTimeOffset Now = new(2026, 3, 2, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);
    private static readonly OrderLine[] Lines = [new OrderLine(1, "mug", 1_000, 1)];

    private readonly WorkingSet rows = new() { Now = Now };
    private Command[] charges = [];
    private Command[] claims = [];
    private Command[] orders = [];
    private Command[] payments = [];

    /// <summary>Commands in the batch.</summary>
    [Params(1, 16, 128, 1_024)]
    public int Commands { get; set; }

    [GlobalSetup]
    public void Prepare()
    {
        charges = Make(i => new ChargePoints(Member(i), 1_000));
        claims = Make(i => new IssueCoupon(Member(i), 1));
        orders = Make(i => new PlaceOrder(Member(i), OrderId(i), [new OrderItem(1, 1)], null, null, Window));
        payments = Make(i => new PayOrder(Member(i), OrderId(i)));
    }

    [Benchmark(Description = "charges of members")]
    public int Charges() => Settle(charges);

    [Benchmark(Description = "claims of one coupon")]
    public int Claims() => Settle(claims);

    [Benchmark(Description = "orders of one product")]
    public int Orders() => Settle(orders);

    [Benchmark(Description = "payments of orders")]
    public int Payments() => Settle(payments);

    /// <summary>Settles a batch as the executor does, and counts what was carried out.</summary>
    private int Settle(Command[] commands)
    {
        rows.Clear();
        foreach (Command command in commands)
        {
            command.Declare(rows.Keys);
        }

        Load();
        int carriedOut = 0;
        foreach (Command command in commands)
        {
            carriedOut += command.Decide(rows).Refusal is null ? 1 : 0;
        }

        return carriedOut == commands.Length ? carriedOut : throw new InvalidOperationException("A command was refused.");
    }

    /// <summary>Hands over fresh rows for all that was declared, as a store does.</summary>
    private void Load()
    {
        foreach ((string memberId, Guid orderId) in rows.Orders.Keys)
        {
            rows.LoadOrder(new Order(
                memberId, orderId, OrderStatus.PendingPayment, Lines, 1_000, 0, null, Now, Now + Window, null, null));
        }

        foreach (long productId in rows.Products.Keys)
        {
            rows.Products.Load(productId, new Product(productId, "mug", 1_000, Limits.Stock, onSale: true));
        }

        foreach (long couponId in rows.Coupons.Keys)
        {
            rows.Coupons.Load(couponId, new Coupon(
                couponId, "coupon", new Discount(DiscountKind.Amount, 100, null), 0, Limits.Stock, 0, Now, Now.AddDays(1), Now.AddDays(2)));
        }

        foreach (string memberId in rows.Wallets.Keys)
        {
            rows.Wallets.Load(memberId, new Wallet(memberId, balance: 1_000_000, entries: 1, events: 0));
        }
    }

    private Command[] Make(Func<int, Command> command) => [.. Enumerable.Range(0, Commands).Select(command)];

    private static string Member(int i) => $"member-{i}";

    private static Guid OrderId(int i) => Ids.ToOrderId(new Guid($"01957c00-0000-7000-8000-{i * 4:x12}"));

    /// <summary>In this process: nothing is generated, restored or built besides.</summary>
    private sealed class InThisProcess : ManualConfig
    {
        public InThisProcess() => AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
    }
}
