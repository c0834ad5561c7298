namespace Jumun.Tests.Http;

/// <summary>What members see of products.</summary>
public sealed class ProductsTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_product_is_the_same_by_GET_and_by_POST_as_drawn()
    {
        long product = await shop.Administrator().CreateProductAsync("cup", 700, 4);
        TestCaller member = shop.Somebody();
        TestAnswer byGet = (await member.GetAsync($"/products/{product}")).Is(200);
        TestAnswer byPost = (await member.PostAsync($"/products/{product}")).Is(200);
        Assert.Equal(byGet.Text, byPost.Text);
        Assert.Equal($$"""{"productId":{{product}},"name":"cup","price":700,"stock":4,"onSale":true}""", byGet.Text);
    }

    [Fact]
    public async Task A_body_on_the_POST_of_a_product_is_ignored()
    {
        long product = await shop.Administrator().CreateProductAsync();
        (await shop.Somebody().PostAsync($"/products/{product}", """{"anything":[}""")).Is(200);
    }

    [Fact]
    public async Task Held_pieces_are_not_in_the_stock_from_the_moment_of_the_order_on()
    {
        long product = await shop.Administrator().CreateProductAsync(stock: 5);
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(product, 2)).Is(201);
        Assert.Equal(3, await member.StockAsync(product));
        Assert.Equal(3, (await member.PostAsync($"/products/{product}")).Is(200).Number("stock"));
        await member.ChargeAsync(10_000);
        (await member.PayAsync(order)).Is(200);
        Assert.Equal(3, await member.StockAsync(product));
    }

    [Fact]
    public async Task An_unknown_product_is_product_not_found()
    {
        (await shop.Somebody().GetAsync("/products/999999999")).IsProblem(404, "product_not_found");
        (await shop.Somebody().PostAsync("/products/999999999")).IsProblem(404, "product_not_found");
        (await shop.Somebody().PostAsync("/products/999999999", key: "absent")).IsProblem(404, "product_not_found");
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("abc")]
    [InlineData("%2B1")]
    [InlineData("9223372036854775808")]
    public async Task A_product_id_that_is_no_positive_number_is_an_invalid_request(string productId)
    {
        (await shop.Somebody().GetAsync($"/products/{productId}")).IsInvalid("productId");
        (await shop.Somebody().PostAsync($"/products/{productId}")).IsInvalid("productId");
    }

    [Fact]
    public async Task The_list_has_products_on_sale_only_by_id_and_a_product_off_sale_is_still_read()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long first = await admin.CreateProductAsync("list-one");
        long second = await admin.CreateProductAsync("list-two");
        long third = await admin.CreateProductAsync("list-three");
        (await admin.PatchAsync($"/admin/products/{second}", """{"onSale":false}""")).Is(200);
        Assert.Equal([$"{first}", $"{third}"], (await member.GetAsync("/products?query=list-")).Items("productId"));
        Assert.False((bool)(await member.GetAsync($"/products/{second}")).Is(200)["onSale"]!);
    }

    [Fact]
    public async Task The_query_finds_a_part_of_the_name_and_takes_every_character_literally()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long percent = await admin.CreateProductAsync("q 100% 머그");
        long underscore = await admin.CreateProductAsync("q a_b");
        await admin.CreateProductAsync("q axb");
        Assert.Equal([$"{percent}"], (await member.GetAsync("/products?query=100%25")).Items("productId"));
        Assert.Equal([$"{percent}"], (await member.GetAsync($"/products?query={Uri.EscapeDataString("머그")}")).Items("productId"));
        Assert.Equal([$"{underscore}"], (await member.GetAsync("/products?query=a_b")).Items("productId"));
        Assert.Empty((await member.GetAsync("/products?query=%25%25nothing")).Items("productId"));
    }

    [Fact]
    public async Task A_query_of_more_than_200_characters_or_twice_or_with_control_characters_is_an_invalid_request()
    {
        TestCaller member = shop.Somebody();
        (await member.GetAsync($"/products?query={new string('x', 201)}")).IsInvalid("query");
        (await member.GetAsync($"/products?query={new string('x', 200)}")).Is(200);
        (await member.GetAsync("/products?query=a&query=b")).IsInvalid("query");
        (await member.GetAsync("/products?query=%00")).IsInvalid("query");
        (await member.GetAsync("/products?query=a%0Ab")).IsInvalid("query");
    }

    [Fact]
    public async Task A_name_in_Korean_is_answered_as_it_was_given()
    {
        long product = await shop.Administrator().CreateProductAsync("한정판 \\\"컵\\\"");
        TestAnswer answer = await shop.Somebody().GetAsync($"/products/{product}");
        Assert.Equal("한정판 \"컵\"", answer.Word("name"));
        Assert.Contains("한정판", answer.Text, StringComparison.Ordinal);
    }
}
