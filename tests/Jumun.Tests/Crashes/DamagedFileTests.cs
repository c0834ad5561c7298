using System.Globalization;
using Jumun.Server;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Tests.Crashes;

/// <summary>
/// A SQLite file after what no process can prevent: the end of its log is missing or scrambled, or the file itself was cut.
/// A log is read up to the last commit that is whole, so that the books hold; a file that was cut is not served as if it were whole.
/// </summary>
[Once]
public sealed class DamagedFileTests
{
    private const int Logs = 40;

    [Fact]
    public async Task A_log_without_its_end_is_read_to_its_last_whole_commit()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await KilledAsync(data, cancellation);
        string path = Path.Combine(data.Folder, "jumun.db");
        byte[] log = await File.ReadAllBytesAsync($"{path}-wal", cancellation);
        Assert.True(log.Length > 200_000, "The log is too short to be damaged in many places.");
        var random = new Random(20_261_124);
        var found = new SortedSet<long>();
        for (int i = 0; i < Logs; i++)
        {
            using var folder = new TemporaryFolder();
            string copy = Path.Combine(folder.FullName, "jumun.db");
            File.Copy(path, copy);
            int from = random.Next(log.Length);
            byte[] damaged = (i % 3) switch
            {
                0 => log[..from],
                1 => [.. log[..from], .. new byte[log.Length - from]],
                _ => Flipped(log, from),
            };
            await File.WriteAllBytesAsync($"{copy}-wal", damaged, cancellation);
            await using SqliteStore store = SqliteStore.Open(copy);
            Assert.All(await store.AuditAsync(), report => Assert.True(report.Holds, $"{report.Id}: {string.Join("; ", report.Offenders)}"));
            found.Add((await store.PointsAsync("m")).Balance);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{Logs} damaged logs, {found.Count} different states, all of them whole");
        Assert.True(found.Count > 5, "The damage made no difference.");
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public async Task A_file_that_was_cut_is_not_served_as_if_it_were_whole(double left)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await KilledAsync(data, cancellation);
        string path = Path.Combine(data.Folder, "jumun.db");
        await SqliteStore.Open(path).DisposeAsync();
        await using (FileStream file = File.OpenWrite(path))
        {
            file.SetLength((long)(file.Length * left));
        }

        using var server = new ServerProcess(data);
        foreach (string verb in (string[])["audit", "serve"])
        {
            (int exitCode, string output) = await server.RunAsync(cancellation, verb);
            Assert.True(exitCode != 0, output);
            Assert.Contains($"{path} cannot be opened: SQLite error 11: database disk image is malformed", output, StringComparison.Ordinal);
            TestContext.Current.TestOutputHelper?.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"{left:P0} left, {verb}: exit code {exitCode}: {output.Trim()}"));
        }
    }

    /// <summary>A server that was killed: its file, and its log with many commits.</summary>
    private static async Task KilledAsync(TestData data, CancellationToken cancellation)
    {
        using var server = new ServerProcess(data);
        await server.StartAsync(cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        var member = new TestCaller(http, "m", TestShop.Token("m"));
        long product = await new TestCaller(http, "admin", TestShop.Token("admin", admin: true)).CreateProductAsync(price: 1, stock: 1_000);
        for (int i = 0; i < 40; i++)
        {
            await member.ChargeAsync(3);
            await member.PayAsync((await member.OrderAsync(product)).Is(201));
        }

        await server.KillAsync(cancellation);
    }

    private static byte[] Flipped(byte[] log, int at)
    {
        byte[] flipped = [.. log];
        flipped[at] ^= 0x40;
        return flipped;
    }
}
