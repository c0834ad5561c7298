using System.Collections.Concurrent;

namespace Jumun.Tests.Crashes;

/// <summary>The disk of a SQLite file has no room left, or may not be written at all. Then nothing is acknowledged that is not there.</summary>
[Once]
public sealed class FullDiskTests
{
    private const int Clients = 8;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Disks => [.. SmallDisk.Kinds.Select(kind => kind.ToString())];

    [Theory]
    [MemberData(nameof(Disks))]
    public async Task A_full_disk_refuses_and_with_room_again_the_same_server_goes_on(string kind)
    {
        await using SmallDisk disk = await SmallDisk.CreateAsync(Enum.Parse<DiskKind>(kind));
        using var server = new ServerProcess(disk.Folder, Settings(disk)) { Wrapper = SmallDisk.Wrapper };
        await server.StartAsync(Cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        var asked = new ConcurrentBag<Asked>();
        await ChargeUntilAsync(http, asked, enough: () => asked.Count >= 200);
        Assert.All(asked, one => one.Answer.Is(200));

        await disk.FillAsync(server.ProcessId);
        await ChargeUntilAsync(http, asked, enough: () => asked.Count(one => one.Answer.Status != 200) >= 100);
        TestAnswer[] refused = [.. asked.Select(one => one.Answer).Where(answer => answer.Status != 200)];
        Assert.All(refused, answer => answer.IsProblem(503, "unavailable"));
        Assert.All(refused, answer => Assert.NotNull(answer.Headers.RetryAfter));

        await disk.GrowAsync(server.ProcessId);
        await TestShop.UntilAsync(
            async () => (await Caller(http, 0).PostAsync("/members/m0/points/charge", """{"amount":1}""", "room")).Status == 200, seconds: 20);
        await ReconcileAsync(server, http, [.. asked]);
        await server.KillAsync(Cancellation);
        await server.StartAsync(Cancellation);
        await ReconcileAsync(server, http, [.. asked]);
        int unknown = refused.Count(answer => (string?)answer["outcome"] == "unknown");
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{kind}: {asked.Count - refused.Length} acknowledged, {refused.Length} refused, {unknown} of them unknown");
        Assert.DoesNotContain(server.Said, line => line.Contains("bug", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_file_that_may_not_be_written_is_refused_at_the_start_with_what_to_do()
    {
        bool canMount = SmallDisk.Kinds.Contains(DiskKind.Mount);
        await using SmallDisk disk = await SmallDisk.CreateAsync(canMount ? DiskKind.Mount : DiskKind.Limit);
        string path = Path.Combine(disk.Folder, "jumun.db");
        using var server = new ServerProcess(disk.Folder, Settings(disk));
        Assert.Equal(0, (await server.RunAsync(Cancellation, "migrate")).ExitCode);
        if (canMount)
        {
            await disk.LockAsync();
        }
        else if (!Environment.IsPrivilegedProcess)
        {
            new FileInfo(path).IsReadOnly = true;
        }
        else
        {
            // Rights do not bind the administrator, and no file system can be mounted: a folder in which nobody can make a file.
            path = "/proc/jumun.db";
        }

        using var refused = new ServerProcess(disk.Folder, new() { ["ConnectionStrings:Jumun"] = $"Data Source={path}" });
        (int exitCode, string output) = await refused.RunAsync(Cancellation, "serve");
        Assert.True(exitCode is not 0 and not 134, $"{exitCode}: {output}");
        Assert.Contains(path, output, StringComparison.Ordinal);
        Assert.DoesNotContain("Another process", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        if (canMount)
        {
            Assert.Contains("Read-only", output, StringComparison.Ordinal);
        }
    }

    private static Dictionary<string, string?> Settings(SmallDisk disk) =>
        new() { ["ConnectionStrings:Jumun"] = $"Data Source={Path.Combine(disk.Folder, "jumun.db")}" };

    private static TestCaller Caller(HttpClient http, int client) => new(http, $"m{client}", TestShop.Token($"m{client}"));

    private static Task ChargeUntilAsync(HttpClient http, ConcurrentBag<Asked> asked, Func<bool> enough) =>
        Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            while (!enough())
            {
                string key = Guid.NewGuid().ToString();
                asked.Add(new Asked(client, key, await Caller(http, client).PostAsync($"/members/m{client}/points/charge", """{"amount":1}""", key)));
            }
        }));

    /// <summary>What was acknowledged is there; what was refused without effect is not, until it is asked for again.</summary>
    private static async Task ReconcileAsync(ServerProcess server, HttpClient http, Asked[] asked)
    {
        (int exitCode, string output) = await server.RunAsync(Cancellation, "audit");
        Assert.True(exitCode == 0, output);
        foreach (Asked one in asked)
        {
            TestAnswer again = (await Caller(http, one.Client).PostAsync($"/members/m{one.Client}/points/charge", """{"amount":1}""", one.Key)).Is(200);
            bool isReplayed = again.Headers.Contains("Idempotency-Replayed");
            if (one.Answer.Status == 200)
            {
                Assert.True(isReplayed, $"{one.Key} was acknowledged, and is lost.");
                Assert.Equal(one.Answer.Text, again.Text);
            }
            else if (!one.IsAskedAgain && (string?)one.Answer["outcome"] == "none")
            {
                Assert.False(isReplayed, $"{one.Key} had no effect, and had happened.");
            }

            one.IsAskedAgain = true;
        }

        foreach (IGrouping<int, Asked> own in asked.GroupBy(one => one.Client))
        {
            Assert.Equal(own.Count() + (own.Key == 0 ? 1 : 0), await Caller(http, own.Key).BalanceAsync());
        }
    }

    private sealed record Asked(int Client, string Key, TestAnswer Answer)
    {
        public bool IsAskedAgain { get; set; }
    }
}
