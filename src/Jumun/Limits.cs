namespace Jumun;

/// <summary>
/// The bounds of the shop's numbers. Money is a whole number in the shop's currency (won). The largest order,
/// <see cref="OrderLines"/> × <see cref="LineQuantity"/> × <see cref="Price"/>, stays below <see cref="Balance"/>:
/// no sum in the core can overflow.
/// </summary>
public static class Limits
{
    /// <summary>Largest balance of a member, in won: 2^53 − 1, the largest whole number that every JSON reader keeps.</summary>
    public const long Balance = 9_007_199_254_740_991;

    /// <summary>Largest single charge, in won; the smallest is 1.</summary>
    public const long Charge = 100_000_000;

    /// <summary>Largest price of one piece, in won; the smallest is 0.</summary>
    public const long Price = 1_000_000_000;

    /// <summary>Largest stock of a product and largest quantity of a coupon, in pieces.</summary>
    public const long Stock = 1_000_000_000;

    /// <summary>Most lines in one order, as sent.</summary>
    public const int OrderLines = 100;

    /// <summary>Largest quantity of one product in an order or a cart, in pieces; the smallest is 1.</summary>
    public const long LineQuantity = 10_000;

    /// <summary>Most lines in a cart.</summary>
    public const int CartLines = 100;

    /// <summary>Longest name of a product or coupon and longest reason of a stock change, in characters (Unicode scalars).</summary>
    public const int NameLength = 200;

    /// <summary>Largest percentage of a discount; the smallest is 1.</summary>
    public const long Percent = 100;
}
