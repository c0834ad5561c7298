using System.Diagnostics;

namespace Jumun.Tests.Simulation;

/// <summary>A copy of the sources with every seeded bug in it, compiled, and these tests beside it.</summary>
public sealed class SeededBuild : IAsyncLifetime
{
    private const string Switch = """
        namespace Jumun;

        /// <summary>Which bug is on.</summary>
        public static class Seeded
        {
            private static readonly string? Bug = System.Environment.GetEnvironmentVariable("JUMUN_SEEDED_BUG");

            /// <summary>Whether this one is.</summary>
            public static bool Is(string name) => name == Bug;
        }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("jumun-seeded-").FullName;

    private string Tests => Path.Combine(folder, "tests");

    public async ValueTask InitializeAsync()
    {
        CopySources();
        await File.WriteAllTextAsync(Path.Combine(folder, "src", "Jumun", "Seeded.cs"), Switch);
        foreach (Edit edit in SeededBugs.All.SelectMany(bug => bug.Edits).Distinct())
        {
            string file = Path.Combine(folder, "src", edit.File);
            string[] parts = (await File.ReadAllTextAsync(file)).Split(edit.Text);
            Assert.True(parts.Length == 2, $"{edit.File} has this {parts.Length - 1} times, and must have it once:\n{edit.Text}");
            await File.WriteAllTextAsync(file, string.Join(edit.Instead, parts));
        }

        // What is compiled is judged by its tests here, not by its style.
        (int code, string output) = await RunAsync(
            null,
            "build", Path.Combine(folder, "src", "Jumun.Server"), "-c", "Release", "--output", Path.Combine(folder, "out"), "-nodeReuse:false", "-v:quiet",
            "-p:RunAnalyzers=false", "-p:EnforceCodeStyleInBuild=false", "-p:TreatWarningsAsErrors=false", "-p:GenerateDocumentationFile=false",
            "-p:UseSharedCompilation=false");
        Assert.True(code == 0, output);
        Copy(AppContext.BaseDirectory, Tests, ".playwright");
        foreach (string assembly in (string[])["Jumun.dll", "Jumun.Server.dll"])
        {
            File.Copy(Path.Combine(folder, "out", assembly), Path.Combine(Tests, assembly), overwrite: true);
        }
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs a test while a bug is on.</summary>
    /// <param name="test">The test.</param>
    /// <param name="bug">The bug; null for none.</param>
    public Task<(int Code, string Output)> RunTestAsync(string test, string? bug) =>
        RunAsync(bug, "exec", Path.Combine(Tests, "Jumun.Tests.dll"), "-noColor", "-noAutoReporters", "-method", test);

    private static async Task<(int Code, string Output)> RunAsync(string? bug, params string[] arguments)
    {
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true },
        };
        process.StartInfo.Environment["JUMUN_SEEDED_BUG"] = bug;
        process.StartInfo.Environment["JUMUN_TEST_SEEDS"] = "200";
        process.StartInfo.Environment["JUMUN_TEST_FIRST_SEED"] = null;
        process.StartInfo.Environment["JUMUN_TEST_SEED"] = null;
        process.Start();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output + await errors);
    }

    private void CopySources()
    {
        Copy(Path.Combine(TidyTests.Root, "src"), Path.Combine(folder, "src"), "bin", "obj", "data");
        foreach (string file in (string[])["Directory.Build.props", "Directory.Packages.props", "global.json", ".editorconfig"])
        {
            File.Copy(Path.Combine(TidyTests.Root, file), Path.Combine(folder, file));
        }
    }

    private static void Copy(string from, string to, params string[] without)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (string inner in Directory.EnumerateDirectories(from).Where(inner => !without.Contains(Path.GetFileName(inner))))
        {
            Copy(inner, Path.Combine(to, Path.GetFileName(inner)), without);
        }
    }
}
