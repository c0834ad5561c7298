using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Platform;

/// <summary>The platform's answers, against figures that were added up by hand.</summary>
public sealed class AnalyticsTests(SharedPlatform shared) : IClassFixture<SharedPlatform>
{
    private static readonly DateTimeOffset Day = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Sales_revenue_buyers_and_totals_are_what_was_added_up_by_hand()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        List<JsonObject> week = Week();
        (await platform.SendAsync([.. week])).Is(200);
        (await platform.SendAsync(week[0])).Is(200);

        TestAnswer sales = (await platform.Reader.GetAsync("/sales?from=2026-03-01T00:00:00Z&to=2026-03-03T00:00:00Z")).Is(200);
        Assert.Equal(
            [
                "2026-03-01T10 product 1 mug: 3 for 3000, given back 1 for 1000",
                "2026-03-01T10 product 2 pen: 1 for 500, given back 0 for 0",
                "2026-03-01T11 product 2 pen: 3 for 1500, given back 0 for 0",
                "2026-03-02T09 product 1 large mug: 1 for 1200, given back 0 for 0",
            ],
            sales["items"]!.AsArray().Select(item =>
                $"{((string)item!["hour"]!)[..13]} product {item["productId"]} {item["name"]}: {item["quantity"]} for {item["amount"]}, "
                + $"given back {item["refundedQuantity"]} for {item["refundedAmount"]}"));
        Assert.Single((await platform.Reader.GetAsync("/sales?from=2026-03-01T11:30:00Z&to=2026-03-01T12:00:00Z")).Is(200)["items"]!.AsArray());

        TestAnswer revenue = (await platform.Reader.GetAsync("/revenue")).Is(200);
        Assert.Equal("orders 4, gross 5900, discounts 300, refunds 1 of 1000, net 4900", Money(revenue.Json));
        Assert.Equal(
            [
                "2026-03-01 orders 3, gross 4700, discounts 300, refunds 0 of 0, net 4700",
                "2026-03-02 orders 1, gross 1200, discounts 0, refunds 1 of 1000, net 200",
            ],
            revenue["days"]!.AsArray().Select(day => $"{((string)day!["since"]!)[..10]} {Money(day)}"));

        TestAnswer buyers = (await platform.Reader.GetAsync("/buyers")).Is(200);
        Assert.Equal((2, 1), ((long)buyers["buyers"]!, (long)buyers["repeatBuyers"]!));
        JsonNode alice = Assert.Single(buyers["items"]!.AsArray())!;
        Assert.Equal("alice 2 3700", $"{alice["memberId"]} {alice["orders"]} {alice["spent"]}");

        TestAnswer totals = (await platform.Reader.GetAsync("/totals")).Is(200);
        Assert.Equal(
            "5 events, 1 duplicates, 4 completed, 1 refunded, 4900, 300",
            $"{totals["events"]} events, {totals["duplicates"]} duplicates, {totals["completed"]} completed, {totals["refunded"]} refunded, "
            + $"{totals["revenue"]}, {totals["discounts"]}");
        Assert.Equal(Day.AddDays(1).AddHours(9), DateTimeOffset.Parse((string)totals["last"]!, System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_platform_without_events_answers_too()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        foreach (string question in new[] { "/sales", "/revenue", "/buyers", "/events" })
        {
            Assert.Empty((await platform.Reader.GetAsync(question)).Is(200).Json.First(member => member.Value is JsonArray).Value!.AsArray());
        }

        TestAnswer totals = (await platform.Reader.GetAsync("/totals")).Is(200);
        Assert.Equal(0, (long)totals["events"]!);
        Assert.Null(totals["last"]);
        Assert.Contains("Nothing yet", (await platform.Reader.GetAsync("/")).Is(200).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_list_of_events_is_ascending_and_pages_meet_without_gap()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        List<JsonObject> week = Week();
        (await platform.SendAsync([.. week])).Is(200);
        List<string> found = [];
        string? after = null;
        do
        {
            TestAnswer page = (await platform.Reader.GetAsync($"/events?limit=2{(after is null ? "" : $"&after={after}")}")).Is(200);
            found.AddRange(page["items"]!.AsArray().Select(item =>
                $"{item!["eventId"]} {item["type"]} {item["orderId"]} {item["memberId"]} {item["sequence"]} {item["total"]}"));
            after = (string?)page["next"];
        }
        while (after is not null);

        Assert.Equal(
            week.Select(one => $"{one["id"]} {one["type"]} {one["subject"]} {one["partitionkey"]} {one["sequence"]} {one["data"]!["total"]}")
                .Order(StringComparer.Ordinal),
            found);
    }

    [Theory]
    [InlineData("/sales?from=then")]
    [InlineData("/sales?to=0001-01-01T00:00:00Z")]
    [InlineData("/revenue?to=0001-01-01T00:00:00Z")]
    [InlineData("/sales?from=9999-12-31T23:59:59Z")]
    [InlineData("/sales?from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:00Z")]
    [InlineData("/sales?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z")]
    [InlineData("/revenue?from=1900-01-01T00:00:00Z")]
    [InlineData("/buyers?limit=0")]
    [InlineData("/buyers?limit=1001")]
    [InlineData("/events?limit=10001")]
    [InlineData("/events?limit=-1")]
    [InlineData("/events?after=42")]
    public async Task A_question_that_makes_no_sense_is_refused_in_a_sentence(string question)
    {
        TestAnswer answer = (await shared.Process.Reader.GetAsync(question)).Is(400);
        Assert.Equal("application/problem+json", answer.ContentHeaders.ContentType?.MediaType);
        Assert.Contains("must be", (string)answer["detail"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_token_only_who_brings_it_may_read()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync(new() { ["DataPlatform__ReadToken"] = "let-me-read" });
        foreach (string question in new[] { "/", "/sales", "/revenue", "/buyers", "/totals", "/events" })
        {
            (await platform.Reader.GetAsync(question)).Is(401);
            (await new TestCaller(platform.Http, "", "let-me-reax").GetAsync(question)).Is(401);
            (await new TestCaller(platform.Http, "", "let-me-read").GetAsync(question)).Is(200);
        }

        // A person's browser asks for a name and a password.
        var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("anybody:let-me-read")));
        (await platform.Reader.SendAsync(request)).Is(200);
        (await platform.Reader.GetAsync("/health/ready")).Is(200);
    }

    /// <summary>Alice buys twice, Bob gives back what he bought the day before, and Carol finds another name and price.</summary>
    private static List<JsonObject> Week()
    {
        var mug = new TestLine(1, "mug", 1_000);
        var pen = new TestLine(2, "pen", 500);
        JsonObject first = TestEvents.Completed("alice", 1, Day.AddHours(10).AddMinutes(5), discount: 300, mug with { Quantity = 2 }, pen);
        JsonObject given = TestEvents.Completed("bob", 1, Day.AddHours(10).AddMinutes(50), discount: 0, mug);
        JsonObject second = TestEvents.Completed("alice", 2, Day.AddHours(11).AddMinutes(10), discount: 0, pen with { Quantity = 3 });
        JsonObject refund = TestEvents.Refunded(given, 2, Day.AddDays(1).AddMinutes(30));
        JsonObject dearer = TestEvents.Completed("carol", 1, Day.AddDays(1).AddHours(9), discount: 0, new TestLine(1, "large mug", 1_200));
        return [first, given, second, refund, dearer];
    }

    private static string Money(JsonNode one) =>
        $"orders {one["orders"]}, gross {one["gross"]}, discounts {one["discounts"]}, refunds {one["refunds"]} of {one["refunded"]}, net {one["net"]}";
}
