namespace Jumun.Tests.Http;

/// <summary>Payments from the balance.</summary>
public sealed class PaymentsTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_payment_answers_what_was_taken_and_the_balance_and_completes_the_order()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync(price: 700))).Is(201);
        await member.ChargeAsync(1_000);
        TestAnswer payment = (await member.PayAsync(order)).Is(200);
        payment.Json.HasOnly("paymentId", "orderId", "status", "amount", "balance", "paidAt");
        Assert.Equal(order.Word("paymentId"), payment.Word("paymentId"));
        Assert.Equal(order.Word("orderId"), payment.Word("orderId"));
        Assert.Equal("completed", payment.Word("status"));
        Assert.Equal(700, payment.Number("amount"));
        Assert.Equal(300, payment.Number("balance"));
        Assert.InRange(payment["paidAt"].Time(), order["createdAt"].Time(), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.Equal("completed", (await member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}")).Is(200).Word("status"));
        Assert.Equal(300, await member.BalanceAsync());
    }

    [Fact]
    public async Task A_payment_is_read_as_pending_completed_refunded_and_cancelled()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync(price: 700);
        await member.ChargeAsync(1_000);
        TestAnswer order = (await member.OrderAsync(product)).Is(201);
        TestAnswer pending = (await member.GetAsync($"/payment/{order["paymentId"]}")).Is(200);
        pending.Has("paymentId", "orderId", "status", "amount");
        Assert.Equal("pending", pending.Word("status"));
        Assert.Equal(700, pending.Number("amount"));
        Assert.Null(pending["paidAt"]);

        TestAnswer paid = (await member.PayAsync(order)).Is(200);
        TestAnswer completed = (await member.GetAsync($"/payment/{order["paymentId"]}")).Is(200);
        Assert.Equal("completed", completed.Word("status"));
        Assert.Equal(paid.Word("paidAt"), completed.Word("paidAt"));
        Assert.Equal(300, completed.Number("balance"));

        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        Assert.Equal("refunded", (await member.GetAsync($"/payment/{order["paymentId"]}")).Is(200).Word("status"));

        TestAnswer given = (await member.OrderAsync(product)).Is(201);
        (await member.PostAsync($"/members/{member.Member}/orders/{given["orderId"]}/cancel")).Is(200);
        Assert.Equal("cancelled", (await member.GetAsync($"/payment/{given["paymentId"]}")).Is(200).Word("status"));
    }

    [Fact]
    public async Task A_balance_too_small_changes_nothing_and_the_payment_may_be_tried_again_after_a_charge()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync(price: 700))).Is(201);
        TestAnswer refused = (await member.PayAsync(order)).IsProblem(409, "insufficient_balance");
        Assert.Equal(0, refused.Number("balance"));
        Assert.Equal(700, refused.Number("required"));
        await member.ChargeAsync(699);
        Assert.Equal(699, (await member.PayAsync(order)).IsProblem(409, "insufficient_balance").Number("balance"));
        Assert.Equal("pending_payment", (await member.GetAsync($"/members/{member.Member}/orders/{order["orderId"]}")).Is(200).Word("status"));
        Assert.Equal(699, await member.BalanceAsync());
        await member.ChargeAsync(1);
        Assert.Equal(0, (await member.PayAsync(order)).Is(200).Number("balance"));
    }

    [Fact]
    public async Task A_second_payment_is_payment_already_completed_and_takes_nothing()
    {
        (TestCaller member, TestAnswer order) = await shop.BuyerAsync(await shop.Administrator().CreateProductAsync(price: 1_000));
        (await member.PayAsync(order)).IsProblem(409, "payment_already_completed");
        Assert.Equal(999_000, await member.BalanceAsync());
    }

    [Fact]
    public async Task Payments_at_once_take_the_money_once()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync(price: 100))).Is(201);
        await member.ChargeAsync(1_000);
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => member.PayAsync(order)));
        Assert.Single(answers, answer => answer.Status == 200);
        Assert.All(answers.Where(answer => answer.Status != 200), answer => answer.IsProblem(409, "payment_already_completed"));
        Assert.Equal(900, await member.BalanceAsync());
    }

    [Fact]
    public async Task A_total_of_0_is_payable_without_a_balance_and_writes_an_entry_of_0()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync(price: 0))).Is(201);
        Assert.Equal(0, (await member.PayAsync(order)).Is(200).Number("amount"));
        TestAnswer history = await member.GetAsync($"/members/{member.Member}/points/history");
        Assert.Equal(["payment"], history.Items("kind"));
        Assert.Equal(["0"], history.Items("amount"));
        Assert.Equal(["0"], history.Items("balance"));
        Assert.Equal([order.Word("orderId")], history.Items("orderId"));
    }

    [Fact]
    public async Task An_unknown_payment_and_anothers_are_the_same_payment_not_found_for_an_administrator_too()
    {
        TestCaller owner = shop.Somebody();
        TestAnswer order = (await owner.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        foreach (TestCaller caller in new[] { shop.Somebody(), shop.Administrator() })
        {
            TestAnswer others = (await caller.PayAsync(order)).IsProblem(404, "payment_not_found");
            TestAnswer unknown = (await caller.PostAsync($"/payment/{Guid.CreateVersion7()}")).IsProblem(404, "payment_not_found");
            Assert.Equal(unknown.WithoutTrace(), others.WithoutTrace());
            TestAnswer seen = (await caller.GetAsync($"/payment/{order["paymentId"]}")).IsProblem(404, "payment_not_found");
            Assert.Equal(unknown.WithoutTrace(), seen.WithoutTrace());
        }
    }

    [Fact]
    public async Task The_id_of_the_order_is_not_the_id_of_its_payment()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync(price: 0))).Is(201);
        (await member.PostAsync($"/payment/{order["orderId"]}")).IsProblem(404, "payment_not_found");
        (await member.GetAsync($"/payment/{order["orderId"]}")).IsProblem(404, "payment_not_found");
    }

    [Theory]
    [InlineData("x")]
    [InlineData("7")]
    [InlineData("0192d3a7000070008000000000000000")]
    public async Task A_payment_id_that_is_no_UUID_is_an_invalid_request(string paymentId)
    {
        (await shop.Somebody().PostAsync($"/payment/{paymentId}")).IsInvalid("paymentId");
        (await shop.Somebody().GetAsync($"/payment/{paymentId}")).IsInvalid("paymentId");
    }

    [Fact]
    public async Task A_body_on_a_payment_is_ignored()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync(price: 0))).Is(201);
        (await member.PostAsync($"/payment/{order["paymentId"]}", """{"amount":-5,"memberId":"other"}""")).Is(200);
    }
}
