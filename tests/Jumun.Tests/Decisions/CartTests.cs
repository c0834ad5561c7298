using Jumun.Cart;
using Jumun.Orders;

namespace Jumun.Tests.Decisions;

public sealed class PutCartLineTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(10, 10)]
    [InlineData(Limits.LineQuantity, 0)]
    public void A_cart_is_a_wish_so_stock_is_not_checked_and_not_taken(long quantity, long stock)
    {
        Scene scene = new Scene().WithProduct(1, stock: stock);

        Batch batch = scene.Settle(new PutCartLine("alice", 1, quantity));

        batch.Answer<Done>(0);
        Assert.Equal([new CartEdit("alice", 1, quantity)], batch.Rows.CartEdits);
        Assert.Empty(batch.Rows.Products.Written);
        Assert.Equal(quantity, scene.Carts["alice"][1]);
    }

    [Fact]
    public void Putting_a_line_again_replaces_its_quantity()
    {
        Scene scene = new Scene().WithProduct(1);

        scene.Settle(new PutCartLine("alice", 1, 5), new PutCartLine("alice", 1, 2));

        Assert.Equal([KeyValuePair.Create(1L, 2L)], scene.Carts["alice"]);
    }

    [Fact]
    public void An_unknown_product_is_not_found()
    {
        Assert.Equal(RefusalCode.ProductNotFound, new Scene().Refused(new PutCartLine("alice", 1, 1)).Code);
    }

    [Fact]
    public void A_product_that_is_not_on_sale_is_refused_by_its_number()
    {
        Refusal refusal = new Scene().WithProduct(1, onSale: false).Refused(new PutCartLine("alice", 1, 1));

        Assert.Equal(RefusalCode.ProductNotOnSale, refusal.Code);
        Assert.Equal([1L], refusal.ProductIds);
    }

    [Theory]
    [InlineData(99, false, true)]
    [InlineData(99, true, true)]
    [InlineData(100, false, false)]
    [InlineData(100, true, true)]
    public void A_cart_takes_a_hundred_lines_and_a_full_one_only_changes_those_that_it_has(int lines, bool isThere, bool isPut)
    {
        Scene scene = new Scene().WithProduct(1).WithCart("alice", Enumerable.Range(isThere ? 1 : 2, lines).Select(id => (long)id));
        var command = new PutCartLine("alice", 1, 7);

        if (isPut)
        {
            scene.Done<Done>(command);
            Assert.Equal(7, scene.Carts["alice"][1]);
        }
        else
        {
            Refusal refusal = scene.Refused(command);
            Assert.Equal(RefusalCode.InvalidRequest, refusal.Code);
            Assert.Equal([new FieldError("productId", FieldRule.CartFull, 0, Limits.CartLines)], refusal.Errors);
        }
    }

    [Theory]
    [InlineData(false, RefusalCode.ProductNotOnSale)]
    [InlineData(null, RefusalCode.ProductNotFound)]
    public void What_is_wrong_with_the_product_comes_before_the_full_cart(bool? onSale, RefusalCode code)
    {
        Scene scene = FullCart();
        scene.Products.Remove(200);
        if (onSale is { } isOnSale)
        {
            scene.WithProduct(200, onSale: isOnSale);
        }

        Assert.Equal(code, scene.Refused(new PutCartLine("alice", 200, 1)).Code);
    }

    [Fact]
    public void Lines_put_in_one_batch_count_together()
    {
        Scene scene = new Scene().WithProduct(200).WithProduct(201)
            .WithCart("alice", Enumerable.Range(1, 99).Select(id => (long)id));

        Batch batch = scene.Settle(new PutCartLine("alice", 200, 1), new PutCartLine("alice", 201, 1), new PutCartLine("bob", 201, 1));

        batch.Answer<Done>(0);
        Assert.Equal(FieldRule.CartFull, Assert.Single(batch.Refusal(1).Errors!).Rule);
        batch.Answer<Done>(2);
    }

    [Theory]
    [InlineData("remove one")]
    [InlineData("remove another that is not there")]
    [InlineData("remove all")]
    [InlineData("order one")]
    [InlineData("order one that is short")]
    [InlineData("another member removes all")]
    public void A_line_that_leaves_a_full_cart_makes_room_in_the_same_batch(string what)
    {
        Scene scene = FullCart().WithProduct(1, stock: what == "order one that is short" ? 0 : 1);
        (Command before, bool makesRoom) = what switch
        {
            "remove one" => ((Command)new RemoveCartLine("alice", 100), true),
            "remove another that is not there" => (new RemoveCartLine("alice", 101), false),
            "remove all" => (new RemoveCartLine("alice", null), true),
            "another member removes all" => (new RemoveCartLine("bob", null), false),
            _ => (new PlaceOrder("alice", Scene.OrderId(1), [new OrderItem(1, 1)], null, null, Scene.PaymentWindow), what == "order one"),
        };

        Batch batch = scene.Settle(before, new PutCartLine("alice", 200, 1));

        Assert.Equal(makesRoom ? null : RefusalCode.InvalidRequest, batch.Decisions[1].Refusal?.Code);
        Assert.Equal(makesRoom, scene.Carts["alice"].ContainsKey(200));
    }

    private static Scene FullCart() =>
        new Scene().WithProduct(200).WithCart("alice", Enumerable.Range(1, Limits.CartLines).Select(id => (long)id));
}

public sealed class RemoveCartLineTests
{
    [Theory]
    [InlineData(1L, new[] { 2L })]
    [InlineData(2L, new[] { 1L })]
    [InlineData(3L, new[] { 1L, 2L })]
    [InlineData(null, new long[0])]
    public void One_line_goes_or_all_and_what_is_not_there_is_already_gone(long? productId, long[] left)
    {
        Scene scene = new Scene().WithCart("alice", 1, 2).WithCart("bob", 1);

        scene.Done<Done>(new RemoveCartLine("alice", productId));

        Assert.Equal(left, scene.Carts["alice"].Keys);
        Assert.Equal([1L], scene.Carts["bob"].Keys);
    }

    [Fact]
    public void It_needs_no_row_and_writes_one_edit()
    {
        Batch batch = new Scene().Settle(new RemoveCartLine("alice", 1));

        Assert.Equal([new CartEdit("alice", 1, null)], batch.Rows.CartEdits);
        Assert.Equal(0, batch.Rows.Carts.Count + batch.Rows.Products.Count);
        Assert.True(batch.Rows.HasChanges);
    }

    [Fact]
    public void Edits_of_a_batch_are_carried_out_in_their_order()
    {
        Scene scene = new Scene().WithProduct(1).WithProduct(2);

        scene.Settle(
            new PutCartLine("alice", 1, 1), new RemoveCartLine("alice", null), new PutCartLine("alice", 2, 3), new RemoveCartLine("alice", 1));

        Assert.Equal([KeyValuePair.Create(2L, 3L)], scene.Carts["alice"]);
    }
}
