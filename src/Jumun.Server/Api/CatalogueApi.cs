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
        var check = new Check();
        if (body.Value is { } request)
        {
            check.Text("name", request.Name);
            check.Range("price", request.Price, 0, Limits.Price);
            check.Range("stock", request.Stock, 0, Limits.Stock);
        }

        await SettleAsync(http, body, check, request => new CreateProduct(request.Name, request.Price, request.Stock), ProductCreated)
            .ConfigureAwait(false);
    }

    private async Task ChangeProductAsync(HttpContext http)
    {
        Body<ChangeProductRequest> body = await http.ReadAsync<ChangeProductRequest>().ConfigureAwait(false);
        long productId = http.PathNumber("productId");
        var check = new Check();
        check.Range("productId", productId, 1, long.MaxValue);
        if (body.Value is { } request)
        {
            check.Text("name", request.Name);
            check.Range("price", request.Price, 0, Limits.Price);
        }

        await SettleAsync(http, body, check, request => new ChangeProduct(productId, request.Name, request.Price, request.OnSale), ProductChanged)
            .ConfigureAwait(false);
    }

    private async Task ChangeStockAsync(HttpContext http)
    {
        Body<ChangeStockRequest> body = await http.ReadAsync<ChangeStockRequest>().ConfigureAwait(false);
        long productId = http.PathNumber("productId");
        var check = new Check();
        check.Range("productId", productId, 1, long.MaxValue);
        if (body.Value is { } request)
        {
            check.Range("change", request.Change, -Limits.Stock, Limits.Stock);
            check.That(request.Change != 0, "change", FieldRule.NotZero);
            check.Text("reason", request.Reason);
        }

        await SettleAsync(http, body, check, request => new ChangeStock(productId, request.Change, request.Reason), ProductChanged)
            .ConfigureAwait(false);
    }

    private async Task CreateCouponAsync(HttpContext http)
    {
        Body<CreateCouponRequest> body = await http.ReadAsync<CreateCouponRequest>().ConfigureAwait(false);
        var check = new Check();
        if (body.Value is { } request)
        {
            check.Text("name", request.Name);
            CheckDiscount(request.Discount, ref check);
            check.Range("minimumOrderAmount", request.MinimumOrderAmount, 0, Limits.Balance);
            check.Range("quantity", request.Quantity, 0, Limits.Stock);
            check.That(request.IssueFrom < request.IssueUntil, "issueUntil", FieldRule.Order);
            check.That(request.IssueUntil <= request.UsableUntil, "usableUntil", FieldRule.Order);
        }

        await SettleAsync(
            http, body, check,
            request => new CreateCoupon(
                request.Name, new Discount(request.Discount.Kind, request.Discount.Value, request.Discount.Maximum),
                request.MinimumOrderAmount ?? 0, request.Quantity, request.IssueFrom, request.IssueUntil, request.UsableUntil),
            CouponCreated).ConfigureAwait(false);
    }

    private async Task ChangeCouponAsync(HttpContext http)
    {
        Body<ChangeCouponRequest> body = await http.ReadAsync<ChangeCouponRequest>().ConfigureAwait(false);
        long couponId = http.PathNumber("couponId");
        var check = new Check();
        check.Range("couponId", couponId, 1, long.MaxValue);
        if (body.Value is { } request)
        {
            check.Text("name", request.Name);
            check.Range("quantity", request.Quantity, 0, Limits.Stock);
        }

        await SettleAsync(
            http, body, check,
            request => new ChangeCoupon(couponId, request.Name, request.Quantity, request.IssueFrom, request.IssueUntil, request.UsableUntil),
            CouponChanged).ConfigureAwait(false);
    }

    private static void CheckDiscount(DiscountRequest discount, ref Check check)
    {
        bool isPercent = discount.Kind == DiscountKind.Percent;
        check.Range("discount.value", discount.Value, 1, isPercent ? Limits.Percent : Limits.Balance);
        check.Range("discount.maximum", discount.Maximum, 1, Limits.Balance);
        check.That(isPercent || discount.Maximum is null, "discount.maximum", FieldRule.PercentOnly);
    }

    private Task SettleAsync<TRequest, T>(
        HttpContext http, Body<TRequest> body, Check check, Func<TRequest, Command> command, Reply<T> reply)
        where TRequest : class
        where T : Answer
    {
        return (body.Refusal ?? check.Refusal) is { } refusal
            ? http.RefuseAsync(refusal)
            : http.SettleAsync(shop, command(body.Value!), reply, body.Bytes);
    }
}
