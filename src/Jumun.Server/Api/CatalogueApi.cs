using Jumun.Coupons;
using Jumun.Products;

namespace Jumun.Server.Api;

/// <summary>What an administrator does to products and coupons.</summary>
internal sealed class CatalogueApi(Shop shop)
{
    private static readonly Reply<ProductView> ProductCreated =
        new(StatusCodes.Status201Created, ApiJson.Default.ProductView, product => $"/products/{product.ProductId}");

    private static readonly Reply<ProductView> ProductChanged = new(StatusCodes.Status200OK, ApiJson.Default.ProductView);

    private static readonly Reply<CouponView> CouponCreated =
        new(StatusCodes.Status201Created, ApiJson.Default.CouponView, coupon => $"/coupons/{coupon.CouponId}");

    private static readonly Reply<CouponView> CouponChanged = new(StatusCodes.Status200OK, ApiJson.Default.CouponView);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/admin/products", CreateProductAsync).Is(
            new(Access.Administrator, "createProduct", "Creates a product, on sale at once.")
            {
                Tag = "admin",
                Takes = typeof(CreateProductRequest),
                Gives = typeof(ProductView),
                Status = StatusCodes.Status201Created,
            });
        routes.MapPatch("/admin/products/{productId}", ChangeProductAsync).Is(
            new(Access.Administrator, "changeProduct", "Changes a product; orders already made keep their price.")
            {
                Tag = "admin",
                Takes = typeof(ChangeProductRequest),
                Gives = typeof(ProductView),
                Refuses = [RefusalCode.ProductNotFound],
            });
        routes.MapPost("/admin/products/{productId}/stock", ChangeStockAsync).Is(
            new(Access.Administrator, "changeStock", "Puts pieces in, or takes free ones out.")
            {
                Tag = "admin",
                Takes = typeof(ChangeStockRequest),
                Gives = typeof(ProductView),
                Refuses = [RefusalCode.ProductNotFound, RefusalCode.OutOfStock],
            });
        routes.MapPost("/admin/coupons", CreateCouponAsync).Is(
            new(Access.Administrator, "createCoupon", "Creates a coupon of a limited number.")
            {
                Tag = "admin",
                Takes = typeof(CreateCouponRequest),
                Gives = typeof(CouponView),
                Status = StatusCodes.Status201Created,
            });
        routes.MapPatch("/admin/coupons/{couponId}", ChangeCouponAsync).Is(
            new(Access.Administrator, "changeCoupon", "Changes a coupon: never fewer than were issued.")
            {
                Tag = "admin",
                Takes = typeof(ChangeCouponRequest),
                Gives = typeof(CouponView),
                Refuses = [RefusalCode.CouponNotFound],
            });
    }

    private async Task CreateProductAsync(HttpContext http)
    {
        Body<CreateProductRequest> body = await http.ReadAsync<CreateProductRequest>().ConfigureAwait(false);
        await SettleAsync(http, body, CatalogueCommands.Of, ProductCreated).ConfigureAwait(false);
    }

    private async Task ChangeProductAsync(HttpContext http)
    {
        Body<ChangeProductRequest> body = await http.ReadAsync<ChangeProductRequest>().ConfigureAwait(false);
        long productId = http.PathNumber("productId");
        await SettleAsync(http, body, request => CatalogueCommands.Of(productId, request), ProductChanged).ConfigureAwait(false);
    }

    private async Task ChangeStockAsync(HttpContext http)
    {
        Body<ChangeStockRequest> body = await http.ReadAsync<ChangeStockRequest>().ConfigureAwait(false);
        long productId = http.PathNumber("productId");
        await SettleAsync(http, body, request => CatalogueCommands.Of(productId, request), ProductChanged).ConfigureAwait(false);
    }

    private async Task CreateCouponAsync(HttpContext http)
    {
        Body<CreateCouponRequest> body = await http.ReadAsync<CreateCouponRequest>().ConfigureAwait(false);
        await SettleAsync(http, body, CatalogueCommands.Of, CouponCreated).ConfigureAwait(false);
    }

    private async Task ChangeCouponAsync(HttpContext http)
    {
        Body<ChangeCouponRequest> body = await http.ReadAsync<ChangeCouponRequest>().ConfigureAwait(false);
        long couponId = http.PathNumber("couponId");
        await SettleAsync(http, body, request => CatalogueCommands.Of(couponId, request), CouponChanged).ConfigureAwait(false);
    }

    private Task SettleAsync<TRequest, T>(HttpContext http, Body<TRequest> body, Func<TRequest, Checked> check, Reply<T> reply)
        where TRequest : class
        where T : Answer
    {
        Checked request = body.Value is { } value ? check(value) : new Checked(null, body.Refusal);
        return request.Command is { } command
            ? http.SettleAsync(shop, command, reply, body.Bytes)
            : http.RefuseAsync(request.Refusal!);
    }
}
