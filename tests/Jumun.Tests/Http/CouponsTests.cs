using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>Coupons, first come, first served.</summary>
public sealed class CouponsTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_claim_answers_201_with_the_place_in_the_line()
    {
        long coupon = await shop.Administrator().CreateCouponAsync("""{"kind":"percent","value":10,"maximum":500}""", more: ",\"minimumOrderAmount\":1000");
        TestCaller second = shop.Somebody();
        (await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer issued = (await second.PostAsync($"/coupons/{coupon}")).Is(201);
        issued.Has("couponId", "memberId", "number", "status", "discount", "minimumOrderAmount", "issuedAt", "usableUntil");
        Assert.Equal(coupon, issued.Number("couponId"));
        Assert.Equal(second.Member, issued.Word("memberId"));
        Assert.Equal(2, issued.Number("number"));
        Assert.Equal("available", issued.Word("status"));
        Assert.Equal("""{"kind":"percent","value":10,"maximum":500}""", issued["discount"]!.ToJsonString());
        Assert.Equal(1_000, issued.Number("minimumOrderAmount"));
        Assert.Equal(new DateTimeOffset(2099, 1, 1, 0, 0, 0, TimeSpan.Zero), issued["usableUntil"].Time());
        Assert.InRange(issued["issuedAt"].Time(), DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
    }

    [Fact]
    public async Task A_coupon_shows_how_many_remain_and_is_sold_out_with_all_its_fields_when_none_does()
    {
        long coupon = await shop.Administrator().CreateCouponAsync(quantity: 2);
        TestCaller member = shop.Somebody();
        TestAnswer seen = (await member.GetAsync($"/coupons/{coupon}")).Is(200);
        seen.Json.HasOnly(
            "couponId", "name", "discount", "minimumOrderAmount", "quantity", "remaining", "issueFrom", "issueUntil", "usableUntil");
        Assert.Equal(2, seen.Number("remaining"));
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        Assert.Equal(1, (await member.GetAsync($"/coupons/{coupon}")).Is(200).Number("remaining"));
        (await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201);

        JsonObject soldOut = (await member.GetAsync($"/coupons/{coupon}")).IsProblem(409, "coupon_sold_out")["coupon"]!.AsObject();
        soldOut.HasOnly(
            "couponId", "name", "discount", "minimumOrderAmount", "quantity", "remaining", "issueFrom", "issueUntil", "usableUntil");
        Assert.Equal(0, (long)soldOut["remaining"]!);
        Assert.Equal(2, (long)soldOut["quantity"]!);
    }

    [Fact]
    public async Task The_list_shows_sold_out_coupons_with_remaining_0_newest_first()
    {
        TestCaller admin = shop.Administrator();
        long soldOut = await admin.CreateCouponAsync(quantity: 0);
        long open = await admin.CreateCouponAsync(quantity: 3);
        TestAnswer list = await shop.Somebody().GetAsync("/coupons?limit=2");
        Assert.Equal([$"{open}", $"{soldOut}"], list.Items("couponId"));
        Assert.Equal(["3", "0"], list.Items("remaining"));
    }

    [Fact]
    public async Task An_unknown_coupon_is_coupon_not_found()
    {
        (await shop.Somebody().PostAsync("/coupons/999999999")).IsProblem(404, "coupon_not_found");
        (await shop.Somebody().GetAsync("/coupons/999999999")).IsProblem(404, "coupon_not_found");
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("x")]
    [InlineData("1.5")]
    public async Task A_coupon_id_that_is_no_positive_number_is_an_invalid_request(string couponId)
    {
        (await shop.Somebody().PostAsync($"/coupons/{couponId}")).IsInvalid("couponId");
        (await shop.Somebody().GetAsync($"/coupons/{couponId}")).IsInvalid("couponId");
    }

    [Fact]
    public async Task A_claim_before_the_window_is_coupon_not_open_and_after_it_coupon_closed()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long later = await CreateAsync(admin, "2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z", quantity: 0);
        long over = await CreateAsync(admin, "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", quantity: 0);
        (await member.PostAsync($"/coupons/{later}")).IsProblem(409, "coupon_not_open");
        (await member.PostAsync($"/coupons/{over}")).IsProblem(409, "coupon_closed");
    }

    [Fact]
    public async Task A_member_who_has_the_coupon_hears_so_even_when_it_is_sold_out_and_the_window_counts_before_both()
    {
        TestCaller admin = shop.Administrator();
        TestCaller holder = shop.Somebody();
        long coupon = await admin.CreateCouponAsync(quantity: 1);
        (await holder.PostAsync($"/coupons/{coupon}")).Is(201);
        (await holder.PostAsync($"/coupons/{coupon}")).IsProblem(409, "coupon_already_issued");
        TestAnswer soldOut = (await shop.Somebody().PostAsync($"/coupons/{coupon}")).IsProblem(409, "coupon_sold_out");
        Assert.Null(soldOut["coupon"]);
        (await admin.PatchAsync($"/admin/coupons/{coupon}", """{"issueUntil":"2021-01-01T00:00:00Z"}""")).Is(200);
        (await holder.PostAsync($"/coupons/{coupon}")).IsProblem(409, "coupon_closed");
    }

    [Fact]
    public async Task Many_members_at_once_get_exactly_the_quantity_and_the_numbers_have_no_gap()
    {
        long coupon = await shop.Administrator().CreateCouponAsync(quantity: 10);
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => shop.Somebody().PostAsync($"/coupons/{coupon}")));
        Assert.Equal(
            Enumerable.Range(1, 10).Select(number => (long)number),
            answers.Where(answer => answer.Status == 201).Select(answer => answer.Number("number")).Order());
        Assert.All(answers.Where(answer => answer.Status != 201), answer => answer.IsProblem(409, "coupon_sold_out"));
    }

    [Fact]
    public async Task A_member_who_claims_many_times_at_once_gets_one()
    {
        long coupon = await shop.Administrator().CreateCouponAsync(quantity: 10);
        TestCaller member = shop.Somebody();
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => member.PostAsync($"/coupons/{coupon}")));
        Assert.Single(answers, answer => answer.Status == 201);
        Assert.All(answers.Where(answer => answer.Status != 201), answer => answer.IsProblem(409, "coupon_already_issued"));
        Assert.Equal(9, (await member.GetAsync($"/coupons/{coupon}")).Is(200).Number("remaining"));
    }

    [Fact]
    public async Task An_issued_coupon_goes_from_available_to_held_to_used_and_back_to_available()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 1_000);
        long coupon = await admin.CreateCouponAsync();
        await member.ChargeAsync(10_000);
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        await IsAsync(member, "available");

        TestAnswer order = (await member.OrderAsync(product, couponId: coupon)).Is(201);
        await IsAsync(member, "held");
        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        await IsAsync(member, "available");

        order = (await member.OrderAsync(product, couponId: coupon)).Is(201);
        (await member.PayAsync(order)).Is(200);
        await IsAsync(member, "used");
        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        await IsAsync(member, "available");
    }

    [Fact]
    public async Task An_available_coupon_past_its_time_reads_as_expired()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long coupon = await admin.CreateCouponAsync();
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        (await admin.PatchAsync(
            $"/admin/coupons/{coupon}", """{"issueUntil":"2021-01-01T00:00:00Z","usableUntil":"2021-01-01T00:00:00Z"}""")).Is(200);
        await IsAsync(member, "expired");
    }

    [Fact]
    public async Task The_coupons_of_a_member_are_listed_by_status_and_another_word_is_an_invalid_request()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        string path = $"/members/{member.Member}/coupons";
        long one = await admin.CreateCouponAsync();
        long two = await admin.CreateCouponAsync();
        long product = await admin.CreateProductAsync();
        (await member.PostAsync($"/coupons/{one}")).Is(201);
        (await member.PostAsync($"/coupons/{two}")).Is(201);
        (await member.OrderAsync(product, couponId: one)).Is(201);
        Assert.Equal([$"{two}", $"{one}"], (await member.GetAsync(path)).Items("couponId"));
        Assert.Equal([$"{two}"], (await member.GetAsync($"{path}?status=available")).Items("couponId"));
        Assert.Equal([$"{one}"], (await member.GetAsync($"{path}?status=held")).Items("couponId"));
        Assert.Empty((await member.GetAsync($"{path}?status=used")).Items("couponId"));
        Assert.Empty((await member.GetAsync($"{path}?status=expired")).Items("couponId"));
        (await member.GetAsync($"{path}?status=Available")).IsInvalid("status");
        (await member.GetAsync($"{path}?status=1")).IsInvalid("status");
        (await member.GetAsync($"{path}?status=")).IsInvalid("status");
        Assert.Equal([$"{two}", $"{one}"], (await admin.GetAsync(path)).Items("couponId"));
    }

    [Fact]
    public async Task An_administrator_claims_for_itself_like_any_member()
    {
        TestCaller admin = shop.Administrator();
        long coupon = await admin.CreateCouponAsync();
        Assert.Equal(admin.Member, (await admin.PostAsync($"/coupons/{coupon}")).Is(201).Word("memberId"));
    }

    private static async Task IsAsync(TestCaller member, string status) =>
        Assert.Equal([status], (await member.GetAsync($"/members/{member.Member}/coupons")).Items("status"));

    private static async Task<long> CreateAsync(TestCaller admin, string from, string until, long quantity) => (await admin.PostAsync(
        "/admin/coupons",
        $$"""
        {"name":"window","discount":{"kind":"amount","value":1},"quantity":{{quantity}},
         "issueFrom":"{{from}}","issueUntil":"{{until}}","usableUntil":"{{until}}"}
        """)).Is(201).Number("couponId");
}
