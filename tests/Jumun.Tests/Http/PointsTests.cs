namespace Jumun.Tests.Http;

/// <summary>Points: charge, balance, history.</summary>
public sealed class PointsTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_charge_answers_the_member_the_balance_and_the_entry()
    {
        TestCaller member = shop.Somebody();
        await member.ChargeAsync(5);
        TestAnswer answer = (await member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":7}""")).Is(200);
        answer.Json.HasOnly("memberId", "balance", "entry");
        Assert.Equal(member.Member, answer.Word("memberId"));
        Assert.Equal(12, answer.Number("balance"));
        Assert.Equal("charge", (string)answer["entry"]!["kind"]!);
        Assert.Equal(7, (long)answer["entry"]!["amount"]!);
        Assert.Equal(12, (long)answer["entry"]!["balance"]!);
        answer["entry"]!.AsObject().HasOnly("entryId", "kind", "amount", "balance", "createdAt");
        Assert.InRange(answer["entry"]!["createdAt"].Time(), DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
    }

    [Fact]
    public async Task A_member_never_seen_has_a_balance_of_0_and_an_empty_history()
    {
        TestCaller member = shop.Somebody();
        TestAnswer points = (await member.GetAsync($"/members/{member.Member}/points")).Is(200);
        points.Json.HasOnly("memberId", "balance");
        Assert.Equal(0, points.Number("balance"));
        Assert.Equal(member.Member, points.Word("memberId"));
        Assert.Equal("""{"items":[],"next":null}""", (await member.GetAsync($"/members/{member.Member}/points/history")).Is(200).Text);
    }

    [Fact]
    public async Task A_balance_read_after_an_acknowledged_charge_sees_it()
    {
        TestCaller member = shop.Somebody();
        for (int i = 1; i <= 20; i++)
        {
            Assert.Equal(i, await member.ChargeAsync(1));
            Assert.Equal(i, await member.BalanceAsync());
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100_000_000)]
    public async Task A_charge_may_be_from_1_to_100000000(long amount) => Assert.Equal(amount, await shop.Somebody().ChargeAsync(amount));

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("100000001")]
    [InlineData("9223372036854775807")]
    [InlineData("9223372036854775808")]
    public async Task A_charge_out_of_range_is_an_invalid_request_and_changes_nothing(string amount)
    {
        TestCaller member = shop.Somebody();
        (await member.PostAsync($"/members/{member.Member}/points/charge", $$"""{"amount":{{amount}}}""")).IsInvalid("amount");
        Assert.Equal(0, await member.BalanceAsync());
    }

    [Fact]
    public async Task The_history_shows_charges_payments_and_refunds_newest_first_and_names_orders()
    {
        TestCaller admin = shop.Administrator();
        TestCaller member = shop.Somebody();
        long product = await admin.CreateProductAsync(price: 300);
        await member.ChargeAsync(1_000);
        TestAnswer order = (await member.OrderAsync(product)).Is(201);
        (await member.PayAsync(order)).Is(200);
        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);

        TestAnswer history = await member.GetAsync($"/members/{member.Member}/points/history");
        Assert.Equal(["refund", "payment", "charge"], history.Items("kind"));
        Assert.Equal(["300", "-300", "1000"], history.Items("amount"));
        Assert.Equal(["1000", "700", "1000"], history.Items("balance"));
        Assert.Equal(["3", "2", "1"], history.Items("entryId"));
        Assert.Equal(order.Word("orderId"), (string)history["items"]![0]!["orderId"]!);
        Assert.Equal(order.Word("orderId"), (string)history["items"]![1]!["orderId"]!);
        Assert.False(history["items"]![2]!.AsObject().ContainsKey("orderId"));
    }

    [Fact]
    public async Task An_administrator_charges_reads_and_sees_the_history_for_a_member()
    {
        TestCaller admin = shop.Administrator();
        string path = $"/members/{shop.Somebody().Member}/points";
        Assert.Equal(9, (await admin.PostAsync($"{path}/charge", """{"amount":9}""")).Is(200).Number("balance"));
        Assert.Equal(9, (await admin.GetAsync(path)).Is(200).Number("balance"));
        Assert.Equal(["9"], (await admin.GetAsync($"{path}/history")).Items("amount"));
    }

    [Fact]
    public async Task A_charge_or_a_refund_above_the_cap_is_balance_limit_and_changes_nothing()
    {
        const long Cap = 9_007_199_254_740_991;
        await using TestData data = await TestData.CreateAsync();
        TestAnswer order;
        await using (TestShop first = await TestShop.StartAsync(data: data))
        {
            TestCaller rich = first.Member("rich");
            long product = await first.Administrator().CreateProductAsync(price: 100);
            await rich.ChargeAsync(100);
            order = (await rich.OrderAsync(product)).Is(201);
            (await rich.PayAsync(order)).Is(200);
        }

        await data.SetBalanceAsync("rich", Cap - 10);
        await using TestShop second = await TestShop.StartAsync(data: data);
        TestCaller member = second.Member("rich");
        (await member.PostAsync("/members/rich/points/charge", """{"amount":11}""")).IsProblem(409, "balance_limit");
        (await member.PostAsync($"/members/rich/orders/{order["orderId"]}/cancel")).IsProblem(409, "balance_limit");
        Assert.Equal("completed", (await member.GetAsync($"/members/rich/orders/{order["orderId"]}")).Is(200).Word("status"));
        Assert.Equal(Cap - 10, await member.BalanceAsync());
        Assert.Equal(Cap, await member.ChargeAsync(10));
        Assert.Contains($"\"balance\":{Cap}", (await member.GetAsync("/members/rich/points")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_member_id_may_have_every_allowed_character_and_64_of_them()
    {
        string name = "aZ09._~@|:-" + new string('x', 53);
        TestCaller member = shop.Member(name);
        TestAnswer answer = (await member.PostAsync($"/members/{Uri.EscapeDataString(name)}/points/charge", """{"amount":3}""")).Is(200);
        Assert.Equal(name, answer.Word("memberId"));
    }

    [Fact]
    public async Task A_path_that_names_no_member_is_an_invalid_request_for_an_administrator()
    {
        TestCaller admin = shop.Administrator();
        (await admin.GetAsync($"/members/{new string('x', 65)}/points")).IsInvalid("memberId");
        (await admin.GetAsync("/members/a%20b/points")).IsInvalid("memberId");
        (await admin.GetAsync("/members/%ED%95%9C/cart")).IsInvalid("memberId");
        (await admin.PostAsync("/order/a%20b", """{"items":[]}""")).IsProblem(400, "invalid_request");
    }
}
