namespace Jumun.Tests.Http;

/// <summary>What an administrator does to products and coupons.</summary>
public sealed class CatalogueTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_product_is_created_with_201_and_is_on_sale()
    {
        TestCaller admin = shop.Administrator();
        TestAnswer created = (await admin.PostAsync("/admin/products", """{"name":"cup","price":700,"stock":4}""")).Is(201);
        created.Json.HasOnly("productId", "name", "price", "stock", "onSale");
        Assert.True((bool)created["onSale"]!);
        Assert.Equal(created.Text, (await admin.GetAsync($"/products/{created["productId"]}")).Is(200).Text);
    }

    [Theory]
    [InlineData("""{"name":"x","price":-1,"stock":0}""", "price")]
    [InlineData("""{"name":"x","price":1000000001,"stock":0}""", "price")]
    [InlineData("""{"name":"x","price":0,"stock":-1}""", "stock")]
    [InlineData("""{"name":"x","price":0,"stock":1000000001}""", "stock")]
    [InlineData("""{"name":"","price":0,"stock":0}""", "name")]
    [InlineData("""{"name":"   ","price":0,"stock":0}""", "name")]
    public async Task A_product_out_of_range_is_an_invalid_request(string body, string field) =>
        (await shop.Administrator().PostAsync("/admin/products", body)).IsInvalid(field);

    [Theory]
    [InlineData("""{"name":"x","price":0,"stock":0}""")]
    [InlineData("""{"name":"x","price":1000000000,"stock":1000000000}""")]
    public async Task Price_and_stock_may_be_from_0_to_1000000000(string body) =>
        (await shop.Administrator().PostAsync("/admin/products", body)).Is(201);

    [Fact]
    public async Task A_name_has_at_most_200_characters_and_a_character_is_one_whatever_its_bytes()
    {
        TestCaller admin = shop.Administrator();
        string longest = string.Concat(Enumerable.Repeat("🎉", 200));
        (await admin.PostAsync("/admin/products", $$"""{"name":"{{longest}}","price":0,"stock":0}""")).Is(201);
        (await admin.PostAsync("/admin/products", $$"""{"name":"{{longest}}x","price":0,"stock":0}""")).IsInvalid("name");
        long product = await admin.CreateProductAsync();
        (await admin.PatchAsync($"/admin/products/{product}", $$"""{"name":"{{longest}}x"}""")).IsInvalid("name");
        (await admin.PostAsync(
            $"/admin/products/{product}/stock", $$"""{"change":1,"reason":"{{longest}}x"}""")).IsInvalid("reason");
        long coupon = await admin.CreateCouponAsync();
        (await admin.PatchAsync($"/admin/coupons/{coupon}", $$"""{"name":"{{longest}}x"}""")).IsInvalid("name");
    }

    [Fact]
    public async Task A_change_of_a_product_changes_what_is_named_and_leaves_the_rest()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync("cup", 700, 4);
        string path = $"/admin/products/{product}";
        Assert.Equal(
            $$"""{"productId":{{product}},"name":"mug","price":700,"stock":4,"onSale":true}""",
            (await admin.PatchAsync(path, """{"name":"mug"}""")).Is(200).Text);
        Assert.Equal(800, (await admin.PatchAsync(path, """{"price":800,"name":null}""")).Is(200).Number("price"));
        Assert.False((bool)(await admin.PatchAsync(path, """{"onSale":false}""")).Is(200)["onSale"]!);
        TestAnswer same = (await admin.PatchAsync(path, "{}")).Is(200);
        Assert.Equal($$"""{"productId":{{product}},"name":"mug","price":800,"stock":4,"onSale":false}""", same.Text);
        Assert.True((bool)(await admin.PatchAsync(path, """{"onSale":true}""")).Is(200)["onSale"]!);
    }

    [Fact]
    public async Task The_stock_of_a_product_cannot_be_set_by_its_change()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync();
        (await admin.PatchAsync($"/admin/products/{product}", """{"stock":5}""")).IsInvalid("stock");
    }

    [Fact]
    public async Task Pieces_are_put_in_and_taken_out()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync(stock: 4);
        Assert.Equal(9, (await ChangeAsync(admin, product, 5)).Is(200).Number("stock"));
        TestAnswer answer = (await ChangeAsync(admin, product, -9)).Is(200);
        answer.Json.HasOnly("productId", "name", "price", "stock", "onSale");
        Assert.Equal(0, answer.Number("stock"));
        Assert.Equal(0, await admin.StockAsync(product));
    }

    [Fact]
    public async Task Taking_out_more_than_there_is_is_out_of_stock_and_held_pieces_are_not_there()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync(stock: 4);
        (await shop.Somebody().OrderAsync(product, 3)).Is(201);
        TestAnswer refused = (await ChangeAsync(admin, product, -2)).IsProblem(409, "out_of_stock");
        Assert.Equal($$"""[{"productId":{{product}},"requested":2,"available":1}]""", refused["shortages"]!.ToJsonString());
        Assert.Equal(1, await admin.StockAsync(product));
    }

    [Fact]
    public async Task A_change_of_stock_of_0_above_the_limit_or_without_a_reason_is_an_invalid_request()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync(stock: 4);
        (await ChangeAsync(admin, product, 0)).IsInvalid("change");
        (await ChangeAsync(admin, product, 1_000_000_001)).IsInvalid("change");
        (await ChangeAsync(admin, product, -1_000_000_001)).IsInvalid("change");
        (await ChangeAsync(admin, product, 999_999_997)).IsInvalid("change");
        (await admin.PostAsync($"/admin/products/{product}/stock", """{"change":1}""")).IsInvalid("reason");
        (await admin.PostAsync($"/admin/products/{product}/stock", """{"change":1,"reason":""}""")).IsInvalid("reason");
        Assert.Equal(1_000_000_000, (await ChangeAsync(admin, product, 999_999_996)).Is(200).Number("stock"));
    }

    [Fact]
    public async Task A_change_of_an_unknown_product_or_coupon_is_not_found_and_of_no_number_invalid()
    {
        TestCaller admin = shop.Administrator();
        (await admin.PatchAsync("/admin/products/999999999", "{}")).IsProblem(404, "product_not_found");
        (await ChangeAsync(admin, 999_999_999, 1)).IsProblem(404, "product_not_found");
        (await admin.PatchAsync("/admin/coupons/999999999", "{}")).IsProblem(404, "coupon_not_found");
        (await admin.PatchAsync("/admin/products/x", "{}")).IsInvalid("productId");
        (await admin.PostAsync("/admin/products/x/stock", """{"change":1,"reason":"r"}""")).IsInvalid("productId");
        (await admin.PatchAsync("/admin/coupons/x", "{}")).IsInvalid("couponId");
    }

    [Fact]
    public async Task A_coupon_is_created_with_201_and_every_field()
    {
        TestCaller admin = shop.Administrator();
        TestAnswer created = (await admin.PostAsync("/admin/coupons", Coupon(
            """{"kind":"percent","value":10,"maximum":500}""", more: ",\"minimumOrderAmount\":1000"))).Is(201);
        created.Json.HasOnly(
            "couponId", "name", "discount", "minimumOrderAmount", "quantity", "remaining", "issueFrom", "issueUntil", "usableUntil");
        Assert.Equal("""{"kind":"percent","value":10,"maximum":500}""", created["discount"]!.ToJsonString());
        Assert.Equal(1_000, created.Number("minimumOrderAmount"));
        Assert.Equal(5, created.Number("remaining"));
        Assert.Equal(created.Text, (await admin.GetAsync($"/coupons/{created["couponId"]}")).Is(200).Text);
    }

    [Fact]
    public async Task A_coupon_without_a_minimum_has_0_and_without_a_maximum_none()
    {
        TestAnswer created = (await shop.Administrator().PostAsync("/admin/coupons", Coupon(
            """{"kind":"percent","value":100,"maximum":null}""", more: ",\"minimumOrderAmount\":null"))).Is(201);
        Assert.Equal(0, created.Number("minimumOrderAmount"));
        Assert.Equal("""{"kind":"percent","value":100}""", created["discount"]!.ToJsonString());
    }

    [Theory]
    [InlineData("""{"kind":"percent","value":0}""", "discount.value")]
    [InlineData("""{"kind":"percent","value":101}""", "discount.value")]
    [InlineData("""{"kind":"amount","value":0}""", "discount.value")]
    [InlineData("""{"kind":"percent","value":10,"maximum":0}""", "discount.maximum")]
    [InlineData("""{"kind":"amount","value":10,"maximum":5}""", "discount.maximum")]
    [InlineData("""{"kind":"free","value":10}""", "discount.kind")]
    [InlineData("""{"kind":"Percent","value":10}""", "discount.kind")]
    [InlineData("""{"kind":" percent","value":10}""", "discount.kind")]
    [InlineData("""{"kind":"amount,percent","value":10}""", "discount.kind")]
    [InlineData("""{"kind":0,"value":10}""", "discount.kind")]
    [InlineData("""{"kind":"amount"}""", "discount.value")]
    [InlineData("""{"value":1}""", "discount.kind")]
    [InlineData("""{"kind":"amount","value":1,"more":2}""", "discount.more")]
    [InlineData("null", "discount")]
    public async Task A_discount_that_makes_no_sense_is_an_invalid_request(string discount, string field) =>
        (await shop.Administrator().PostAsync("/admin/coupons", Coupon(discount))).IsInvalid(field);

    [Fact]
    public async Task The_quantity_of_a_coupon_is_from_0_to_1000000000_and_its_minimum_not_negative()
    {
        TestCaller admin = shop.Administrator();
        (await admin.PostAsync("/admin/coupons", Coupon(quantity: "-1"))).IsInvalid("quantity");
        (await admin.PostAsync("/admin/coupons", Coupon(quantity: "1000000001"))).IsInvalid("quantity");
        (await admin.PostAsync("/admin/coupons", Coupon(more: ",\"minimumOrderAmount\":-1"))).IsInvalid("minimumOrderAmount");
        (await admin.PostAsync("/admin/coupons", Coupon(quantity: "1000000000"))).Is(201);
        (await admin.PostAsync("/admin/coupons", Coupon(quantity: "0"))).Is(201);
    }

    [Theory]
    [InlineData("2030-01-02T00:00:00Z", "2030-01-02T00:00:00Z", "2030-01-03T00:00:00Z", "issueUntil")]
    [InlineData("2030-01-02T00:00:01Z", "2030-01-02T00:00:00Z", "2030-01-03T00:00:00Z", "issueUntil")]
    [InlineData("2030-01-01T00:00:00Z", "2030-01-03T00:00:01Z", "2030-01-03T00:00:00Z", "usableUntil")]
    public async Task The_windows_of_a_coupon_must_be_in_order(string from, string until, string usable, string field)
    {
        TestCaller admin = shop.Administrator();
        (await admin.PostAsync("/admin/coupons", Coupon(from: from, until: until, usable: usable))).IsInvalid(field);
        long coupon = await admin.CreateCouponAsync();
        (await admin.PatchAsync(
            $"/admin/coupons/{coupon}", $$"""{"issueFrom":"{{from}}","issueUntil":"{{until}}","usableUntil":"{{usable}}"}""")).IsInvalid(field);
    }

    [Fact]
    public async Task Windows_in_the_past_are_allowed_and_the_last_two_may_be_equal() => (await shop.Administrator().PostAsync(
        "/admin/coupons", Coupon(from: "2001-01-01T00:00:00Z", until: "2001-01-02T00:00:00Z", usable: "2001-01-02T00:00:00Z"))).Is(201);

    [Fact]
    public async Task Times_are_read_with_any_offset_and_answered_in_UTC()
    {
        TestAnswer created = (await shop.Administrator().PostAsync(
            "/admin/coupons", Coupon(from: "2030-01-01T09:00:00+09:00", until: "2030-01-01T00:00:00.5z", usable: "2030-01-01T00:00:01-00:30"))).Is(201);
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero), created["issueFrom"].Time());
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 0, 0, 500, TimeSpan.Zero), created["issueUntil"].Time());
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 30, 1, TimeSpan.Zero), created["usableUntil"].Time());
    }

    [Fact]
    public async Task A_time_with_nine_digits_of_a_second_is_read_to_the_millisecond()
    {
        TestAnswer created = (await shop.Administrator().PostAsync(
            "/admin/coupons",
            Coupon(from: "2030-01-01T09:00:00.123999999+09:00", until: "2030-01-01T00:00:00.50000000Z", usable: "2030-01-01T00:00:00.999999999z"))).Is(201);
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 0, 0, 123, TimeSpan.Zero), created["issueFrom"].Time());
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 0, 0, 500, TimeSpan.Zero), created["issueUntil"].Time());
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 0, 0, 999, TimeSpan.Zero), created["usableUntil"].Time());
    }

    [Theory]
    [InlineData("\"2030-01-01T00:00:00.1234567890Z\"")]
    [InlineData("\"2030-01-01T00:00:00.12345678\"")]
    [InlineData("\"2030-01-01\"")]
    [InlineData("\"2030-01-01T00:00:00\"")]
    [InlineData("\"2030-13-01T00:00:00Z\"")]
    [InlineData("\"soon\"")]
    [InlineData("\"\"")]
    [InlineData("1893456000")]
    public async Task A_time_that_is_not_RFC_3339_is_an_invalid_request(string time)
    {
        TestCaller admin = shop.Administrator();
        long coupon = await admin.CreateCouponAsync();
        (await admin.PatchAsync($"/admin/coupons/{coupon}", $$"""{"issueFrom":{{time}}}""")).IsInvalid("issueFrom");
    }

    [Fact]
    public async Task A_change_of_a_coupon_changes_what_is_named_and_leaves_the_rest()
    {
        TestCaller admin = shop.Administrator();
        long coupon = await admin.CreateCouponAsync(quantity: 3);
        TestAnswer changed = (await admin.PatchAsync($"/admin/coupons/{coupon}", """{"name":"new","quantity":7}""")).Is(200);
        Assert.Equal("new", changed.Word("name"));
        Assert.Equal(7, changed.Number("remaining"));
        changed = (await admin.PatchAsync($"/admin/coupons/{coupon}", """{"issueFrom":"2021-01-01T00:00:00Z"}""")).Is(200);
        Assert.Equal(2021, changed["issueFrom"].Time().Year);
        Assert.Equal(7, changed.Number("quantity"));
        Assert.Equal(changed.Text, (await admin.GetAsync($"/coupons/{coupon}")).Is(200).Text);
    }

    [Fact]
    public async Task A_coupon_is_never_fewer_than_issued_and_more_can_be_added_to_one_that_is_sold_out()
    {
        TestCaller admin = shop.Administrator();
        long coupon = await admin.CreateCouponAsync(quantity: 2);
        (await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201);
        (await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201);
        (await admin.PatchAsync($"/admin/coupons/{coupon}", """{"quantity":1}""")).IsInvalid("quantity");
        Assert.Equal(0, (await admin.PatchAsync($"/admin/coupons/{coupon}", """{"quantity":2}""")).Is(200).Number("remaining"));
        Assert.Equal(1, (await admin.PatchAsync($"/admin/coupons/{coupon}", """{"quantity":3}""")).Is(200).Number("remaining"));
        Assert.Equal(3, (await shop.Somebody().PostAsync($"/coupons/{coupon}")).Is(201).Number("number"));
    }

    [Fact]
    public async Task The_audit_shows_every_invariant_of_the_store_and_all_hold()
    {
        TestCaller admin = shop.Administrator();
        await shop.BuyerAsync(await admin.CreateProductAsync());
        TestAnswer audit = (await admin.GetAsync("/admin/audit")).Is(200);
        audit.Json.HasOnly("invariants");
        Assert.All(audit["invariants"]!.AsArray(), invariant => invariant!.AsObject().HasOnly("id", "name", "figure", "holds", "offenders"));
        Assert.All(audit["invariants"]!.AsArray(), invariant => Assert.True((bool)invariant!["holds"]!));
        string[] ids = [.. audit["invariants"]!.AsArray().Select(invariant => (string)invariant!["id"]!).Distinct()];
        Assert.All(new[] { "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I11" }, id => Assert.Contains(id, ids));
    }

    [Fact]
    public async Task The_audit_names_the_offenders_of_a_broken_invariant()
    {
        await using TestData data = await TestData.CreateAsync();
        await using (TestShop first = await TestShop.StartAsync(data: data))
        {
            await first.Member("alice").ChargeAsync(100);
        }

        await data.ExecuteAsync("UPDATE ledger SET amount = 101");
        await using TestShop second = await TestShop.StartAsync(data: data);
        TestAnswer audit = (await second.Administrator().GetAsync("/admin/audit")).Is(200);
        Assert.Contains(audit["invariants"]!.AsArray(), invariant =>
            (string)invariant!["id"]! == "I1" && !(bool)invariant["holds"]!
            && invariant["offenders"]!.ToJsonString().Contains("alice", StringComparison.Ordinal));
    }

    private static Task<TestAnswer> ChangeAsync(TestCaller admin, long product, long change) =>
        admin.PostAsync($"/admin/products/{product}/stock", $$"""{"change":{{change}},"reason":"counted"}""");

    private static string Coupon(
        string discount = """{"kind":"amount","value":1}""", string quantity = "5", string more = "",
        string from = "2020-01-01T00:00:00Z", string until = "2099-01-01T00:00:00Z", string usable = "2099-01-01T00:00:00Z") =>
        $$"""
        {"name":"coupon","discount":{{discount}},"quantity":{{quantity}},
         "issueFrom":"{{from}}","issueUntil":"{{until}}","usableUntil":"{{usable}}"{{more}}}
        """;
}
