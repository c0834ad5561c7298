using System.Globalization;
using System.Text.Json.Nodes;
using Jumun.Server;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;
using Jumun.Tests.Crashes;
using Jumun.Tests.Http;
using Microsoft.AspNetCore.Routing;
using Npgsql;

namespace Jumun.Tests.Verbs;

/// <summary>A shop that moves from a SQLite file to PostgreSQL: nothing changes for its members, and nothing is half moved.</summary>
[Once]
public sealed partial class CopyTests : IAsyncLifetime
{
    // What is not copied, and why.
    private static readonly string[] LeftInSqlite =
    [
        "schema_migrations",        // each store has steps of its own
        "last_batch",               // the commit that a server looks up after an error
        "stock_changes.position",   // in the id of the batch
        "orders.position",          // PostgreSQL lists orders by their ids,
        "outbox.position",          // events by their time
        "outbox_queue.position",    // and the queue by member and sequence
        "outbox_dead.position",
        "idempotency_keys.position",
        "ledger.events",            // in the wallet
    ];

    // What tells about processes and commits of PostgreSQL.
    private static readonly string[] LeftInPostgres = ["schema_migrations", "batches", "processes", "leases"];

    private static readonly string[] OfTheShop = ["/members/", "/products", "/coupons", "/payment/", "/admin/"];

    private static readonly string[] Members = ["alice", "bob", "carol", "nobody"];

    private TestData file = null!;
    private TestData database = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string FilePath => Path.Combine(file.Folder, "jumun.db");

    /// <summary>A platform that nobody is at: events stay.</summary>
    private static Dictionary<string, string?> Unreachable => new()
    {
        ["Jumun:DataPlatform:Sink"] = "http",
        ["Jumun:DataPlatform:Url"] = $"http://127.0.0.1:{FreePort.Next().ToString(CultureInfo.InvariantCulture)}/",
        ["Jumun:DataPlatform:Secret"] = "a secret of the tests",
        ["Jumun:DataPlatform:DeadAfter"] = "365.00:00:00",
    };

    public async ValueTask InitializeAsync()
    {
        file = await TestData.CreateAsync(StoreKind.Sqlite);
        database = await TestData.CreateAsync(StoreKind.Postgres);
    }

    public async ValueTask DisposeAsync()
    {
        await file.DisposeAsync();
        await database.DisposeAsync();
    }

    [Fact]
    public async Task A_shop_with_every_kind_of_row_goes_on_in_PostgreSQL_as_if_nothing_had_happened()
    {
        Story story = await LiveAsync();
        await CopiedAsync();
        foreach (string table in StoreCopy.Tables)
        {
            Assert.True(await CountAsync(table) > 0, $"The story has nothing for {table}.");
        }

        // Another process than the one of these tests may have the partition.
        await using (NpgsqlDataSource source = NpgsqlDataSource.Create($"{database.Address};Pooling=false"))
        {
            await using NpgsqlCommand queue = source.CreateCommand("SELECT member_id, partition FROM outbox_queue");
            await using NpgsqlDataReader rows = await queue.ExecuteReaderAsync(Cancellation);
            while (await rows.ReadAsync(Cancellation))
            {
                Assert.Equal(PostgresHash.PartitionOf(rows.GetString(0)), rows.GetInt16(1));
            }
        }

        Dictionary<string, string> seen;
        await using (TestShop beforeDelivery = await StartAsync(database, story.Time, Unreachable))
        {
            seen = await AllAsync(beforeDelivery, story);
        }

        foreach ((string address, string answer) in story.Seen)
        {
            Assert.True(answer == seen[address], $"{address}: on SQLite {answer}, on PostgreSQL {seen[address]}");
        }

        await using TestShop shop = await StartAsync(database, story.Time);
        await EventsGoOnAsync(shop, story);
        await KeysGoOnAsync(shop, story);
        await OrdersGoOnAsync(shop, story);
        await shop.AuditAsync();
    }

    [Fact]
    public async Task Whatever_the_two_schemas_hold_is_copied_or_named_as_left()
    {
        await SqliteStore.Open(FilePath).DisposeAsync();
        await CopiedAsync();
        List<string> here = [];
        using (SqliteConnection db = SqliteStore.OpenReadOnly(FilePath))
        {
            SqliteStatement columns = db["""
                SELECT t.name || '.' || c.name FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c
                WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'
                """];
            while (columns.Step())
            {
                here.Add(columns.Text(0));
            }
        }

        List<string> there = [];
        await using (NpgsqlDataSource source = NpgsqlDataSource.Create($"{database.Address};Pooling=false"))
        {
            await using NpgsqlCommand columns = source.CreateCommand(
                "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()");
            await using NpgsqlDataReader rows = await columns.ExecuteReaderAsync(Cancellation);
            while (await rows.ReadAsync(Cancellation))
            {
                there.Add(rows.GetString(0));
            }
        }

        Assert.Equal(
            StoreCopy.Tables.Concat(LeftInPostgres).Order(StringComparer.Ordinal), there.Select(TableOf).Distinct().Order(StringComparer.Ordinal));
        string[] copied = [.. there.Where(column => StoreCopy.Tables.Contains(TableOf(column)))];
        string[] left = [.. here.Except(copied)];
        Assert.All(left, column => Assert.True(
            LeftInSqlite.Contains(column) || LeftInSqlite.Contains(TableOf(column)), $"{column} of SQLite is neither copied nor named as left."));
        Assert.All(LeftInSqlite, name => Assert.Contains(left, column => column == name || TableOf(column) == name));
    }

    /// <summary>A shop with every kind of row, and all that its members and administrators see.</summary>
    private async Task<Story> LiveAsync()
    {
        var story = new Story();

        // Long ago: delivered, and forgotten since.
        await using (TestShop old = await StartAsync(file, TimeSpan.Zero))
        {
            long product = await old.Administrator().CreateProductAsync("old");
            story.Products.Add(product);
            TestCaller bob = old.Member("bob");
            await bob.ChargeAsync(10_000);
            await BuyAsync(old, bob, product);
            await TestShop.UntilAsync(async () => (await old.Administrator().GetAsync("/admin/events?state=delivered")).Items("eventId").Count == 1);
        }

        await using (TestShop young = await StartAsync(file, TimeSpan.FromDays(31), new() { ["Jumun:DataPlatform:KeepDelivered"] = "30.00:00:00" }))
        {
            await TradeAsync(young, story);
            await TestShop.UntilAsync(async () => (await young.Administrator().GetAsync("/admin/events?state=pending")).Items("eventId").Count == 0);
            await TestShop.UntilAsync(() => Task.FromResult(HasForgotten()), 20);
        }

        story.Delivered = await File.ReadAllLinesAsync(Path.Combine(file.Folder, "events.ndjson"), Cancellation);
        await using (TestShop alone = await StartAsync(file, story.Time, Unreachable))
        {
            foreach (string member in new[] { "carol", "alice", "bob" })
            {
                await alone.Member(member).ChargeAsync(50_000);
                await BuyAsync(alone, alone.Member(member), story.Products[1]);
            }

            story.Time += TimeSpan.FromSeconds(1);
        }

        // One was given up, and one failed by itself.
        await file.ExecuteAsync("""
            INSERT INTO outbox_dead SELECT position FROM outbox_queue JOIN outbox USING (position) WHERE member_id = 'carol';
            DELETE FROM outbox_queue WHERE position IN (SELECT position FROM outbox_dead);
            UPDATE outbox_queue SET failed_at = o.created_at FROM outbox o WHERE o.position = outbox_queue.position AND o.member_id = 'alice';
            """);
        await using (TestShop last = await StartAsync(file, story.Time, Unreachable))
        {
            story.Seen = await AllAsync(last, story);
            story.Pending = (await last.Administrator().GetAsync("/admin/events?state=pending&limit=100")).Items("eventId");
            story.Dead = (await last.Administrator().GetAsync("/admin/events?state=dead&limit=100")).Items("eventId").Single();
        }

        Assert.Equal(2, story.Pending.Count);
        return story;
    }

    private static async Task TradeAsync(TestShop shop, Story story)
    {
        TestCaller admin = shop.Administrator();
        TestCaller alice = shop.Member("alice");
        TestCaller bob = shop.Member("bob");
        long mug = await admin.CreateProductAsync("머그 ☕ '%\\\\", price: 1_000, stock: 50);
        long gone = await admin.CreateProductAsync("gone", price: 0, stock: 0);
        story.Products.AddRange([mug, gone]);
        (await admin.PatchAsync($"/admin/products/{gone}", """{"onSale":false}""")).Is(200);
        (await admin.PostAsync($"/admin/products/{mug}/stock", """{"change":-2,"reason":"부서짐"}""", "stock")).Is(200);
        long free = await admin.CreateCouponAsync();
        long held = await admin.CreateCouponAsync("""{"kind":"percent","value":10,"maximum":150}""", more: ""","minimumOrderAmount":500""");
        long used = await admin.CreateCouponAsync("""{"kind":"amount","value":300}""");
        long soldOut = await admin.CreateCouponAsync(quantity: 1);
        story.Coupons.AddRange([free, held, used, soldOut]);

        // Expired: what it held is back.
        story.Note("alice", (await alice.OrderAsync(mug, 3)).Is(201));
        shop.Clock.Advance(TimeSpan.FromMinutes(11));
        await TestShop.UntilAsync(async () => await alice.StockAsync(mug) == 48);

        story.Charge = (await alice.PostAsync("/members/alice/points/charge", """{"amount":20000}""", "charge")).Is(200);
        foreach (long coupon in story.Coupons)
        {
            (await alice.PostAsync($"/coupons/{coupon}", key: $"claim-{coupon}")).Is(201);
        }

        (await bob.PostAsync($"/coupons/{free}")).Is(201);
        story.OrderBody = $$"""{"items":[{"productId":{{mug}},"quantity":2}],"couponId":{{used}}}""";
        story.Order = (await alice.PostAsync("/order/alice", story.OrderBody, "order")).Is(201);
        story.Note("alice", story.Order);
        shop.Clock.Advance(TimeSpan.FromMilliseconds(2));
        story.Payment = (await alice.PostAsync($"/payment/{story.Order["paymentId"]}", key: "pay")).Is(200);
        story.Note("alice", await BuyAsync(shop, alice, mug, refund: true));
        TestAnswer cancelled = (await alice.OrderAsync(mug)).Is(201);
        story.Note("alice", cancelled);
        (await alice.PostAsync($"/members/alice/orders/{cancelled["orderId"]}/cancel")).Is(200);
        shop.Clock.Advance(TimeSpan.FromMilliseconds(2));
        story.Note("bob", await BuyAsync(shop, bob, mug));

        // Still to be paid: one will be, and one will not.
        shop.Clock.Advance(TimeSpan.FromMilliseconds(2));
        story.ToPay = (await alice.OrderAsync(mug, 2, held)).Is(201);
        story.Note("alice", story.ToPay);
        story.ToExpire = (await bob.OrderAsync(mug, 4)).Is(201);
        story.Note("bob", story.ToExpire);
        (await alice.PutAsync($"/members/alice/cart/items/{story.Products[0]}", """{"quantity":7}""")).Is(200);
        story.Time = TimeSpan.FromDays(31) + TimeSpan.FromMinutes(11) + TimeSpan.FromSeconds(1);
    }

    /// <summary>What was not delivered is, under its own id and number and once; what was is not; a replay has the very bytes.</summary>
    private async Task EventsGoOnAsync(TestShop shop, Story story)
    {
        TestCaller admin = shop.Administrator();
        await TestShop.UntilAsync(async () => (await admin.GetAsync("/admin/events?state=pending")).Items("eventId").Count == 0, 30);
        string[] sent = await File.ReadAllLinesAsync(shop.EventsPath, Cancellation);
        Assert.Equal(story.Pending.Order(), sent.Select(IdOf).Order());
        using (SqliteConnection db = SqliteStore.OpenReadOnly(FilePath))
        {
            SqliteStatement body = db["SELECT CAST(body AS TEXT) FROM outbox"];
            var kept = new Dictionary<string, string>();
            while (body.Step())
            {
                kept.Add(IdOf(body.Text(0)), body.Text(0));
            }

            Assert.All(sent, line => Assert.Equal(kept[IdOf(line)], line));
        }

        Assert.Equal([story.Dead], (await admin.GetAsync("/admin/events?state=dead")).Items("eventId"));
        string[] young = [.. story.Delivered.Skip(1)];
        string ids = string.Join(',', young.Select(IdOf).Append(story.Dead).Select(id => $"\"{id}\""));
        Assert.Equal(young.Length + 1, (await admin.PostAsync("/admin/events/replay", $$"""{"eventIds":[{{ids}}]}""")).Is(200).Number("replayed"));
        await TestShop.UntilAsync(async () => (await File.ReadAllLinesAsync(shop.EventsPath)).Length == sent.Length + young.Length + 1);
        string[] again = await File.ReadAllLinesAsync(shop.EventsPath, Cancellation);
        Assert.Equal(young.Order(StringComparer.Ordinal), again.Skip(sent.Length).Where(line => IdOf(line) != story.Dead).Order(StringComparer.Ordinal));
    }

    private static async Task KeysGoOnAsync(TestShop shop, Story story)
    {
        TestCaller alice = shop.Member("alice");
        IsFirst(story.Charge, await alice.PostAsync("/members/alice/points/charge", """{"amount":20000}""", "charge"));
        IsFirst(story.Order, await alice.PostAsync("/order/alice", story.OrderBody, "order"));
        IsFirst(story.Payment, await alice.PostAsync($"/payment/{story.Order["paymentId"]}", key: "pay"));
        (await alice.PostAsync("/members/alice/points/charge", """{"amount":1}""", "charge")).IsProblem(422, "idempotency_key_reused");
    }

    private static async Task OrdersGoOnAsync(TestShop shop, Story story)
    {
        TestCaller alice = shop.Member("alice");
        TestCaller bob = shop.Member("bob");
        long mug = story.Products[1];
        long stock = await alice.StockAsync(mug);
        long balance = await alice.BalanceAsync();
        TestAnswer paid = (await alice.PayAsync(story.ToPay)).Is(200);
        Assert.Equal(balance - story.ToPay.Number("total"), paid.Number("balance"));
        Assert.Contains(
            (await alice.GetAsync("/members/alice/coupons?status=used")).Is(200)["items"]!.AsArray(),
            one => (long)one!["couponId"]! == story.ToPay.Number("couponId"));

        // Completed, bought and refunded, bought: the next number is the fifth.
        TestAnswer events = (await shop.Administrator().GetAsync("/admin/events?limit=1")).Is(200);
        Assert.Equal(story.ToPay.Word("orderId"), (string)events["items"]![0]!["orderId"]!);
        Assert.Equal(5, (long)events["items"]![0]!["sequence"]!);
        Assert.Equal(3, (await shop.Member("carol").PostAsync($"/coupons/{story.Coupons[0]}")).Is(201).Number("number"));

        (await bob.GetAsync($"/payment/{story.ToExpire["paymentId"]}")).Is(200);
        shop.Clock.Advance(TimeSpan.FromMinutes(10));
        (await bob.PayAsync(story.ToExpire)).IsProblem(409, "order_expired");
        await TestShop.UntilAsync(async () => await alice.StockAsync(mug) == stock + 4);
    }

    /// <summary>Every answer that the API has about the shop, by the address that it was asked for.</summary>
    private static async Task<Dictionary<string, string>> AllAsync(TestShop shop, Story story)
    {
        string[] routes = [.. shop.Routes
            .Where(route => route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains("GET") is true)
            .Select(route => route.RoutePattern.RawText!)
            .Where(route => OfTheShop.Any(start => route.StartsWith(start, StringComparison.Ordinal))
                && !route.EndsWith("/live", StringComparison.Ordinal))];
        Assert.True(routes.Length >= 14, string.Join(", ", routes));
        var answers = new Dictionary<string, string>();
        foreach (string member in Members)
        {
            TestCaller caller = shop.Member(member);
            foreach (string route in routes.Where(route => !route.StartsWith("/admin/", StringComparison.Ordinal)))
            {
                foreach (string path in Filled(route.Replace("{memberId}", member, StringComparison.Ordinal), member, story))
                {
                    await AskAsync(caller, path);
                }
            }

            foreach (string status in new[] { "available", "held", "used", "expired" })
            {
                await AskAsync(caller, $"/members/{member}/coupons?status={status}");
            }
        }

        TestCaller admin = shop.Administrator();
        foreach (string route in routes.Where(route => route.StartsWith("/admin/", StringComparison.Ordinal)))
        {
            await AskAsync(admin, $"{route}?limit=100");
        }

        foreach (string status in new[] { "pending_payment", "completed", "expired", "cancelled", "refunded" })
        {
            await AskAsync(admin, $"/admin/orders?limit=100&status={status}");
            await AskAsync(admin, $"/admin/orders?limit=100&status={status}&memberId=alice");
        }

        foreach (string state in new[] { "pending", "delivered", "dead" })
        {
            await AskAsync(admin, $"/admin/events?limit=100&state={state}");
        }

        return answers;

        async Task AskAsync(TestCaller caller, string path)
        {
            TestAnswer answer = await caller.GetAsync(path);
            JsonObject json = answer.Json;
            foreach (string name in new[] { "traceId", "since", "until" })
            {
                json.Remove(name);
            }

            answers.TryAdd($"{caller.Member} {path}", $"{answer.Status} {json.ToJsonString()}");
        }
    }

    /// <summary>A route with everything that can stand in it.</summary>
    private static IEnumerable<string> Filled(string route, string member, Story story)
    {
        IEnumerable<string> values =
            route.Contains("{productId}", StringComparison.Ordinal) ? story.Products.Append(99).Select(Text)
            : route.Contains("{couponId}", StringComparison.Ordinal) ? story.Coupons.Append(99).Select(Text)
            : route.Contains("{orderId}", StringComparison.Ordinal) ? story.Orders(member).Select(order => order.Word("orderId"))
            : route.Contains("{paymentId}", StringComparison.Ordinal) ? story.Orders(member).Select(order => order.Word("paymentId"))
            : [""];
        return values.Select(value => $"{Placeholder().Replace(route, value)}?limit=100");

        static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

        static System.Text.RegularExpressions.Regex Placeholder() => new("{[^}]*}");
    }

    /// <summary>Orders and pays, and after a while gives it back; each at a moment of its own, by which lists are sorted.</summary>
    private static async Task<TestAnswer> BuyAsync(TestShop shop, TestCaller member, long product, bool refund = false)
    {
        shop.Clock.Advance(TimeSpan.FromMilliseconds(2));
        TestAnswer order = (await member.OrderAsync(product)).Is(201);
        (await member.PayAsync(order)).Is(200);
        shop.Clock.Advance(TimeSpan.FromMilliseconds(2));
        if (refund)
        {
            (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
            shop.Clock.Advance(TimeSpan.FromMilliseconds(2));
        }

        return order;
    }

    private static void IsFirst(TestAnswer first, TestAnswer again)
    {
        Assert.Equal("true", again.Headers.GetValues("Idempotency-Replayed").Single());
        Assert.Equal(first.Status, again.Status);
        Assert.Equal(first.Bytes, again.Bytes);
        Assert.Equal(first.Headers.Location, again.Headers.Location);
    }

    private static string IdOf(string line) => (string)JsonNode.Parse(line)!["id"]!;

    private static string TableOf(string column) => column[..column.IndexOf('.', StringComparison.Ordinal)];

    private static async Task<TestShop> StartAsync(TestData data, TimeSpan time, Dictionary<string, string?>? settings = null)
    {
        TestShop shop = await TestShop.StartAsync(settings, data);
        shop.Clock.Advance(time);
        return shop;
    }

    private bool HasForgotten()
    {
        using SqliteConnection db = SqliteStore.OpenReadOnly(FilePath);
        return db.Scalar("SELECT before FROM forgotten_events") != "0";
    }

    private async Task<long> CountAsync(string table)
    {
        await using NpgsqlDataSource source = NpgsqlDataSource.Create($"{database.Address};Pooling=false");
        await using NpgsqlCommand command = source.CreateCommand($"SELECT count(*) FROM {table}");
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private async Task CopiedAsync()
    {
        using var program = new ServerProcess(database);
        (int exitCode, string output) = await program.RunAsync(Cancellation, "copy", FilePath);
        Assert.True(exitCode == 0, output);
        Assert.All(StoreCopy.Tables, table => Assert.Contains($"  {table} ", output, StringComparison.Ordinal));
        Assert.DoesNotContain("BROKEN", output, StringComparison.Ordinal);
    }

    /// <summary>What a shop went through, and what it showed.</summary>
    private sealed class Story
    {
        private readonly List<(string Member, TestAnswer Order)> orders = [];

        public List<long> Products { get; } = [];

        public List<long> Coupons { get; } = [];

        /// <summary>How far ahead of the machine's clock it is.</summary>
        public TimeSpan Time { get; set; }

        public Dictionary<string, string> Seen { get; set; } = [];

        /// <summary>The lines that the platform has, the oldest first: that one was forgotten.</summary>
        public string[] Delivered { get; set; } = [];

        public List<string> Pending { get; set; } = [];

        public string Dead { get; set; } = "";

        public string OrderBody { get; set; } = "";

        public TestAnswer Charge { get; set; } = null!;

        public TestAnswer Order { get; set; } = null!;

        public TestAnswer Payment { get; set; } = null!;

        public TestAnswer ToPay { get; set; } = null!;

        public TestAnswer ToExpire { get; set; } = null!;

        public void Note(string member, TestAnswer order) => orders.Add((member, order));

        public IEnumerable<TestAnswer> Orders(string member) => orders.Where(one => one.Member == member).Select(one => one.Order);
    }
}
