namespace Jumun.Tests.Http;

/// <summary>Idempotency keys: the same request has its effect once and gets the same answer.</summary>
public sealed class IdempotencyTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task The_same_request_gets_the_same_status_location_and_bytes_and_has_its_effect_once()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 10);
        string body = $$"""{"items":[{"productId":{{product}},"quantity":2}]}""";
        TestAnswer first = (await member.PostAsync($"/order/{member.Member}", body, "k")).Is(201);
        TestAnswer again = (await member.PostAsync($"/order/{member.Member}", body, "k")).Is(201);
        Assert.False(IsReplayed(first));
        Assert.True(IsReplayed(again));
        Assert.Equal(first.Bytes, again.Bytes);
        Assert.Equal(first.Headers.Location, again.Headers.Location);
        Assert.NotNull(again.Headers.Location);
        Assert.Equal(first.ContentHeaders.ContentType, again.ContentHeaders.ContentType);
        Assert.Equal(8, await member.StockAsync(product));
    }

    [Fact]
    public async Task The_stored_answer_comes_after_a_restart_too()
    {
        await using TestData data = await TestData.CreateAsync();
        TestAnswer first;
        await using (TestShop before = await TestShop.StartAsync(data: data))
        {
            first = (await ChargeAsync(before.Member("alice"), 5, "k")).Is(200);
        }

        await using TestShop after = await TestShop.StartAsync(data: data);
        TestAnswer again = (await ChargeAsync(after.Member("alice"), 5, "k")).Is(200);
        Assert.True(IsReplayed(again));
        Assert.Equal(first.Bytes, again.Bytes);
        Assert.Equal(5, await after.Member("alice").BalanceAsync());
        (await ChargeAsync(after.Member("alice"), 6, "k")).IsProblem(422, "idempotency_key_reused");
    }

    [Fact]
    public async Task Every_POST_may_carry_a_key_and_is_replayed_under_it()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        TestAnswer product = await TwiceAsync(admin, "/admin/products", """{"name":"cup","price":100,"stock":10}""");
        TestAnswer coupon = await TwiceAsync(
            admin, "/admin/coupons",
            """
            {"name":"c","discount":{"kind":"amount","value":1},"quantity":5,
             "issueFrom":"2020-01-01T00:00:00Z","issueUntil":"2099-01-01T00:00:00Z","usableUntil":"2099-01-01T00:00:00Z"}
            """);
        await TwiceAsync(admin, $"/admin/products/{product["productId"]}/stock", """{"change":5,"reason":"found"}""");
        await TwiceAsync(member, $"/members/{member.Member}/points/charge", """{"amount":1000}""");
        await TwiceAsync(member, $"/products/{product["productId"]}");
        await TwiceAsync(member, $"/coupons/{coupon["couponId"]}");
        TestAnswer order = await TwiceAsync(
            member, $"/order/{member.Member}", $$"""{"items":[{"productId":{{product["productId"]}},"quantity":2}],"couponId":{{coupon["couponId"]}}}""");
        await TwiceAsync(member, $"/payment/{order["paymentId"]}");
        await TwiceAsync(member, $"/members/{member.Member}/orders/{order["orderId"]}/cancel");
        await TwiceAsync(admin, "/admin/events/replay", $$"""{"eventIds":["{{Guid.CreateVersion7()}}"]}""");
        Assert.Equal(1_000, await member.BalanceAsync());
        Assert.Equal(15, await member.StockAsync(product.Number("productId")));
        Assert.Equal(4, (await member.GetAsync($"/coupons/{coupon["couponId"]}")).Is(200).Number("remaining"));
    }

    [Fact]
    public async Task A_query_by_POST_under_a_key_keeps_its_first_answer()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 10);
        TestAnswer first = (await member.PostAsync($"/products/{product}", key: "q")).Is(200);
        (await member.OrderAsync(product)).Is(201);
        TestAnswer again = (await member.PostAsync($"/products/{product}", key: "q")).Is(200);
        Assert.Equal(first.Bytes, again.Bytes);
        Assert.True(IsReplayed(again));
        Assert.Equal(9, (await member.PostAsync($"/products/{product}", key: "q2")).Is(200).Number("stock"));
    }

    [Fact]
    public async Task Bare_and_quoted_are_the_same_key()
    {
        TestCaller member = shop.Somebody();
        TestAnswer bare = (await ChargeAsync(member, 5, "same-key")).Is(200);
        TestAnswer quoted = (await ChargeAsync(member, 5, "\"same-key\"")).Is(200);
        Assert.True(IsReplayed(quoted));
        Assert.Equal(bare.Bytes, quoted.Bytes);
        Assert.Equal(5, await member.BalanceAsync());
    }

    [Fact]
    public async Task Another_body_or_another_path_under_the_same_key_is_idempotency_key_reused_and_does_nothing()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync();
        (await ChargeAsync(member, 5, "k")).Is(200);
        (await ChargeAsync(member, 6, "k")).IsProblem(422, "idempotency_key_reused");
        (await member.PostAsync($"/members/{member.Member}/points/charge", """{ "amount":5}""", "k")).IsProblem(422, "idempotency_key_reused");
        (await member.PostAsync($"/products/{product}", key: "k")).IsProblem(422, "idempotency_key_reused");
        Assert.Equal(5, await member.BalanceAsync());
    }

    [Fact]
    public async Task The_body_of_a_route_without_one_takes_part_in_the_fingerprint()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync();
        (await member.PostAsync($"/products/{product}", "{}", "k")).Is(200);
        Assert.True(IsReplayed((await member.PostAsync($"/products/{product}", "{}", "k")).Is(200)));
        (await member.PostAsync($"/products/{product}", key: "k")).IsProblem(422, "idempotency_key_reused");
    }

    [Fact]
    public async Task A_key_belongs_to_the_subject_of_the_token()
    {
        TestCaller one = shop.Somebody();
        TestCaller two = shop.Somebody();
        TestCaller admin = shop.Administrator();
        (await ChargeAsync(one, 5, "shared")).Is(200);
        Assert.False(IsReplayed((await ChargeAsync(two, 7, "shared")).Is(200)));
        TestAnswer byAdmin = (await admin.PostAsync($"/members/{one.Member}/points/charge", """{"amount":5}""", "shared")).Is(200);
        Assert.False(IsReplayed(byAdmin));
        Assert.Equal(10, await one.BalanceAsync());
        Assert.Equal(7, await two.BalanceAsync());
    }

    [Fact]
    public async Task A_refused_request_is_not_stored_and_may_succeed_later_under_the_same_key()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync(price: 700))).Is(201);
        (await member.PostAsync($"/payment/{order["paymentId"]}", key: "pay")).IsProblem(409, "insufficient_balance");
        await member.ChargeAsync(1_000);
        TestAnswer paid = (await member.PostAsync($"/payment/{order["paymentId"]}", key: "pay")).Is(200);
        Assert.False(IsReplayed(paid));
        TestAnswer again = (await member.PostAsync($"/payment/{order["paymentId"]}", key: "pay")).Is(200);
        Assert.True(IsReplayed(again));
        Assert.Equal(paid.Bytes, again.Bytes);
    }

    [Fact]
    public async Task A_key_of_a_refused_request_is_free_for_another_request()
    {
        TestCaller member = shop.Somebody();
        (await ChargeAsync(member, 0, "k")).IsInvalid("amount");
        Assert.Equal(5, (await ChargeAsync(member, 5, "k")).Is(200).Number("balance"));
    }

    [Fact]
    public async Task Twenty_duplicates_at_once_have_one_effect_and_equal_bodies()
    {
        TestCaller member = shop.Somebody();
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => ChargeAsync(member, 5, "at once")));
        TestAnswer[] visible = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => ChargeAsync(member, 5, "at-once")));
        Assert.All(answers, answer => answer.IsInvalid("Idempotency-Key"));
        Assert.All(visible, answer => Assert.Equal(visible[0].Bytes, answer.Is(200).Bytes));
        Assert.Single(visible, answer => !IsReplayed(answer));
        Assert.Equal(5, await member.BalanceAsync());
    }

    [Fact]
    public async Task Twenty_different_requests_at_once_under_one_key_have_one_effect()
    {
        TestCaller member = shop.Somebody();
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(1, 20).Select(amount => ChargeAsync(member, amount, "k")));
        TestAnswer winner = Assert.Single(answers, answer => answer.Status == 200);
        Assert.All(answers.Where(answer => answer != winner), answer => answer.IsProblem(422, "idempotency_key_reused"));
        Assert.Equal(winner.Number("balance"), await member.BalanceAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"\"")]
    [InlineData("two words")]
    [InlineData("\"two words\"")]
    public async Task A_key_that_is_not_1_to_255_visible_ASCII_characters_is_an_invalid_request(string key)
    {
        TestCaller member = shop.Somebody();
        (await ChargeAsync(member, 5, key)).IsInvalid("Idempotency-Key");
        (await member.PostAsync("/products/1", key: key)).IsInvalid("Idempotency-Key");
        Assert.Equal(0, await member.BalanceAsync());
    }

    [Fact]
    public async Task A_key_may_have_255_characters_and_not_256()
    {
        TestCaller member = shop.Somebody();
        (await ChargeAsync(member, 5, new string('k', 255))).Is(200);
        (await ChargeAsync(member, 5, $"\"{new string('k', 255)}\"")).Is(200);
        (await ChargeAsync(member, 5, new string('k', 256))).IsInvalid("Idempotency-Key");
        Assert.Equal(5, await member.BalanceAsync());
    }

    [Fact]
    public async Task Two_keys_on_one_request_are_an_invalid_request()
    {
        TestCaller member = shop.Somebody();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/members/{member.Member}/points/charge")
        {
            Content = new StringContent("""{"amount":5}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.TryAddWithoutValidation("Idempotency-Key", ["one", "two"]);
        TestAnswer answer = await member.SendAsync(request);
        answer.IsInvalid("Idempotency-Key");
    }

    [Fact]
    public async Task A_key_is_kept_seven_days_and_then_forgotten()
    {
        await using TestShop own = await TestShop.StartAsync();
        TestCaller member = own.Somebody();
        (await ChargeAsync(member, 5, "k")).Is(200);
        own.Clock.Advance(TimeSpan.FromDays(7) - TimeSpan.FromMinutes(5));
        Assert.True(IsReplayed((await ChargeAsync(member, 5, "k")).Is(200)));
        own.Clock.Advance(TimeSpan.FromMinutes(10));
        await TestShop.UntilAsync(async () => !IsReplayed((await ChargeAsync(member, 5, "k")).Is(200)));
        Assert.Equal(10, await member.BalanceAsync());
    }

    private static bool IsReplayed(TestAnswer answer) =>
        answer.Headers.TryGetValues("Idempotency-Replayed", out IEnumerable<string>? values) && values.Single() == "true";

    private static Task<TestAnswer> ChargeAsync(TestCaller member, long amount, string key) =>
        member.PostAsync($"/members/{member.Member}/points/charge", $$"""{"amount":{{amount}}}""", key);

    private static async Task<TestAnswer> TwiceAsync(TestCaller caller, string path, string? body = null)
    {
        string key = $"twice {path}".Replace(' ', '-');
        TestAnswer first = await caller.PostAsync(path, body, key);
        Assert.True(first.Status is 200 or 201, first.Text);
        Assert.False(IsReplayed(first));
        TestAnswer again = (await caller.PostAsync(path, body, key)).Is(first.Status);
        Assert.True(IsReplayed(again), path);
        Assert.Equal(first.Bytes, again.Bytes);
        Assert.Equal(first.Headers.Location, again.Headers.Location);
        return first;
    }
}
