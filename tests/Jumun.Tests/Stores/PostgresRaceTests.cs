using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;
using Jumun.Server;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Stores;

/// <summary>Two processes on one database: each a store and an executor of its own, as two servers have them.</summary>
public sealed class PostgresRaceTests : IAsyncLifetime
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan WhateverItsAge = TimeSpan.FromDays(-1);

    private readonly OrderIds orderIds = new(TimeProvider.System);
    private string database = "";
    private Process one = null!;
    private Process two = null!;

    public async ValueTask InitializeAsync()
    {
        database = await PostgresServer.CreateShopAsync();
        one = await Process.StartAsync(database, "one");
        two = await Process.StartAsync(database, "two");
    }

    public async ValueTask DisposeAsync()
    {
        await one.DisposeAsync();
        await two.DisposeAsync();
        await PostgresServer.DropDatabaseAsync(database);
    }

    [Fact]
    public async Task The_first_wallet_of_a_member_is_made_once()
    {
        await MeetAsync(() => one.SettleAsync(new ChargePoints("m", 1)), () => two.SettleAsync(new ChargePoints("m", 2)));
        Assert.Equal(1, one.Executor.Counters.Races);
        Assert.Equal(3, (await two.Store.PointsAsync("m")).Balance);
        Assert.Equal([2L, 1L], (await one.Store.HistoryAsync("m", null, 10)).Select(entry => entry.EntryId));
        await AuditAsync();
    }

    [Fact]
    public async Task A_request_under_one_key_has_one_effect_and_one_answer()
    {
        (Settlement first, Settlement second) = await MeetAsync(() => ChargeAsync(one, "key"), () => ChargeAsync(two, "key"));
        Assert.Equal((true, false), (first.Replayed, second.Replayed));
        Assert.Equal(second.Stored!.Body, first.Stored!.Body);
        Assert.Equal(10, (await one.Store.PointsAsync("m")).Balance);

        // With a wallet that is there, the key alone tells.
        (first, second) = await MeetAsync(() => ChargeAsync(one, "other"), () => two.SettleAsync(new ChargePoints("n", 1), Keyed("m", "other", 10)));
        Assert.Equal((true, false), (first.Replayed, second.Replayed));
        Assert.Equal((10, 1), ((await one.Store.PointsAsync("m")).Balance, (await one.Store.PointsAsync("n")).Balance));
        await AuditAsync();
    }

    [Fact]
    public async Task Numbers_of_products_and_coupons_are_given_once()
    {
        (Settlement first, Settlement second) = await MeetAsync(
            () => one.SettleAsync(new CreateProduct("mug", 1, 1)), () => two.SettleAsync(new CreateProduct("cup", 1, 1)));
        Assert.Equal((2, 1), (((ProductView)first.Answer!).ProductId, ((ProductView)second.Answer!).ProductId));
        (first, second) = await MeetAsync(() => one.SettleAsync(NewCoupon(1)), () => two.SettleAsync(NewCoupon(1)));
        Assert.Equal((2, 1), (((CouponView)first.Answer!).CouponId, ((CouponView)second.Answer!).CouponId));
        await AuditAsync();
    }

    [Fact]
    public async Task A_hot_coupon_is_issued_to_its_last_piece_and_not_beyond()
    {
        long coupon = ((CouponView)(await one.SettleAsync(NewCoupon(300))).Answer!).CouponId;
        Settlement[] settled = await BothAsync(1_000, i => new IssueCoupon($"m{i % 500}", coupon));
        long[] numbers = [.. settled.Where(s => s.Answer is not null).Select(s => ((IssuedCouponView)s.Answer!).Number).Order()];
        Assert.Equal(Enumerable.Range(1, 300).Select(i => (long)i), numbers);
        Assert.All(settled.Where(s => s.Answer is null), s => Assert.True(
            s.Refusal!.Code is RefusalCode.CouponSoldOut or RefusalCode.CouponAlreadyIssued));
        await AuditAsync();
    }

    [Fact]
    public async Task A_hot_product_is_sold_to_its_last_piece_and_not_beyond()
    {
        long product = await ProductAsync(stock: 100);
        Settlement[] settled = await BothAsync(600, i => Order($"m{i}", null, product));
        Assert.Equal(100, settled.Count(s => s.Answer is not null));
        Assert.All(settled.Where(s => s.Answer is null), s => Assert.Equal(RefusalCode.OutOfStock, s.Refusal!.Code));
        Assert.Equal(0, (await one.Store.ProductAsync(product))!.Stock);
        await AuditAsync();
    }

    [Fact]
    public async Task An_order_is_paid_once_and_its_hour_counts_what_both_sold()
    {
        long product = await ProductAsync(stock: 1_000);
        await BothAsync(50, i => new ChargePoints($"m{i}", 10_000));
        OrderView[] orders = [.. (await BothAsync(200, i => Order($"m{i % 50}", null, product))).Select(s => (OrderView)s.Answer!)];
        Settlement[] paid = await BothAsync(400, i => new PayOrder(orders[i / 2].MemberId, orders[i / 2].OrderId));
        Assert.Equal(200, paid.Count(s => s.Answer is PaymentCompleted));
        Assert.All(paid.Where(s => s.Answer is null), s => Assert.Equal(RefusalCode.PaymentAlreadyCompleted, s.Refusal!.Code));

        Settlement[] refunded = await BothAsync(
            100, i => new CancelOrder(orders[i / 2].MemberId, orders[i / 2].OrderId, ByAdministrator: true, TimeSpan.FromDays(1)));
        Assert.Equal(50, refunded.Count(s => s.Answer is not null));
        TopProduct top = Assert.Single(await two.Store.TopProductsAsync(SalesWindow.Last(TimeProvider.System.GetUtcNow(), 1), 5));
        Assert.Equal((150, 150 * 100), (top.SoldQuantity, top.SoldAmount));
        await AuditAsync();
    }

    [Fact]
    public async Task Orders_that_name_the_same_products_in_any_order_all_settle()
    {
        long[] products = [await ProductAsync(100_000), await ProductAsync(100_000), await ProductAsync(100_000)];
        long coupon = ((CouponView)(await one.SettleAsync(NewCoupon(1_000))).Answer!).CouponId;
        await BothAsync(40, i => new ChargePoints($"m{i}", 100_000));
        await BothAsync(40, i => new IssueCoupon($"m{i}", coupon));
        var live = Enumerable.Range(0, 8).Select(async worker =>
        {
            Process process = worker % 2 == 0 ? one : two;
            for (int i = 0; i < 25; i++)
            {
                string member = $"m{((worker * 7) + i) % 40}";
                long[] items = [.. products.OrderBy(product => (product * 31) % (worker + 2))];
                Settlement placed = await process.SettleAsync(Order(member, i % 3 == 0 ? coupon : null, items));
                if (placed.Answer is not OrderView order)
                {
                    Assert.Equal(RefusalCode.CouponNotUsable, placed.Refusal!.Code);
                    continue;
                }

                await process.SettleAsync(new PutCartLine(member, items[0], i + 1));
                Settlement ended = await (i % 4 == 0 ? one : two).SettleAsync(
                    i % 5 == 0 ? new CancelOrder(member, order.OrderId, false, Window) : new PayOrder(member, order.OrderId));
                Assert.Null(ended.Refusal);
                if (i % 6 == 0)
                {
                    await process.SettleAsync(new CancelOrder(member, order.OrderId, ByAdministrator: true, Window));
                }
            }
        });
        await Task.WhenAll(live);
        await AuditAsync();
    }

    [Fact]
    public async Task A_cart_takes_a_hundred_lines_of_both()
    {
        long[] products = [.. (await BothAsync(Limits.CartLines + 20, _ => new CreateProduct("mug", 1, 1))).Select(s => ((ProductView)s.Answer!).ProductId)];
        Settlement[] settled = await BothAsync(products.Length, i => new PutCartLine("m", products[i], 1));
        Assert.Equal(Limits.CartLines, settled.Count(s => s.Refusal is null));
        Assert.Equal(Limits.CartLines, (await one.Store.CartAsync("m")).Items.Count);
        await AuditAsync();
    }

    [Fact]
    public async Task The_last_place_in_a_cart_is_given_once()
    {
        long[] products = [.. (await BothAsync(Limits.CartLines + 1, _ => new CreateProduct("mug", 1, 1))).Select(s => ((ProductView)s.Answer!).ProductId)];
        foreach (long product in products[..99])
        {
            await one.SettleAsync(new PutCartLine("m", product, 1));
        }

        // The second waits for the wallet, not for a line.
        using var gate = new Gate(one.Store);
        Task<Settlement> first = one.SettleAsync(new PutCartLine("m", products[99], 1));
        await gate.Held;
        Task<Settlement> second = two.SettleAsync(new PutCartLine("m", products[100], 1));
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.False(second.IsCompleted);
        gate.Open();
        Assert.Null((await first).Refusal);
        Assert.Equal(RefusalCode.InvalidRequest, (await second).Refusal!.Code);
    }

    [Fact]
    public async Task Charges_of_one_member_add_up()
    {
        Settlement[] settled = await BothAsync(1_000, i => new ChargePoints($"m{i % 3}", 7));
        Assert.All(settled, s => Assert.Null(s.Refusal));
        long total = 0;
        foreach (string member in (string[])["m0", "m1", "m2"])
        {
            total += (await one.Store.PointsAsync(member)).Balance;
        }

        Assert.Equal(7_000, total);
        await AuditAsync();
    }

    [Fact]
    public async Task An_event_that_one_sends_again_another_does_not_forget()
    {
        Guid eventId = await DeliveredAsync();
        Settlement replayed = await BehindAsync(new ReplayEvents([eventId], Next: null), new ForgetDeliveredEvents([eventId], WhateverItsAge));
        Assert.Equal(1, ((EventsReplayed)replayed.Answer!).Replayed);
        Assert.Equal(OutboxState.Pending, Assert.Single(await one.Store.EventsAsync(null, null, 10)).Event.State);
        await AuditAsync();
    }

    [Fact]
    public async Task An_event_that_one_gives_up_another_does_not_forget()
    {
        Guid eventId = await DeliveredAsync();
        await one.SettleAsync(new ReplayEvents([eventId], Next: null));
        await one.SettleAsync(new RecordFailures([eventId], TimeSpan.Zero));
        PendingEvent pending = Assert.Single(await PendingAsync());
        Settlement failed = await BehindAsync(
            new RecordFailures([eventId], TimeSpan.Zero), new RecordDelivery([pending.Key]), new ForgetDeliveredEvents([eventId], WhateverItsAge));
        Assert.True(Assert.Single(((FailuresRecorded)failed.Answer!).Events).IsDead);
        Assert.Equal(OutboxState.Dead, Assert.Single(await one.Store.EventsAsync(null, null, 10)).Event.State);
        await AuditAsync();
    }

    [Fact]
    public async Task An_event_that_one_forgets_is_unknown_to_another_that_would_send_it_again()
    {
        Guid eventId = await DeliveredAsync();
        using var gate = new Gate(one.Store);
        Task<Settlement> forgetting = one.SettleAsync(new ForgetDeliveredEvents([eventId], WhateverItsAge));
        await gate.Held;
        Task<Settlement> replaying = two.SettleAsync(new ReplayEvents([eventId], Next: null));
        await Task.Delay(100, TestContext.Current.CancellationToken);
        gate.Open();
        Assert.Null((await forgetting).Refusal);
        Assert.Equal(0, ((EventsReplayed)(await replaying).Answer!).Replayed);
        Assert.Empty(await one.Store.EventsAsync(null, null, 10));
        Assert.Empty(await PendingAsync());
        await AuditAsync();
    }

    /// <summary>The others come one by one when the first has loaded and decided, and are given time to be first.</summary>
    private async Task<Settlement> BehindAsync(Command first, params Command[] others)
    {
        using var gate = new Gate(one.Store);
        Task<Settlement> waiting = one.SettleAsync(first);
        await gate.Held;
        Task behind = SettleOthersAsync();
        await Task.Delay(200, TestContext.Current.CancellationToken);
        gate.Open();
        await behind;
        return await waiting;

        async Task SettleOthersAsync()
        {
            foreach (Command other in others)
            {
                Assert.Null((await two.SettleAsync(other)).Refusal);
            }
        }
    }

    private ValueTask<List<PendingEvent>> PendingAsync() => one.Store.PendingEventsAsync(
        [.. Enumerable.Range(0, Bounds.Partitions).Select(partition => (short)partition)], new HashSet<string>(), anew: true, 10);

    /// <summary>An event that was delivered.</summary>
    private async Task<Guid> DeliveredAsync()
    {
        await one.SettleAsync(new ChargePoints("m", 1_000));
        var order = (OrderView)(await one.SettleAsync(Order("m", null, await ProductAsync(stock: 1)))).Answer!;
        await one.SettleAsync(new PayOrder("m", order.OrderId));
        PendingEvent pending = Assert.Single(await PendingAsync());
        await one.SettleAsync(new RecordDelivery([pending.Key]));
        return pending.EventId;
    }

    private static CreateCoupon NewCoupon(long quantity)
    {
        DateTimeOffset now = DateTimeOffset.FromUnixTimeMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        return new CreateCoupon("coupon", new Discount(DiscountKind.Amount, 10, null), 0, quantity, now.AddDays(-1), now.AddDays(1), now.AddDays(1));
    }

    private static KeyedRequest Keyed(string member, string key, long fingerprint) => new(
        new IdempotencyKey(member, key), BitConverter.GetBytes(fingerprint), new Reply<PointsCharged>(200, ApiJson.Default.PointsCharged).Render);

    private static Task<Settlement> ChargeAsync(Process process, string key) => process.SettleAsync(new ChargePoints("m", 10), Keyed("m", key, 10));

    private PlaceOrder Order(string member, long? coupon, params long[] products) =>
        new(member, orderIds.Next(), [.. products.Select(product => new OrderItem(product, 1))], coupon, null, Window);

    private async Task<long> ProductAsync(long stock) =>
        ((ProductView)(await one.SettleAsync(new CreateProduct("mug", 100, stock))).Answer!).ProductId;

    /// <summary>Every command, in turn on one process and the other, all at once.</summary>
    private Task<Settlement[]> BothAsync(int count, Func<int, Command> command) =>
        Task.WhenAll(Enumerable.Range(0, count).Select(i => (i % 2 == 0 ? one : two).SettleAsync(command(i))));

    /// <summary>The first has loaded and decided when the second comes and commits.</summary>
    private async Task<(Settlement First, Settlement Second)> MeetAsync(Func<Task<Settlement>> first, Func<Task<Settlement>> second)
    {
        using var gate = new Gate(one.Store);
        Task<Settlement> waiting = first();
        await gate.Held;
        Settlement done = await second();
        gate.Open();
        return (await waiting, done);
    }

    private async Task AuditAsync()
    {
        foreach (InvariantReport report in await one.Store.AuditAsync())
        {
            Assert.True(report.Holds, $"{report.Id}: {string.Join("; ", report.Offenders)}");
        }
    }

    /// <summary>Holds a store's next batch after its decisions, until it is opened.</summary>
    private sealed class Gate : IDisposable
    {
        private readonly TaskCompletionSource held = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Gate(PostgresStore store) => store.Fault = point =>
        {
            if (point != PostgresStore.FaultPoint.Write)
            {
                return Task.CompletedTask;
            }

            held.TrySetResult();
            return open.Task;
        };

        public Task Held => held.Task;

        public void Open() => open.TrySetResult();

        public void Dispose() => Open();
    }

    private sealed class Process(PostgresStore store) : IAsyncDisposable
    {
        public PostgresStore Store => store;

        public Executor Executor { get; } = new(store, TimeProvider.System, NullLogger<Executor>.Instance);

        public static async Task<Process> StartAsync(string database, string name) => new(await PostgresStore.OpenAsync(database, name));

        public Task<Settlement> SettleAsync(Command command, KeyedRequest? keyed = null) => Executor.SubmitAsync(command, keyed).AsTask();

        public async ValueTask DisposeAsync()
        {
            await Executor.DisposeAsync();
            await Store.DisposeAsync();
        }
    }
}
