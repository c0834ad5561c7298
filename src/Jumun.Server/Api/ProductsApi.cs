using Jumun.Products;
using Jumun.Ranking;

namespace Jumun.Server.Api;

/// <summary>Products, exact to the moment, and the top of them (seed: product query and top products diagrams).</summary>
internal sealed class ProductsApi(Shop shop, TopProductsCache top)
{
    private static readonly Reply<ProductView> Queried = new(StatusCodes.Status200OK, ApiJson.Default.ProductView);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/products/{productId}", ProductAsync).Is(Describe("getProduct"));
        routes.MapPost("/products/{productId}", ProductAsync).Is(Describe("queryProduct"));
        routes.MapGet("/products", ProductsAsync).Is(
            new(Access.Member, "listProducts", "Products on sale, by id.")
            {
                Tag = "products",
                Gives = typeof(Page<ProductView>),
                Query = [new("query", "a part of the name"), .. QueryParameter.Paging],
            });
        routes.MapGet("/products/top", TopAsync).Is(
            new(Access.Anyone, "topProducts", "What sold most in the last days, at most one second old.")
            {
                Tag = "products",
                Gives = typeof(TopProducts),
                Query =
                [
                    new("days", $"the window, 1–{Bounds.TopDays} days, default 3", IsNumber: true),
                    new("limit", $"how many, 1–{Bounds.PageItems}, default 5", IsNumber: true),
                ],
            });
    }

    private static RouteInfo Describe(string name) => new(Access.Member, name, "A product and its stock, exact at the moment of the query.")
    {
        Tag = "products",
        Gives = typeof(ProductView),
        Refuses = [RefusalCode.ProductNotFound],
    };

    private async Task ProductAsync(HttpContext http)
    {
        long productId = http.PathNumber("productId");
        if (productId == 0)
        {
            await http.RefuseAsync(Refusal.Invalid("productId", FieldRule.Range, 1, long.MaxValue)).ConfigureAwait(false);
        }
        else if (HttpMethods.IsPost(http.Request.Method) && http.Request.Headers.ContainsKey("Idempotency-Key"))
        {
            // A query under a key is answered once and then from what was stored, like every other POST.
            await http.SettleAsync(shop, new QueryProduct(productId), Queried).ConfigureAwait(false);
        }
        else
        {
            ProductView? product = await shop.Store.ProductAsync(productId).ConfigureAwait(false);
            await http.AnswerAsync(product, ApiJson.Default.ProductView, RefusalCode.ProductNotFound).ConfigureAwait(false);
        }
    }

    private async Task ProductsAsync(HttpContext http)
    {
        var check = new Check();
        string? query = http.Text("query", ref check) is { Length: > 0 } text ? text : null;
        check.That(query is null || (query.Length <= Bounds.QueryLength && !query.Any(char.IsControl)), "query", FieldRule.Length, 1, Bounds.QueryLength);
        (PageRequest page, Refusal? refusal) = http.Page($"products like {query}");
        if ((check.Refusal ?? refusal) is { } wrong)
        {
            await http.RefuseAsync(wrong).ConfigureAwait(false);
            return;
        }

        List<ProductView> products = await shop.Store.ProductsAsync(query, page.After?.First, page.Fetch).ConfigureAwait(false);
        await page.AnswerAsync(http, products, product => (product.ProductId, 0), product => product, ApiJson.Default.PageProductView)
            .ConfigureAwait(false);
    }

    private async Task TopAsync(HttpContext http)
    {
        var check = new Check();
        long days = http.Number("days", 3, 1, Bounds.TopDays, ref check);
        long limit = http.Number("limit", 5, 1, Bounds.PageItems, ref check);
        if (check.Refusal is { } refusal)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        TopProducts answer = await top.ReadAsync((int)days, (int)limit).ConfigureAwait(false);
        await http.AnswerAsync(StatusCodes.Status200OK, answer, ApiJson.Default.TopProducts).ConfigureAwait(false);
    }
}

/// <summary>
/// The lists of top products, read at most once in <see cref="Bounds.TopProductsAgeMilliseconds"/> for each window, and one after
/// the other: a long window over many products takes the store a while, and nobody needs a token to ask for it.
/// Only this list may be a moment old: everything else is read when it is asked for.
/// </summary>
internal sealed class TopProductsCache(Shop shop)
{
    private readonly Lock gate = new();
    private readonly SemaphoreSlim loading = new(1);
    private readonly Task<Listed>?[] lists = new Task<Listed>?[Bounds.TopDays + 1];

    public async ValueTask<TopProducts> ReadAsync(int days, int limit)
    {
        TopProducts list = (await CurrentAsync(days).ConfigureAwait(false)).List;
        return limit >= list.Items.Count ? list : list with { Items = [.. list.Items.Take(limit)] };
    }

    private Task<Listed> CurrentAsync(int days)
    {
        lock (gate)
        {
            if (lists[days] is { } known
                && (!known.IsCompleted || (known.IsCompletedSuccessfully && shop.Clock.GetElapsedTime(known.Result.ReadAt) < known.Result.GoodFor)))
            {
                return known;
            }

            // Elsewhere, because SQLite reads where it is asked: who comes meanwhile must not wait here.
            return lists[days] = Task.Run(() => LoadAsync(days));
        }
    }

    private async Task<Listed> LoadAsync(int days)
    {
        await loading.WaitAsync().ConfigureAwait(false);
        try
        {
            long readAt = shop.Clock.GetTimestamp();
            SalesWindow window = SalesWindow.Last(shop.Now, days);
            var list = new TopProducts(
                SalesHours.StartOf(window.FromHour),
                SalesHours.StartOf(window.ToHour),
                await shop.Store.TopProductsAsync(window, Bounds.PageItems).ConfigureAwait(false));

            // One that takes long rests as long as it took.
            TimeSpan twice = 2 * shop.Clock.GetElapsedTime(readAt);
            TimeSpan age = TimeSpan.FromMilliseconds(Bounds.TopProductsAgeMilliseconds);
            return new Listed(list, readAt, twice > age ? twice : age);
        }
        finally
        {
            loading.Release();
        }
    }

    /// <summary>A list, and how long it is good from when it was read.</summary>
    private sealed record Listed(TopProducts List, long ReadAt, TimeSpan GoodFor);
}
