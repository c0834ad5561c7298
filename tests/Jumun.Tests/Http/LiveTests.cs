using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Jumun.Server;

namespace Jumun.Tests.Http;

/// <summary>Products and coupons that are watched while they change.</summary>
public sealed class LiveTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task The_first_event_comes_at_once_and_has_what_a_query_has_and_the_servers_time()
    {
        await TestShop.BestOfThreeAsync(2_000, FirstAsync);
    }

    /// <summary>How many milliseconds old the server's time was.</summary>
    private async Task<double> FirstAsync()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 7);
        long coupon = await shop.Administrator().CreateCouponAsync(quantity: 3);
        using LiveStream ofProduct = await WatchAsync(member, $"/products/{product}/live");
        using LiveStream ofCoupon = await WatchAsync(member, $"/coupons/{coupon}/live");

        JsonObject first = await ofProduct.EventAsync();
        first.HasOnly("now", "product");
        Assert.Equal((await member.GetAsync($"/products/{product}")).Text, first["product"]!.ToJsonString());
        TimeSpan age = shop.Clock.GetUtcNow() - first["now"].Time();
        Assert.True(age >= TimeSpan.Zero);

        first = await ofCoupon.EventAsync();
        first.HasOnly("now", "coupon");
        Assert.Equal((await member.GetAsync($"/coupons/{coupon}")).Text, first["coupon"]!.ToJsonString());
        Assert.Equal("text/event-stream", ofCoupon.ContentHeaders.ContentType!.ToString());
        Assert.True(ofCoupon.Headers.CacheControl!.NoStore);
        return age.TotalMilliseconds;
    }

    [Fact]
    public async Task A_change_is_seen_promptly_after_it_was_acknowledged_whatever_changed()
    {
        await TestShop.BestOfThreeAsync(1_000, ChangesAsync);
    }

    /// <summary>How many milliseconds after its acknowledgement the latest of three changes was seen.</summary>
    private async Task<double> ChangesAsync()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 100, stock: 50);
        using LiveStream stream = await WatchAsync(member, $"/products/{product}/live");
        await stream.EventAsync();

        TestAnswer order = (await member.OrderAsync(product, 4)).Is(201);
        double ordered = await TimeAsync(() => stream.UntilAsync(now => (long)now["product"]!["stock"]! == 46));
        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        double cancelled = await TimeAsync(() => stream.UntilAsync(now => (long)now["product"]!["stock"]! == 50));
        (await admin.PatchAsync($"/admin/products/{product}", """{"price":120,"onSale":false}""")).Is(200);
        JsonObject? last = null;
        double changed = await TimeAsync(async () => last = await stream.UntilAsync(now => (long)now["product"]!["price"]! == 120));
        Assert.False((bool)last!["product"]!["onSale"]!);
        return Math.Max(ordered, Math.Max(cancelled, changed));
    }

    [Fact]
    public async Task What_somebody_else_writes_to_the_database_is_seen_too()
    {
        await using TestData data = await TestData.CreateAsync();
        await using TestShop own = await TestShop.StartAsync(data: data);
        await TestShop.BestOfThreeAsync(1_000, async () =>
        {
            long product = await own.AsAdmin().CreateProductAsync(stock: 9);
            using LiveStream stream = await LiveStream.OpenAsync(own.Http, $"/products/{product}/live", TestShop.Token("alice"));
            Assert.Equal(9, (long)(await stream.EventAsync())["product"]!["stock"]!);
            await data.ExecuteAsync($"UPDATE products SET stock = 8 WHERE product_id = {product.ToString(CultureInfo.InvariantCulture)}");
            return await TimeAsync(() => stream.UntilAsync(now => (long)now["product"]!["stock"]! == 8));
        });
    }

    [Fact]
    public async Task Whoever_arrives_is_never_shown_the_past_and_nobody_goes_back_in_time()
    {
        long coupon = await shop.Administrator().CreateCouponAsync(quantity: 1_000_000);
        long acknowledged = 1_000_000;
        using var enough = new CancellationTokenSource();
        CancellationToken isEnough = enough.Token;
        Task writing = Task.Run(async () =>
        {
            while (!isEnough.IsCancellationRequested)
            {
                TestAnswer issued = (await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201);
                Volatile.Write(ref acknowledged, 1_000_000 - issued.Number("number"));
            }
        }, isEnough);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < 6; i++)
            {
                // They were told the same, at the same moment: from here on each comes at a moment of its own.
                await Task.Delay(Random.Shared.Next(Bounds.LiveGapMilliseconds));
                long before = Volatile.Read(ref acknowledged);
                using LiveStream stream = await WatchAsync(shop.Somebody(), $"/coupons/{coupon}/live");
                long remaining = (long)(await stream.EventAsync())["coupon"]!["remaining"]!;
                Assert.True(remaining <= before, $"{before} was acknowledged, and then {remaining} shown.");
                for (int events = 0; events < 2; events++)
                {
                    long next = (long)(await stream.EventAsync())["coupon"]!["remaining"]!;
                    Assert.True(next < remaining, $"{remaining}, and then {next}.");
                    remaining = next;
                }
            }
        })));
        await enough.CancelAsync();
        await writing;
    }

    [Fact]
    public async Task A_rush_is_told_in_few_events_and_its_end_within_a_second()
    {
        await TestShop.BestOfThreeAsync(1_000, RushAsync);
    }

    /// <summary>How many milliseconds after the last one the end was told.</summary>
    private async Task<double> RushAsync()
    {
        long coupon = await shop.Administrator().CreateCouponAsync(quantity: 300);
        using LiveStream stream = await WatchAsync(shop.Somebody(), $"/coupons/{coupon}/live");
        await stream.EventAsync();
        long lastAcknowledged = 0;
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Task rush = Task.WhenAll(Enumerable.Range(0, 30).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < 10; i++)
            {
                if ((await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201).Number("number") == 300)
                {
                    Volatile.Write(ref lastAcknowledged, Stopwatch.GetTimestamp());
                }

                await Task.Delay(100, cancellation);
            }
        })));

        List<JsonObject> events = [];
        do
        {
            events.Add(await stream.EventAsync());
        }
        while ((long)events[^1]["coupon"]!["remaining"]! > 0);
        long seen = Stopwatch.GetTimestamp();
        await rush;
        TimeSpan lasted = events[^1]["now"].Time() - events[0]["now"].Time();
        Assert.InRange(events.Count, 2, (int)(lasted.TotalMilliseconds / Bounds.LiveGapMilliseconds * 1.1) + 2);
        return Stopwatch.GetElapsedTime(lastAcknowledged, seen).TotalMilliseconds;
    }

    [Fact]
    public async Task A_coupon_that_is_sold_out_is_shown_with_none_remaining()
    {
        long coupon = await shop.Administrator().CreateCouponAsync(quantity: 1);
        (await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201);
        (await shop.Somebody().GetAsync($"/coupons/{coupon}")).IsProblem(409, "coupon_sold_out");
        using LiveStream stream = await WatchAsync(shop.Somebody(), $"/coupons/{coupon}/live");
        Assert.Equal(0, (long)(await stream.EventAsync())["coupon"]!["remaining"]!);
    }

    [Theory]
    [InlineData("/products/999999999/live", 404, "product_not_found")]
    [InlineData("/coupons/999999999/live", 404, "coupon_not_found")]
    [InlineData("/products/0/live", 400, "invalid_request")]
    [InlineData("/coupons/x/live", 400, "invalid_request")]
    public async Task What_there_is_not_is_the_same_problem_as_for_a_query(string path, int status, string code)
    {
        TestCaller member = shop.Somebody();
        TestAnswer watched = (await member.GetAsync(path)).IsProblem(status, code);
        Assert.Equal((await member.GetAsync(path[..^"/live".Length])).WithoutTrace(), watched.WithoutTrace());
        (await shop.AsNobody().GetAsync(path)).IsProblem(401, "unauthenticated");
    }

    [Fact]
    public async Task A_member_has_a_few_streams_and_may_open_another_when_one_is_closed()
    {
        long product = await shop.Administrator().CreateProductAsync();
        string path = $"/products/{product}/live";
        TestCaller member = shop.Somebody();
        var streams = new Stack<LiveStream>();
        for (int i = 0; i < Bounds.LiveStreamsOfMember; i++)
        {
            streams.Push(await WatchAsync(member, path));
            await streams.Peek().EventAsync();
        }

        TestAnswer refused = (await member.GetAsync(path)).IsProblem(429, "rate_limited");
        Assert.True(refused.Headers.RetryAfter!.Delta > TimeSpan.Zero);
        using (LiveStream other = await WatchAsync(shop.Somebody(), path))
        {
            await other.EventAsync();
        }

        streams.Pop().Dispose();
        await TestShop.UntilAsync(async () =>
        {
            LiveStream again = await WatchAsync(member, path);
            streams.Push(again);
            return (int)again.Status == 200;
        });
        foreach (LiveStream stream in streams)
        {
            stream.Dispose();
        }
    }

    [Fact]
    public async Task Many_watchers_share_one_reader_which_rests_when_nobody_watches()
    {
        await using TestShop own = await TestShop.StartAsync();
        long coupon = await own.AsAdmin().CreateCouponAsync(quantity: 10_000);
        var streams = new List<LiveStream>();
        for (int i = 0; i < 100; i++)
        {
            streams.Add(await LiveStream.OpenAsync(own.Http, $"/coupons/{coupon}/live", TestShop.Token($"watcher-{i / Bounds.LiveStreamsOfMember}")));
            await streams[^1].EventAsync();
        }

        Assert.Equal(100, own.Live.Streams);
        long before = own.Live.Reads;
        long begun = Stopwatch.GetTimestamp();
        for (int i = 0; i < 40; i++)
        {
            (await own.As($"member-{i}").PostAsync($"/coupons/{coupon}")).Is(201);
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        await Task.WhenAll(streams.Select(stream => stream.UntilAsync(now => (long)now["coupon"]!["remaining"]! == 9_960)));
        long reads = own.Live.Reads - before;
        double most = (Stopwatch.GetElapsedTime(begun).TotalMilliseconds / Bounds.LiveGapMilliseconds * 2) + 2;
        Assert.InRange(reads, 5, most);

        streams.ForEach(stream => stream.Dispose());
        await TestShop.UntilAsync(() => Task.FromResult(own.Live.Streams == 0));
        before = own.Live.Reads;
        (await own.As("late").PostAsync($"/coupons/{coupon}")).Is(201);
        await Task.Delay(3 * Bounds.LivePollMilliseconds, TestContext.Current.CancellationToken);
        Assert.InRange(own.Live.Reads - before, 0, 1);
    }

    [Fact]
    public async Task A_stream_without_news_shows_that_it_is_there_and_ends_with_its_token()
    {
        await TestShop.BestOfThreeAsync(2_000, QuietAsync);
    }

    /// <summary>How many milliseconds after its time a comment came, or the end.</summary>
    private static async Task<double> QuietAsync()
    {
        await using TestShop own = await TestShop.StartAsync();
        long product = await own.AsAdmin().CreateProductAsync();
        using LiveStream stream = await LiveStream.OpenAsync(own.Http, $"/products/{product}/live", TestShop.Token("alice"));
        await stream.EventAsync();
        own.Clock.Advance(TimeSpan.FromSeconds(Bounds.LiveHeartbeatSeconds));
        string? next = null;
        double comment = await TimeAsync(async () => next = await stream.NextAsync());
        Assert.StartsWith(":", next, StringComparison.Ordinal);

        own.Clock.Advance(TimeSpan.FromHours(25));
        double end = await TimeAsync(async () => next = await stream.NextAsync());
        Assert.Null(next);
        return Math.Max(comment, end);
    }

    [Fact]
    public async Task A_server_that_stops_ends_its_streams_and_does_not_wait_for_them()
    {
        await TestShop.BestOfThreeAsync(1_000, StopAsync);
    }

    /// <summary>How many milliseconds after the server had stopped the last of its streams had ended.</summary>
    private static async Task<double> StopAsync()
    {
        await using TestData data = await TestData.CreateAsync();
        TestShop own = await TestShop.StartAsync(data: data);
        long product = await own.AsAdmin().CreateProductAsync();
        using var http = new HttpClient { BaseAddress = own.Http.BaseAddress };
        LiveStream[] streams = await Task.WhenAll(Enumerable.Range(0, 20).Select(
            i => LiveStream.OpenAsync(http, $"/products/{product}/live", TestShop.Token($"member-{i}"))));
        foreach (LiveStream stream in streams)
        {
            await stream.EventAsync();
        }

        long stopping = Stopwatch.GetTimestamp();
        await own.StopAsync();
        Assert.True(Stopwatch.GetElapsedTime(stopping).TotalSeconds < 5);
        return await TimeAsync(async () =>
        {
            foreach (LiveStream stream in streams)
            {
                Assert.Null(await stream.NextAsync());
                stream.Dispose();
            }
        });
    }

    [Fact]
    public async Task A_stream_does_not_count_as_a_request_in_work()
    {
        await using TestShop own = await TestShop.StartAsync(new() { ["Jumun:RateLimit:Concurrency"] = "1" });
        long product = await own.AsAdmin().CreateProductAsync();
        using LiveStream stream = await LiveStream.OpenAsync(own.Http, $"/products/{product}/live", TestShop.Token("alice"));
        await stream.EventAsync();

        // The place of the request before is given back a moment after its answer was sent.
        await TestShop.UntilAsync(async () => (await own.As("bob").GetAsync($"/products/{product}")).Status == 200);
    }

    /// <summary>How many milliseconds something took.</summary>
    private static async Task<double> TimeAsync(Func<Task> wait)
    {
        long begun = Stopwatch.GetTimestamp();
        await wait();
        return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
    }

    private Task<LiveStream> WatchAsync(TestCaller member, string path) => LiveStream.OpenAsync(shop.Http, path, Jwt.Of(member.Member));
}
