using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace DataPlatform;

/// <summary>The page that a person reads: drawn here, in HTML and SVG, so that a browser runs nothing.</summary>
internal static class Page
{
    /// <summary>How it looks.</summary>
    public static byte[] Style { get; } = Resource("page.css");

    /// <summary>Its mark in the browser's tab.</summary>
    public static byte[] Icon { get; } = Resource("icon.svg");

    private const int TopProducts = 6;
    private const int Buyers = 6;
    private const int ChartHours = 24;
    private const int ChartDays = 14;

    // The size of a drawing, in its own units: as wide as a telephone's screen, where one unit is about one pixel.
    private const int Width = 360;
    private const int Height = 170;
    private const int Left = 44;
    private const int Bottom = 150;
    private const int Top = 10;
    private const int NameCharacters = 34;

    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);

    public static async Task<string> RenderAsync(Analytics analytics, DateTimeOffset now, Texts texts)
    {
        DateTimeOffset hour = new(now.Ticks - (now.Ticks % TimeSpan.TicksPerHour), TimeSpan.Zero);
        DateTimeOffset firstHour = hour.AddHours(1 - ChartHours);
        DateTimeOffset firstDay = new DateTimeOffset(now.Date, TimeSpan.Zero).AddDays(1 - ChartDays);
        Totals totals = await analytics.TotalsAsync();
        List<Revenue> hours = await analytics.RevenueAsync(firstHour, hour.AddHours(1), hours: 1);
        List<Revenue> days = await analytics.RevenueAsync(firstDay, hour.AddHours(1), hours: 24);
        List<ProductSales> products = await analytics.TopProductsAsync(firstHour, TopProducts);
        BuyersAnswer buyers = await analytics.BuyersAsync(Buyers);
        return $"""
            <!doctype html>
            <html lang="{texts.Language}">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="refresh" content="10">
            <title>{Text(texts.Title)} · Jumun</title>
            <link rel="icon" href="/icon.svg" type="image/svg+xml">
            <link rel="stylesheet" href="/page.css">
            </head>
            <body>
            <header><h1>{Text(texts.Title)}</h1><p class="soft">{Text(texts.Subtitle)}</p></header>
            <main>
            <dl class="tiles">
            {Tile(texts.Revenue, Money(texts, totals.Revenue), texts.RevenueNote)}
            {Tile(texts.Orders, Number(totals.Completed), $"{texts.Refunds}: {Number(totals.Refunded)}")}
            {Tile(texts.Discounts, Money(texts, totals.Discounts), "")}
            {Tile(texts.Events, Number(totals.Events), $"{texts.Duplicates}: {Number(totals.Duplicates)}")}
            {Tile(texts.Lag, totals.Events == 0 ? "–" : Duration(totals.LagMilliseconds), texts.LagNote)}
            </dl>
            <div class="cards">
            {Card(texts.RevenueByHour, texts.RevenueNote, Columns(
                texts.RevenueByHour, "bar", texts,
                [.. Enumerable.Range(0, ChartHours).Select(index => firstHour.AddHours(index))
                    .Select(time => (time.ToString("HH", CultureInfo.InvariantCulture), hours.Find(one => one.Since == time)?.Net ?? 0))]))}
            {Card(texts.TopProducts, texts.TopNote, Bars(texts, products))}
            {Card(texts.DiscountsByDay, "", Columns(
                texts.DiscountsByDay, "bar2", texts,
                [.. Enumerable.Range(0, ChartDays).Select(index => firstDay.AddDays(index))
                    .Select(time => (time.ToString("M/d", CultureInfo.InvariantCulture), days.Find(one => one.Since == time)?.Discounts ?? 0))]))}
            {Card(texts.RepeatBuyers, Filled(texts.RepeatNote, Number(buyers.RepeatBuyers), Number(buyers.Buyers)), Table(texts, buyers.Items))}
            </div>
            </main>
            <footer><p class="soft">{Text(Filled(texts.AsOf, now.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)))}</p></footer>
            </body>
            </html>

            """;
    }

    private static byte[] Resource(string name)
    {
        using Stream stream = typeof(Page).Assembly.GetManifestResourceStream(name)!;
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static string Tile(string name, string figure, string note) =>
        $"""<div class="tile"><dt>{Text(name)}</dt><dd class="figure">{Text(figure)}</dd><dd class="soft">{Text(note)}</dd></div>""";

    private static string Card(string title, string note, string? content) =>
        $"""<section><h2>{Text(title)}</h2><p class="soft">{Text(note)}</p>{content}</section>""";

    private static string Nothing(Texts texts) => $"""<p class="nothing">{Text(texts.Nothing)}</p>""";

    /// <summary>A column each, over a scale that ends on a round number. What is below nothing is not drawn, and told in its words.</summary>
    private static string Columns(string title, string style, Texts texts, IReadOnlyList<(string Name, long Value)> columns)
    {
        if (columns.All(column => column.Value == 0))
        {
            return Nothing(texts);
        }

        decimal most = RoundAbove(columns.Max(column => column.Value));
        var svg = new StringBuilder($"""<svg viewBox="0 0 {Width} {Height}" role="img" aria-label="{Text(title)}">""");
        for (int step = 0; step <= 4; step++)
        {
            decimal y = Bottom - ((Bottom - Top) * step / 4m);
            svg.Append($"""<line class="grid" x1="{Left}" x2="{Width}" y1="{Exact(y)}" y2="{Exact(y)}"/>""");
            svg.Append($"""<text class="end" x="{Left - 6}" y="{Exact(y + 3)}">{Short(most * step / 4)}</text>""");
        }

        decimal pitch = (decimal)(Width - Left) / columns.Count;
        int named = columns.Count > 16 ? 3 : 2;
        foreach ((int index, (string name, long value)) in columns.Index())
        {
            decimal x = Left + (pitch * index);
            decimal height = value <= 0 ? 0 : Math.Max(1, (Bottom - Top) * value / most);
            svg.Append($"""<rect class="{style}" x="{Exact(x + (pitch * .15m))}" y="{Exact(Bottom - height)}" width="{Exact(pitch * .7m)}" """);
            svg.Append($"""height="{Exact(height)}" rx="1.5"><title>{Text(name)}: {Text(Money(texts, value))}</title></rect>""");
            if ((columns.Count - 1 - index) % named == 0)
            {
                svg.Append($"""<text class="middle" x="{Exact(x + (pitch / 2))}" y="{Height - 6}">{Text(name)}</text>""");
            }
        }

        return svg.Append("</svg>").ToString();
    }

    /// <summary>A bar each, with its name above it.</summary>
    private static string Bars(Texts texts, IReadOnlyList<ProductSales> products)
    {
        if (products.Count == 0)
        {
            return Nothing(texts);
        }

        const int row = 28;
        long most = products.Max(product => product.Quantity);
        var svg = new StringBuilder($"""<svg viewBox="0 0 {Width} {products.Count * row}" role="img" aria-label="{Text(texts.TopProducts)}">""");
        foreach ((int index, ProductSales product) in products.Index())
        {
            int y = index * row;
            decimal width = Math.Max(2, Width * (decimal)product.Quantity / most);
            string name = product.Name.Length > NameCharacters ? $"{product.Name[..NameCharacters]}…" : product.Name;
            svg.Append($"""<text class="strong" x="0" y="{y + 10}">{Text(name)}</text>""");
            string sold = $"{Filled(texts.Pieces, Number(product.Quantity))} · {Money(texts, product.Amount)}";
            svg.Append($"""<text class="end" x="{Width}" y="{y + 10}">{Text(sold)}</text>""");
            svg.Append($"""<rect class="rest" x="0" y="{y + 15}" width="{Width}" height="6" rx="3"/>""");
            svg.Append($"""<rect class="bar" x="0" y="{y + 15}" width="{Exact(width)}" height="6" rx="3"/>""");
        }

        return svg.Append("</svg>").ToString();
    }

    private static string Table(Texts texts, IReadOnlyList<Buyer> buyers)
    {
        if (buyers.Count == 0)
        {
            return Nothing(texts);
        }

        var rows = new StringBuilder();
        foreach (Buyer buyer in buyers)
        {
            rows.Append($"""<tr><td>{Text(buyer.MemberId)}</td><td class="number">{Number(buyer.Orders)}</td>""");
            rows.Append($"""<td class="number">{Text(Money(texts, buyer.Spent))}</td></tr>""");
        }

        return $"""
            <table><thead><tr><th>{Text(texts.Member)}</th><th class="number">{Text(texts.Orders)}</th><th class="number">{Text(texts.Spent)}</th></tr></thead>
            <tbody>{rows}</tbody></table>
            """;
    }

    /// <summary>A round number that is not below another: its quarters are short to write.</summary>
    private static decimal RoundAbove(long value)
    {
        decimal power = 1;
        while (power * 10 <= value)
        {
            power *= 10;
        }

        decimal[] steps = [1, 1.2m, 1.6m, 2, 2.4m, 3.2m, 4, 6, 8, 10];
        return Math.Max(4, steps.Select(step => step * power).First(round => round >= value));
    }

    private static string Short(decimal value) => value switch
    {
        >= 1_000_000_000 => $"{Exact(value / 1_000_000_000)}B",
        >= 1_000_000 => $"{Exact(value / 1_000_000)}M",
        >= 1_000 => $"{Exact(value / 1_000)}k",
        _ => Exact(value),
    };

    private static string Duration(long milliseconds) =>
        milliseconds < 10_000 ? $"{Number(milliseconds)} ms" : $"{Number(milliseconds / 1_000)} s";

    private static string Exact(decimal value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Money(Texts texts, long value) => (value < 0 ? "−" : "") + Filled(texts.Money, Number(Math.Abs(value)));

    private static string Filled(string text, params object[] values) => string.Format(CultureInfo.InvariantCulture, text, values);

    private static string Text(string text) => Encoder.Encode(text);
}
