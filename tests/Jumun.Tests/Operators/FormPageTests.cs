using System.Globalization;
using Jumun.Server.Operators;

namespace Jumun.Tests.Operators;

/// <summary>What the console's forms show and read.</summary>
public sealed class FormPageTests
{
    [Theory]
    [InlineData("2026-11-22T10:00:00Z", "2026-11-22T10:00:00")]
    [InlineData("2026-11-22T10:00:00.5Z", "2026-11-22T10:00:00.5")]
    [InlineData("2026-11-22T10:00:00.007Z", "2026-11-22T10:00:00.007")]
    public void A_time_that_is_shown_is_the_same_when_it_is_read_again(string time, string shown)
    {
        // To the millisecond: a range of events goes on from its last one, and many may be of one second.
        var moment = DateTimeOffset.Parse(time, CultureInfo.InvariantCulture);
        Assert.Equal((shown, moment), new Form().ShowAndRead(moment));
    }

    private sealed class Form : FormPage
    {
        public (string Shown, DateTimeOffset? Read) ShowAndRead(DateTimeOffset time) => (Input(time), MomentOrNull("at", Input(time)));
    }
}
