using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Jumun.Server;

namespace Jumun.Tests;

/// <summary>The repository keeps its own rules. Whoever breaks one is told what to do instead.</summary>
public sealed partial class TidyTests
{
    private const int FileLines = 500;
    private const int MethodLines = 70;

    /// <summary>A file, by its path, in which no line matches the pattern; and what to write instead.</summary>
    private sealed record Rule(string Name, string Files, string Pattern, string Instead);

    private static readonly Rule[] Rules =
    [
        new("long line", @"\.cs$", "^.{161,}", "break it: a line has 160 characters at most"),
        new("tab", @"\.cs$", @"\t", "four spaces, or \\t in a string"),
        new("blocked thread", @"^src/.*\.cs$", @"\bThread\.Sleep\b", "await Task.Delay with the server's TimeProvider"),
        new("blocked task", @"^(src|tests)/.*\.cs$", @"Async\(.*\)\.(Result\b|Wait\(\))|\.GetAwaiter\(\)\.GetResult\(\)", "await it"),
        new("own clock", @"^src/.*\.cs$", @"\bDateTime(Offset)?\.(UtcNow|Now|Today)\b", "TimeProvider.GetUtcNow(), so that tests can move the clock"),
        new("random id", @"^src/.*\.cs$", @"\bGuid\.(NewGuid|CreateVersion7)\(\)", "OrderIds.Next(), so that ids sort by time"),
        new("note to self", "^(src|tests)/", $@"\b({"TO"}DO|{"FIX"}ME|{"HA"}CK|{"XX"}X)\b", "do it now, or leave it out"),
        new("own package version", @"\.csproj$", @"\bVersion(Override)?=", "a PackageVersion in Directory.Packages.props"),
        new("path of one machine", "", @"(^|[\s""'`=(])/(home|root|tmp)/", "a relative path, or a folder made for the purpose"),
    ];

    /// <summary>What is larger than the rule allows, with its size. A number here may only shrink, and a line go away.</summary>
    private static readonly Dictionary<string, int> LargerFiles = [];

    private static readonly Dictionary<string, int> LongerMethods = new()
    {
        // A table: one arm for each refusal.
        ["src/Jumun.Server/Problems/ProblemText.cs: Of"] = 115,
        // One block for each kind of row.
        ["src/Jumun.Server/Stores/Sqlite/SqliteStore.Batches.cs: LoadRows"] = 108,
    };

    /// <summary>The folder of the repository.</summary>
    internal static readonly string Root = FindRoot();
    private static readonly string[] Files = FindFiles();

    public static TheoryData<string> RuleNames => [.. Rules.Select(rule => rule.Name)];

    [Theory]
    [MemberData(nameof(RuleNames))]
    public void No_line_breaks_a_rule(string name)
    {
        Rule rule = Rules.Single(rule => rule.Name == name);
        var pattern = new Regex(rule.Pattern);

        NothingIn(
            from file in FilesLike(rule.Files)
            where !file.EndsWith(".png", StringComparison.Ordinal)
            from line in File.ReadLines(PathOf(file)).Index()
            where pattern.IsMatch(line.Item)
            select $"{file}:{line.Index + 1}: {rule.Name}; instead: {rule.Instead}");
    }

    /// <summary>What the compiler's look at the formatting leaves out.</summary>
    [Fact]
    public void Every_source_ends_with_a_whole_line_and_no_line_with_a_carriage_return() => NothingIn(
        from file in FilesLike(@"\.cs$")
        let text = File.ReadAllText(PathOf(file))
        where !text.EndsWith('\n') || text.Contains('\r', StringComparison.Ordinal)
        select $"{file}: end its last line, and each with a line feed alone");

    [Fact]
    public void A_file_holds_one_idea_and_not_more_lines_than_that_takes() => OnlyShrinks(
        FileLines, LargerFiles, FilesLike(@"^src/.*\.cs$").Select(file => (file, File.ReadLines(PathOf(file)).Count())));

    [Fact]
    public void A_method_can_be_read_in_one_sitting() => OnlyShrinks(
        MethodLines,
        LongerMethods,
        from file in FilesLike(@"^src/.*\.cs$")
        from method in MethodsOf(File.ReadAllLines(PathOf(file)))
        select ($"{file}: {method.Name}", method.Lines));

    [Fact]
    public void Every_relative_link_leads_somewhere() => NothingIn(
        from file in FilesLike(@"\.md$")
        from link in Link().Matches(Read(file))
        let target = Path.Combine(Path.GetDirectoryName(PathOf(file))!, link.Groups["path"].Value)
        where !File.Exists(target) && !Directory.Exists(target)
        select $"{file}: {link.Groups["path"]} is not there");

    [Fact]
    public void Every_file_that_a_document_names_is_there() => NothingIn(
        from file in FilesLike(@"\.md$")
        from named in NamedFile().Matches(Read(file))
        where !Files.Any(other => $"/{other}".EndsWith($"/{named.Groups["path"].Value}", StringComparison.Ordinal))
        select $"{file}: {named.Groups["path"]} is not there");

    [Fact]
    public void Both_readmes_have_the_same_headings_and_code() =>
        Assert.Equal(Outline().Matches(Read("README.md")).Select(part => part.Value), Outline().Matches(Read("README.ko.md")).Select(part => part.Value));

    [Fact]
    public void Every_setting_in_the_readme_is_read()
    {
        string code = string.Concat(FilesLike(@"^src/Jumun\.Server/(Settings|Telemetry|Verbs/Surroundings)\.cs$").Select(Read));
        string[] settings = [.. Setting().Matches(Read("README.md")).Select(setting => setting.Groups["name"].Value).Distinct()];

        Assert.Contains("SigningKey", settings);
        Assert.Contains("URLS", settings);
        // The framework reads the environment's name; we ask which it is.
        NothingIn(settings
            .Where(name => !code.Contains(name == "ENVIRONMENT" ? ".IsDevelopment()" : $"{name}\"", StringComparison.Ordinal))
            .Select(name => $"README.md: the setting …{name} is read nowhere"));
    }

    [Fact]
    public void The_changelog_names_the_version()
    {
        string version = XDocument.Load(PathOf("Directory.Build.props")).Descendants("Version").Single().Value;

        Assert.Matches($@"(?m)^## .*\b{Regex.Escape(version)}\b", Read("CHANGELOG.md"));
    }

    [Fact]
    public void Migrations_are_numbered_without_gaps()
    {
        var folders = FilesLike(@"/Migrations/[^/]+\.sql$").GroupBy(file => Path.GetDirectoryName(file)).ToList();

        Assert.NotEmpty(folders);
        Assert.All(folders, folder => Assert.Equal(
            Enumerable.Range(1, folder.Count()).Select(number => $"{number:0000}-"),
            folder.Select(file => Path.GetFileName(file)[..5]).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void Every_bound_binds()
    {
        string code = string.Concat(FilesLike(@"^src/.*\.(cs|razor)$").Select(Read));

        NothingIn(
            from type in new[] { typeof(Bounds), typeof(Limits) }
            from field in type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            where !Regex.IsMatch(code, $@"\b{type.Name}\.{field.Name}\b")
            select $"{type.Name}.{field.Name} bounds nothing");
    }

    private static void NothingIn(IEnumerable<string> offences) => Assert.True(!offences.Any(), string.Join('\n', offences));

    /// <summary>Nothing is larger than allowed but what is listed, and that is exactly as large as the list says.</summary>
    private static void OnlyShrinks(int allowed, Dictionary<string, int> larger, IEnumerable<(string Name, int Lines)> found)
    {
        // Overloads share a name: the longest speaks for all.
        var sizes = found.GroupBy(one => one.Name).ToDictionary(group => group.Key, group => group.Max(one => one.Lines));
        NothingIn(
            from size in sizes
            where size.Value > allowed && size.Value > larger.GetValueOrDefault(size.Key)
            select $"{size.Key} has {size.Value} lines, {Math.Max(allowed, larger.GetValueOrDefault(size.Key))} are allowed; instead: take an idea out of it");
        NothingIn(
            from exception in larger
            let size = sizes.GetValueOrDefault(exception.Key)
            where size < exception.Value
            select $"{exception.Key} has shrunk to {size} lines: " + (size > allowed ? "write that into the list" : "take it out of the list"));
    }

    /// <summary>Methods with more than one line, by the look of their first line and the brace below that closes them.</summary>
    private static IEnumerable<(string Name, int Lines)> MethodsOf(string[] lines)
    {
        for (int first = 0; first < lines.Length; first++)
        {
            if (MethodStart().Match(lines[first]) is not { Success: true } start)
            {
                continue;
            }

            // Whatever belongs to the method is indented further, but for its braces.
            string indent = start.Groups["indent"].Value;
            int last = first + 1;
            while (last < lines.Length && (lines[last] is "" || lines[last] == $"{indent}{{" || lines[last].StartsWith($"{indent} ", StringComparison.Ordinal)))
            {
                last++;
            }

            if (last < lines.Length && lines[last].StartsWith($"{indent}}}", StringComparison.Ordinal))
            {
                yield return (start.Groups["name"].Value, last - first + 1);
            }
        }
    }

    private static string Read(string file) => File.ReadAllText(PathOf(file));

    private static string PathOf(string file) => Path.Combine(Root, file);

    private static IEnumerable<string> FilesLike(string pattern) => Files.Where(file => Regex.IsMatch(file, pattern));

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Jumun.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("These tests read the repository that they were built in.");
    }

    /// <summary>What git keeps; without git, everything but what a build or a server leaves.</summary>
    private static string[] FindFiles()
    {
        string[] kept = [.. GitFiles().Where(file => File.Exists(PathOf(file)))];
        return kept.Length > 0
            ? kept
            : [.. Directory.EnumerateFiles(Root, "*", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
                .Where(file => !Regex.IsMatch(file, "(^|/)(bin|obj|data|artifacts|\\.git|\\.vs|\\.idea)/"))];
    }

    private static string[] GitFiles()
    {
        try
        {
            using var git = Process.Start(new ProcessStartInfo("git", ["-C", Root, "ls-files", "-z"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            return git.StandardOutput.ReadToEnd().Split('\0', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (Win32Exception)
        {
            return [];
        }
    }

    [GeneratedRegex(@"\]\((?<path>(?![a-z]+:|#)[^)#\s]+)[^)]*\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`(?<path>[\w./-]+\.(cs|sql|md|props|csproj|lua))`")]
    private static partial Regex NamedFile();

    [GeneratedRegex(@"(?m)^(#+(?= )|```\w*)")]
    private static partial Regex Outline();

    [GeneratedRegex(@"`(ASPNETCORE_|(\w+|…)__(\w+__)*)(?<name>[A-Za-z]+)`|`(?<name>OTEL_[A-Z_]+)`")]
    private static partial Regex Setting();

    [GeneratedRegex(
        @"^(?<indent> {4}| {8})(public|private|protected|internal|static)\b(?!.*\b(class|record|struct|interface|enum|delegate)\b)"
        + @"[^=]*?(?<name>\w+)(<[\w, ]+>)?\(")]
    private static partial Regex MethodStart();
}
