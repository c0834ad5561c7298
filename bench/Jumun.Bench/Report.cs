using System.Globalization;
using System.Text;

namespace Jumun.Bench;

/// <summary>One line of the raw results: names and values.</summary>
internal sealed class Result(Dictionary<string, string> values)
{
    public string this[string name] => values.GetValueOrDefault(name, "");

    public double Number(string name) => double.TryParse(this[name], CultureInfo.InvariantCulture, out double number) ? number : 0;

    /// <summary>Percentiles and milliseconds, as the load generator gave them.</summary>
    public IEnumerable<(double Percentile, double Milliseconds)> Latencies =>
        from pair in this["latencies"].Split(',', StringSplitOptions.RemoveEmptyEntries)
        let parts = pair.Split(':')
        select (double.Parse(parts[0], CultureInfo.InvariantCulture), double.Parse(parts[1], CultureInfo.InvariantCulture));

    public static Result Parse(string line) => new(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(pair => pair.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]));
}

/// <summary>Tables and a page with charts, made of the raw results of a run.</summary>
internal static class Report
{
    private static readonly (string Work, string Name)[] Works =
    [
        ("read", "exact reads (product, points, coupon in turn)"),
        ("charge", "charges"),
        ("coupon", "claims of a hot coupon, none refused"),
        ("hot", "purchases of one product (order and payment: two requests)"),
        ("spread", "purchases spread over 10,000 products"),
        ("mix", "nine reads in ten, the tenth a purchase, charge or claim"),
        ("ten", "a coupon, an order of ten lines with it, its payment (three requests)"),
    ];

    /// <summary>Shares of the ceiling: the least that is asked for, and what is aimed at.</summary>
    private static readonly Dictionary<(string Store, string Work), (double Floor, double Aim)> Shares = new()
    {
        [("sqlite", "read")] = (0.7, 0.9),
        [("postgres", "read")] = (0.6, 0.8),
        [("sqlite", "coupon")] = (0.6, 0.8),
        [("postgres", "coupon")] = (0.5, 0.7),
        [("sqlite", "charge")] = (0.6, 0.75),
        [("postgres", "charge")] = (0.45, 0.65),
        [("sqlite", "hot")] = (0.5, 0.7),
        [("postgres", "hot")] = (0.35, 0.5),
        [("sqlite", "spread")] = (0.5, 0.7),
        [("postgres", "spread")] = (0.35, 0.5),
    };

    public static async Task<int> RunAsync(string resultsPath, string pagePath)
    {
        List<Result> results = [.. (await File.ReadAllLinesAsync(resultsPath)).Select(Result.Parse)];
        Console.Write(Tables(results));
        await File.WriteAllTextAsync(pagePath, Page(results));
        return 0;
    }

    private static string Tables(List<Result> results)
    {
        var text = new StringBuilder();
        foreach (string store in Stores(results).Where(store => results.Exists(result => result["store"] == store && result["system"] == "jumun")))
        {
            text.AppendLine().Append("| Work, ").Append(StoreName(store)).AppendLine(
                " | requests/s | ceiling | share | floor / aim | p50 | p99 | p99.9 ms | errors | commands a batch | bytes a request |");
            text.AppendLine("|---|---|---|---|---|---|---|---|---|---|---|");
            foreach ((string work, string name) in Works)
            {
                List<Result> rounds = Rounds(results, "jumun", store, work);
                if (rounds.Count == 0)
                {
                    continue;
                }

                double share = Share(results, store, work);
                string asked = Shares.TryGetValue((store, work), out var target)
                    ? Invariant($"{target.Floor:0.##} / {target.Aim:0.##}{(share < target.Floor ? ", **missed**" : share < target.Aim ? "" : ", reached")}")
                    : "";
                double ceiling = Median(Rounds(results, "ceiling", store, work), "rate");
                text.Append(Invariant($"| {name} | {Median(rounds, "rate"):N0} | {ceiling:N0} | {share:F2} | {asked} "));
                text.Append(Invariant($"| {Median(rounds, "p50"):F1} | {Median(rounds, "p99"):F0} | {Median(rounds, "p999"):F0} "));
                text.Append(Invariant($"| {rounds.Sum(round => round.Number("errors")):F0} "));
                text.AppendLine(Invariant($"| {Median(rounds, "batch"):F0} | {Median(rounds, "allocated"):N0} |"));
            }
        }

        text.AppendLine();
        Growth(results, text);
        Ratios(results, text);
        return text.ToString();
    }

    private static void Growth(List<Result> results, StringBuilder text)
    {
        foreach (string store in Stores(results))
        {
            List<Result> growth = [.. results.Where(result => result["store"] == store && result["system"] == "growth")];
            if (growth.Count < 2)
            {
                continue;
            }

            // The first seconds are the warm-up's.
            List<Result> early = [.. growth.Skip(1).Take(3)];
            List<Result> late = [.. growth.TakeLast(3)];
            double first = Median(early, "rate");
            double last = Median(late, "rate");
            Result? size = results.Find(result => result["store"] == store && result["system"] == "size");
            text.Append(Invariant($"- {StoreName(store)}: {growth[^1].Number("orders"):N0} orders stored; "));
            text.Append(Invariant($"{first:N0} requests/s at first and {last:N0} at last ({last / first:F2}), "));
            text.Append(Invariant($"p99 {Median(early, "p99"):F0} and {Median(late, "p99"):F0} ms, of all together {Together(growth, 99):F0} ms, "));
            text.Append(Invariant($"memory {growth[^1].Number("rss") / 1048576:F0} MiB, "));
            text.AppendLine(Invariant($"{size?.Number("bytes_an_order"):N0} bytes an order."));
        }
    }

    /// <summary>A percentile of the latencies of several loads together; between what is known of each its curve is taken as straight.</summary>
    private static double Together(List<Result> loads, double percentile)
    {
        double requests = loads.Sum(load => load.Number("requests"));
        double low = 0;
        double high = loads.Max(load => load.Latencies.Last().Milliseconds);
        while (high - low > 0.01)
        {
            double middle = (low + high) / 2;
            double below = loads.Sum(load => load.Number("requests") * Below(load, middle)) / requests;
            (low, high) = below < percentile ? (middle, high) : (low, middle);
        }

        return high;
    }

    /// <summary>How many of a hundred answers of a load took less.</summary>
    private static double Below(Result load, double milliseconds)
    {
        (double Percentile, double Milliseconds) last = (0, 0);
        foreach ((double Percentile, double Milliseconds) point in load.Latencies)
        {
            if (milliseconds < point.Milliseconds)
            {
                double part = (milliseconds - last.Milliseconds) / (point.Milliseconds - last.Milliseconds);
                return last.Percentile + (part * (point.Percentile - last.Percentile));
            }

            last = point;
        }

        return 100;
    }

    private static void Ratios(List<Result> results, StringBuilder text)
    {
        foreach (string store in Stores(results))
        {
            double hot = Rate(results, "jumun", store, "hot");
            double spread = Rate(results, "jumun", store, "spread");
            if (hot > 0 && spread > 0)
            {
                text.AppendLine(Invariant($"- {StoreName(store)}: hot against spread {hot / spread:F2}."));
            }

            if (results.Find(result => result["system"] == "server" && result["store"] == store) is { } server)
            {
                List<Result> starts = [.. results.Where(result => result["system"] == "start" && result["store"] == store)];
                text.Append(Invariant($"- {StoreName(store)}: peak memory {server.Number("peak") / 1048576:F0} MiB; "));
                text.AppendLine(Invariant($"started again on what it stored, ready after {Median(starts, "ready_ms"):F0} ms."));
            }

            if (results.Find(result => result["system"] == "syncs" && result["store"] == store) is { } syncs)
            {
                double thousands = syncs.Number("commands") / 1_000;
                text.Append(Invariant($"- {StoreName(store)}: {syncs.Number("syncs"):N0} syncs for {syncs.Number("commits"):N0} commits "));
                text.AppendLine(Invariant($"of {syncs.Number("commands"):N0} commands, {syncs.Number("syncs") / thousands:F1} a thousand commands."));
            }
        }

        double pgbench = Rate(results, "pgbench", "postgres", "tpcb");
        foreach (string work in new[] { "charge", "coupon", "hot", "spread" })
        {
            double ours = Rate(results, "jumun", "postgres", work);
            double textbook = Rate(results, "textbook", "postgres", work);
            if (textbook > 0)
            {
                double p99 = Median(Rounds(results, "textbook", "postgres", work), "p99");
                text.Append(Invariant($"- The textbook's shop, {work}: {textbook:N0} requests/s, p99 {p99:N0} ms; "));
                double errors = Rounds(results, "textbook", "postgres", work).Sum(round => round.Number("errors"));
                text.AppendLine(Invariant($"Jumun {ours / textbook:F1} times that{(errors > 0 ? $"; {errors} of its requests failed" : "")}."));
            }
        }

        if (pgbench > 0)
        {
            double purchases = Rate(results, "jumun", "postgres", "hot");
            text.Append(Invariant($"- pgbench (TPC-B-like, 16 clients): {pgbench:N0} transactions/s; "));
            text.AppendLine(Invariant($"purchases {purchases / pgbench:F1} times that (in requests)."));
        }
    }

    private static string Page(List<Result> results)
    {
        var page = new StringBuilder();
        page.Append("""
            <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Jumun, measured</title><style>
            :root { color-scheme: light dark; --line: #8886; --one: #2563eb; --two: #d97706; --three: #059669; --four: #888 }
            body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
            table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto }
            td, th { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
            td:first-child, th:first-child { text-align: left; white-space: normal; min-width: 14rem }
            svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: currentColor }
            figure { margin: 1.5rem 0 } figcaption { font-weight: 600 }
            .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem }
            </style><h1>Jumun, measured</h1>
            """);
        page.Append(HtmlTables(Tables(results)));
        foreach (string store in Stores(results))
        {
            page.Append("<h2>").Append(StoreName(store)).Append("</h2><div class=\"two\">");
            AppendSweeps(results, store, page);
            AppendLatencies(results, store, page);
            AppendGrowth(results, store, page);
            page.Append("</div>");
        }

        return page.Append("</html>").ToString();
    }

    private static void AppendSweeps(List<Result> results, string store, StringBuilder page)
    {
        List<Result> sweep = [.. results.Where(result => result["store"] == store && result["round"] == "sweep")];
        foreach ((string work, string name) in Works)
        {
            ChartLine LineOf(string system) => new(system, [.. sweep.Where(result => result["work"] == work && result["system"] == system)
                .OrderBy(result => result.Number("connections")).Select(result => (result.Number("connections"), result.Number("rate")))]);
            ChartLine ours = LineOf("jumun");
            if (ours.Points.Count > 0)
            {
                page.Append(Chart.Draw(
                    $"Requests a second against connections: {name}", "connections", "requests/s", [ours, LineOf("ceiling")], logarithmic: true));
            }
        }
    }

    private static void AppendLatencies(List<Result> results, string store, StringBuilder page)
    {
        List<ChartLine> lines = [.. from work in Works
                               let rounds = Rounds(results, "jumun", store, work.Work)
                               where rounds.Count > 0
                               select new ChartLine(work.Work, [.. rounds[0].Latencies.Select(at => (1 / (1 - (at.Percentile / 100)), at.Milliseconds))])];
        if (lines.Count > 0)
        {
            page.Append(Chart.Draw("Latency at 256 connections: one request in so many is slower", "one in", "ms", lines, logarithmic: true));
        }
    }

    private static void AppendGrowth(List<Result> results, string store, StringBuilder page)
    {
        List<Result> growth = [.. results.Where(result => result["store"] == store && result["system"] == "growth").OrderBy(result => result.Number("orders"))];
        if (growth.Count < 2)
        {
            return;
        }

        ChartLine Of(string name, string value, double unit = 1) =>
            new(name, [.. growth.Select(result => (result.Number("orders") / 1e6, result.Number(value) / unit))]);
        page.Append(Chart.Draw("Purchases as orders are stored", "million orders", "requests/s", [Of("rate", "rate")]));
        page.Append(Chart.Draw("Latency as orders are stored", "million orders", "ms", [Of("p50", "p50"), Of("p99", "p99")]));
        page.Append(Chart.Draw(
            "Memory and disk as orders are stored", "million orders", "MiB", [Of("memory", "rss", 1048576), Of("database", "bytes", 1048576)]));
    }

    private static string HtmlTables(string markdown)
    {
        var html = new StringBuilder();
        bool inTable = false;
        foreach (string line in markdown.Split('\n', StringSplitOptions.TrimEntries))
        {
            bool isRow = line.StartsWith('|');
            if (isRow != inTable)
            {
                html.Append(isRow ? "<table>" : "</table>");
            }

            string text = line.Replace("**", "", StringComparison.Ordinal);
            if (isRow && !line.StartsWith("|---", StringComparison.Ordinal))
            {
                string cell = inTable ? "td" : "th";
                html.Append("<tr>").AppendJoin("", text.Trim('|').Split('|').Select(value => $"<{cell}>{value.Trim()}</{cell}>")).Append("</tr>");
            }
            else if (!isRow && text.Length > 0)
            {
                html.Append("<p>").Append(text.TrimStart('-', ' ')).Append("</p>");
            }

            inTable = isRow;
        }

        return html.Append(inTable ? "</table>" : "").ToString();
    }

    private static IEnumerable<string> Stores(List<Result> results) =>
        new[] { "sqlite", "postgres" }.Where(store => results.Exists(result => result["store"] == store));

    private static string StoreName(string store) => store == "sqlite" ? "SQLite" : "PostgreSQL";

    private static List<Result> Rounds(List<Result> results, string system, string store, string work) =>
        [.. results.Where(result => result["system"] == system && result["store"] == store && result["work"] == work && result["round"] != "sweep")];

    private static double Rate(List<Result> results, string system, string store, string work) => Median(Rounds(results, system, store, work), "rate");

    /// <summary>The median of the rounds' shares: each round has a ceiling of its own minute.</summary>
    private static double Share(List<Result> results, string store, string work)
    {
        List<double> shares = [.. from ours in Rounds(results, "jumun", store, work)
                                  from ceiling in Rounds(results, "ceiling", store, work)
                                  where ours["round"] == ceiling["round"] && ceiling.Number("rate") > 0
                                  select ours.Number("rate") / ceiling.Number("rate")];
        return Median(shares);
    }

    private static double Median(List<Result> rounds, string name) => Median([.. rounds.Select(round => round.Number(name))]);

    private static double Median(List<double> values)
    {
        values.Sort();
        return values.Count == 0 ? 0 : values.Count % 2 == 1 ? values[values.Count / 2] : (values[(values.Count / 2) - 1] + values[values.Count / 2]) / 2;
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
