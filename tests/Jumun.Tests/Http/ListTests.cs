using Jumun.Server.Api;

namespace Jumun.Tests.Http;

/// <summary>Lists: limits, cursors and order, the same for every list.</summary>
public sealed class ListTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Theory]
    [InlineData("/members/admin/points/history")]
    [InlineData("/members/admin/coupons")]
    [InlineData("/members/admin/orders")]
    [InlineData("/products")]
    [InlineData("/coupons")]
    [InlineData("/admin/orders")]
    [InlineData("/admin/events")]
    public async Task Every_list_has_items_and_next_and_refuses_a_wrong_limit_or_cursor(string path)
    {
        TestCaller admin = shop.Administrator();
        (await admin.GetAsync(path)).Is(200).Json.HasOnly("items", "next");
        (await admin.GetAsync($"{path}?limit=1")).Is(200);
        (await admin.GetAsync($"{path}?limit=100")).Is(200);
        foreach (string limit in new[] { "0", "101", "-1", "1.5", "x", "", "20%00", "1&limit=2", "9223372036854775808" })
        {
            (await admin.GetAsync($"{path}?limit={limit}")).IsInvalid("limit");
        }

        string ofNoList = Convert.ToBase64String(new byte[24]);
        foreach (string cursor in new[] { "", "x", "1", ofNoList, new string('A', 32), new string('A', 3_000), "a&cursor=b" })
        {
            (await admin.GetAsync($"{path}?cursor={cursor}")).IsInvalid("cursor");
        }
    }

    [Fact]
    public async Task A_list_is_walked_by_its_cursors_without_gap_or_repeat_and_ends_with_null()
    {
        TestCaller member = shop.Somebody();
        for (int i = 1; i <= 7; i++)
        {
            await member.ChargeAsync(i);
        }

        string path = $"/members/{member.Member}/points/history";
        Assert.Equal(["7", "6", "5", "4", "3", "2", "1"], await WalkAsync(member, path, "amount", limit: 3));
        Assert.Equal(["7", "6", "5", "4", "3", "2", "1"], await WalkAsync(member, path, "amount", limit: 1));
        TestAnswer whole = await member.GetAsync($"{path}?limit=7");
        Assert.EndsWith(",\"next\":null}", whole.Text, StringComparison.Ordinal);
        Assert.Equal(7, whole.Items("amount").Count);
        Assert.NotNull((await member.GetAsync($"{path}?limit=6"))["next"]);
    }

    [Fact]
    public async Task A_page_has_20_items_unless_asked_otherwise()
    {
        TestCaller member = shop.Somebody();
        await Task.WhenAll(Enumerable.Range(0, 21).Select(_ => member.ChargeAsync(1)));
        TestAnswer page = await member.GetAsync($"/members/{member.Member}/points/history");
        Assert.Equal(20, page.Items("amount").Count);
        Assert.NotNull(page["next"]);
    }

    [Fact]
    public async Task Every_list_is_walked_in_its_order()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(1_000);
        var products = new List<string>();
        var coupons = new List<string>();
        var orders = new List<string>();
        for (int i = 0; i < 3; i++)
        {
            long product = await admin.CreateProductAsync($"walked {i}", price: 1);
            products.Add($"{product}");
            long coupon = await admin.CreateCouponAsync();
            coupons.Insert(0, $"{coupon}");
            (await member.PostAsync($"/coupons/{coupon}")).Is(201);
            TestAnswer order = (await member.OrderAsync(product)).Is(201);
            orders.Insert(0, order.Word("orderId"));
            (await member.PayAsync(order)).Is(200);
        }

        Assert.Equal(products, await WalkAsync(member, "/products?query=walked", "productId", limit: 1));
        Assert.Equal(coupons, (await WalkAsync(member, "/coupons", "couponId", limit: 2)).Take(3));
        Assert.Equal(coupons, await WalkAsync(member, $"/members/{member.Member}/coupons", "couponId", limit: 1));
        Assert.Equal(coupons, await WalkAsync(member, $"/members/{member.Member}/coupons?status=available", "couponId", limit: 2));
        Assert.Equal(orders, await WalkAsync(member, $"/members/{member.Member}/orders", "orderId", limit: 2));
        Assert.Equal(orders, await WalkAsync(admin, $"/admin/orders?memberId={member.Member}", "orderId", limit: 1));
        Assert.Equal(orders, (await WalkAsync(admin, "/admin/orders?status=completed", "orderId", limit: 2)).Take(3));
        Assert.Equal(orders, (await WalkAsync(admin, "/admin/events", "orderId", limit: 2)).Take(3));
    }

    [Fact]
    public async Task Coupons_issued_in_the_same_moment_are_each_listed_once()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long[] coupons = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => admin.CreateCouponAsync()));
        await Task.WhenAll(coupons.Select(coupon => member.PostAsync($"/coupons/{coupon}")));
        List<string> walked = await WalkAsync(member, $"/members/{member.Member}/coupons", "couponId", limit: 3);
        Assert.Equal(coupons.Order().Select(coupon => $"{coupon}"), walked.Order(StringComparer.Ordinal).OrderBy(long.Parse));
    }

    [Fact]
    public async Task What_comes_after_a_page_was_read_moves_no_page_after_it()
    {
        TestCaller member = shop.Somebody();
        string path = $"/members/{member.Member}/points/history";
        await member.ChargeAsync(1);
        await member.ChargeAsync(2);
        TestAnswer page = await member.GetAsync($"{path}?limit=1");
        await member.ChargeAsync(3);
        Assert.Equal(["1"], (await member.GetAsync($"{path}?limit=1&cursor={page["next"]}")).Items("amount"));
    }

    [Fact]
    public async Task A_cursor_is_safe_in_a_URL()
    {
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(1);
        await member.ChargeAsync(2);
        TestAnswer page = await member.GetAsync($"/members/{member.Member}/points/history?limit=1");
        Assert.Matches("^[A-Za-z0-9_-]+$", page.Word("next"));
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public async Task A_cursor_that_somebody_reckoned_brings_nothing_down(long place)
    {
        TestCaller member = shop.Somebody();
        string[] lists = [$"points/history|history of {member.Member}", $"coupons|coupons of {member.Member}, ", $"orders|orders of {member.Member}"];
        foreach (string[] list in lists.Select(list => list.Split('|')))
        {
            (await member.GetAsync($"/members/{member.Member}/{list[0]}?cursor={Cursor.Write(list[1], place, place)}")).Is(200);
        }
    }

    [Fact]
    public async Task A_cursor_of_another_list_another_member_or_another_filter_is_an_invalid_request()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        TestCaller other = shop.Somebody();
        await member.ChargeAsync(1);
        await member.ChargeAsync(2);
        await admin.CreateProductAsync("foreign one");
        await admin.CreateProductAsync("foreign two");
        string history = (await member.GetAsync($"/members/{member.Member}/points/history?limit=1")).Word("next");
        string products = (await member.GetAsync("/products?limit=1&query=foreign")).Word("next");
        (await other.GetAsync($"/members/{other.Member}/points/history?cursor={history}")).IsInvalid("cursor");
        (await member.GetAsync($"/members/{member.Member}/orders?cursor={history}")).IsInvalid("cursor");
        (await member.GetAsync($"/products?cursor={history}")).IsInvalid("cursor");
        (await member.GetAsync($"/products?cursor={products}")).IsInvalid("cursor");
        (await member.GetAsync($"/products?query=foreign%20&cursor={products}")).IsInvalid("cursor");
        (await member.GetAsync($"/products?query=foreign&limit=50&cursor={products}")).Is(200);
    }

    [Fact]
    public async Task A_cursor_with_any_letter_changed_is_an_invalid_request()
    {
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(1);
        await member.ChargeAsync(2);
        string path = $"/members/{member.Member}/points/history";
        string cursor = (await member.GetAsync($"{path}?limit=1")).Word("next");
        for (int i = 0; i < cursor.Length; i++)
        {
            string changed = cursor[..i] + (cursor[i] == 'A' ? 'B' : 'A') + cursor[(i + 1)..];
            (await member.GetAsync($"{path}?cursor={changed}")).IsInvalid("cursor");
        }

        (await member.GetAsync($"{path}?cursor={cursor}A")).IsInvalid("cursor");
        (await member.GetAsync($"{path}?cursor={cursor}%3D")).IsInvalid("cursor");
        (await member.GetAsync($"{path}?cursor={cursor}")).Is(200);
    }

    /// <summary>All items, page by page, each by one of its members.</summary>
    private static async Task<List<string>> WalkAsync(TestCaller caller, string path, string member, int limit)
    {
        var items = new List<string>();
        string? next = null;
        do
        {
            string query = $"{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}limit={limit}{(next is null ? "" : $"&cursor={next}")}";
            TestAnswer page = await caller.GetAsync(path + query);
            items.AddRange(page.Items(member));
            Assert.InRange(page.Items(member).Count, 0, limit);
            next = (string?)page["next"];
        }
        while (next is not null);
        return items;
    }
}
