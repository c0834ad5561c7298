namespace Jumun.Tests.Histories;

/// <summary>What a call did to a number in the shop, as its answer tells.</summary>
internal enum Deed
{
    /// <summary>It grew by the amount.</summary>
    Add,

    /// <summary>It fell by the amount, of which there was enough.</summary>
    Take,

    /// <summary>It was not taken from, because there was less than the amount.</summary>
    Refuse,

    /// <summary>It was only read.</summary>
    Read,
}

/// <summary>What a call did.</summary>
/// <param name="Deed">What was done.</param>
/// <param name="Amount">How much was to be added or taken.</param>
/// <param name="Told">What the answer says the number is, after it; null when it does not say.</param>
/// <param name="IsUnknown">Nobody was told whether it was done: it may have been, at any moment from the call on, or never.</param>
internal readonly record struct Effect(Deed Deed, long Amount, long? Told, bool IsUnknown = false)
{
    /// <summary>A query, which does nothing.</summary>
    public static Effect Query { get; } = new(Deed.Read, 0, null);

    /// <summary>The number after this was done to it; null when this cannot have been done to it.</summary>
    public long? On(long number)
    {
        long? after = Deed switch
        {
            Deed.Add => number + Amount,
            Deed.Take => number >= Amount ? number - Amount : null,
            Deed.Refuse => number < Amount ? number : null,
            Deed.Read => number,
        };
        return Told is { } told && told != after ? null : after;
    }
}

/// <summary>A call of a history: when it began, when its answer was there, what it did.</summary>
internal readonly record struct Operation(long Called, long Returned, Effect Effect);
