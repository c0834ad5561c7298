namespace Jumun.Tests.Http;

/// <summary>The cart.</summary>
public sealed class CartTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_cart_starts_empty()
    {
        TestCaller member = shop.Somebody();
        Assert.Equal($$"""{"memberId":"{{member.Member}}","items":[],"total":0}""", (await member.GetAsync($"/members/{member.Member}/cart")).Is(200).Text);
    }

    [Fact]
    public async Task A_line_is_put_and_put_again_and_the_answer_is_the_cart()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync("cup", 700, 4);
        await PutAsync(member, product, 2);
        TestAnswer cart = (await PutAsync(member, product, 3)).Is(200);
        Assert.Equal(
            $$"""{"memberId":"{{member.Member}}","items":[{"productId":{{product}},"name":"cup","price":700,"quantity":3,"stock":4}],"total":2100}""",
            cart.Text);
        Assert.Equal(cart.Text, (await member.GetAsync($"/members/{member.Member}/cart")).Is(200).Text);
    }

    [Fact]
    public async Task The_cart_shows_the_prices_of_today()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 700);
        await PutAsync(member, product, 2);
        (await admin.PatchAsync($"/admin/products/{product}", """{"price":800,"name":"new"}""")).Is(200);
        TestAnswer cart = (await member.GetAsync($"/members/{member.Member}/cart")).Is(200);
        Assert.Equal(1_600, cart.Number("total"));
        Assert.Equal("new", (string)cart["items"]![0]!["name"]!);
    }

    [Fact]
    public async Task A_cart_checks_no_stock_and_holds_none()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 1);
        (await PutAsync(member, product, 10_000)).Is(200);
        Assert.Equal(1, await member.StockAsync(product));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(10_001)]
    public async Task A_quantity_is_from_1_to_10000(long quantity)
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync();
        (await PutAsync(member, product, quantity)).IsInvalid("quantity");
        Assert.Empty((await member.GetAsync($"/members/{member.Member}/cart")).Items("productId"));
    }

    [Fact]
    public async Task An_unknown_product_is_product_not_found_and_one_off_sale_is_product_not_on_sale()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync();
        (await admin.PatchAsync($"/admin/products/{product}", """{"onSale":false}""")).Is(200);
        (await PutAsync(member, 999_999_999, 1)).IsProblem(404, "product_not_found");
        TestAnswer refused = (await PutAsync(member, product, 1)).IsProblem(409, "product_not_on_sale");
        Assert.Equal($"[{product}]", refused["productIds"]!.ToJsonString());
    }

    [Fact]
    public async Task A_product_id_that_is_no_positive_number_is_an_invalid_request()
    {
        TestCaller member = shop.Somebody();
        (await member.PutAsync($"/members/{member.Member}/cart/items/x", """{"quantity":1}""")).IsInvalid("productId");
        (await member.PutAsync($"/members/{member.Member}/cart/items/0", """{"quantity":1}""")).IsInvalid("productId");
        (await member.DeleteAsync($"/members/{member.Member}/cart/items/x")).IsInvalid("productId");
    }

    [Fact]
    public async Task A_line_is_removed_with_204_and_so_is_one_that_is_not_there()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long one = await admin.CreateProductAsync();
        long two = await admin.CreateProductAsync();
        await PutAsync(member, one, 1);
        await PutAsync(member, two, 1);
        Assert.Empty((await member.DeleteAsync($"/members/{member.Member}/cart/items/{one}")).Is(204).Bytes);
        (await member.DeleteAsync($"/members/{member.Member}/cart/items/{one}")).Is(204);
        Assert.Equal([$"{two}"], (await member.GetAsync($"/members/{member.Member}/cart")).Items("productId"));
    }

    [Fact]
    public async Task A_cart_is_emptied_with_204()
    {
        TestCaller member = shop.Somebody();
        await PutAsync(member, await shop.Administrator().CreateProductAsync(), 1);
        (await member.DeleteAsync($"/members/{member.Member}/cart")).Is(204);
        Assert.Empty((await member.GetAsync($"/members/{member.Member}/cart")).Items("productId"));
    }

    [Fact]
    public async Task A_cart_has_at_most_100_lines_and_a_line_of_a_full_cart_can_still_change()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long[] products = await Task.WhenAll(Enumerable.Range(0, 101).Select(_ => admin.CreateProductAsync()));
        await Task.WhenAll(products.Take(100).Select(async product => (await PutAsync(member, product, 1)).Is(200)));
        (await PutAsync(member, products[100], 1)).IsInvalid("productId");
        (await PutAsync(member, products[50], 7)).Is(200);
        Assert.Equal(100, (await member.GetAsync($"/members/{member.Member}/cart")).Items("productId").Count);
    }

    [Fact]
    public async Task The_ordered_products_leave_the_cart_and_the_others_stay()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long ordered = await admin.CreateProductAsync();
        long other = await admin.CreateProductAsync();
        await PutAsync(member, ordered, 5);
        await PutAsync(member, other, 1);
        (await member.OrderAsync(ordered)).Is(201);
        Assert.Equal([$"{other}"], (await member.GetAsync($"/members/{member.Member}/cart")).Items("productId"));
    }

    [Fact]
    public async Task A_refused_order_leaves_the_cart_alone()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 1);
        await PutAsync(member, product, 5);
        (await member.OrderAsync(product, 5)).IsProblem(409, "out_of_stock");
        Assert.Equal([$"{product}"], (await member.GetAsync($"/members/{member.Member}/cart")).Items("productId"));
    }

    private static Task<TestAnswer> PutAsync(TestCaller member, long product, long quantity) =>
        member.PutAsync($"/members/{member.Member}/cart/items/{product}", $$"""{"quantity":{{quantity}}}""");
}
