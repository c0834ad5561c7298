using Jumun.Cart;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Tests.Decisions;

public sealed class WorkingSetTests
{
    private static readonly Order NewOrder = new(
        "alice", Scene.OrderId(1), OrderStatus.PendingPayment, [Scene.Line(1)], 1_000, 0, null, Scene.Noon, Scene.Noon, null, null);

    private static readonly (string What, Action<WorkingSet> Change)[] Changes =
    [
        ("an order", rows => rows.NewOrders.Add(NewOrder)),
        ("a ledger entry", rows => rows.Ledger.Add(new NewLedgerEntry("alice", new LedgerEntry(1, LedgerKind.Charge, 1, 1, null, Scene.Noon), 0))),
        ("pieces that came in", rows => rows.StockChanges.Add(new StockChange(1, 1, "counted", Scene.Noon))),
        ("a cart's line", rows => rows.CartEdits.Add(new CartEdit("alice", 1, 1))),
        ("an event", rows => rows.Events.Add(new OrderEvent(Ids.CompletedEventOf(NewOrder.OrderId), OrderEventType.Completed, 1, NewOrder))),
        ("a sale", rows => rows.Sales.Add((1, 1), new SalesDelta(1, 1))),
        ("a delivery", rows => rows.Deliveries.Add(new Delivery("alice", Ids.CompletedEventOf(NewOrder.OrderId), 1))),
        ("old keys", rows => new ForgetIdempotencyKeys(TimeSpan.FromDays(7)).Decide(rows)),
    ];

    public static TheoryData<string> Whats => [.. Changes.Select(change => change.What)];

    [Theory]
    [MemberData(nameof(Whats))]
    public void Whatever_is_to_be_written_is_a_change_by_itself_until_the_set_is_cleared(string what)
    {
        var rows = new WorkingSet { Now = Scene.Noon };
        Assert.False(rows.HasChanges);

        Changes.Single(change => change.What == what).Change(rows);
        Assert.True(rows.HasChanges);

        rows.Clear();
        Assert.False(rows.HasChanges);
    }

    [Fact]
    public void A_number_that_was_loaded_stays_when_it_is_asked_for_again()
    {
        var rows = new WorkingSet { NextProductId = 5, NextCouponId = 6 };
        rows.Keys.NextProduct();
        rows.Keys.NextCoupon();
        Assert.Equal((5, 6), (rows.NextProductId, rows.NextCouponId));
    }

    [Fact]
    public void A_row_that_is_there_is_not_added_again()
    {
        var rows = new WorkingSet();
        rows.Keys.Product(1);
        rows.Products.Load(1, new Product(1, "mug", 1, 1, onSale: true));
        rows.NextProductId = 1;

        var error = Assert.Throws<InvalidOperationException>(() => new CreateProduct("cup", 1, 1).Decide(rows));
        Assert.Equal("A Product with key 1 is already there.", error.Message);
    }
}
