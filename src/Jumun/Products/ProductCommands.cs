namespace Jumun.Products;

/// <summary>Creates a product. Never refused.</summary>
/// <param name="Name">1 to <see cref="Limits.NameLength"/> characters.</param>
/// <param name="Price">Won a piece, 0 to <see cref="Limits.Price"/>.</param>
/// <param name="Stock">Pieces, 0 to <see cref="Limits.Stock"/>.</param>
public sealed record CreateProduct(string Name, long Price, long Stock) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.NextProduct();

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        long productId = rows.NextProductId ?? throw new InvalidOperationException("The next product number was not loaded.");

        // Must succeed from here on.
        rows.NextProductId = productId + 1;
        rows.Keys.Product(productId);
        var product = new Product(productId, Name, Price, Stock, onSale: true);
        rows.Products.Add(productId, product);
        rows.StockChanges.Add(new StockChange(productId, Stock, "created", rows.Now));
        return product.View();
    }
}

/// <summary>
/// Changes a product; what is null stays. Orders already made keep their price.
/// Refused: <see cref="RefusalCode.ProductNotFound"/>.
/// </summary>
/// <param name="ProductId">The product.</param>
/// <param name="Name">The new name.</param>
/// <param name="Price">The new price of one piece, in won.</param>
/// <param name="OnSale">Whether it may be ordered.</param>
public sealed record ChangeProduct(long ProductId, string? Name, long? Price, bool? OnSale) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.Product(ProductId);

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Products.Find(ProductId) is not { } product)
        {
            return new Refusal(RefusalCode.ProductNotFound);
        }

        // Must succeed from here on.
        product.Set(Name, Price, OnSale);
        return product.View();
    }
}

/// <summary>
/// Puts pieces in, or takes free ones out.
/// Refused: <see cref="RefusalCode.ProductNotFound"/>, <see cref="RefusalCode.OutOfStock"/> (fewer are free),
/// <see cref="RefusalCode.InvalidRequest"/> (above <see cref="Limits.Stock"/>).
/// </summary>
/// <param name="ProductId">The product.</param>
/// <param name="Change">Pieces, signed, not zero.</param>
/// <param name="Reason">Why, in the administrator's words.</param>
public sealed record ChangeStock(long ProductId, long Change, string Reason) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.Product(ProductId);

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Products.Find(ProductId) is not { } product)
        {
            return new Refusal(RefusalCode.ProductNotFound);
        }

        if (product.Stock + Change < 0)
        {
            return Refusal.OutOfStock([new Shortage(ProductId, -Change, product.Stock)]);
        }

        if (Change > 0 && product.Stock + Change > Limits.Stock)
        {
            return Refusal.Invalid("change", FieldRule.Range, -product.Stock, Math.Max(0, Limits.Stock - product.Stock));
        }

        // Must succeed from here on.
        product.GiveBack(Change);
        rows.StockChanges.Add(new StockChange(ProductId, Change, Reason, rows.Now));
        return product.View();
    }
}

/// <summary>
/// Reads a product as a command, so that a query under an idempotency key gets one stored answer
/// (seed: the product query is drawn as a POST). Refused: <see cref="RefusalCode.ProductNotFound"/>.
/// </summary>
/// <param name="ProductId">The product.</param>
public sealed record QueryProduct(long ProductId) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.Product(ProductId);

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows) =>
        rows.Products.Find(ProductId) is { } product ? product.View() : new Refusal(RefusalCode.ProductNotFound);
}
