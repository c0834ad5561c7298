using Jumun.Cart;
using Jumun.Orders;
using Jumun.Products;

namespace Jumun.Tests.Decisions;

public sealed class CreateProductTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1_000, 5)]
    [InlineData(Limits.Price, Limits.Stock)]
    public void It_takes_the_next_number_is_on_sale_and_its_pieces_are_received(long price, long stock)
    {
        Scene scene = new Scene().WithProduct(6);

        ProductView answer = scene.Done<ProductView>(new CreateProduct("cup", price, stock));

        Assert.Equal(new ProductView(7, "cup", price, stock, true), answer);
        Assert.Equal([new StockChange(7, stock, "created", Scene.Noon)], scene.StockChanges);
        Assert.Equal(stock, scene.Products[7].Stock);
    }

    [Fact]
    public void The_first_product_is_number_one_and_those_of_a_batch_follow_each_other()
    {
        Batch batch = new Scene().Settle(new CreateProduct("cup", 1, 1), new CreateProduct("mug", 1, 1));

        Assert.Equal(1, batch.Answer<ProductView>(0).ProductId);
        Assert.Equal(2, batch.Answer<ProductView>(1).ProductId);
        Assert.All(batch.Rows.Products.Written, product => Assert.Equal(RowState.Added, product.State));
    }

    [Fact]
    public void It_is_there_for_later_commands_of_its_batch_and_not_for_earlier_ones()
    {
        Scene scene = new();

        Batch batch = scene.Settle(
            new QueryProduct(1), new CreateProduct("cup", 500, 3), new QueryProduct(1),
            new PlaceOrder("alice", Scene.OrderId(1), [new OrderItem(1, 3)], null, null, Scene.PaymentWindow), new QueryProduct(1));

        Assert.Equal(RefusalCode.ProductNotFound, batch.Refusal(0).Code);
        Assert.Equal(3, batch.Answer<ProductView>(2).Stock);
        batch.Answer<OrderView>(3);
        Assert.Equal(0, batch.Answer<ProductView>(4).Stock);
        Assert.Equal(RowState.Added, Assert.Single(batch.Rows.Products.Written).State);
    }
}

public sealed class ChangeProductTests
{
    [Theory]
    [InlineData(null, null, null)]
    [InlineData("cup", null, null)]
    [InlineData(null, 0L, null)]
    [InlineData(null, Limits.Price, null)]
    [InlineData(null, null, false)]
    [InlineData("cup", 2L, false)]
    public void What_is_given_changes_and_what_is_null_stays(string? name, long? price, bool? onSale)
    {
        Scene scene = new Scene().WithProduct(1, price: 1_000, stock: 4);

        ProductView answer = scene.Done<ProductView>(new ChangeProduct(1, name, price, onSale));

        Assert.Equal(new ProductView(1, name ?? "mug", price ?? 1_000, 4, onSale ?? true), answer);
        Product product = scene.Products[1];
        Assert.Equal((answer.Name, answer.Price, answer.OnSale), (product.Name, product.Price, product.OnSale));
        Assert.Empty(scene.StockChanges);
    }

    [Fact]
    public void A_product_can_be_put_on_sale_again()
    {
        Assert.True(new Scene().WithProduct(1, onSale: false).Done<ProductView>(new ChangeProduct(1, null, null, true)).OnSale);
    }

    [Fact]
    public void An_unknown_product_is_not_found()
    {
        Assert.Equal(RefusalCode.ProductNotFound, new Scene().Refused(new ChangeProduct(1, "cup", 1, true)).Code);
    }

    [Fact]
    public void Orders_already_made_keep_their_name_and_price_and_later_ones_of_the_batch_have_the_new()
    {
        Scene scene = new Scene().WithProduct(1, price: 1_000);

        Batch batch = scene.Settle(
            PlaceOrderTests.Place(1, (1, 1)), new ChangeProduct(1, "cup", 3_000, null), PlaceOrderTests.Place(2, (1, 1)));

        Assert.Equal([new OrderLine(1, "mug", 1_000, 1)], batch.Answer<OrderView>(0).Items);
        Assert.Equal([new OrderLine(1, "cup", 3_000, 1)], batch.Answer<OrderView>(2).Items);
        Assert.Equal(1_000, scene.Orders[("alice", Scene.OrderId(1))].Total);
    }

    [Fact]
    public void Taken_off_sale_it_can_neither_be_ordered_nor_put_in_a_cart_in_the_same_batch()
    {
        Batch batch = new Scene().WithProduct(1).Settle(
            new ChangeProduct(1, null, null, false), PlaceOrderTests.Place(1, (1, 1)), new PutCartLine("alice", 1, 1));

        Assert.Equal(RefusalCode.ProductNotOnSale, batch.Refusal(1).Code);
        Assert.Equal(RefusalCode.ProductNotOnSale, batch.Refusal(2).Code);
    }
}

public sealed class ChangeStockTests
{
    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(10, 5, 15)]
    [InlineData(10, -1, 9)]
    [InlineData(10, -10, 0)]
    [InlineData(0, Limits.Stock, Limits.Stock)]
    [InlineData(Limits.Stock - 1, 1, Limits.Stock)]
    [InlineData(Limits.Stock, -Limits.Stock, 0)]
    [InlineData(Limits.Stock + 5, -1, Limits.Stock + 4)]
    public void Pieces_come_in_or_free_ones_go_out_and_the_stock_ledger_records_it(long stock, long change, long after)
    {
        Scene scene = new Scene().WithProduct(1, stock: stock);

        Assert.Equal(after, scene.Done<ProductView>(new ChangeStock(1, change, "count")).Stock);

        Assert.Equal([new StockChange(1, change, "count", Scene.Noon)], scene.StockChanges);
        Assert.Equal(after, scene.Products[1].Stock);
    }

    [Theory]
    [InlineData(10, -11, 11)]
    [InlineData(0, -1, 1)]
    [InlineData(Limits.Stock - 1, -Limits.Stock, Limits.Stock)]
    public void Below_what_is_free_it_is_out_of_stock_and_says_what_there_is(long stock, long change, long requested)
    {
        Refusal refusal = new Scene().WithProduct(1, stock: stock).Refused(new ChangeStock(1, change, "count"));

        Assert.Equal(RefusalCode.OutOfStock, refusal.Code);
        Assert.Equal([new Shortage(1, requested, stock)], refusal.Shortages);
    }

    [Theory]
    [InlineData(Limits.Stock, 1, 0)]
    [InlineData(Limits.Stock - 1, 2, 1)]
    [InlineData(1, Limits.Stock, Limits.Stock - 1)]
    [InlineData(Limits.Stock + 5, 1, 0)]
    public void Above_the_largest_stock_the_change_is_out_of_range(long stock, long change, long most)
    {
        Refusal refusal = new Scene().WithProduct(1, stock: stock).Refused(new ChangeStock(1, change, "count"));

        Assert.Equal(RefusalCode.InvalidRequest, refusal.Code);
        Assert.Equal([new FieldError("change", FieldRule.Range, -stock, most)], refusal.Errors);
    }

    [Fact]
    public void An_unknown_product_is_not_found()
    {
        Assert.Equal(RefusalCode.ProductNotFound, new Scene().Refused(new ChangeStock(1, 1, "count")).Code);
    }

    [Fact]
    public void Held_pieces_cannot_be_taken_out()
    {
        Scene scene = new Scene().WithProduct(1, stock: 5);

        Batch batch = scene.Settle(PlaceOrderTests.Place(1, (1, 3)), new ChangeStock(1, -3, "count"), new ChangeStock(1, -2, "count"));

        Assert.Equal([new Shortage(1, 3, 2)], batch.Refusal(1).Shortages);
        Assert.Equal(0, batch.Answer<ProductView>(2).Stock);
    }

    [Fact]
    public void Pieces_put_in_can_be_ordered_in_the_same_batch()
    {
        Scene scene = new Scene().WithProduct(1, stock: 0);

        Batch batch = scene.Settle(PlaceOrderTests.Place(1, (1, 1)), new ChangeStock(1, 1, "delivery"), PlaceOrderTests.Place(2, (1, 1)));

        Assert.Equal(RefusalCode.OutOfStock, batch.Refusal(0).Code);
        batch.Answer<OrderView>(2);
    }
}

public sealed class QueryProductTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_tells_the_product_on_sale_or_not_and_changes_nothing(bool onSale)
    {
        Batch batch = new Scene().WithProduct(1, price: 700, stock: 3, onSale: onSale).Settle(new QueryProduct(1));

        Assert.Equal(new ProductView(1, "mug", 700, 3, onSale), batch.Answer<ProductView>(0));
        Assert.False(batch.Rows.HasChanges);
    }

    [Fact]
    public void An_unknown_product_is_not_found()
    {
        Assert.Equal(RefusalCode.ProductNotFound, new Scene().WithProduct(1).Refused(new QueryProduct(2)).Code);
    }
}
