using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Products;

namespace Jumun.Tests.Decisions;

/// <summary>Rows that no decision ever made: who meets them does not guess, but says what is wrong.</summary>
public sealed class BrokenRowsTests
{
    private static readonly Guid Id = Scene.OrderId(1);
    private static readonly PayOrder Pay = new("alice", Id);
    private static readonly CancelOrder Cancel = new("alice", Id, ByAdministrator: false, Scene.RefundWindow);

    [Fact]
    public void An_order_does_not_use_or_give_back_a_coupon_that_another_order_holds()
    {
        Scene scene = new Scene().WithProduct(1).WithWallet("alice", 5_000).WithIssued("alice", 7, IssuedCouponStatus.Held, Scene.OrderId(2))
            .WithOrder("alice", Id, couponId: 7);

        Says(scene, Pay, $"Order {Id} holds coupon 7, which belongs to order {Scene.OrderId(2)}.");
        Says(scene, Cancel, $"Order {Id} holds coupon 7, which belongs to order {Scene.OrderId(2)}.");
    }

    [Fact]
    public void An_order_has_no_coupon_that_its_member_does_not_have() => Says(
        new Scene().WithProduct(1).WithWallet("alice", 5_000).WithOrder("alice", Id, couponId: 7),
        Pay, $"Order {Id} holds coupon 7, which member alice does not have.");

    [Fact]
    public void An_order_names_products_that_are_there() => Says(
        new Scene().WithOrder("alice", Id, lines: [Scene.Line(9)]), Cancel, $"Order {Id} names product 9, which does not exist.");

    [Fact]
    public void Who_paid_has_a_wallet() => Says(
        new Scene().WithProduct(1).WithOrder("alice", Id, OrderStatus.Completed), Cancel, $"Order {Id} was paid, and member alice has no wallet.");

    [Fact]
    public void Who_is_given_back_an_order_has_paid_it_at_some_time()
    {
        Scene scene = new Scene().WithProduct(1).WithWallet("alice", 5_000);
        scene.Orders[("alice", Id)] = new Order(
            "alice", Id, OrderStatus.Completed, [Scene.Line(1)], 1_000, 0, null, Scene.Noon, Scene.Noon, paidAt: null, endedAt: null);
        Says(scene, Cancel with { ByAdministrator = true }, $"Order {Id} was never paid.");
    }

    [Fact]
    public void The_number_of_a_new_product_or_coupon_was_loaded()
    {
        Says(new WorkingSet(), new CreateProduct("mug", 1, 1), "The next product number was not loaded.");
        Says(
            new WorkingSet(),
            new CreateCoupon("coupon", new Discount(DiscountKind.Amount, 1, null), 0, 1, Scene.Noon, Scene.Noon.AddDays(1), Scene.Noon.AddDays(1)),
            "The next coupon number was not loaded.");
    }

    private static void Says(Scene scene, Command command, string message) =>
        Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => scene.Settle(command)).Message);

    private static void Says(WorkingSet rows, Command command, string message) =>
        Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => command.Decide(rows)).Message);
}
