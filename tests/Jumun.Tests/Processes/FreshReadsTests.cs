using System.Diagnostics;
using System.Globalization;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Stores;

namespace Jumun.Tests.Processes;

/// <summary>
/// A read that begins after an acknowledgement sees its effect, also in another process than the one that acknowledged.
/// On SQLite, where there is one process, it is both.
/// </summary>
[Collection(nameof(Servers))]
public sealed class FreshReadsTests
{
    private const int Readers = 64;

    // A million for a longer run: JUMUN_TEST_READS.
    private static readonly long Reads = long.Parse(Environment.GetEnvironmentVariable("JUMUN_TEST_READS") ?? "20000", CultureInfo.InvariantCulture);

    [Fact]
    public async Task Reads_see_what_another_process_acknowledged_before_they_began()
    {
        await using Servers servers = await Servers.StartAsync(TestData.Kind == StoreKind.Postgres ? 2 : 1, kind: TestData.Kind);
        long begun = Stopwatch.GetTimestamp();
        FreshReadsReport report = await new FreshReads(await GrowingAsync(servers[0], servers.Running[^1])).RunAsync(Reads, Readers);
        TestContext.Current.TestOutputHelper?.WriteLine($"{TestData.Kind}: {report}, in {Stopwatch.GetElapsedTime(begun).TotalSeconds:F1} s.");
        Assert.Equal((Reads, 0), (report.Reads, report.Stale));
        Assert.True(report.Writes > Reads / 1_000, $"Hardly anything was written: {report}");
        await servers.AuditAsync();
    }

    /// <summary>The check is only worth what it catches. The reads that it judges are answered over a line on which answers take a millisecond.</summary>
    [Theory]
    [InlineData("as they are", false)]
    [InlineData("a reader who comes late joins the query that was sent", true)]
    [InlineData("what was read is told again for thirty milliseconds", true)]
    public async Task Reads_that_are_not_fresh_are_found(string reads, bool isFound)
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller admin = shop.AsAdmin();
        long product = await admin.CreateProductAsync(stock: 1);
        async Task<ProductView?> QueryAsync()
        {
            ProductView? view = await shop.Store.ProductAsync(product);
            await Task.Delay(1);
            return view;
        }

        var together = new PointReads(async round => round.Found((await QueryAsync())!));
        Func<Task<ProductView?>> read = reads switch
        {
            "as they are" => () => together.ProductAsync(product).AsTask(),
            "a reader who comes late joins the query that was sent" => new LateReads(QueryAsync).ReadAsync,
            _ => new RememberedReads(QueryAsync, TimeSpan.FromMilliseconds(30)).ReadAsync,
        };
        var stock = new Growing(
            "stock",
            async () => (long)(await admin.PostAsync($"/admin/products/{product}/stock", """{"change":1,"reason":"found"}""")).Is(200)["stock"]!,
            async () => (await read())!.Stock);
        FreshReadsReport report = await new FreshReads([stock]).RunAsync(reads: 2_000, readers: 8);
        for (int more = 0; isFound && report.Stale == 0 && more < 5; more++)
        {
            // A machine with other work writes so seldom that nobody comes late in that time.
            report = await new FreshReads([stock]).RunAsync(reads: 2_000, readers: 8);
        }

        TestContext.Current.TestOutputHelper?.WriteLine(report.ToString());
        Assert.True(isFound == report.Stale > 0, report.ToString());
    }

    /// <summary>Stocks, balances and coupons, each several, so that a query answers for many.</summary>
    private static async Task<IReadOnlyList<Growing>> GrowingAsync(Server writes, Server reads)
    {
        var honest = new Honest();
        TestCaller admin = writes.AsAdmin();
        var numbers = new List<Growing>();
        for (int i = 0; i < 3; i++)
        {
            long product = await admin.CreateProductAsync(stock: 1);
            long coupon = await admin.CreateCouponAsync(quantity: 100_000_000);
            TestCaller member = writes.As($"m{i}");
            long claimed = 0;
            async Task<long> WriteAsync(TestCaller caller, string path, string? body, string name, int status)
            {
                TestAnswer answer = await honest.AskAsync(() => caller.PostAsync(path, body));
                return (long)answer.Is(status)[name]!;
            }

            numbers.Add(new Growing(
                $"stock {i}", () => WriteAsync(admin, $"/admin/products/{product}/stock", """{"change":1,"reason":"found"}""", "stock", 200),
                Reader(reads.AsAdmin(), $"/products/{product}", "stock")));
            numbers.Add(new Growing(
                $"points {i}", () => WriteAsync(member, $"/members/{member.Member}/points/charge", """{"amount":3}""", "balance", 200),
                Reader(reads.As(member.Member), $"/members/{member.Member}/points", "balance")));

            // What remains falls from claim to claim; what is gone grows.
            Func<Task<long>> remaining = Reader(reads.AsAdmin(), $"/coupons/{coupon}", "remaining");
            numbers.Add(new Growing(
                $"coupon {i}", () => WriteAsync(writes.As($"c{++claimed}"), $"/coupons/{coupon}", null, "number", 201),
                async () => 100_000_000 - await remaining()));
        }

        return numbers;
    }

    private static Func<Task<long>> Reader(TestCaller caller, string path, string name)
    {
        string member = $"\"{name}\":";
        return async () =>
        {
            // A million answers are not taken apart for one number.
            string text = (await caller.GetAsync(path)).Is(200).Text;
            int start = text.IndexOf(member, StringComparison.Ordinal) + member.Length;
            int end = text.AsSpan(start).IndexOfAnyExcept("0123456789");
            return long.Parse(text.AsSpan(start, end), CultureInfo.InvariantCulture);
        };
    }
}
