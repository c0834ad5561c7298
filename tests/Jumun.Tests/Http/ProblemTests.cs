using System.Text.Json;
using Jumun.Server.Problems;

namespace Jumun.Tests.Http;

/// <summary>Problems: their texts in two languages, their pages, and those that belong to no route.</summary>
public sealed class ProblemTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    public static TheoryData<RefusalCode> Codes => [.. Enum.GetValues<RefusalCode>()];

    [Theory]
    [InlineData(null, "en")]
    [InlineData("en", "en")]
    [InlineData("ko", "ko")]
    [InlineData("ko-KR", "ko")]
    [InlineData("KO-kr", "ko")]
    [InlineData("fr", "en")]
    [InlineData("*", "en")]
    [InlineData("fr, ko;q=0.5", "ko")]
    [InlineData("en;q=0.4, ko;q=0.9", "ko")]
    [InlineData("ko;q=0.4, en-US;q=0.9", "en")]
    [InlineData("ko;q=0.9, fr;q=1, en;q=0.8", "ko")]
    [InlineData("ko;q=0, en;q=0.1", "en")]
    [InlineData("ko;q=0", "en")]
    [InlineData("kok", "en")]
    [InlineData(";;nonsense", "en")]
    public async Task Title_and_detail_follow_Accept_Language_and_the_code_never_changes(string? accepted, string language)
    {
        TestAnswer answer = (await GetAsync(shop.AsNobody(), "/products", accepted)).IsProblem(401, "unauthenticated");
        Assert.Equal([language], answer.ContentHeaders.ContentLanguage);
        Assert.Equal(language == "ko" ? "로그인되지 않음" : "Not signed in", answer.Word("title"));
        Assert.Equal(language == "ko", answer.Word("detail").Any(c => c is >= '가' and <= '힣'));
    }

    [Fact]
    public async Task The_errors_of_fields_follow_Accept_Language_too()
    {
        TestCaller member = shop.Somebody();
        TestAnswer korean = (await GetAsync(member, "/products?limit=0", "ko")).IsInvalid("limit");
        TestAnswer english = (await GetAsync(member, "/products?limit=0", "en")).IsInvalid("limit");
        Assert.Equal("1에서 100 사이의 정수여야 합니다", (string)korean["errors"]!["limit"]![0]!);
        Assert.Equal("must be a whole number from 1 to 100", (string)english["errors"]!["limit"]![0]!);
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task Every_code_has_a_page_in_both_languages_at_its_type(RefusalCode code)
    {
        string name = JsonNamingPolicy.SnakeCaseLower.ConvertName(code.ToString());
        foreach ((string accepted, Language language) in new[] { ("en", Language.English), ("ko", Language.Korean) })
        {
            TestAnswer page = (await GetAsync(shop.AsNobody(), $"/problems/{name}", accepted)).Is(200);
            Assert.Equal("text/html", page.ContentHeaders.ContentType!.MediaType);
            Assert.Equal([accepted], page.ContentHeaders.ContentLanguage);
            Assert.Contains($"<html lang=\"{accepted}\">", page.Text, StringComparison.Ordinal);
            Assert.Contains($"<h1>{ProblemText.Of(code).Title.In(language)}</h1>", page.Text, StringComparison.Ordinal);
            Assert.Contains(name, page.Text, StringComparison.Ordinal);
            Assert.Contains($"{ProblemText.Of(code).Status}", page.Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void Every_code_has_the_status_of_the_contract_and_both_texts(RefusalCode code)
    {
        ProblemText text = ProblemText.Of(code);
        Assert.Equal(
            code switch
            {
                RefusalCode.InvalidRequest => 400,
                RefusalCode.Unauthenticated => 401,
                RefusalCode.Forbidden => 403,
                RefusalCode.ProductNotFound or RefusalCode.CouponNotFound or RefusalCode.OrderNotFound or RefusalCode.PaymentNotFound => 404,
                RefusalCode.NotFound => 404,
                RefusalCode.MethodNotAllowed => 405,
                RefusalCode.PayloadTooLarge => 413,
                RefusalCode.UnsupportedMediaType => 415,
                RefusalCode.IdempotencyKeyReused => 422,
                RefusalCode.RateLimited => 429,
                RefusalCode.InternalError => 500,
                RefusalCode.Unavailable => 503,
                _ => 409,
            },
            text.Status);
        foreach (Text words in new[] { text.Title, text.Detail })
        {
            Assert.NotEmpty(words.English);
            Assert.Contains(words.Korean, c => c is >= '가' and <= '힣');
            Assert.DoesNotContain(words.English, c => c is >= '가' and <= '힣');
        }
    }

    [Fact]
    public async Task The_list_of_codes_is_that_of_the_contract()
    {
        string[] contract =
        [
            "unauthenticated", "forbidden", "invalid_request", "product_not_found", "coupon_not_found", "order_not_found",
            "payment_not_found", "product_not_on_sale", "out_of_stock", "price_changed", "coupon_sold_out", "coupon_already_issued",
            "coupon_not_open", "coupon_closed", "coupon_not_usable", "insufficient_balance", "balance_limit",
            "payment_already_completed", "order_expired", "order_cancelled", "order_not_cancellable", "idempotency_key_reused",
            "idempotency_key_in_use", "payload_too_large", "unsupported_media_type", "method_not_allowed", "not_found", "rate_limited",
            "unavailable", "internal_error",
        ];
        Assert.Equal(contract, Enum.GetValues<RefusalCode>().Select(ProblemAnswer.NameOf));
        (await shop.AsNobody().GetAsync("/problems/nothing")).IsProblem(404, "not_found");
        (await shop.AsNobody().GetAsync("/problems/OutOfStock")).IsProblem(404, "not_found");
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/nothing")]
    [InlineData("/members/alice")]
    [InlineData("/docs/nothing")]
    [InlineData("/openapi/v2.json")]
    [InlineData("/favicon.ico")]
    public async Task A_path_that_does_not_exist_is_not_found(string path) =>
        (await shop.AsNobody().GetAsync(path)).IsProblem(404, "not_found");

    [Theory]
    [InlineData("DELETE", "/products/1", "GET, POST")]
    [InlineData("PUT", "/members/alice/points/charge", "POST")]
    [InlineData("GET", "/members/alice/points/charge", "POST")]
    [InlineData("PATCH", "/members/alice/cart", "DELETE, GET")]
    [InlineData("POST", "/health/live", "GET")]
    [InlineData("OPTIONS", "/products", "GET")]
    public async Task A_method_that_a_path_does_not_have_is_method_not_allowed_with_Allow(string method, string path, string allowed)
    {
        TestAnswer answer = await shop.AsNobody().SendAsync(new HttpMethod(method), path);
        answer.IsProblem(405, "method_not_allowed");
        Assert.Equal(allowed.Split(", "), answer.ContentHeaders.Allow.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_bug_is_an_internal_error_that_tells_nothing_but_the_trace_id()
    {
        await using TestShop own = await TestShop.StartAsync();
        TestCaller member = own.Somebody();
        TestAnswer order = (await member.OrderAsync(await own.Administrator().CreateProductAsync())).Is(201);
        own.Clock.IsBroken = true;
        TestAnswer answer = await own.AsNobody().GetAsync("/products/top");
        TestAnswer asMember = await member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}");
        own.Clock.IsBroken = false;
        foreach (TestAnswer refused in new[] { answer, asMember })
        {
            refused.IsProblem(500, "internal_error").Json.HasOnly("type", "title", "status", "detail", "code", "traceId");
            Assert.DoesNotContain("secret", refused.Text, StringComparison.Ordinal);
        }

        (await member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}")).Is(200);
    }

    [Fact]
    public async Task A_full_queue_is_unavailable_with_outcome_none_and_Retry_After()
    {
        await using TestShop own = await TestShop.StartAsync();
        TestCaller member = own.Somebody();
        using var gate = new ManualResetEventSlim();
        var waiting = new List<Task> { own.Shop.Executor.SubmitAsync(new Block(gate)).AsTask() };
        TestAnswer refused;
        try
        {
            await TestShop.UntilAsync(() => Task.FromResult(own.Shop.Executor.QueueLength == 0));
            while (own.Shop.Executor.QueueLength < Server.Bounds.QueuedCommands)
            {
                waiting.Add(own.Shop.Executor.SubmitAsync(new Block(gate)).AsTask());
            }

            refused = await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""", "k");
        }
        finally
        {
            gate.Set();
        }

        refused.IsProblem(503, "unavailable");
        Assert.Equal("none", refused.Word("outcome"));
        Assert.True(refused.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1));
        await Task.WhenAll(waiting);
        Assert.Equal(5, (await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""", "k")).Is(200).Number("balance"));
    }

    [Fact]
    public async Task A_duplicate_waits_for_the_first_and_is_idempotency_key_in_use_only_after_five_seconds()
    {
        await using TestShop own = await TestShop.StartAsync();
        TestCaller member = own.Somebody();
        using var gate = new ManualResetEventSlim();
        Task blocked = own.Shop.Executor.SubmitAsync(new Block(gate)).AsTask();
        Task<TestAnswer> first;
        TestAnswer duplicate;
        var watch = System.Diagnostics.Stopwatch.StartNew();
        try
        {
            await TestShop.UntilAsync(() => Task.FromResult(own.Shop.Executor.QueueLength == 0));
            first = member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""", "k");
            await TestShop.UntilAsync(() => Task.FromResult(own.Shop.Executor.QueueLength >= 1));
            duplicate = await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""", "k");
        }
        finally
        {
            gate.Set();
        }

        duplicate.IsProblem(409, "idempotency_key_in_use");
        Assert.True(watch.Elapsed >= TimeSpan.FromSeconds(4.9), $"It waited only {watch.Elapsed}.");
        await blocked;
        (await first).Is(200);
        TestAnswer again = (await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":5}""", "k")).Is(200);
        Assert.Equal((await first).Bytes, again.Bytes);
        Assert.Equal(5, await member.BalanceAsync());
    }

    private static Task<TestAnswer> GetAsync(TestCaller caller, string path, string? accepted)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (accepted is not null)
        {
            request.Headers.TryAddWithoutValidation("Accept-Language", accepted);
        }

        return caller.SendAsync(request);
    }

    /// <summary>Holds the lane of charges up until a gate opens.</summary>
    private sealed record Block(ManualResetEventSlim Gate) : Command, IOfMemberAlone
    {
        public string MemberId => "m";

        public override void Declare(Keys keys)
        {
        }

        public override Decision Decide(WorkingSet rows)
        {
            Gate.Wait();
            return Done.Instance;
        }
    }
}
