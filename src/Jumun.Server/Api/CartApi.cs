using Jumun.Cart;
using Jumun.Server.Stores;

namespace Jumun.Server.Api;

/// <summary>The cart: what a member means to order. It holds no stock.</summary>
internal sealed class CartApi(Shop shop)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/members/{memberId}/cart", CartAsync).Is(
            new(Access.Owner, "getCart", "The cart at today's prices.") { Tag = "cart", Gives = typeof(CartView) });
        routes.MapPut("/members/{memberId}/cart/items/{productId}", PutAsync).Is(
            new(Access.Owner, "putCartLine", "Sets the quantity of a product in the cart.")
            {
                Tag = "cart",
                Takes = typeof(CartLineRequest),
                Gives = typeof(CartView),
                Refuses = [RefusalCode.ProductNotFound, RefusalCode.ProductNotOnSale],
            });
        routes.MapDelete("/members/{memberId}/cart/items/{productId}", RemoveAsync).Is(
            new(Access.Owner, "removeCartLine", "Removes a product from the cart.") { Tag = "cart", Status = StatusCodes.Status204NoContent });
        routes.MapDelete("/members/{memberId}/cart", ClearAsync).Is(
            new(Access.Owner, "clearCart", "Empties the cart.") { Tag = "cart", Status = StatusCodes.Status204NoContent });
    }

    private async Task CartAsync(HttpContext http)
    {
        CartView cart = await shop.Store.CartAsync(http.PathText("memberId")).ConfigureAwait(false);
        await http.AnswerAsync(StatusCodes.Status200OK, cart, ApiJson.Default.CartView).ConfigureAwait(false);
    }

    private async Task PutAsync(HttpContext http)
    {
        Body<CartLineRequest> body = await http.ReadAsync<CartLineRequest>().ConfigureAwait(false);
        if (body.Value is not { } request)
        {
            await http.RefuseAsync(body.Refusal!).ConfigureAwait(false);
            return;
        }

        long productId = http.PathNumber("productId");
        var check = new Check();
        check.Range("productId", productId, 1, long.MaxValue);
        check.Range("quantity", request.Quantity, 1, Limits.LineQuantity);
        Refusal? refusal = check.Refusal
            ?? await http.SettleAsync(shop, new PutCartLine(http.PathText("memberId"), productId, request.Quantity)).ConfigureAwait(false);
        if (refusal is not null)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        try
        {
            await CartAsync(http).ConfigureAwait(false);
        }
        catch (StoreUnavailableException error)
        {
            // The line is stored: that nothing was done must not be said of it.
            throw new StoreUnavailableException(RequestOutcome.Unknown, error.InnerException);
        }
    }

    private Task RemoveAsync(HttpContext http)
    {
        long productId = http.PathNumber("productId");
        return productId == 0
            ? http.RefuseAsync(Refusal.Invalid("productId", FieldRule.Range, 1, long.MaxValue))
            : RemoveAsync(http, productId);
    }

    private Task ClearAsync(HttpContext http) => RemoveAsync(http, productId: null);

    private async Task RemoveAsync(HttpContext http, long? productId)
    {
        Refusal? refusal = await http.SettleAsync(shop, new RemoveCartLine(http.PathText("memberId"), productId)).ConfigureAwait(false);
        await (refusal is null ? http.AnswerNothingAsync() : http.RefuseAsync(refusal)).ConfigureAwait(false);
    }
}
