using Dapper;

namespace DataPlatform;

/// <summary>What a product sold in an hour.</summary>
internal sealed record SalesRow(long Hour, long ProductId, string Name, long Quantity, long Amount, long RefundedQuantity, long RefundedAmount);

/// <summary>The money of an hour. Its constructor is named to Dapper, which cannot know the types of sums over no rows.</summary>
[method: ExplicitConstructor]
internal sealed record RevenueRow(long Hour, long Orders, long Gross, long Discounts, long Refunds, long Refunded);

/// <summary>The orders of a member that were paid and not given back.</summary>
internal sealed record BuyerRow(string MemberId, long Orders, long Spent);

/// <summary>What is counted of all events.</summary>
internal sealed record TotalsRow(long Events, long Duplicates, long Completed, long Refunded, long Revenue, long Discounts, long Last, long Lag);

/// <summary>What new events add to the sums that questions are answered from.</summary>
internal sealed record Sums(
    IReadOnlyList<SalesRow> Sales, IReadOnlyList<RevenueRow> Revenue, IReadOnlyList<BuyerRow> Buyers, IReadOnlyList<FileLength> Days, TotalsRow Totals)
{
    public const long HourMilliseconds = 3_600_000;

    /// <param name="events">All that came.</param>
    /// <param name="stored">The ids of those that are new.</param>
    /// <param name="now">When they came.</param>
    public static Sums Of(IReadOnlyList<OrderEvent> events, IReadOnlySet<string> stored, DateTimeOffset now)
    {
        // An id that came twice at once is new once.
        List<OrderEvent> fresh = [.. events.Where(one => stored.Contains(one.Id)).DistinctBy(one => one.Id)];
        List<OrderEvent> paid = [.. fresh.Where(one => !one.IsRefund)];
        List<OrderEvent> given = [.. fresh.Where(one => one.IsRefund)];
        long revenue = paid.Sum(one => one.Cloud.Data.Total) - given.Sum(one => one.Cloud.Data.Total);
        DateTimeOffset last = fresh.Count > 0 ? fresh.Max(one => one.Cloud.Time) : DateTimeOffset.UnixEpoch;
        return new Sums(
            [.. fresh
                .SelectMany(one => one.Cloud.Data.Items.Select(line => (Hour: HourOf(one.Cloud.Data.PaidAt), one.IsRefund, Line: line)))
                .GroupBy(sale => (sale.Hour, sale.Line.ProductId))
                .Select(sales => new SalesRow(
                    sales.Key.Hour, sales.Key.ProductId, sales.Last().Line.Name,
                    sales.Where(sale => !sale.IsRefund).Sum(sale => sale.Line.Quantity),
                    sales.Where(sale => !sale.IsRefund).Sum(sale => sale.Line.Quantity * sale.Line.Price),
                    sales.Where(sale => sale.IsRefund).Sum(sale => sale.Line.Quantity),
                    sales.Where(sale => sale.IsRefund).Sum(sale => sale.Line.Quantity * sale.Line.Price)))],
            [.. fresh.GroupBy(one => HourOf(one.Cloud.Time)).Select(hour => new RevenueRow(
                hour.Key,
                hour.Count(one => !one.IsRefund),
                hour.Where(one => !one.IsRefund).Sum(one => one.Cloud.Data.Total),
                hour.Where(one => !one.IsRefund).Sum(one => one.Cloud.Data.Discount),
                hour.Count(one => one.IsRefund),
                hour.Where(one => one.IsRefund).Sum(one => one.Cloud.Data.Total)))],
            [.. fresh.GroupBy(one => one.Cloud.Data.MemberId, StringComparer.Ordinal).Select(member => new BuyerRow(
                member.Key, member.Sum(one => one.IsRefund ? -1 : 1), member.Sum(one => one.IsRefund ? -one.Cloud.Data.Total : one.Cloud.Data.Total)))],
            [.. fresh.Select(one => EventFiles.DayOf(one.Cloud.Time)).Distinct().Select(day => new FileLength(day, 0))],
            new TotalsRow(
                fresh.Count, events.Count - fresh.Count, paid.Count, given.Count, revenue, paid.Sum(one => one.Cloud.Data.Discount),
                last.ToUnixTimeMilliseconds(), Math.Max(0, (long)(now - last).TotalMilliseconds)));
    }

    private static long HourOf(DateTimeOffset time) => time.ToUnixTimeMilliseconds() / HourMilliseconds;
}
