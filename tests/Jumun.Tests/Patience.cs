using System.Diagnostics;

namespace Jumun.Tests;

/// <summary>How long a client asks again and again before it says that it gets nowhere. Without an end a mistake of the shop would stop all tests.</summary>
internal sealed class Patience
{
    /// <summary>Longer than any outage that a test makes.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    private readonly long begun = Stopwatch.GetTimestamp();

    /// <summary>Fails when it has lasted too long.</summary>
    /// <param name="what">What was asked for.</param>
    /// <param name="last">What was answered last, or why nothing was.</param>
    public void MayGoOn(string what, string last) =>
        Assert.True(Stopwatch.GetElapsedTime(begun) < Longest, $"{what}: asked for {Longest} without a definite answer. The last one: {last}");
}
