using System.Globalization;

namespace Jumun.Tests.Histories;

/// <summary>
/// The judge is only worth what it catches. A history is written as calls, apart by spaces: <c>0-2:+5=5</c> was called at 0 and
/// returned at 2, added 5 and was told 5; <c>-</c> takes, <c>!</c> is refused, <c>r</c> reads; <c>0-?</c> never returned.
/// </summary>
[Once]
public sealed class LinearizabilityTests
{
    [Theory]
    [InlineData("")]
    [InlineData("0-1:r=0")]
    [InlineData("0-1:+5=5 2-3:r=5 4-5:-2=3 6-7:!4=3 8-9:r=3")]
    [InlineData("0-9:+5 1-2:r=0 3-4:r=5")]
    [InlineData("0-9:+5=5 1-2:r=5 3-4:r=5")]
    [InlineData("0-9:+5=5 0-9:+3=8 1-2:r=5")]
    [InlineData("0-9:+5=8 0-9:+3=3 1-2:r=3")]
    [InlineData("0-9:+5 0-9:!3=0 0-9:-5=0")]
    [InlineData("0-?:+5 1-2:r=0 3-4:r=5")]
    [InlineData("0-?:+5 1-2:r=0 3-4:r=0")]
    [InlineData("0-?:+5 0-?:+3 1-2:r=3 3-4:r=8")]
    [InlineData("0-1:+1=1 0-?:-1 5-6:!1=0")]
    [InlineData("0-9:+1=1 0-9:+1=2 0-9:+1=3 0-9:+1=4 0-9:-2=2 3-4:r=2 5-6:r=2")]
    public void A_history_that_can_be_is_accepted(string history) => Assert.True(Linearizability.Holds(0, Read(history)));

    [Theory]
    [InlineData("a value from nowhere", "0-1:r=1")]
    [InlineData("a stale read", "0-1:+5=5 2-3:r=0")]
    [InlineData("a stale read of another client, overlapping later writes", "0-1:+5=5 2-9:+1=6 3-4:r=0")]
    [InlineData("a read that goes back", "0-9:+5 1-2:r=5 3-4:r=0")]
    [InlineData("a read of what was not called yet", "0-1:r=5 2-3:+5=5")]
    [InlineData("a lost update", "0-9:+5=5 0-9:+3=3 10-11:r=8")]
    [InlineData("a lost update, seen by the last read", "0-9:+5 0-9:+3 10-11:r=5")]
    [InlineData("an update that happened twice", "0-1:+5=5 2-3:r=10")]
    [InlineData("the same piece given away twice", "0-1:+1=1 2-9:-1=0 2-9:-1=0")]
    [InlineData("the same piece given away twice, nothing told", "0-1:+1 2-9:-1 2-9:-1")]
    [InlineData("refused although there was enough", "0-1:+5=5 2-3:!5=5")]
    [InlineData("refused with a wrong figure", "0-1:+3=3 2-3:!5=2")]
    [InlineData("refused although nobody had begun to take", "0-1:+1=1 2-3:!1=0 4-5:-1=0")]
    [InlineData("two orders of two writes", "0-9:+5 0-9:+3 1-2:r=5 3-4:r=3")]
    [InlineData("an effect of an unknown call that is gone again", "0-?:+5 1-2:r=5 3-4:r=0")]
    [InlineData("an unknown call that happened twice", "0-?:+5 1-2:r=10")]
    [InlineData("an unknown call before it was made", "0-1:r=5 2-?:+5")]
    public void A_history_that_cannot_be_is_found(string what, string history) => Assert.False(Linearizability.Holds(0, Read(history)), what);

    [Fact]
    public void A_long_history_with_one_stale_read_is_found_and_without_it_accepted()
    {
        // Sixteen clients, each call overlaps the calls of the others; answers as a right server gives them.
        var random = new Random(7);
        var history = new List<Operation>();
        long number = 0;
        for (int i = 0; i < 4_000; i++)
        {
            long at = 100L * i;
            int amount = random.Next(1, 5);
            Effect effect = random.Next(3) switch
            {
                0 => new Effect(Deed.Add, amount, number += amount),
                1 => number >= amount ? new Effect(Deed.Take, amount, number -= amount) : new Effect(Deed.Refuse, amount, number),
                _ => new Effect(Deed.Read, 0, number),
            };
            history.Add(new Operation(at - random.Next(1_600), at + random.Next(1_600), effect));
        }

        Assert.True(Linearizability.Holds(0, history));

        // The last read tells what was there long before it.
        history.Add(new Operation(1_000_000, 1_000_001, new Effect(Deed.Read, 0, number + 1)));
        Assert.False(Linearizability.Holds(0, history));
    }

    private static Operation[] Read(string history) => [.. history.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text =>
    {
        string[] parts = text.Split(':');
        string[] times = parts[0].Split('-');
        string[] effect = parts[1].Split('=');
        bool isUnknown = times[1] == "?";
        Deed deed = effect[0][0] switch { '+' => Deed.Add, '-' => Deed.Take, '!' => Deed.Refuse, _ => Deed.Read };
        return new Operation(
            Number(times[0]), isUnknown ? long.MaxValue : Number(times[1]),
            new Effect(deed, deed == Deed.Read ? 0 : Number(effect[0][1..]), effect.Length > 1 ? Number(effect[1]) : null, isUnknown));
    })];

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
