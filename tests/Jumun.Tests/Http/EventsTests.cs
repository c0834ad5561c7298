using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>Events for the data platform: the outbox, its replay, and the file they are written to.</summary>
public sealed class EventsTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_payment_sends_one_completed_event_with_the_order()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync("컵", 700);
        long coupon = await admin.CreateCouponAsync();
        await member.ChargeAsync(10_000);
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer order = (await member.OrderAsync(product, 2, coupon)).Is(201);
        TestAnswer payment = (await member.PayAsync(order)).Is(200);

        JsonObject sent = Assert.Single(await SentAsync(order, 1));
        sent.Has("specversion", "id", "source", "type", "subject", "time", "partitionkey", "sequence", "data");
        Assert.Equal("1.0", (string)sent["specversion"]!);
        Assert.Equal("/jumun", (string)sent["source"]!);
        Assert.Equal("jumun.order.completed.v1", (string)sent["type"]!);
        Assert.Equal(order.Word("orderId"), (string)sent["subject"]!);
        Assert.Equal(member.Member, (string)sent["partitionkey"]!);
        Assert.Equal(1, (long)sent["sequence"]!);
        Assert.Equal(payment["paidAt"].Time(), sent["time"].Time());
        JsonObject data = sent["data"]!.AsObject();
        data.HasOnly("orderId", "paymentId", "memberId", "items", "subtotal", "discount", "couponId", "total", "paidAt");
        foreach (string name in new[] { "orderId", "paymentId", "memberId", "items", "subtotal", "discount", "couponId", "total" })
        {
            Assert.True(JsonNode.DeepEquals(order[name], data[name]), name);
        }

        Assert.Equal(payment["paidAt"].Time(), data["paidAt"].Time());
    }

    [Fact]
    public async Task A_refund_sends_one_refunded_event_and_the_sequence_of_a_member_has_no_gap()
    {
        (TestCaller member, TestAnswer order) = await shop.BuyerAsync(await shop.Administrator().CreateProductAsync());
        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        List<JsonObject> sent = await SentAsync(order, 2);
        Assert.Equal(["jumun.order.completed.v1", "jumun.order.refunded.v1"], sent.Select(line => (string)line["type"]!));
        Assert.Equal([1, 2], sent.Select(line => (long)line["sequence"]!));
        Assert.NotEqual((string)sent[0]["id"]!, (string)sent[1]["id"]!);
        Assert.False(sent[0]["data"]!.AsObject().ContainsKey("refundedAt"));
        Assert.Equal(sent[1]["time"].Time(), sent[1]["data"]!["refundedAt"].Time());
        Assert.Equal(sent[0]["data"]!["paidAt"].Time(), sent[1]["data"]!["paidAt"].Time());
    }

    [Fact]
    public async Task An_order_that_is_not_paid_sends_nothing()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(price: 0);
        TestAnswer cancelled = (await member.OrderAsync(product)).Is(201);
        (await member.PostAsync($"/members/{member.Member}/orders/{cancelled["orderId"]}/cancel")).Is(200);
        TestAnswer paid = (await member.OrderAsync(product)).Is(201);
        (await member.PayAsync(paid)).Is(200);
        await SentAsync(paid, 1);
        Assert.DoesNotContain(Lines(), line => (string)line["subject"]! == cancelled.Word("orderId"));
    }

    [Fact]
    public async Task The_outbox_is_listed_newest_first_and_by_state()
    {
        TestCaller admin = shop.Administrator();
        (TestCaller member, TestAnswer order) = await shop.BuyerAsync(await admin.CreateProductAsync());
        JsonObject sent = Assert.Single(await SentAsync(order, 1));
        await DeliveredAsync(order);
        TestAnswer list = await admin.GetAsync("/admin/events?limit=1");
        JsonObject seen = list.Is(200)["items"]![0]!.AsObject();
        seen.Has("eventId", "type", "orderId", "memberId", "sequence", "state", "createdAt");
        Assert.Equal((string)sent["id"]!, (string)seen["eventId"]!);
        Assert.Equal("jumun.order.completed.v1", (string)seen["type"]!);
        Assert.Equal(member.Member, (string)seen["memberId"]!);
        Assert.Equal("delivered", (string)seen["state"]!);
        Assert.Empty((await admin.GetAsync("/admin/events?state=dead")).Items("eventId"));
        (await admin.GetAsync("/admin/events?state=sent")).IsInvalid("state");
    }

    [Fact]
    public async Task Named_events_are_sent_again_with_the_same_bytes_and_unknown_ids_are_passed_over()
    {
        TestCaller admin = shop.Administrator();
        (_, TestAnswer order) = await shop.BuyerAsync(await admin.CreateProductAsync());
        JsonObject sent = Assert.Single(await SentAsync(order, 1));
        await DeliveredAsync(order);
        TestAnswer replay = (await admin.PostAsync(
            "/admin/events/replay", $$"""{"eventIds":["{{sent["id"]}}","{{Guid.CreateVersion7()}}"]}""")).Is(200);
        Assert.Equal(1, replay.Number("replayed"));
        List<JsonObject> twice = await SentAsync(order, 2);
        Assert.Equal(twice[0].ToJsonString(), twice[1].ToJsonString());
        Assert.Equal(2, File.ReadAllLines(shop.EventsPath).Count(line => line.Contains((string)sent["id"]!, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Delivered_events_are_forgotten_after_their_time_and_a_replay_answers_as_for_events_that_never_were()
    {
        await using TestShop forgetful = await TestShop.StartAsync(new() { ["Jumun:DataPlatform:KeepDelivered"] = "30.00:00:00" });
        TestCaller admin = forgetful.Administrator();
        long product = await admin.CreateProductAsync();
        (_, TestAnswer old) = await forgetful.BuyerAsync(product);
        await TestShop.UntilAsync(async () => (await admin.GetAsync("/admin/events?state=delivered")).Items("orderId").Contains(old.Word("orderId")));
        string eventId = (await admin.GetAsync("/admin/events")).Items("eventId").Single();
        forgetful.Clock.Advance(TimeSpan.FromDays(31));
        (_, TestAnswer young) = await forgetful.BuyerAsync(product);
        await TestShop.UntilAsync(async () => (await admin.GetAsync("/admin/events")).Items("orderId").SequenceEqual([young.Word("orderId")]), 20);

        TestAnswer replay = (await admin.PostAsync("/admin/events/replay", $$"""{"eventIds":["{{eventId}}"]}""")).Is(200);
        TestAnswer stranger = (await admin.PostAsync("/admin/events/replay", $$"""{"eventIds":["{{Guid.CreateVersion7()}}"]}""")).Is(200);
        Assert.Equal(stranger.Text, replay.Text);
        Assert.Equal(0, (await admin.PostAsync(
            "/admin/events/replay", $$"""{"from":"2020-01-01T00:00:00Z","to":"{{young.Word("createdAt")}}"}""")).Is(200).Number("replayed"));
        await forgetful.AuditAsync();
    }

    [Fact]
    public async Task Events_of_a_time_range_are_sent_again_its_end_not_included()
    {
        TestCaller admin = shop.Administrator();
        (_, TestAnswer before) = await shop.BuyerAsync(await admin.CreateProductAsync());
        (_, TestAnswer order) = await shop.BuyerAsync(await admin.CreateProductAsync());
        await SentAsync(before, 1);
        JsonNode? time = Assert.Single(await SentAsync(order, 1))["time"];
        await DeliveredAsync(order);
        string later = time.Time().AddMilliseconds(1).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(1, (await admin.PostAsync("/admin/events/replay", $$"""{"from":"{{time}}","to":"{{later}}"}""")).Is(200).Number("replayed"));
        await SentAsync(order, 2);
        Assert.Single(await SentAsync(before, 1));
    }

    [Fact]
    public async Task A_range_of_more_events_than_a_replay_takes_is_cut_between_two_moments_and_a_moment_is_taken_whole()
    {
        await using TestData data = await TestData.CreateAsync();
        await using TestShop full = await TestShop.StartAsync(data: data);
        TestCaller admin = full.Administrator();
        TestCaller member = full.Somebody();
        long product = await admin.CreateProductAsync(price: 0, stock: 10_000);
        for (int hundreds = 0; hundreds < 11; hundreds++)
        {
            await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ => (await member.PayAsync((await member.OrderAsync(product)).Is(201))).Is(200)));
        }

        await data.ExecuteAsync("UPDATE outbox SET created_at = CASE WHEN sequence <= 600 THEN 4000 ELSE 5000 END");
        Assert.Equal((600, "1970-01-01T00:00:05.000Z"), await ReplayAsync("1970-01-01T00:00:00Z"));
        Assert.Equal((500, null), await ReplayAsync("1970-01-01T00:00:05.000Z"));

        await data.ExecuteAsync("UPDATE outbox SET created_at = 5000");
        Assert.Equal((1_100, "1970-01-01T00:00:05.001Z"), await ReplayAsync("1970-01-01T00:00:05.000Z"));
        Assert.Equal((0, null), await ReplayAsync("1970-01-01T00:00:05.001Z"));

        async Task<(long Replayed, string? Next)> ReplayAsync(string from)
        {
            TestAnswer answer = (await admin.PostAsync("/admin/events/replay", $$"""{"from":"{{from}}","to":"2030-01-01T00:00:00Z"}""")).Is(200);
            return (answer.Number("replayed"), (string?)answer["next"]);
        }
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"from":"2030-01-01T00:00:00Z"}""")]
    [InlineData("""{"to":"2030-01-01T00:00:00Z"}""")]
    [InlineData("""{"from":"2030-01-01T00:00:00Z","to":"2030-01-01T00:00:00Z"}""")]
    [InlineData("""{"from":"2030-01-02T00:00:00Z","to":"2030-01-01T00:00:00Z"}""")]
    [InlineData("""{"eventIds":[]}""")]
    [InlineData("""{"eventIds":["x"]}""")]
    [InlineData("""{"eventIds":[null]}""")]
    [InlineData("""{"from":"2030-01-01T00:00:00Z","to":"2031-01-01T00:00:00Z","eventIds":["0192d3a7-0000-7000-8000-000000000000"]}""")]
    public async Task A_replay_of_nothing_or_of_both_ways_is_an_invalid_request(string body) =>
        (await shop.Administrator().PostAsync("/admin/events/replay", body)).IsProblem(400, "invalid_request");

    [Fact]
    public async Task What_was_not_delivered_before_a_stop_is_delivered_after_the_start_and_a_torn_last_line_is_ended()
    {
        await using TestData data = await TestData.CreateAsync();
        string path = Path.Combine(data.Folder, "events.ndjson");
        TestAnswer order;
        await using (TestShop first = await TestShop.StartAsync(data: data))
        {
            // Where a folder is, no file can be opened.
            File.Delete(path);
            Directory.CreateDirectory(path);
            (_, order) = await first.BuyerAsync(await first.Administrator().CreateProductAsync());
        }

        Directory.Delete(path);
        await File.WriteAllTextAsync(path, """{"torn":"li""", TestContext.Current.CancellationToken);
        await using TestShop second = await TestShop.StartAsync(data: data);
        await TestShop.UntilAsync(() => Task.FromResult(Read(path).EndsWith("}\n", StringComparison.Ordinal)));
        string[] lines = Read(path).Split('\n');
        Assert.Equal("""{"torn":"li""", lines[0]);
        Assert.Equal(order.Word("orderId"), (string)JsonNode.Parse(lines[1])!["subject"]!);
        Assert.Equal("", lines[2]);
    }

    private static string Read(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return reader.ReadToEnd();
    }

    private IEnumerable<JsonObject> Lines()
    {
        string text = Read(shop.EventsPath);
        return text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!.AsObject());
    }

    /// <summary>Waits until the outbox knows that the data platform heard of an order.</summary>
    private Task DeliveredAsync(TestAnswer order) => TestShop.UntilAsync(async () =>
        (await shop.Administrator().GetAsync("/admin/events?state=delivered&limit=100")).Items("orderId").Contains(order.Word("orderId")));

    /// <summary>What the data platform heard of an order, once it heard this often of it.</summary>
    private async Task<List<JsonObject>> SentAsync(TestAnswer order, int times)
    {
        List<JsonObject> lines = [];
        await TestShop.UntilAsync(() =>
        {
            lines = [.. Lines().Where(line => (string)line["subject"]! == order.Word("orderId"))];
            return Task.FromResult(lines.Count >= times);
        });
        return lines;
    }
}
