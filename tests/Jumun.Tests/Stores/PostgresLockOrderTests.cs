using Jumun.Cart;
using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Tests.Stores;

/// <summary>
/// Two processes, of two lanes each, want the same rows all the time, each names them in an order of its own, and they never wait for each
/// other in a circle. A deadlock would be settled anew and no client would see it, so PostgreSQL itself is asked.
/// </summary>
public sealed class PostgresLockOrderTests : IAsyncLifetime
{
    private const int Rows = 6;

    private readonly OrderIds orderIds = new(TimeProvider.System);
    private string database = "";

    public async ValueTask InitializeAsync() => database = await PostgresServer.CreateShopAsync();

    public async ValueTask DisposeAsync() => await PostgresServer.DropDatabaseAsync(database);

    [Fact]
    public async Task Locks_are_taken_in_one_order_everywhere()
    {
        // PostgreSQL counts what a session met at the latest when it ends.
        await Task.WhenAll(LiveAsync("one", descending: false), LiveAsync("two", descending: true));
        await NoneWaitedInACircleAsync();
    }

    [Fact]
    public async Task Wallets_are_locked_in_one_order_by_carts_refunds_charges_and_payments()
    {
        await Task.WhenAll(SpendAsync("one", descending: false), SpendAsync("two", descending: true));
        await NoneWaitedInACircleAsync();
    }

    private async Task NoneWaitedInACircleAsync()
    {
        await using var server = new NpgsqlConnection($"{database};Pooling=false");
        await server.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()", server);
        Assert.Equal(0L, await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    private async Task LiveAsync(string name, bool descending)
    {
        await using PostgresStore store = await PostgresStore.OpenAsync(database, name, secondLaneFrom: 1);
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        DateTimeOffset now = DateTimeOffset.FromUnixTimeMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        for (int i = 0; i < Rows / 2; i++)
        {
            await executor.SubmitAsync(new CreateProduct("mug", 1, 1_000_000));
            await executor.SubmitAsync(new CreateCoupon(
                "coupon", new Discount(DiscountKind.Amount, 1, null), 0, 1_000_000, now.AddDays(-1), now.AddDays(1), now.AddDays(1)));
        }

        for (int round = 0; round < 300; round++)
        {
            long[] numbers = [.. Enumerable.Range(1, Rows).Select(i => (long)(descending ? Rows + 1 - i : i))];
            string member = $"{name}{round}";
            Settlement[] settled = await Task.WhenAll(
                numbers.Select(coupon => executor.SubmitAsync(new IssueCoupon(member, coupon)).AsTask())
                    .Append(executor.SubmitAsync(new PlaceOrder(
                        member, orderIds.Next(), [.. numbers.Select(product => new OrderItem(product, 1))], null, null, TimeSpan.FromMinutes(10))).AsTask()));
            foreach (OrderView order in settled.Select(settlement => settlement.Answer).OfType<OrderView>())
            {
                await executor.SubmitAsync(new CancelOrder(member, order.OrderId, ByAdministrator: false, TimeSpan.FromDays(7)));
            }
        }
    }

    /// <summary>The same members all the time: in one lane their carts and refunds, in the other their charges and payments.</summary>
    private async Task SpendAsync(string name, bool descending)
    {
        await using PostgresStore store = await PostgresStore.OpenAsync(database, name, secondLaneFrom: 1);
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        long product = ((ProductView)(await executor.SubmitAsync(new CreateProduct("mug", 1, 1_000_000))).Answer!).ProductId;
        string[] members = [.. Enumerable.Range(1, Rows).Select(i => $"m{(descending ? Rows + 1 - i : i)}")];
        List<OrderView> paid = [];
        for (int round = 0; round < 150; round++)
        {
            OrderView[] ordered = [.. (await AllAsync(members.Select(
                member => new PlaceOrder(member, orderIds.Next(), [new OrderItem(product, 1)], null, null, TimeSpan.FromMinutes(10)))))
                .Select(settlement => settlement.Answer).OfType<OrderView>()];
            await AllAsync(
                [.. members.Select(member => new ChargePoints(member, 10)),
                .. ordered.Select(order => new PayOrder(order.MemberId, order.OrderId)),
                .. members.Select((member, i) => i % 2 == 0 ? new PutCartLine(member, product, 1) : (Command)new RemoveCartLine(member, null)),
                .. paid.Select(order => new CancelOrder(order.MemberId, order.OrderId, ByAdministrator: true, TimeSpan.FromDays(7))),
                new ChargePoints($"{name}{round}", 1)]);
            paid = [.. ordered];
        }

        Assert.True(executor.Counters.Races > 0, "They never met.");

        Task<Settlement[]> AllAsync(IEnumerable<Command> commands) =>
            Task.WhenAll(commands.Select(command => executor.SubmitAsync(command).AsTask()));
    }
}
