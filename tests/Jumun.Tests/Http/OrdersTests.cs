using Jumun.Server;

namespace Jumun.Tests.Http;

/// <summary>Orders: placing, refusals in their order, reading, cancelling.</summary>
public sealed class OrdersTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task An_order_answers_201_with_its_location_and_every_field()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long cup = await admin.CreateProductAsync("cup", 700);
        long mug = await admin.CreateProductAsync("mug", 50);
        TestAnswer order = (await PlaceAsync(member, $"{Line(cup, 2)},{Line(mug, 3)}")).Is(201);
        order.Has("orderId", "memberId", "paymentId", "status", "items", "subtotal", "discount", "total", "createdAt", "payBefore");
        Assert.Null(order["couponId"]);
        Assert.Equal($"/members/{member.Member}/orders/{order["orderId"]}", order.Headers.Location!.OriginalString);
        Assert.Equal(member.Member, order.Word("memberId"));
        Assert.Equal("pending_payment", order.Word("status"));
        Assert.Equal(
            $$"""[{"productId":{{cup}},"name":"cup","price":700,"quantity":2},{"productId":{{mug}},"name":"mug","price":50,"quantity":3}]""",
            order["items"]!.ToJsonString());
        Assert.Equal(1_550, order.Number("subtotal"));
        Assert.Equal(0, order.Number("discount"));
        Assert.Equal(1_550, order.Number("total"));
        Assert.Equal(TimeSpan.FromMinutes(10), order["payBefore"].Time() - order["createdAt"].Time());
        Assert.Equal(7, Guid.ParseExact(order.Word("orderId"), "D").Version);
        Assert.Equal(7, Guid.ParseExact(order.Word("paymentId"), "D").Version);
        Assert.Equal(order.Text, (await member.GetAsync(order.Headers.Location!.OriginalString)).Is(200).Text);
    }

    [Fact]
    public async Task The_same_product_twice_is_added_up()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(price: 10, stock: 7);
        TestAnswer order = (await PlaceAsync(member, $"{Line(product, 3)},{Line(product, 4)}")).Is(201);
        Assert.Equal(["7"], order.Json["items"]!.AsArray().Select(item => item!["quantity"]!.ToString()));
        Assert.Equal(70, order.Number("total"));
        Assert.Equal(0, await member.StockAsync(product));
    }

    [Fact]
    public async Task The_same_product_twice_is_short_by_the_sum()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 6);
        TestAnswer refused = (await PlaceAsync(member, $"{Line(product, 3)},{Line(product, 4)}")).IsProblem(409, "out_of_stock");
        Assert.Equal($$"""[{"productId":{{product}},"requested":7,"available":6}]""", refused["shortages"]!.ToJsonString());
    }

    [Fact]
    public async Task The_quantity_of_a_line_and_of_the_sum_of_its_product_is_at_most_10000()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 100_000);
        (await PlaceAsync(member, Line(product, 10_000))).Is(201);
        (await PlaceAsync(member, Line(product, 10_001))).IsInvalid("items[0].quantity");
        (await PlaceAsync(member, $"{Line(product, 5_000)},{Line(product, 5_001)}")).IsInvalid("items[1].quantity");
        (await PlaceAsync(member, Line(product, 0))).IsInvalid("items[0].quantity");
        (await PlaceAsync(member, Line(product, -1))).IsInvalid("items[0].quantity");
        Assert.Equal(90_000, await member.StockAsync(product));
    }

    [Fact]
    public async Task An_order_has_1_to_100_lines_as_sent()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 1_000);
        (await PlaceAsync(member, string.Join(',', Enumerable.Repeat(Line(product, 1), 100)))).Is(201);
        (await PlaceAsync(member, string.Join(',', Enumerable.Repeat(Line(product, 1), 101)))).IsInvalid("items");
        (await PlaceAsync(member, "")).IsInvalid("items");
        Assert.Equal(900, await member.StockAsync(product));
    }

    [Fact]
    public async Task The_largest_order_does_not_overflow()
    {
        TestCaller admin = shop.Administrator();
        long[] products = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => admin.CreateProductAsync(price: 1_000_000_000, stock: 10_000)));
        TestAnswer order = (await PlaceAsync(shop.Somebody(), string.Join(',', products.Select(product => Line(product, 10_000))))).Is(201);
        Assert.Equal(1_000_000_000_000_000, order.Number("total"));
    }

    [Fact]
    public async Task Every_field_that_is_out_of_range_is_named()
    {
        TestCaller member = shop.Somebody();
        TestAnswer refused = await member.PostAsync(
            $"/order/{member.Member}", """{"items":[{"productId":0,"quantity":0}],"couponId":0,"expectedTotal":-1}""");
        refused.IsInvalid("items[0].productId").IsInvalid("items[0].quantity").IsInvalid("couponId").IsInvalid("expectedTotal");
    }

    [Fact]
    public async Task The_price_of_an_order_is_frozen_when_it_is_made()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync("old", 700);
        TestAnswer order = (await member.OrderAsync(product)).Is(201);
        (await admin.PatchAsync($"/admin/products/{product}", """{"name":"new","price":900,"onSale":false}""")).Is(200);
        Assert.Equal(order.Text, (await ReadAsync(member, order)).Text);
        await member.ChargeAsync(700);
        Assert.Equal(700, (await member.PayAsync(order)).Is(200).Number("amount"));
    }

    [Fact]
    public async Task Unknown_products_come_before_those_off_sale()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long off = await OffSaleAsync(admin);
        (await PlaceAsync(member, $"{Line(off, 1)},{Line(999_999_999, 1)}")).IsProblem(404, "product_not_found");
    }

    [Fact]
    public async Task Products_off_sale_are_named_and_come_before_the_coupon()
    {
        TestCaller member = shop.Somebody();
        long off = await OffSaleAsync(shop.Administrator());
        TestAnswer refused = (await PlaceAsync(member, Line(off, 1), ",\"couponId\":999999999")).IsProblem(409, "product_not_on_sale");
        Assert.Equal($"[{off}]", refused["productIds"]!.ToJsonString());
    }

    [Fact]
    public async Task A_coupon_that_cannot_be_used_comes_before_the_stock_and_an_unknown_one_is_not_held()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(stock: 0);
        long others = await admin.CreateCouponAsync();
        (await shop.Somebody().PostAsync($"/coupons/{others}")).Is(201);
        TestAnswer unknown = (await member.OrderAsync(product, couponId: 999_999_999)).IsProblem(409, "coupon_not_usable");
        TestAnswer notHeld = (await member.OrderAsync(product, couponId: others)).IsProblem(409, "coupon_not_usable");
        Assert.Equal("not_held", unknown.Word("reason"));
        Assert.Equal("not_held", notHeld.Word("reason"));
    }

    [Fact]
    public async Task Too_little_stock_comes_before_the_expected_total_and_takes_nothing()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long plenty = await admin.CreateProductAsync(stock: 10);
        long few = await admin.CreateProductAsync(stock: 2);
        long none = await admin.CreateProductAsync(stock: 0);
        TestAnswer refused = (await PlaceAsync(member, $"{Line(plenty, 1)},{Line(few, 3)},{Line(none, 1)}", ",\"expectedTotal\":1"))
            .IsProblem(409, "out_of_stock");
        Assert.Equal(
            $$"""[{"productId":{{few}},"requested":3,"available":2},{"productId":{{none}},"requested":1,"available":0}]""",
            refused["shortages"]!.ToJsonString());
        Assert.Equal(10, await member.StockAsync(plenty));
        Assert.Equal(2, await member.StockAsync(few));
    }

    [Fact]
    public async Task An_expected_total_that_is_not_the_total_is_price_changed_with_the_total_and_takes_nothing()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 1_000, stock: 5);
        long coupon = await admin.CreateCouponAsync();
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        string with = $",\"couponId\":{coupon},\"expectedTotal\":";
        TestAnswer refused = (await PlaceAsync(member, Line(product, 2), $"{with}2000")).IsProblem(409, "price_changed");
        Assert.Equal(1_900, refused.Number("total"));
        Assert.Equal(5, await member.StockAsync(product));
        Assert.Equal(1_900, (await PlaceAsync(member, Line(product, 2), $"{with}1900")).Is(201).Number("total"));
    }

    [Fact]
    public async Task A_coupon_of_an_amount_takes_it_off_the_whole_order_and_never_more_than_the_order()
    {
        TestAnswer order = await DiscountedAsync("""{"kind":"amount","value":300}""", price: 1_000);
        Assert.Equal((1_000, 300, 700), Sums(order));
        Assert.Equal((200, 200, 0), Sums(await DiscountedAsync("""{"kind":"amount","value":300}""", price: 200)));
    }

    [Fact]
    public async Task A_coupon_of_a_percentage_rounds_down_to_a_whole_won_and_keeps_to_its_maximum()
    {
        Assert.Equal((999, 149, 850), Sums(await DiscountedAsync("""{"kind":"percent","value":15}""", price: 999)));
        Assert.Equal((999, 100, 899), Sums(await DiscountedAsync("""{"kind":"percent","value":15,"maximum":100}""", price: 999)));
        Assert.Equal((999, 999, 0), Sums(await DiscountedAsync("""{"kind":"percent","value":100}""", price: 999)));
    }

    [Fact]
    public async Task An_order_with_a_coupon_names_it()
    {
        TestAnswer order = await DiscountedAsync("""{"kind":"amount","value":1}""", price: 5);
        Assert.True(order.Number("couponId") > 0);
    }

    [Fact]
    public async Task A_coupon_in_an_unpaid_order_is_held_by_order_and_in_a_paid_one_used()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync();
        long coupon = await admin.CreateCouponAsync();
        await member.ChargeAsync(10_000);
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer order = (await member.OrderAsync(product, couponId: coupon)).Is(201);
        Assert.Equal("held_by_order", (await member.OrderAsync(product, couponId: coupon)).IsProblem(409, "coupon_not_usable").Word("reason"));
        (await member.PayAsync(order)).Is(200);
        Assert.Equal("used", (await member.OrderAsync(product, couponId: coupon)).IsProblem(409, "coupon_not_usable").Word("reason"));
    }

    [Fact]
    public async Task A_coupon_past_its_time_is_expired_and_a_held_one_stays_honoured_by_its_order()
    {
        TestCaller admin = shop.Administrator();
        TestCaller holder = shop.Somebody();
        TestCaller late = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 1_000);
        long coupon = await admin.CreateCouponAsync();
        await holder.ChargeAsync(900);
        (await holder.PostAsync($"/coupons/{coupon}")).Is(201);
        (await late.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer order = (await holder.OrderAsync(product, couponId: coupon)).Is(201);
        (await admin.PatchAsync(
            $"/admin/coupons/{coupon}", """{"issueUntil":"2021-01-01T00:00:00Z","usableUntil":"2021-01-01T00:00:00Z"}""")).Is(200);
        Assert.Equal("expired", (await late.OrderAsync(product, couponId: coupon)).IsProblem(409, "coupon_not_usable").Word("reason"));
        Assert.Equal(900, (await holder.PayAsync(order)).Is(200).Number("amount"));
    }

    [Fact]
    public async Task An_order_below_the_minimum_of_its_coupon_is_minimum_not_met_and_one_at_it_is_made()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 500);
        long coupon = await admin.CreateCouponAsync(more: ",\"minimumOrderAmount\":1000");
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        Assert.Equal("minimum_not_met", (await member.OrderAsync(product, 1, coupon)).IsProblem(409, "coupon_not_usable").Word("reason"));
        (await member.OrderAsync(product, 2, coupon)).Is(201);
    }

    [Fact]
    public async Task Many_buyers_at_once_get_exactly_the_stock()
    {
        long product = await shop.Administrator().CreateProductAsync(stock: 10);
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => shop.Somebody().OrderAsync(product)));
        Assert.Equal(10, answers.Count(answer => answer.Status == 201));
        Assert.All(answers.Where(answer => answer.Status != 201), answer => answer.IsProblem(409, "out_of_stock"));
        Assert.Equal(0, await shop.Somebody().StockAsync(product));
    }

    [Fact]
    public async Task A_page_of_large_orders_has_fewer_of_them_and_goes_on()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long[] products = await Task.WhenAll(Enumerable.Range(0, Limits.OrderLines).Select(_ => admin.CreateProductAsync()));
        var orders = new List<string>();
        for (int i = 0; i < (Bounds.PageLines / Limits.OrderLines) + 2; i++)
        {
            orders.Insert(0, (await PlaceAsync(member, string.Join(',', products.Select(product => Line(product, 1))))).Is(201).Word("orderId"));
        }

        foreach ((TestCaller caller, string path) in new[]
        {
            (member, $"/members/{member.Member}/orders?limit=100"), (admin, $"/admin/orders?memberId={member.Member}&limit=100"),
        })
        {
            TestAnswer page = (await caller.GetAsync(path)).Is(200);
            Assert.Equal(orders[..^2], page.Items("orderId"));
            page = (await caller.GetAsync($"{path}&cursor={page["next"]}")).Is(200);
            Assert.Equal(orders[^2..], page.Items("orderId"));
            Assert.Null(page["next"]);
        }
    }

    [Fact]
    public async Task An_administrator_orders_for_a_member_and_the_order_is_the_members()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync();
        TestAnswer order = (await admin.PostAsync($"/order/{member.Member}", $$"""{"items":[{{Line(product, 1)}}]}""")).Is(201);
        Assert.Equal(member.Member, order.Word("memberId"));
        (await ReadAsync(member, order)).Is(200);
        (await admin.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}")).Is(200);
    }

    [Fact]
    public async Task An_unknown_order_and_another_members_order_are_the_same_order_not_found()
    {
        TestCaller owner = shop.Somebody();
        TestCaller other = shop.Somebody();
        TestAnswer order = (await owner.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        TestAnswer others = (await ReadAsync(other, order)).IsProblem(404, "order_not_found");
        TestAnswer unknown = (await other.GetAsync($"/members/{other.Member}/orders/{Guid.CreateVersion7()}")).IsProblem(404, "order_not_found");
        Assert.Equal(unknown.WithoutTrace(), others.WithoutTrace());
        (await CancelAsync(other, order)).IsProblem(404, "order_not_found");
        (await other.GetAsync($"/members/{other.Member}/orders/{order["paymentId"]}")).IsProblem(404, "order_not_found");
    }

    [Theory]
    [InlineData("x")]
    [InlineData("1")]
    [InlineData("0192d3a7-0000-7000-8000-00000000000g")]
    [InlineData("0192d3a7000070008000000000000000")]
    public async Task An_order_id_that_is_no_UUID_is_an_invalid_request(string orderId)
    {
        TestCaller member = shop.Somebody();
        (await member.GetAsync($"/members/{member.Member}/orders/{orderId}")).IsInvalid("orderId");
        (await member.PostAsync($"/members/{member.Member}/orders/{orderId}/cancel")).IsInvalid("orderId");
    }

    [Fact]
    public async Task The_orders_of_a_member_are_listed_newest_first()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync();
        TestAnswer one = (await member.OrderAsync(product)).Is(201);
        TestAnswer two = (await member.OrderAsync(product)).Is(201);
        Assert.Equal([two.Word("orderId"), one.Word("orderId")], (await member.GetAsync($"/members/{member.Member}/orders")).Items("orderId"));
    }

    [Fact]
    public async Task An_unpaid_order_is_cancelled_by_its_owner_and_gives_back_what_it_held_once()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(stock: 5);
        TestAnswer order = (await member.OrderAsync(product, 2)).Is(201);
        TestAnswer cancelled = (await CancelAsync(member, order)).Is(200);
        Assert.Equal("cancelled", cancelled.Word("status"));
        Assert.Equal(order.Word("orderId"), cancelled.Word("orderId"));
        Assert.Equal(5, await member.StockAsync(product));
        TestAnswer again = (await CancelAsync(member, order)).IsProblem(409, "order_not_cancellable");
        Assert.Equal("cancelled", again.Word("orderStatus"));
        Assert.Equal(5, await member.StockAsync(product));
        (await member.PayAsync(order)).IsProblem(409, "order_cancelled");
    }

    [Fact]
    public async Task A_paid_order_is_refunded_inside_the_window_and_money_stock_and_coupon_come_back_once()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 1_000, stock: 5);
        long coupon = await admin.CreateCouponAsync();
        await member.ChargeAsync(5_000);
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        TestAnswer order = (await member.OrderAsync(product, 2, coupon)).Is(201);
        (await member.PayAsync(order)).Is(200);
        Assert.Equal("refunded", (await CancelAsync(member, order)).Is(200).Word("status"));
        Assert.Equal(5_000, await member.BalanceAsync());
        Assert.Equal(5, await member.StockAsync(product));
        Assert.Equal(["available"], (await member.GetAsync($"/members/{member.Member}/coupons")).Items("status"));

        Assert.Equal("refunded", (await CancelAsync(member, order)).IsProblem(409, "order_not_cancellable").Word("orderStatus"));
        Assert.Equal("refunded", (await CancelAsync(admin, order, member.Member)).IsProblem(409, "order_not_cancellable").Word("orderStatus"));
        Assert.Equal(5_000, await member.BalanceAsync());
        (await member.PayAsync(order)).IsProblem(409, "payment_already_completed");
    }

    [Fact]
    public async Task Cancels_at_once_give_back_once()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync(price: 1_000, stock: 5);
        (TestCaller member, TestAnswer order) = await shop.BuyerAsync(product);
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CancelAsync(member, order)));
        Assert.Single(answers, answer => answer.Status == 200);
        Assert.Equal(1_000_000, await member.BalanceAsync());
        Assert.Equal(5, await member.StockAsync(product));
    }

    [Fact]
    public async Task An_administrator_cancels_for_a_member()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await admin.CreateProductAsync())).Is(201);
        Assert.Equal("cancelled", (await CancelAsync(admin, order, member.Member)).Is(200).Word("status"));
    }

    [Fact]
    public async Task An_administrator_lists_all_orders_by_member_and_by_status()
    {
        TestCaller admin = shop.Administrator();
        long product = await admin.CreateProductAsync();
        (TestCaller member, TestAnswer completed) = await shop.BuyerAsync(product);
        TestAnswer refunded = (await member.OrderAsync(product)).Is(201);
        (await member.PayAsync(refunded)).Is(200);
        (await CancelAsync(member, refunded)).Is(200);
        TestAnswer cancelled = (await member.OrderAsync(product)).Is(201);
        (await CancelAsync(member, cancelled)).Is(200);
        TestAnswer pending = (await member.OrderAsync(product)).Is(201);

        string path = $"/admin/orders?memberId={member.Member}";
        Assert.Equal(
            new[] { pending, cancelled, refunded, completed }.Select(order => order.Word("orderId")), (await admin.GetAsync(path)).Items("orderId"));
        foreach ((string status, TestAnswer order) in new[]
            { ("pending_payment", pending), ("cancelled", cancelled), ("refunded", refunded), ("completed", completed) })
        {
            Assert.Equal([order.Word("orderId")], (await admin.GetAsync($"{path}&status={status}")).Items("orderId"));
            Assert.Contains(order.Word("orderId"), (await admin.GetAsync($"/admin/orders?limit=100&status={status}")).Items("orderId"));
        }

        Assert.Empty((await admin.GetAsync($"{path}&status=expired")).Items("orderId"));
        Assert.Contains(pending.Word("orderId"), (await admin.GetAsync("/admin/orders?limit=100")).Items("orderId"));
    }

    [Fact]
    public async Task A_filter_of_the_list_of_all_orders_that_makes_no_sense_is_an_invalid_request()
    {
        TestCaller admin = shop.Administrator();
        (await admin.GetAsync("/admin/orders?status=paid")).IsInvalid("status");
        (await admin.GetAsync("/admin/orders?memberId=a%20b")).IsInvalid("memberId");
    }

    private static string Line(long product, long quantity) => $$"""{"productId":{{product}},"quantity":{{quantity}}}""";

    private static Task<TestAnswer> PlaceAsync(TestCaller member, string lines, string more = "") =>
        member.PostAsync($"/order/{member.Member}", $$"""{"items":[{{lines}}]{{more}}}""");

    private static Task<TestAnswer> ReadAsync(TestCaller member, TestAnswer order) =>
        member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}");

    private static Task<TestAnswer> CancelAsync(TestCaller caller, TestAnswer order, string? member = null) =>
        caller.PostAsync($"/members/{member ?? caller.Member}/orders/{order["orderId"]}/cancel");

    private static async Task<long> OffSaleAsync(TestCaller admin)
    {
        long product = await admin.CreateProductAsync();
        (await admin.PatchAsync($"/admin/products/{product}", """{"onSale":false}""")).Is(200);
        return product;
    }

    private static (long Subtotal, long Discount, long Total) Sums(TestAnswer order) =>
        (order.Number("subtotal"), order.Number("discount"), order.Number("total"));

    private async Task<TestAnswer> DiscountedAsync(string discount, long price)
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: price);
        long coupon = await admin.CreateCouponAsync(discount);
        (await member.PostAsync($"/coupons/{coupon}")).Is(201);
        return (await member.OrderAsync(product, couponId: coupon)).Is(201);
    }
}
