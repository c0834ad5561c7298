using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>
/// What is one member's, another cannot read, change or even tell from what does not exist: every route that names an order, a payment
/// or a coupon of a member, with ids that are real, by every caller.
/// </summary>
public sealed class OwnershipTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task Real_ids_of_another_member_are_answered_like_ids_that_nobody_has()
    {
        TestCaller owner = shop.Somebody();
        TestCaller other = shop.Somebody();
        TestAnswer order = (await owner.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        await owner.ChargeAsync(1_000_000);
        Dictionary<string, string> before = await shop.ContentsAsync();
        string unknown = Guid.CreateVersion7().ToString();
        foreach ((HttpMethod method, string path) in new[]
        {
            (HttpMethod.Get, "/payment/{paymentId}"), (HttpMethod.Post, "/payment/{paymentId}"),
            (HttpMethod.Get, "/members/{me}/orders/{orderId}"), (HttpMethod.Post, "/members/{me}/orders/{orderId}/cancel"),
        })
        {
            string mine = path.Replace("{me}", other.Member, StringComparison.Ordinal);
            TestAnswer real = await other.SendAsync(
                method, mine.Replace("{paymentId}", order.Word("paymentId"), StringComparison.Ordinal)
                    .Replace("{orderId}", order.Word("orderId"), StringComparison.Ordinal));
            TestAnswer none = await other.SendAsync(
                method, mine.Replace("{paymentId}", unknown, StringComparison.Ordinal).Replace("{orderId}", unknown, StringComparison.Ordinal));
            real.IsProblem(404, path.StartsWith("/payment", StringComparison.Ordinal) ? "payment_not_found" : "order_not_found");
            Assert.Equal(none.WithoutTrace(), real.WithoutTrace());
        }

        Assert.Equal(before, await shop.ContentsAsync());
    }

    [Fact]
    public async Task A_payment_is_its_owners_alone_and_not_an_administrators()
    {
        TestCaller owner = shop.Somebody();
        TestAnswer order = (await owner.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        TestCaller admin = shop.Administrator();
        (await admin.GetAsync($"/payment/{order["paymentId"]}")).IsProblem(404, "payment_not_found");
        (await admin.PostAsync($"/payment/{order["paymentId"]}")).IsProblem(404, "payment_not_found");
        (await owner.GetAsync($"/payment/{order["paymentId"]}")).Is(200);
    }

    [Fact]
    public async Task An_administrator_acts_for_a_member_and_leaves_nothing_at_his_own_name()
    {
        TestCaller owner = shop.Somebody();
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync();
        (await admin.PostAsync($"/members/{owner.Member}/points/charge", """{"amount":5000}""")).Is(200);
        (await admin.PutAsync($"/members/{owner.Member}/cart/items/{product}", """{"quantity":2}""")).Is(200);
        TestAnswer order = (await admin.PostAsync($"/order/{owner.Member}", $$"""{"items":[{"productId":{{product}},"quantity":1}]}""")).Is(201);
        Assert.Equal(owner.Member, order.Word("memberId"));
        (await owner.PayAsync(order)).Is(200);
        (await admin.PostAsync($"/members/{owner.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        Assert.Equal(5_000, await owner.BalanceAsync());
        Assert.Empty((await admin.GetAsync("/members/admin/orders")).Is(200)["items"]!.AsArray());
        Assert.Equal(0, await admin.BalanceAsync());
    }

    [Fact]
    public async Task A_coupon_of_another_member_discounts_nobody_elses_order()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync();
        long coupon = await admin.CreateCouponAsync();
        TestCaller owner = shop.Somebody();
        TestCaller other = shop.Somebody();
        (await owner.PostAsync($"/coupons/{coupon}")).Is(201);
        Assert.Equal("not_held", (await other.OrderAsync(product, couponId: coupon)).IsProblem(409, "coupon_not_usable").Word("reason"));
        Assert.Empty((await other.GetAsync($"/members/{other.Member}/coupons")).Is(200)["items"]!.AsArray());
        JsonNode held = Assert.Single((await owner.GetAsync($"/members/{owner.Member}/coupons")).Is(200)["items"]!.AsArray())!;
        Assert.Equal("available", (string?)held["status"]);
    }

    [Fact]
    public async Task A_key_of_one_member_replays_nothing_to_another()
    {
        TestCaller owner = shop.Somebody();
        TestCaller other = shop.Somebody();
        TestAnswer first = (await owner.PostAsync($"/members/{owner.Member}/points/charge", """{"amount":5}""", "same")).Is(200);
        TestAnswer second = (await other.PostAsync($"/members/{other.Member}/points/charge", """{"amount":5}""", "same")).Is(200);
        Assert.False(second.Headers.Contains("Idempotency-Replayed"));
        Assert.NotEqual(first.Text, second.Text);
        (await other.PostAsync($"/members/{owner.Member}/points/charge", """{"amount":5}""", "same")).IsProblem(403, "forbidden");
        Assert.Equal((5, 5), (await owner.BalanceAsync(), await other.BalanceAsync()));
    }
}
