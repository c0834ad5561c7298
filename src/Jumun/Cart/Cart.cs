namespace Jumun.Cart;

/// <summary>The lines of a member's cart.</summary>
public sealed class MemberCart : Row
{
    private readonly Dictionary<long, long> lines = [];

    /// <summary>How many lines there are.</summary>
    public int Count => lines.Count;

    /// <summary>Whether the product has a line.</summary>
    public bool Has(long productId) => lines.ContainsKey(productId);

    /// <summary>Sets a line, as the store holds it or as a command of this batch wants it.</summary>
    public void Put(long productId, long quantity) => lines[productId] = quantity;

    internal void Remove(long productId) => lines.Remove(productId);

    internal void Clear() => lines.Clear();
}

/// <summary>Something to be done to a cart. Edits are carried out in their order.</summary>
/// <param name="MemberId">Whose cart.</param>
/// <param name="ProductId">The line; null for all lines.</param>
/// <param name="Quantity">The new quantity; null removes.</param>
public readonly record struct CartEdit(string MemberId, long? ProductId, long? Quantity);

/// <summary>A line of a cart at today's price.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Name">Its name today.</param>
/// <param name="Price">Its price today, in won a piece.</param>
/// <param name="Quantity">Pieces wanted.</param>
/// <param name="Stock">Pieces that can be ordered.</param>
public sealed record CartLineView(long ProductId, string Name, long Price, long Quantity, long Stock);

/// <summary>A member's cart.</summary>
/// <param name="MemberId">The member.</param>
/// <param name="Items">Its lines, by product.</param>
/// <param name="Total">Σ price × quantity, in won.</param>
public sealed record CartView(string MemberId, IReadOnlyList<CartLineView> Items, long Total) : Answer;

/// <summary>
/// Sets the quantity of a product in the cart. Stock is not checked: a cart is a wish.
/// Refused: <see cref="RefusalCode.ProductNotFound"/>, <see cref="RefusalCode.ProductNotOnSale"/>,
/// <see cref="RefusalCode.InvalidRequest"/> (the cart is full).
/// </summary>
/// <param name="MemberId">The member.</param>
/// <param name="ProductId">The product.</param>
/// <param name="Quantity">1 to <see cref="Limits.LineQuantity"/>.</param>
public sealed record PutCartLine(string MemberId, long ProductId, long Quantity) : Command, IOfMember
{
    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
        keys.Product(ProductId);
        keys.Cart(MemberId);
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Products.Find(ProductId) is not { } product)
        {
            return new Refusal(RefusalCode.ProductNotFound);
        }

        if (!product.OnSale)
        {
            return Refusal.NotOnSale([ProductId]);
        }

        if (rows.Carts.Find(MemberId) is { Count: >= Limits.CartLines } cart && !cart.Has(ProductId))
        {
            return Refusal.Invalid("productId", FieldRule.CartFull, 0, Limits.CartLines);
        }

        // Must succeed from here on.
        rows.EditCart(new CartEdit(MemberId, ProductId, Quantity));
        return Done.Instance;
    }
}

/// <summary>Removes one line of a cart, or all. Never refused: what is not there is already gone.</summary>
/// <param name="MemberId">The member.</param>
/// <param name="ProductId">The line; null for all.</param>
public sealed record RemoveCartLine(string MemberId, long? ProductId) : Command, IOfMember
{
    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        // Must succeed from here on.
        rows.EditCart(new CartEdit(MemberId, ProductId, Quantity: null));
        return Done.Instance;
    }
}
