using Jumun.Orders;

namespace Jumun.Server.Api;

/// <summary>Orders (seed: order diagram).</summary>
internal sealed class OrdersApi(Shop shop)
{
    private static readonly Reply<OrderView> Placed = new(
        StatusCodes.Status201Created, ApiJson.Default.OrderView, LocationOf);

    private static readonly Reply<OrderView> Ended = new(StatusCodes.Status200OK, ApiJson.Default.OrderView);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/order/{userId}", PlaceAsync).Is(
            new(Access.Owner, "placeOrder", "Makes an order: holds stock and coupon until it is paid, cancelled or its window ends.")
            {
                Tag = "orders",
                Takes = typeof(OrderRequest),
                Gives = typeof(OrderView),
                Status = StatusCodes.Status201Created,
                Refuses =
                [
                    RefusalCode.ProductNotFound, RefusalCode.ProductNotOnSale, RefusalCode.CouponNotUsable, RefusalCode.OutOfStock,
                    RefusalCode.PriceChanged,
                ],
            });
        routes.MapGet("/members/{memberId}/orders", OrdersAsync).Is(
            new(Access.Owner, "listOrders", "The member's orders, newest first.")
            {
                Tag = "orders",
                Gives = typeof(Page<OrderView>),
                Query = QueryParameter.Paging,
            });
        routes.MapGet("/members/{memberId}/orders/{orderId}", OrderAsync).Is(
            new(Access.Owner, "getOrder", "One order.") { Tag = "orders", Gives = typeof(OrderView), Refuses = [RefusalCode.OrderNotFound] });
        routes.MapPost("/members/{memberId}/orders/{orderId}/cancel", CancelAsync).Is(
            new(Access.Owner, "cancelOrder", "Cancels an unpaid order, or gives a paid one back: money, stock and coupon.")
            {
                Tag = "orders",
                Gives = typeof(OrderView),
                Refuses = [RefusalCode.OrderNotFound, RefusalCode.OrderNotCancellable, RefusalCode.BalanceLimit],
            });
        routes.MapGet("/admin/orders", AllOrdersAsync).Is(
            new(Access.Administrator, "listAllOrders", "All orders, newest first.")
            {
                Tag = "admin",
                Gives = typeof(Page<OrderView>),
                Query =
                [
                    new("memberId", "orders of this member"),
                    new("status", "pending_payment, completed, expired, cancelled or refunded"),
                    .. QueryParameter.Paging,
                ],
            });
    }

    private async Task PlaceAsync(HttpContext http)
    {
        Body<OrderRequest> body = await http.ReadAsync<OrderRequest>().ConfigureAwait(false);
        if (body.Value is not { } request)
        {
            await http.RefuseAsync(body.Refusal!).ConfigureAwait(false);
            return;
        }

        if (Wrong(request, out List<OrderItem> items) is { } refusal)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        var command = new PlaceOrder(
            http.PathText("userId"), shop.OrderIds.Next(), items, request.CouponId, request.ExpectedTotal, shop.Settings.PaymentWindow);
        await http.SettleAsync(shop, command, Placed, body.Bytes).ConfigureAwait(false);
    }

    /// <summary>What is wrong with an order as it was sent; and its lines, the same product added up.</summary>
    private static Refusal? Wrong(OrderRequest request, out List<OrderItem> items)
    {
        items = new List<OrderItem>(Math.Min(request.Items.Count, Limits.OrderLines));
        var check = new Check();
        check.Range("couponId", request.CouponId, 1, long.MaxValue);
        check.Range("expectedTotal", request.ExpectedTotal, 0, Limits.Balance);
        if (request.Items.Count is < 1 or > Limits.OrderLines)
        {
            check.That(false, "items", FieldRule.Count, 1, Limits.OrderLines);
            return check.Refusal;
        }

        for (int i = 0; i < request.Items.Count; i++)
        {
            if (request.Items[i] is not { } line)
            {
                check.That(false, $"items[{i}]", FieldRule.Required);
                continue;
            }

            (long productId, long quantity) = line;
            if (productId < 1)
            {
                check.Range($"items[{i}].productId", productId, 1, long.MaxValue);
            }

            if (quantity is < 1 or > Limits.LineQuantity)
            {
                check.Range($"items[{i}].quantity", quantity, 1, Limits.LineQuantity);
                continue;
            }

            int same = items.FindIndex(item => item.ProductId == productId);
            if (same < 0)
            {
                items.Add(new OrderItem(productId, quantity));
                continue;
            }

            long sum = items[same].Quantity + quantity;
            check.Range($"items[{i}].quantity", sum, 1, Limits.LineQuantity);
            items[same] = new OrderItem(productId, sum);
        }

        return check.Refusal;
    }

    private async Task OrdersAsync(HttpContext http)
    {
        string memberId = http.PathText("memberId");
        (PageRequest page, Refusal? refusal) = http.Page($"orders of {memberId}");
        await (refusal is null ? AnswerAsync(http, page, memberId, status: null) : http.RefuseAsync(refusal)).ConfigureAwait(false);
    }

    private async Task AllOrdersAsync(HttpContext http)
    {
        var check = new Check();
        string? memberId = http.Text("memberId", ref check);
        check.That(memberId is null || Ids.IsMemberId(memberId), "memberId", FieldRule.MemberId);
        OrderStatus? status = http.Word<OrderStatus>("status", ref check);
        (PageRequest page, Refusal? refusal) = http.Page($"all orders, {memberId}, {status}");
        await ((check.Refusal ?? refusal) is { } wrong ? http.RefuseAsync(wrong) : AnswerAsync(http, page, memberId, status)).ConfigureAwait(false);
    }

    private async Task AnswerAsync(HttpContext http, PageRequest page, string? memberId, OrderStatus? status)
    {
        List<((long First, long Second) Place, OrderView Order)> orders =
            await shop.Store.OrdersAsync(memberId, status, page.After, shop.Now, page.Fetch).ConfigureAwait(false);

        // Of large orders a page has fewer: it lies in memory until the client has taken it.
        int lines = 0;
        int fitting = orders.TakeWhile(row => (lines += row.Order.Items.Count) <= Bounds.PageLines).Count();
        await (page with { Limit = Math.Clamp(fitting, 1, page.Limit) })
            .AnswerAsync(http, orders, row => row.Place, row => row.Order, ApiJson.Default.PageOrderView).ConfigureAwait(false);
    }

    private async Task OrderAsync(HttpContext http)
    {
        if (OrderIdOf(http) is not { } orderId)
        {
            await http.RefuseAsync(NoOrderId()).ConfigureAwait(false);
            return;
        }

        (OrderView? order, Refusal? refusal) = await shop.OrderAsync(http.PathText("memberId"), orderId).ConfigureAwait(false);
        await (refusal is null ? http.AnswerAsync(order, ApiJson.Default.OrderView, RefusalCode.OrderNotFound) : http.RefuseAsync(refusal))
            .ConfigureAwait(false);
    }

    private Task CancelAsync(HttpContext http)
    {
        return OrderIdOf(http) is { } orderId
            ? http.SettleAsync(
                shop, new CancelOrder(http.PathText("memberId"), orderId, http.Caller().IsAdministrator, shop.Settings.RefundWindow), Ended)
            : http.RefuseAsync(NoOrderId());
    }

    // Of the characters of a member id, only this one may not stand in a path as it is.
    private static string LocationOf(OrderView order) =>
        $"/members/{order.MemberId.Replace("|", "%7C", StringComparison.Ordinal)}/orders/{order.OrderId}";

    private static Guid? OrderIdOf(HttpContext http) => http.PathGuid("orderId");

    private static Refusal NoOrderId() => Refusal.Invalid("orderId", FieldRule.Uuid);
}
