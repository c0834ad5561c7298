using Jumun.Ranking;

namespace Jumun.Tests.Decisions;

public sealed class SalesHoursTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(3_599_999, 0)]
    [InlineData(3_600_000, 1)]
    public void An_hour_begins_with_its_first_millisecond(long milliseconds, long hour)
    {
        Assert.Equal(hour, SalesHours.Of(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)));
        Assert.Equal(DateTimeOffset.UnixEpoch.AddHours(hour), SalesHours.StartOf(hour));
    }

    [Fact]
    public void Hours_are_of_utc_wherever_the_moment_was_written()
    {
        var inNepal = new DateTimeOffset(2026, 3, 2, 17, 44, 59, TimeSpan.FromMinutes(345));

        Assert.Equal(Scene.Noon.AddHours(-1), SalesHours.StartOf(SalesHours.Of(inNepal)));
    }

    [Theory]
    [InlineData(0, 1, "2026-03-01T13:00:00Z", "2026-03-02T13:00:00Z")]
    [InlineData(3_599_999, 1, "2026-03-01T13:00:00Z", "2026-03-02T13:00:00Z")]
    [InlineData(-1, 1, "2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z")]
    [InlineData(0, 3, "2026-02-27T13:00:00Z", "2026-03-02T13:00:00Z")]
    [InlineData(0, 30, "2026-01-31T13:00:00Z", "2026-03-02T13:00:00Z")]
    public void A_window_is_whole_hours_with_the_running_one_in_it(int milliseconds, int days, string since, string until)
    {
        SalesWindow window = SalesWindow.Last(Scene.Noon.AddMilliseconds(milliseconds), days);

        Assert.Equal(DateTimeOffset.Parse(since, System.Globalization.CultureInfo.InvariantCulture), SalesHours.StartOf(window.FromHour));
        Assert.Equal(DateTimeOffset.Parse(until, System.Globalization.CultureInfo.InvariantCulture), SalesHours.StartOf(window.ToHour));
    }
}
