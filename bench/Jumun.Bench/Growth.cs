using System.Globalization;
using System.Reflection;
using Jumun.Cart;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Bench;

/// <summary>
/// Shows that statements whose plans were made on empty tables stay fast while the tables grow: one session settles every
/// batch, from the empty database to the last order, and keeps its plans. At each size PostgreSQL logs each statement's time and
/// plan for a while (<see cref="PlanLog"/>).
/// </summary>
internal sealed class Growth(IStore store, Executor executor, NpgsqlDataSource control)
{
    private const int Products = 1_000;
    private const int Members = 100_000;
    private const int SampledBatches = 300;
    private const int SampledCommands = 64;
    private const int Submission = 4_096;
    private static readonly TimeSpan PaymentWindow = TimeSpan.FromHours(1);
    private static readonly short[] Partitions = [.. Enumerable.Range(0, Bounds.Partitions).Select(i => (short)i)];

    private readonly OrderIds orderIds = new(TimeProvider.System);
    private readonly Random random = new(1);
    private int orders;

    public static async Task<int> RunAsync(string database, string logPath, int most)
    {
        await PostgresStore.MigrateAsync(database);
        var settings = new NpgsqlConnectionStringBuilder(database)
        {
            Options = "-c session_preload_libraries=auto_explain -c auto_explain.log_format=json -c auto_explain.log_nested_statements=off"
                + " -c auto_explain.log_analyze=on -c auto_explain.log_timing=off -c auto_explain.log_buffers=on",
        };
        await using NpgsqlDataSource control = NpgsqlDataSource.Create(settings);
        await using IStore opened = await PostgresStore.OpenAsync(settings.ConnectionString, processName: null);
        IStore store = PlansKept.Of(opened);
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        var growth = new Growth(store, executor, control);
        using var log = new PlanLog(logPath);
        await growth.BeginAsync();

        var samples = new List<(int Orders, Dictionary<string, Measured> Statements)>();
        foreach (int size in new[] { 10_000, 100_000, 1_000_000 }.Where(size => size < most).Append(most))
        {
            await growth.GrowAsync(size);
            await growth.LogPlansAsync(always: true);
            log.SkipToEnd();
            int from = growth.orders;
            await growth.SampleAsync();
            await growth.LogPlansAsync(always: false);
            samples.Add((from, log.Read()));
        }

        return GrowthReport.Write(samples);
    }

    /// <summary>Every statement is run, and its plan made, while the tables are empty or hold some rows.</summary>
    private async Task BeginAsync()
    {
        await SettleAsync(Enumerable.Range(1, Products).Select(i => new CreateProduct($"product {i}", 10, Limits.Stock)).Chunk(100).First());
        await SettleAsync([.. Enumerable.Range(0, SampledCommands).Select(i => new ChargePoints(MemberOf(i), Limits.Charge))]);
        for (int i = 0; i < 4; i++)
        {
            await BatchAsync(i);
        }

        foreach (Command[] some in Enumerable.Range(101, Products - 100).Select(i => new CreateProduct($"product {i}", 10, Limits.Stock)).Chunk(100))
        {
            await SettleAsync(some);
        }

        foreach (Command[] some in Enumerable.Range(SampledCommands, Members - SampledCommands)
            .Select(i => new ChargePoints(MemberOf(i), Limits.Charge)).Chunk(Submission))
        {
            await SettleAsync(some);
        }

        Console.WriteLine($"{Members} members");
    }

    /// <summary>Orders, payments and deliveries side by side, as fast as they go.</summary>
    private async Task GrowAsync(int size)
    {
        PlaceOrder[] placed = [];
        long begun = System.Diagnostics.Stopwatch.GetTimestamp();
        int told = orders / 100_000;
        while (orders < size || placed.Length > 0)
        {
            PlaceOrder[] next = NewOrders(Math.Clamp(size - orders, 0, Submission), Members);
            await Task.WhenAll(SettleAsync(next), SettleAsync(Payments(placed)), DeliverAsync());
            placed = next;
            if (orders / 100_000 > told)
            {
                told = orders / 100_000;
                Console.WriteLine($"{orders} orders after {System.Diagnostics.Stopwatch.GetElapsedTime(begun).TotalSeconds:F0} s");
            }
        }

        await DeliverAsync();
    }

    private async Task SampleAsync()
    {
        for (int i = 0; i < SampledBatches; i++)
        {
            await BatchAsync(Members);
        }
    }

    /// <summary>64 orders in one batch, their payments in the next, the delivery of their events, and reads of the last order.</summary>
    private async Task BatchAsync(int members)
    {
        PlaceOrder[] placed = NewOrders(SampledCommands, Math.Max(members, SampledCommands));
        await SettleTogetherAsync(placed);
        await SettleTogetherAsync(Payments(placed));
        await DeliverAsync();
        (string memberId, Guid orderId) = (placed[0].MemberId, placed[0].OrderId);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        await store.PointsAsync(memberId);
        await store.ProductAsync(placed[0].Items[0].ProductId);
        await store.OrderAsync(memberId, orderId, now);
        await store.PaymentAsync(memberId, orderId, now);
        await store.HistoryAsync(memberId, below: null, Bounds.DefaultPageItems);
        await store.OrdersAsync(memberId, status: null, after: null, now, Bounds.DefaultPageItems);
        await store.OrdersAsync(memberId: null, status: null, after: null, now, Bounds.DefaultPageItems);
        await store.ExpiredOrdersAsync(now, Bounds.ExpiredOrders);
        await store.EventsAsync(state: null, after: null, Bounds.DefaultPageItems);
    }

    private PlaceOrder[] NewOrders(int count, int members)
    {
        var placed = new PlaceOrder[count];
        for (int i = 0; i < count; i++)
        {
            // A few products while there are only a few.
            long product = random.Next(members == Members ? Products : 100) + 1;
            placed[i] = new PlaceOrder(
                MemberOf(random.Next(members)), orderIds.Next(), [new OrderItem(product, 1)], CouponId: null, ExpectedTotal: null, PaymentWindow);
        }

        orders += count;
        return placed;
    }

    private static PayOrder[] Payments(PlaceOrder[] placed) => Array.ConvertAll(placed, order => new PayOrder(order.MemberId, order.OrderId));

    private async Task DeliverAsync()
    {
        while (await store.PendingEventsAsync(Partitions, new HashSet<string>(), anew: false, Bounds.RelayedEvents) is { Count: > 0 } events)
        {
            await SettleAsync([new RecordDelivery(events.ConvertAll(pending => pending.Key))]);
        }
    }

    /// <summary>The lane takes what is queued: while it settles a command ahead of them, all others come together.</summary>
    private async Task SettleTogetherAsync(Command[] commands) =>
        await SettleAsync([new RemoveCartLine("nobody", ProductId: null), .. commands]);

    private async Task SettleAsync(Command[] commands)
    {
        foreach (Settlement settlement in await Task.WhenAll(Array.ConvertAll(commands, command => executor.SubmitAsync(command).AsTask())))
        {
            if (settlement.Refusal is { } refusal)
            {
                throw new InvalidOperationException($"The growth was refused: {refusal.Code}.");
            }
        }
    }

    private async Task LogPlansAsync(bool always)
    {
        string least = $"ALTER SYSTEM SET auto_explain.log_min_duration = {(always ? 0 : -1)}";
        await using NpgsqlConnection connection = await control.OpenConnectionAsync();
        foreach (string text in (string[])[least, "SELECT pg_reload_conf()"])
        {
            await using var command = new NpgsqlCommand(text, connection);
            await command.ExecuteNonQueryAsync();
        }

        // Sessions hear of it between two statements.
        await Task.Delay(1_000);
    }

    /// <summary>Members whose names are in no order, so that their rows lie on random pages.</summary>
    private static string MemberOf(int i) => $"u{unchecked((uint)i * 2_654_435_761u):x8}";
}

/// <summary>
/// The store without its maintenance, which has the lane's plans made anew every few seconds: here the first ones stay.
/// </summary>
internal class PlansKept : DispatchProxy
{
    private IStore store = null!;

    public static IStore Of(IStore store)
    {
        IStore kept = Create<IStore, PlansKept>();
        ((PlansKept)(object)kept).store = store;
        return kept;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
        targetMethod!.Name == nameof(IStore.MaintainAsync) ? default(ValueTask) : targetMethod.Invoke(store, args);
}

/// <summary>Prints what was measured, as a table for people.</summary>
internal static class GrowthReport
{
    private const double Most = 1.2;

    public static int Write(List<(int Orders, Dictionary<string, Measured> Statements)> samples)
    {
        IEnumerable<string> sizes = samples.Select(sample => $"at {sample.Orders}, ms");
        Console.WriteLine($"\n| statement | {string.Join(" | ", sizes)} | last / first | pages, first | pages, last | scans |");
        Console.WriteLine($"|---|{string.Concat(samples.Select(_ => "---|"))}---|---|---|---|");
        bool isScanned = false;
        foreach (string text in samples.SelectMany(sample => sample.Statements.Keys).Distinct().Order(StringComparer.Ordinal))
        {
            Measured?[] measured = [.. samples.Select(sample => sample.Statements.GetValueOrDefault(text))];

            // Statements that came by chance, such as the rest of a batch, say nothing.
            if (measured.Max(one => one?.Count ?? 0) < 50)
            {
                continue;
            }

            double? ratio = measured[^1]?.Median / measured[0]?.Median;
            string[] scans = [.. measured.SelectMany(one => one?.Scans ?? []).Distinct().Order(StringComparer.Ordinal)];
            isScanned |= scans.Any(scan => scan.StartsWith("Seq Scan", StringComparison.Ordinal));
            IEnumerable<string> medians = measured.Select(one => Text(one?.Median, "F3"));
            Console.WriteLine(
                $"| `{Short(text)}` | {string.Join(" | ", medians)} | {Text(ratio, "F2")}{(ratio > Most ? " **above**" : "")} "
                + $"| {Pages(measured[0])} | {Pages(measured[^1])} | {string.Join(", ", scans)} |");
        }

        Console.WriteLine(isScanned ? "\nA table was read from end to end." : "\nNo table was read from end to end.");
        return isScanned ? 1 : 0;
    }

    private static string Text(double? number, string format) => number?.ToString(format, CultureInfo.InvariantCulture) ?? "–";

    private static string Pages(Measured? measured) => measured is null
        ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{measured.Pages:F0}{(measured.PagesRead >= 0.05 ? $", {measured.PagesRead:F1} not cached" : "")}");

    private static string Short(string text)
    {
        if (text.Length <= 110)
        {
            return text;
        }

        foreach ((string pattern, string with) in (ReadOnlySpan<(string, string)>)
        [
            (@"VALUES (\(.*?\))(, \(.*?\))* ON", "VALUES … ON"),
            (@"(INSERT INTO \w+) \([^)]*\)", "$1"),
            (@"unnest\([^)]*\)( AS \w\([^)]*\))?", "unnest(…)"),
            (@"SELECT (?!max)[^()]*? FROM", "SELECT … FROM"),
            (@"SET .*? FROM", "SET … FROM"),
        ])
        {
            int values = pattern.StartsWith("VALUES", StringComparison.Ordinal) ? System.Text.RegularExpressions.Regex.Count(text, @"\(\$") : 0;
            text = System.Text.RegularExpressions.Regex.Replace(text, pattern, values > 0 ? $"VALUES × {values} ON" : with);
        }

        return text.Length > 170 ? $"{text[..170]}…" : text;
    }
}
