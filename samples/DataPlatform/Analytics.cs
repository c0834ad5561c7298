using System.Data.Common;
using Dapper;

namespace DataPlatform;

/// <summary>What a product sold in an hour (UTC): amounts at the price of the order, before discounts; refunds in the hour of their sale.</summary>
internal sealed record HourlySales(
    DateTimeOffset Hour, long ProductId, string Name, long Quantity, long Amount, long RefundedQuantity, long RefundedAmount);

internal sealed record SalesAnswer(DateTimeOffset From, DateTimeOffset To, IReadOnlyList<HourlySales> Items);

/// <summary>The money of a day or an hour (UTC): orders when they are paid, refunds when they are given.</summary>
internal sealed record Revenue(DateTimeOffset Since, long Orders, long Gross, long Discounts, long Refunds, long Refunded)
{
    public long Net => Gross - Refunded;
}

internal sealed record RevenueAnswer(long Orders, long Gross, long Discounts, long Refunds, long Refunded, long Net, IReadOnlyList<Revenue> Days);

/// <summary>A member with more than one order that was paid and not given back.</summary>
internal sealed record Buyer(string MemberId, long Orders, long Spent);

internal sealed record BuyersAnswer(long Buyers, long RepeatBuyers, IReadOnlyList<Buyer> Items);

/// <summary>Everything, in a few numbers. Revenue is what was paid less what was given back.</summary>
internal sealed record Totals(
    long Events, long Duplicates, long Completed, long Refunded, long Revenue, long Discounts, DateTimeOffset? Last, long LagMilliseconds);

/// <summary>An event, as far as books are compared by it.</summary>
internal sealed record EventItem(string EventId, string Type, string OrderId, string MemberId, long Sequence, long Total);

internal sealed record EventsAnswer(IReadOnlyList<EventItem> Items, string? Next);

/// <summary>What is sold most.</summary>
[method: ExplicitConstructor]
internal sealed record ProductSales(long ProductId, string Name, long Quantity, long Amount);

/// <summary>The questions that the platform answers. Each is one statement over the sums, but for the list of events.</summary>
internal sealed class Analytics(EventStore store)
{
    public async Task<List<HourlySales>> SalesAsync(DateTimeOffset from, DateTimeOffset to)
    {
        await using DbConnection connection = await store.ReaderAsync();
        return [.. (await connection.QueryAsync<SalesRow>(
            """
            SELECT hour, product_id AS ProductId, name, quantity, amount, refunded_quantity AS RefundedQuantity, refunded_amount AS RefundedAmount
            FROM sales WHERE hour >= @from AND hour < @to ORDER BY hour, product_id LIMIT @limit
            """,
            new { from = HourOf(from), to = HourOf(to), limit = Bounds.SalesRows + 1 }))
            .Select(row => new HourlySales(
                TimeOf(row.Hour), row.ProductId, row.Name, row.Quantity, row.Amount, row.RefundedQuantity, row.RefundedAmount))];
    }

    /// <summary>The money of each day, or of each hour, in which there was any.</summary>
    public async Task<List<Revenue>> RevenueAsync(DateTimeOffset from, DateTimeOffset to, int hours)
    {
        await using DbConnection connection = await store.ReaderAsync();
        return [.. (await connection.QueryAsync<RevenueRow>(
            """
            SELECT hour / @hours * @hours AS hour, CAST(sum(orders) AS bigint) AS orders, CAST(sum(gross) AS bigint) AS gross,
              CAST(sum(discounts) AS bigint) AS discounts, CAST(sum(refunds) AS bigint) AS refunds, CAST(sum(refunded) AS bigint) AS refunded
            FROM revenue WHERE hour >= @from AND hour < @to GROUP BY 1 ORDER BY 1
            """,
            new { from = HourOf(from), to = HourOf(to), hours = (long)hours }))
            .Select(row => new Revenue(TimeOf(row.Hour), row.Orders, row.Gross, row.Discounts, row.Refunds, row.Refunded))];
    }

    public async Task<List<ProductSales>> TopProductsAsync(DateTimeOffset from, int limit)
    {
        await using DbConnection connection = await store.ReaderAsync();
        return [.. await connection.QueryAsync<ProductSales>(
            """
            SELECT product_id AS ProductId, max(name) AS Name, CAST(sum(quantity - refunded_quantity) AS bigint) AS Quantity,
              CAST(sum(amount - refunded_amount) AS bigint) AS Amount
            FROM sales WHERE hour >= @from GROUP BY product_id HAVING sum(quantity - refunded_quantity) > 0
            ORDER BY 3 DESC, 4 DESC, 1 LIMIT @limit
            """,
            new { from = HourOf(from), limit })];
    }

    public async Task<BuyersAnswer> BuyersAsync(int limit)
    {
        await using DbConnection connection = await store.ReaderAsync();
        long all = await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM buyers WHERE orders > 0");
        long repeat = await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM buyers WHERE orders > 1");
        return new BuyersAnswer(all, repeat, [.. await connection.QueryAsync<Buyer>(
            "SELECT member_id AS MemberId, orders, spent FROM buyers WHERE orders > 1 ORDER BY orders DESC, spent DESC, member_id LIMIT @limit",
            new { limit })]);
    }

    public async Task<Totals> TotalsAsync()
    {
        await using DbConnection connection = await store.ReaderAsync();
        TotalsRow row = await connection.QuerySingleAsync<TotalsRow>(
            "SELECT events, duplicates, completed, refunded, revenue, discounts, last, lag FROM totals");
        return new Totals(
            row.Events, row.Duplicates, row.Completed, row.Refunded, row.Revenue, row.Discounts,
            row.Last == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.Last), row.Lag);
    }

    /// <summary>Events by their ids, ascending.</summary>
    public async Task<EventsAnswer> EventsAsync(string after, int limit)
    {
        await using DbConnection connection = await store.ReaderAsync();
        List<EventItem> items = [.. await connection.QueryAsync<EventItem>(
            """
            SELECT event_id AS EventId, type, order_id AS OrderId, member_id AS MemberId, sequence, total
            FROM events WHERE event_id > @after ORDER BY event_id LIMIT @limit
            """,
            new { after, limit })];
        return new EventsAnswer(items, items.Count == limit ? items[^1].EventId : null);
    }

    private static long HourOf(DateTimeOffset time) => time.ToUnixTimeMilliseconds() / Sums.HourMilliseconds;

    private static DateTimeOffset TimeOf(long hour) => DateTimeOffset.FromUnixTimeMilliseconds(hour * Sums.HourMilliseconds);
}
