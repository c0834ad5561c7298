namespace Jumun.Tests.Simulation;

/// <summary>What tests are worth: bugs are put into a copy of the program one by one, and a test that is named must catch each.</summary>
[Once]
public sealed class SeededBugTests(SeededBuild build) : IClassFixture<SeededBuild>
{
    private const int Races = 4;

    public static TheoryData<string> Bugs => [.. SeededBugs.All.Select(bug => bug.Name)];

    public static TheoryData<string> Tests => [.. SeededBugs.All.Select(bug => bug.Test).Distinct()];

    [Theory]
    [MemberData(nameof(Bugs))]
    public async Task A_seeded_bug_is_caught(string name)
    {
        SeededBug bug = SeededBugs.All.Single(bug => bug.Name == name);
        (int code, string output) = await build.RunTestAsync(bug.Test, bug.Name);
        for (int again = 0; again < Races && code == 0; again++)
        {
            // Some bugs are races: they may be lucky now and then, and are never so for long.
            (code, output) = await build.RunTestAsync(bug.Test, bug.Name);
        }

        Assert.True(code != 0 && output.Contains($"{bug.Test} [FAIL]", StringComparison.Ordinal), $"'{name}' got past {bug.Test}:\n{output}");
        TestContext.Current.TestOutputHelper?.WriteLine(output);
    }

    /// <summary>With no bug on, the same copy passes: what fails above fails for the bug.</summary>
    [Theory]
    [MemberData(nameof(Tests))]
    public async Task Without_a_bug_the_copy_passes(string test)
    {
        (int code, string output) = await build.RunTestAsync(test, bug: null);
        Assert.True(code == 0 && output.Contains("Total: 1, Errors: 0, Failed: 0", StringComparison.Ordinal), output);
    }
}
