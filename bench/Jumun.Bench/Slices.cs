using System.Diagnostics;
using System.Globalization;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Bench;

/// <summary>
/// What a batch of purchases costs on a database, divided or not: so many orders at once, then their payments, again and again,
/// straight through the executor. One line: how it is divided, and the median time of the two batches of a round.
/// </summary>
internal static class Slices
{
    private const int Products = 1_000;
    private const int WarmRounds = 10;

    /// <param name="database">The connection string; its schema is up to date.</param>
    /// <param name="size">Purchases of a round.</param>
    /// <param name="rounds">Rounds that count.</param>
    /// <param name="lanes"><c>nodes</c> or <c>coordinator</c>.</param>
    public static async Task<int> RunAsync(string database, int size, int rounds, string lanes)
    {
        await using PostgresStore store = await PostgresStore.OpenAsync(database, "bench", hasLanePerNode: lanes == "nodes");
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        var ids = new OrderIds(TimeProvider.System);
        await AllAsync(executor, Enumerable.Range(0, Products).Select(i => new CreateProduct($"product {i}", 10, Limits.Stock)));
        await AllAsync(executor, Enumerable.Range(0, size * 8).Select(i => new ChargePoints(MemberOf(i), Limits.Charge)));
        var times = new List<double>();
        for (int round = 0; round < WarmRounds + rounds; round++)
        {
            long begun = Stopwatch.GetTimestamp();
            int first = round * size;
            PlaceOrder[] orders = [.. Enumerable.Range(first, size).Select(i => new PlaceOrder(
                MemberOf(i % (size * 8)), ids.Next(), [new OrderItem((i * 7 % Products) + 1, 1)], null, null, TimeSpan.FromMinutes(10)))];
            await AllAsync(executor, orders);
            await AllAsync(executor, orders.Select(order => new PayOrder(order.MemberId, order.OrderId)));
            if (round >= WarmRounds)
            {
                times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }
        }

        times.Sort();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"lanes={store.Lanes} size={size} ms={times[times.Count / 2]:F2} us_a_command={times[times.Count / 2] * 1_000 / (2 * size):F1}"));
        return 0;
    }

    private static string MemberOf(int i) => $"u{unchecked((uint)i * 2_654_435_761u):x8}";

    private static async Task AllAsync(Executor executor, IEnumerable<Command> commands)
    {
        foreach (Command[] some in commands.Chunk(Bounds.BatchCommands))
        {
            foreach (Settlement settlement in await Task.WhenAll(some.Select(command => executor.SubmitAsync(command).AsTask())))
            {
                if (settlement.Refusal is { } refusal)
                {
                    throw new InvalidOperationException($"It was refused: {refusal.Code}.");
                }
            }
        }
    }
}
