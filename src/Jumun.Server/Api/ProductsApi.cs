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
/// The lists of top products, one for each window. They are read one after the other, and after each read the reader rests as long
/// as that took, whichever window is asked for: nobody needs a token to ask, and a long window over many products takes the store
/// a while. Whoever asks meanwhile for a list that has become old gets it as it is, unless a round through all lists takes less.
/// Only these lists may be a moment old: everything else is read when it is asked for.
/// </summary>
internal sealed class TopProductsCache(Func<SalesWindow, int, ValueTask<List<TopProduct>>> read, TimeProvider clock)
{
    private static readonly TimeSpan Age = TimeSpan.FromMilliseconds(Bounds.TopProductsAgeMilliseconds);

    private readonly Lock gate = new();
    private readonly SemaphoreSlim reader = new(1);
    private readonly Listed?[] lists = new Listed?[Bounds.TopDays + 1];
    private readonly Task<Listed>?[] loads = new Task<Listed>?[Bounds.TopDays + 1];

    public async ValueTask<TopProducts> ReadAsync(int days, int limit)
    {
        TopProducts list = (await CurrentAsync(days).ConfigureAwait(false)).List;
        return limit >= list.Items.Count ? list : list with { Items = [.. list.Items.Take(limit)] };
    }

    private ValueTask<Listed> CurrentAsync(int days)
    {
        lock (gate)
        {
            Listed? known = lists[days];
            TimeSpan age = known is null ? TimeSpan.MaxValue : clock.GetElapsedTime(known.ReadAt);
            if (known is not null && (age < Age || age < 2 * known.Took))
            {
                return new(known);
            }

            // Elsewhere, because SQLite reads where it is asked: who comes meanwhile must not wait here.
            bool isBusy = reader.CurrentCount == 0;
            Task<Listed> load = loads[days] ??= Task.Run(() => LoadAsync(days));
            return known is not null && isBusy && age < Age + Round() ? new(known) : new(load);
        }
    }

    /// <summary>How long it takes to read all lists that are known, with the rests between.</summary>
    private TimeSpan Round() => 2 * lists.Aggregate(TimeSpan.Zero, static (sum, list) => sum + (list?.Took ?? TimeSpan.Zero));

    private async Task<Listed> LoadAsync(int days)
    {
        await reader.WaitAsync().ConfigureAwait(false);
        TimeSpan took = TimeSpan.Zero;
        try
        {
            long readAt = clock.GetTimestamp();
            SalesWindow window = SalesWindow.Last(clock.GetUtcNow(), days);
            var list = new TopProducts(
                SalesHours.StartOf(window.FromHour), SalesHours.StartOf(window.ToHour), await read(window, Bounds.PageItems).ConfigureAwait(false));
            took = clock.GetElapsedTime(readAt);
            var listed = new Listed(list, readAt, took);
            lock (gate)
            {
                lists[days] = listed;
            }

            return listed;
        }
        finally
        {
            lock (gate)
            {
                loads[days] = null;
            }

            _ = RestAsync(took);
        }
    }

    private async Task RestAsync(TimeSpan time)
    {
        await Task.Delay(time, clock).ConfigureAwait(false);
        reader.Release();
    }

    /// <summary>A list, when it was begun to be read, and how long that took.</summary>
    private sealed record Listed(TopProducts List, long ReadAt, TimeSpan Took);
}
