using Jumun.Orders;

namespace Jumun.Ranking;

/// <summary>What is to be added to the sales counter of a product in an hour.</summary>
/// <param name="Quantity">Pieces, signed.</param>
/// <param name="Amount">Price × quantity before any discount, in won, signed.</param>
public readonly record struct SalesDelta(long Quantity, long Amount);

/// <summary>Sales are counted by product and hour (UTC), in the hour of the payment; a refund subtracts in that same hour.</summary>
public static class SalesHours
{
    /// <summary>The hour of a moment: whole hours since 1970.</summary>
    public static long Of(DateTimeOffset moment) => moment.ToUnixTimeSeconds() / 3600;

    /// <summary>The moment when an hour begins.</summary>
    public static DateTimeOffset StartOf(long hour) => DateTimeOffset.FromUnixTimeSeconds(hour * 3600);

    internal static void Add(WorkingSet rows, Order order) => Count(rows, order, sign: 1);

    internal static void Subtract(WorkingSet rows, Order order) => Count(rows, order, sign: -1);

    private static void Count(WorkingSet rows, Order order, long sign)
    {
        long hour = Of(order.PaidAt ?? throw new InvalidOperationException($"Order {order.OrderId} was never paid."));
        foreach (OrderLine line in order.Lines)
        {
            rows.AddSales(line.ProductId, hour, sign * line.Quantity, sign * line.Quantity * line.Price);
        }
    }
}

/// <summary>The window of a list of top products: whole hours in UTC, the running one included.</summary>
/// <param name="FromHour">Its first hour.</param>
/// <param name="ToHour">The hour after its last.</param>
public readonly record struct SalesWindow(long FromHour, long ToHour)
{
    /// <summary>The last days as of now.</summary>
    /// <param name="now">Now.</param>
    /// <param name="days">How many days of 24 hours, 1 to 30.</param>
    public static SalesWindow Last(DateTimeOffset now, int days)
    {
        long end = SalesHours.Of(now) + 1;
        return new SalesWindow(end - (days * 24L), end);
    }
}

/// <summary>A product among the top ones.</summary>
/// <param name="Rank">Its place, from 1.</param>
/// <param name="ProductId">The product.</param>
/// <param name="Name">Its name today.</param>
/// <param name="Price">Its price today, in won a piece.</param>
/// <param name="SoldQuantity">Pieces sold in the window, refunds subtracted.</param>
/// <param name="SoldAmount">Price × quantity of those, before discounts, in won.</param>
public sealed record TopProduct(int Rank, long ProductId, string Name, long Price, long SoldQuantity, long SoldAmount);

/// <summary>The top products of a window: by quantity, then amount, then the lower id.</summary>
/// <param name="Since">The window's first moment.</param>
/// <param name="Until">The moment after its last.</param>
/// <param name="Items">The products, best first.</param>
public sealed record TopProducts(DateTimeOffset Since, DateTimeOffset Until, IReadOnlyList<TopProduct> Items);
