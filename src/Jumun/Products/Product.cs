namespace Jumun.Products;

/// <summary>A product and what can still be ordered of it.</summary>
public sealed class Product(long productId, string name, long price, long stock, bool onSale) : Row
{
    /// <summary>Its number, from 1.</summary>
    public long ProductId { get; } = productId;

    /// <summary>Its name, 1 to <see cref="Limits.NameLength"/> characters.</summary>
    public string Name { get; private set; } = name;

    /// <summary>The price of one piece, in won.</summary>
    public long Price { get; private set; } = price;

    /// <summary>Pieces that can still be ordered: held and sold ones are not among them. Never negative.</summary>
    public long Stock { get; private set; } = stock;

    /// <summary>Whether it may be ordered.</summary>
    public bool OnSale { get; private set; } = onSale;

    internal void Take(long quantity)
    {
        Stock -= quantity;
        Change();
    }

    internal void GiveBack(long quantity)
    {
        Stock += quantity;
        Change();
    }

    internal void Set(string? name, long? price, bool? onSale)
    {
        Name = name ?? Name;
        Price = price ?? Price;
        OnSale = onSale ?? OnSale;
        Change();
    }

    internal ProductView View() => new(ProductId, Name, Price, Stock, OnSale);
}

/// <summary>A product as it was at one moment.</summary>
/// <param name="ProductId">Its number.</param>
/// <param name="Name">Its name.</param>
/// <param name="Price">The price of one piece, in won.</param>
/// <param name="Stock">Pieces that can still be ordered.</param>
/// <param name="OnSale">Whether it may be ordered.</param>
public sealed record ProductView(long ProductId, string Name, long Price, long Stock, bool OnSale) : Answer;

/// <summary>An entry of the stock ledger: pieces that came in (created, restocked) or were taken out by an administrator.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Change">Pieces, signed.</param>
/// <param name="Reason">Why, in the administrator's words.</param>
/// <param name="CreatedAt">When.</param>
public sealed record StockChange(long ProductId, long Change, string Reason, DateTimeOffset CreatedAt);
