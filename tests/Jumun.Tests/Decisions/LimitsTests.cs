using Jumun.Coupons;

namespace Jumun.Tests.Decisions;

public sealed class LimitsTests
{
    [Fact]
    public void The_largest_order_is_smaller_than_the_largest_balance()
    {
        Assert.True(Limits.OrderLines * Limits.LineQuantity * Limits.Price < Limits.Balance);
    }

    [Fact]
    public void A_percentage_of_the_largest_order_does_not_overflow()
    {
        long largest = Limits.OrderLines * Limits.LineQuantity * Limits.Price;

        Assert.Equal(largest, new Discount(DiscountKind.Percent, Limits.Percent, null).Of(largest));
    }

    [Fact]
    public void The_largest_balance_is_a_whole_number_that_every_json_reader_keeps()
    {
        Assert.Equal((1L << 53) - 1, Limits.Balance);
    }

    [Fact]
    public void The_limits_are_those_of_the_contract()
    {
        Assert.Equal(
            (100_000_000, 1_000_000_000, 1_000_000_000, 100, 10_000, 100, 200, 100),
            (Limits.Charge, Limits.Price, Limits.Stock, Limits.OrderLines, Limits.LineQuantity, Limits.CartLines, Limits.NameLength, Limits.Percent));
    }
}
