namespace Jumun.Tests.Http;

/// <summary>The top products.</summary>
public sealed class TopProductsTests
{
    [Fact]
    public async Task The_list_needs_no_token_and_has_a_window_of_whole_hours_in_UTC()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestAnswer top = (await shop.AsNobody().GetAsync("/products/top")).Is(200);
        top.Json.HasOnly("since", "until", "items");
        Assert.Empty(top["items"]!.AsArray());
        IsWindow(top, TimeSpan.FromDays(3));
        IsWindow(await shop.AsNobody().GetAsync("/products/top?days=1"), TimeSpan.FromDays(1));
        IsWindow(await shop.AsNobody().GetAsync("/products/top?days=30&limit=100"), TimeSpan.FromDays(30));
    }

    [Fact]
    public async Task Products_are_ranked_by_quantity_then_amount_then_the_lower_id()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.Administrator();
        long cheap = await admin.CreateProductAsync("cheap", 100);
        long cheapToo = await admin.CreateProductAsync("cheap too", 100);
        long dear = await admin.CreateProductAsync("dear", 500);
        long most = await admin.CreateProductAsync("most", 1);
        await shop.BuyerAsync(cheapToo, 2);
        await shop.BuyerAsync(cheap, 2);
        await shop.BuyerAsync(dear, 2);
        await shop.BuyerAsync(most);
        await shop.BuyerAsync(most, 2);
        TestAnswer top = await FreshAsync(shop, "", list => list.Items("productId").Count == 4);
        Assert.Equal([$"{most}", $"{dear}", $"{cheap}", $"{cheapToo}"], top.Items("productId"));
        Assert.Equal(["1", "2", "3", "4"], top.Items("rank"));
        Assert.Equal(
            $$"""{"rank":2,"productId":{{dear}},"name":"dear","price":500,"soldQuantity":2,"soldAmount":1000}""", top["items"]![1]!.ToJsonString());
        Assert.Equal([$"{most}", $"{dear}"], (await shop.AsNobody().GetAsync("/products/top?limit=2")).Items("productId"));
    }

    [Fact]
    public async Task Five_are_listed_unless_asked_otherwise()
    {
        await using TestShop shop = await TestShop.StartAsync();
        for (int i = 0; i < 6; i++)
        {
            await shop.BuyerAsync(await shop.Administrator().CreateProductAsync());
        }

        await FreshAsync(shop, "?limit=100", list => list.Items("productId").Count == 6);
        Assert.Equal(5, (await shop.AsNobody().GetAsync("/products/top")).Items("productId").Count);
    }

    [Fact]
    public async Task Only_what_is_paid_counts_and_a_refund_subtracts_and_what_nets_to_zero_is_left_out()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long product = await shop.Administrator().CreateProductAsync();
        long other = await shop.Administrator().CreateProductAsync();
        (await shop.Somebody().OrderAsync(other, 9)).Is(201);
        (TestCaller first, TestAnswer one) = await shop.BuyerAsync(product, 2);
        (TestCaller second, TestAnswer two) = await shop.BuyerAsync(product, 3);
        TestAnswer top = await FreshAsync(shop, "", list => list.Items("soldQuantity").SequenceEqual(["5"]));
        Assert.Equal([$"{product}"], top.Items("productId"));
        (await first.PostAsync($"/members/{first.Member}/orders/{one["orderId"]}/cancel")).Is(200);
        await FreshAsync(shop, "", list => list.Items("soldQuantity").SequenceEqual(["3"]));
        (await second.PostAsync($"/members/{second.Member}/orders/{two["orderId"]}/cancel")).Is(200);
        await FreshAsync(shop, "", list => list.Items("soldQuantity").Count == 0);
    }

    [Fact]
    public async Task A_sale_leaves_the_window_by_the_hour_and_a_later_refund_subtracts_in_the_hour_of_the_sale()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long product = await shop.Administrator().CreateProductAsync();
        shop.Clock.Advance(TimeSpan.FromHours(1) - TimeSpan.FromTicks(shop.Clock.GetUtcNow().Ticks % TimeSpan.TicksPerHour));
        (TestCaller member, TestAnswer order) = await shop.BuyerAsync(product, 2);
        shop.Clock.Advance(TimeSpan.FromHours(23));
        Assert.Equal(["2"], (await shop.AsNobody().GetAsync("/products/top?days=1")).Items("soldQuantity"));
        shop.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Empty((await shop.AsNobody().GetAsync("/products/top?days=1")).Items("soldQuantity"));
        Assert.Equal(["2"], (await shop.AsNobody().GetAsync("/products/top?days=2")).Items("soldQuantity"));
        await shop.BuyerAsync(product, 1);
        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        await FreshAsync(shop, "?days=1", list => list.Items("soldQuantity").SequenceEqual(["1"]));
        await FreshAsync(shop, "?days=3", list => list.Items("soldQuantity").SequenceEqual(["1"]));
    }

    [Fact]
    public async Task The_amount_is_before_discounts_and_the_name_and_price_are_those_of_today()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync("old", 1_000);
        long coupon = await admin.CreateCouponAsync();
        await member.ChargeAsync(10_000);
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        (await member.PayAsync((await member.OrderAsync(product, 2, coupon)).Is(201))).Is(200);
        (await admin.PatchAsync($"/admin/products/{product}", """{"name":"new","price":3}""")).Is(200);
        TestAnswer top = await FreshAsync(shop, "", list => list.Items("name").SequenceEqual(["new"]));
        Assert.Equal(["2000"], top.Items("soldAmount"));
        Assert.Equal(["3"], top.Items("price"));
    }

    [Theory]
    [InlineData("days=0", "days")]
    [InlineData("days=31", "days")]
    [InlineData("days=x", "days")]
    [InlineData("days=3%00", "days")]
    [InlineData("days=", "days")]
    [InlineData("days=1&days=2", "days")]
    [InlineData("limit=0", "limit")]
    [InlineData("limit=101", "limit")]
    [InlineData("limit=-1", "limit")]
    [InlineData("limit=1.5", "limit")]
    public async Task Days_are_1_to_30_and_the_limit_is_1_to_100(string query, string field)
    {
        await using TestShop shop = await TestShop.StartAsync();
        (await shop.AsNobody().GetAsync($"/products/top?{query}")).IsInvalid(field);
    }

    private static void IsWindow(TestAnswer top, TimeSpan length)
    {
        DateTimeOffset since = top.Is(200)["since"].Time();
        DateTimeOffset until = top["until"].Time();
        Assert.Equal(length, until - since);
        Assert.Equal(0, until.ToUnixTimeMilliseconds() % 3_600_000);
        Assert.InRange(DateTimeOffset.UtcNow, until.AddHours(-1).AddMinutes(-1), until.AddMinutes(1));
    }

    /// <summary>The list once it is so: it may be a second old.</summary>
    private static async Task<TestAnswer> FreshAsync(TestShop shop, string query, Func<TestAnswer, bool> isSo)
    {
        TestAnswer? top = null;
        await TestShop.UntilAsync(async () => isSo(top = await shop.AsNobody().GetAsync($"/products/top{query}")));
        return top!;
    }
}
