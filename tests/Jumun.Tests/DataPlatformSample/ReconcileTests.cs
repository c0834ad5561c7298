using System.Globalization;
using System.Text.Json.Nodes;
using Jumun.Server;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;
using Jumun.Tests.Crashes;

namespace Jumun.Tests.Platform;

/// <summary>The command that compares the shop's ledger with the data platform, beside a shop that runs.</summary>
public sealed class ReconcileTests : IAsyncLifetime
{
    private const int Orders = 7;

    private TestData data = null!;
    private TestShop? shop;
    private PlatformProcess platform = null!;
    private List<JsonObject> events = [];

    /// <summary>Seven orders of 1,000 to 7,000 won were paid, the last was given back, one more waits for its payment.</summary>
    public async ValueTask InitializeAsync()
    {
        data = await TestData.CreateAsync();
        platform = await PlatformProcess.StartAsync();
        shop = await TestShop.StartAsync(data: data);
        long product = await shop.AsAdmin().CreateProductAsync(price: 1_000);
        for (int number = 1; number <= Orders; number++)
        {
            TestCaller member = shop.As($"member-{number % 3}");
            await member.ChargeAsync(100_000);
            TestAnswer order = (await member.OrderAsync(product, number)).Is(201);
            (await member.PayAsync(order)).Is(200);
            if (number == Orders)
            {
                (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
                (await member.OrderAsync(product)).Is(201);
            }
        }

        await TestShop.UntilAsync(async () => (await shop.AsAdmin().GetAsync("/admin/events?state=delivered")).Is(200)["items"]!.AsArray().Count == Orders + 1);
        string[] lines = await File.ReadAllLinesAsync(shop.EventsPath, TestContext.Current.CancellationToken);
        events = [.. lines.Select(line => JsonNode.Parse(line)!.AsObject()).OrderBy(TestEvents.IdOf, StringComparer.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        await platform.DisposeAsync();
        if (shop is not null)
        {
            await shop.DisposeAsync();
        }

        await data.DisposeAsync();
    }

    [Fact]
    public async Task Books_that_are_equal_are_told_so_with_their_sums()
    {
        (await platform.SendAsync([.. events])).Is(200);
        string output = await ReconcileAsync(0);
        Assert.Contains("Nothing differs.", output, StringComparison.Ordinal);
        Has(output, "completed", "7", "7");
        Has(output, "refunded", "1", "1");
        Has(output, "revenue", "21,000", "21,000");
        Has(output, "on their way", "0");
        Has(output, "difference", "0");
    }

    [Fact]
    public async Task What_the_platform_lacks_is_named()
    {
        (await platform.SendAsync([.. events.Where((_, index) => index is not (2 or 4))])).Is(200);
        string output = await ReconcileAsync(1);
        Assert.Contains("2 differ: 2 missing there, 0 unknown here, 0 told otherwise.", output, StringComparison.Ordinal);
        Has(output, "completed", "7", "5");
        Has(output, "difference", "8,000");
        Assert.Contains($"missing there   {events[2]["id"]}", output, StringComparison.Ordinal);
        Assert.Contains($"missing there   {events[4]["id"]}", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_forgotten_is_compared_too_and_what_of_it_cannot_be_replayed_is_said()
    {
        Guid[] forgotten = [.. events.Take(3).Select(one => Guid.Parse((string)one["id"]!))];
        Assert.Null((await shop!.Shop.Executor.SubmitAsync(new Jumun.DataPlatform.ForgetDeliveredEvents(forgotten, TimeSpan.FromDays(-1)))).Refusal);
        (await platform.SendAsync([.. events.Where((_, index) => index is not (2 or 4))])).Is(200);
        string output = await ReconcileAsync(1);
        Assert.Contains("2 differ: 2 missing there, 0 unknown here, 0 told otherwise.", output, StringComparison.Ordinal);
        Assert.Contains("1 of those missing there were delivered and are forgotten here: they cannot be replayed.", output, StringComparison.Ordinal);
        Assert.Matches($"missing there   {events[2]["id"]} .*; forgotten here", output);
        Assert.Matches($"missing there   {events[4]["id"]} .*[0-9]\\r?\n", output);

        (await platform.SendAsync([.. events])).Is(200);
        output = await ReconcileAsync(0);
        Assert.Contains("Nothing differs.", output, StringComparison.Ordinal);
        Has(output, "completed", "7", "7");
    }

    [Fact]
    public async Task What_the_shop_never_told_is_named()
    {
        JsonObject[] strangers = [TestEvents.Some("mallory"), Early()];
        (await platform.SendAsync([.. events, .. strangers])).Is(200);
        string output = await ReconcileAsync(1);
        Assert.Contains("2 differ: 0 missing there, 2 unknown here, 0 told otherwise.", output, StringComparison.Ordinal);
        Assert.All(strangers, stranger => Assert.Contains($"unknown here    {stranger["id"]}", output, StringComparison.Ordinal));
        Has(output, "difference", "-2,000");
    }

    [Fact]
    public async Task What_was_told_otherwise_is_named_with_both_amounts()
    {
        JsonObject dearer = events[3].DeepClone().AsObject();
        dearer["data"]!["items"]![0]!["price"] = 2_000;
        dearer["data"]!["subtotal"] = 8_000;
        dearer["data"]!["total"] = 8_000;
        (await platform.SendAsync([.. events.Where((_, index) => index != 3), dearer])).Is(200);
        string output = await ReconcileAsync(1);
        Assert.Contains("1 differ: 0 missing there, 0 unknown here, 1 told otherwise.", output, StringComparison.Ordinal);
        string offender = output.Split('\n').Single(line => line.Contains("told otherwise ", StringComparison.Ordinal));
        Assert.Contains((string)dearer["id"]!, offender, StringComparison.Ordinal);
        Assert.Contains(", 4000; there", offender, StringComparison.Ordinal);
        Assert.EndsWith(", 8000", offender.TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_still_to_be_delivered_is_on_its_way_and_no_difference()
    {
        (await platform.SendAsync([.. events.Where((_, index) => index is not (0 or 1))])).Is(200);
        await shop!.StopAsync();
        shop = null;
        await data.ExecuteAsync(TestData.Kind switch
        {
            StoreKind.Sqlite => "INSERT INTO outbox_queue (position, state) SELECT position, 0 FROM outbox",
            StoreKind.Postgres =>
                "INSERT INTO outbox_queue (member_id, sequence, event_id, created_at, partition, state) "
                + "SELECT member_id, sequence, event_id, created_at, 0, 0 FROM outbox",
        });
        string output = await ReconcileAsync(0);
        Has(output, "completed", "7", "5");
        Has(output, "on their way", "2");
        Has(output, "their revenue", "3,000");
        Has(output, "difference", "0");
    }

    [Fact]
    public async Task The_platforms_token_is_brought_and_a_platform_that_is_not_there_is_named()
    {
        await using PlatformProcess closed = await PlatformProcess.StartAsync(new() { ["DataPlatform__ReadToken"] = "let-me-read" });
        (await closed.SendAsync([.. events])).Is(200);
        Assert.Contains("Jumun__DataPlatform__ReadToken", await ReconcileAsync(2, closed.Address), StringComparison.Ordinal);
        using (var told = new ServerProcess(data, new() { ["Jumun:DataPlatform:ReadToken"] = "let-me-read" }))
        {
            (int exitCode, string output) = await told.RunAsync(
                TestContext.Current.CancellationToken, "reconcile", "--platform", closed.Address.ToString());
            Assert.True(exitCode == 0, output);
        }

        Assert.Contains("Nothing differs.", await ReconcileAsync(0, closed.Address, "--token", "let-me-read"), StringComparison.Ordinal);
        var nobody = new Uri($"http://127.0.0.1:{FreePort.Next().ToString(CultureInfo.InvariantCulture)}");
        Assert.Contains(nobody.Authority, await ReconcileAsync(2, nobody), StringComparison.Ordinal);
        Assert.Contains("--platform", await ReconcileAsync(2, new Uri("ftp://127.0.0.1/")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(100)]
    public async Task Pages_of_any_size_have_the_same_payments_and_refunds(int limit)
    {
        List<string> read = [];
        await using PostgresStore? store = TestData.Kind == StoreKind.Postgres ? await PostgresStore.OpenForReadingAsync(data.Address) : null;
        using SqliteConnection? db = store is null ? SqliteStore.OpenReadOnly(Path.Combine(data.Folder, "jumun.db")) : null;
        for (Guid? after = Guid.Empty; after is { } place;)
        {
            LedgerPage page = store is not null ? await store.LedgerPageAsync(place, limit) : SqliteLedgerEvents.Read(db!, place, limit);
            read.AddRange(page.Events.Select(one => $"{one.EventId} {one.OrderId} {one.MemberId} {one.Amount}"));
            after = page.Next;
        }

        Assert.Equal(
            events.Select(one => $"{one["id"]} {one["subject"]} {one["partitionkey"]} {one["data"]!["total"]}").Order(StringComparer.Ordinal),
            read);
    }

    /// <summary>An event with the smallest id that there can be.</summary>
    private static JsonObject Early()
    {
        JsonObject early = TestEvents.Some("mallory");
        early["id"] = "00000000-0000-0000-0000-000000000002";
        early["subject"] = Guid.Empty.ToString();
        early["data"]!["orderId"] = Guid.Empty.ToString();
        return early;
    }

    private static void Has(string output, params string[] words) =>
        Assert.Matches($"(?m)^{string.Join(@"\s+", words.Select(System.Text.RegularExpressions.Regex.Escape))}\\r?$", output);

    private async Task<string> ReconcileAsync(int exitCode, Uri? address = null, params string[] more)
    {
        using var program = new ServerProcess(data);
        (int code, string output) = await program.RunAsync(
            TestContext.Current.CancellationToken, ["reconcile", "--platform", (address ?? platform.Address).ToString(), .. more]);
        Assert.True(exitCode == code, output);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        return output;
    }
}
