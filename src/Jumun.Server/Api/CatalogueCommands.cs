using Jumun.Coupons;
using Jumun.Products;

namespace Jumun.Server.Api;

/// <summary>A request that was checked: the command that it asks for, or what is wrong with it.</summary>
internal readonly record struct Checked(Command? Command, Refusal? Refusal)
{
    public static Checked Of(Check check, Func<Command> command) =>
        check.Refusal is { } refusal ? new Checked(null, refusal) : new Checked(command(), null);
}

/// <summary>
/// What an administrator asks for, checked, and made into a command: the same for whoever comes over the API and for whoever
/// presses a button of the console.
/// </summary>
internal static class CatalogueCommands
{
    public static Checked Of(CreateProductRequest request)
    {
        var check = new Check();
        check.Text("name", request.Name);
        check.Range("price", request.Price, 0, Limits.Price);
        check.Range("stock", request.Stock, 0, Limits.Stock);
        return Checked.Of(check, () => new CreateProduct(request.Name, request.Price, request.Stock));
    }

    public static Checked Of(long productId, ChangeProductRequest request)
    {
        var check = new Check();
        check.Range("productId", productId, 1, long.MaxValue);
        check.Text("name", request.Name);
        check.Range("price", request.Price, 0, Limits.Price);
        return Checked.Of(check, () => new ChangeProduct(productId, request.Name, request.Price, request.OnSale));
    }

    public static Checked Of(long productId, ChangeStockRequest request)
    {
        var check = new Check();
        check.Range("productId", productId, 1, long.MaxValue);
        check.Range("change", request.Change, -Limits.Stock, Limits.Stock);
        check.That(request.Change != 0, "change", FieldRule.NotZero);
        check.Text("reason", request.Reason);
        return Checked.Of(check, () => new ChangeStock(productId, request.Change, request.Reason));
    }

    public static Checked Of(CreateCouponRequest request)
    {
        var check = new Check();
        check.Text("name", request.Name);
        CheckDiscount(request.Discount, ref check);
        check.Range("minimumOrderAmount", request.MinimumOrderAmount, 0, Limits.Balance);
        check.Range("quantity", request.Quantity, 0, Limits.Stock);
        check.That(request.IssueFrom < request.IssueUntil, "issueUntil", FieldRule.Order);
        check.That(request.IssueUntil <= request.UsableUntil, "usableUntil", FieldRule.Order);
        return Checked.Of(check, () => new CreateCoupon(
            request.Name, new Discount(request.Discount.Kind, request.Discount.Value, request.Discount.Maximum),
            request.MinimumOrderAmount ?? 0, request.Quantity, request.IssueFrom, request.IssueUntil, request.UsableUntil));
    }

    public static Checked Of(long couponId, ChangeCouponRequest request)
    {
        var check = new Check();
        check.Range("couponId", couponId, 1, long.MaxValue);
        check.Text("name", request.Name);
        check.Range("quantity", request.Quantity, 0, Limits.Stock);
        return Checked.Of(check, () => new ChangeCoupon(
            couponId, request.Name, request.Quantity, request.IssueFrom, request.IssueUntil, request.UsableUntil));
    }

    private static void CheckDiscount(DiscountRequest discount, ref Check check)
    {
        bool isPercent = discount.Kind == DiscountKind.Percent;
        check.Range("discount.value", discount.Value, 1, isPercent ? Limits.Percent : Limits.Balance);
        check.Range("discount.maximum", discount.Maximum, 1, Limits.Balance);
        check.That(isPercent || discount.Maximum is null, "discount.maximum", FieldRule.PercentOnly);
    }
}
