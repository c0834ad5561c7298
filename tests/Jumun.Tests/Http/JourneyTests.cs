namespace Jumun.Tests.Http;

/// <summary>The flows of the seed's diagrams, one after the other, as a member lives them.</summary>
public sealed class JourneyTests
{
    [Fact]
    public async Task A_member_charges_takes_a_coupon_orders_and_pays_and_the_platform_hears_of_it()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        TestCaller alice = shop.As("alice");
        long product = await admin.CreateProductAsync(price: 10_000, stock: 5);
        long coupon = await admin.CreateCouponAsync("""{"kind":"percent","value":15}""");

        Assert.Equal(50_000, await alice.ChargeAsync(50_000));
        Assert.Equal(1, (int)(await alice.PostAsync($"/coupons/{coupon}")).Is(201)["number"]!);
        await alice.PutAsync($"/members/alice/cart/items/{product}", """{"quantity":2}""");

        TestAnswer order = (await alice.OrderAsync(product, 2, coupon)).Is(201);
        Assert.Equal(17_000, (long)order["total"]!);
        Assert.Equal("pending_payment", (string)order["status"]!);
        Assert.Equal($"/members/alice/orders/{order["orderId"]}", order.Headers.Location!.OriginalString);
        Assert.Equal(3, await alice.StockAsync(product));
        Assert.Empty((await alice.GetAsync("/members/alice/cart")).Is(200)["items"]!.AsArray());

        TestAnswer payment = (await alice.PayAsync(order)).Is(200);
        Assert.Equal(33_000, (long)payment["balance"]!);
        Assert.Equal("completed", (string)payment["status"]!);
        Assert.Equal(33_000, await alice.BalanceAsync());

        await TestShop.UntilAsync(async () => (await File.ReadAllTextAsync(shop.EventsPath)).Contains("jumun.order.completed.v1", StringComparison.Ordinal));
        TestAnswer top = (await shop.AsNobody().GetAsync("/products/top")).Is(200);
        Assert.Equal(2, (long)top["items"]![0]!["soldQuantity"]!);
        await shop.AuditAsync();
    }
}
