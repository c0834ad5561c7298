using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Jumun.Bench;

/// <summary>A statement in a sample.</summary>
/// <param name="Median">Median of its times in the server, in milliseconds, without the planning.</param>
/// <param name="Count">How often it ran.</param>
/// <param name="Pages">Pages of tables and indexes that it touched, on average.</param>
/// <param name="PagesRead">Those of them that PostgreSQL had not in its own cache, on average.</param>
/// <param name="Scans">How its plans read tables: the kind of scan, and the index.</param>
internal sealed record Measured(double Median, int Count, double Pages, double PagesRead, IReadOnlyCollection<string> Scans);

/// <summary>What <c>auto_explain</c> wrote into the server's log, in JSON.</summary>
internal sealed partial class PlanLog(string path) : IDisposable
{
    private readonly FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

    public void Dispose() => file.Dispose();

    /// <summary>What stands there already is passed over.</summary>
    public void SkipToEnd() => file.Seek(0, SeekOrigin.End);

    /// <summary>The statements that were logged since, by their texts.</summary>
    public Dictionary<string, Measured> Read()
    {
        var statements = new Dictionary<string, Logged>();
        using var reader = new StreamReader(file, leaveOpen: true);
        double? time = null;
        var plan = new StringBuilder();
        while (true)
        {
            string? line = reader.ReadLine();
            if (line is not null && line.StartsWith('\t'))
            {
                plan.AppendLine(line);
                continue;
            }

            if (time is { } milliseconds && plan.Length > 0)
            {
                Add(statements, milliseconds, plan.ToString());
            }

            plan.Clear();
            if (line is null)
            {
                return statements.ToDictionary(pair => pair.Key, pair => pair.Value.Measure());
            }

            time = Heading().Match(line) is { Success: true } match ? double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : null;
        }
    }

    private static void Add(Dictionary<string, Logged> statements, double time, string json)
    {
        using JsonDocument logged = JsonDocument.Parse(json);
        string text = Blank().Replace(logged.RootElement.GetProperty("Query Text").GetString()!, " ").Trim();
        if (!statements.TryGetValue(text, out Logged? statement))
        {
            statements.Add(text, statement = new Logged());
        }

        statement.Times.Add(time);
        JsonElement plan = logged.RootElement.GetProperty("Plan");
        int read = plan.GetProperty("Shared Read Blocks").GetInt32();
        statement.Pages += plan.GetProperty("Shared Hit Blocks").GetInt32() + read;
        statement.PagesRead += read;
        AddScans(plan, statement.Scans);
    }

    private static void AddScans(JsonElement node, HashSet<string> scans)
    {
        string type = node.GetProperty("Node Type").GetString()!;
        if (node.TryGetProperty("Index Name", out JsonElement index))
        {
            scans.Add($"{type} {index.GetString()}");
        }
        else if (node.TryGetProperty("Relation Name", out JsonElement relation) && type != "ModifyTable")
        {
            scans.Add($"{type} {relation.GetString()}");
        }

        // An upsert reads the indexes that it names.
        if (node.TryGetProperty("Conflict Arbiter Indexes", out JsonElement arbiters))
        {
            scans.UnionWith(arbiters.EnumerateArray().Select(arbiter => $"Conflict {arbiter.GetString()}"));
        }

        if (node.TryGetProperty("Plans", out JsonElement plans))
        {
            foreach (JsonElement child in plans.EnumerateArray())
            {
                AddScans(child, scans);
            }
        }
    }

    private sealed class Logged
    {
        public List<double> Times { get; } = [];

        public HashSet<string> Scans { get; } = new(StringComparer.Ordinal);

        public double Pages { get; set; }

        public double PagesRead { get; set; }

        public Measured Measure()
        {
            Times.Sort();
            return new Measured(Times[Times.Count / 2], Times.Count, Pages / Times.Count, PagesRead / Times.Count, Scans);
        }
    }

    [GeneratedRegex(@"LOG:  duration: ([0-9.]+) ms  plan:$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blank();
}
