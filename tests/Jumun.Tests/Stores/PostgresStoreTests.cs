using Jumun.Cart;
using Jumun.Coupons;
using Jumun.Orders;
using Jumun.Server;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Tests.Stores;

/// <summary>The contract on PostgreSQL, and what is PostgreSQL's own: migrations, the schema and its rules, plans.</summary>
public sealed class PostgresStoreTests : StoreContract
{
    /// <summary>The tables, by the column that their group is divided by.</summary>
    private static readonly Dictionary<string, string> Groups = new()
    {
        ["products"] = "product_id",
        ["stock_changes"] = "product_id",
        ["sales"] = "product_id",
        ["coupons"] = "coupon_id",
        ["issued_coupons"] = "member_id",
        ["wallets"] = "member_id",
        ["ledger"] = "member_id",
        ["orders"] = "member_id",
        ["cart_lines"] = "member_id",
        ["outbox"] = "member_id",
        ["outbox_queue"] = "member_id",
        ["outbox_dead"] = "member_id",
        ["forgotten_events"] = "only_row",
        ["idempotency_keys"] = "subject",
        ["processes"] = "process_id",
        ["leases"] = "partition",
        ["batches"] = "batch_id",
        ["processes"] = "process_id",
        ["leases"] = "partition",
        ["schema_migrations"] = "name",
    };

    private string database = "";

    private protected override async ValueTask<IStore> OpenAsync()
    {
        if (database.Length == 0)
        {
            database = await PostgresServer.CreateShopAsync();
        }

        return await PostgresStore.OpenAsync(database, "test");
    }

    private protected override async ValueTask CleanAsync() => await PostgresServer.DropDatabaseAsync(database);

    [Fact]
    public async Task Migrations_are_recorded_repeatable_and_refuse_what_they_do_not_know()
    {
        Assert.Empty(await PostgresStore.MigrateAsync(database));
        await RunAsync("UPDATE schema_migrations SET checksum = 'another'");
        var error = await Assert.ThrowsAsync<SetupException>(() => PostgresStore.MigrateAsync(database));
        Assert.Contains("does not know", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<SetupException>(() => PostgresStore.OpenAsync(database, null));
        await Assert.ThrowsAsync<SetupException>(() => PostgresStore.OpenForReadingAsync(database));
    }

    [Fact]
    public async Task Processes_that_migrate_at_once_do_it_once()
    {
        string fresh = await PostgresServer.CreateDatabaseAsync();
        try
        {
            var error = await Assert.ThrowsAsync<SetupException>(() => PostgresStore.OpenAsync(fresh, null));
            Assert.Contains("Run 'migrate'", error.Message, StringComparison.Ordinal);
            IReadOnlyList<string>[] steps = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => PostgresStore.MigrateAsync(fresh)));
            Assert.Equal(
                ["0001-shop.sql", "0002-dead-events.sql", "0003-forgotten-events.sql", "0004-sessions.sql"], steps.SelectMany(names => names));
        }
        finally
        {
            await PostgresServer.DropDatabaseAsync(fresh);
        }
    }

    [Fact]
    public async Task A_database_that_not_every_letter_can_be_written_in_is_refused()
    {
        string latin = await PostgresServer.CreateDatabaseAsync("template0 ENCODING 'LATIN1' LOCALE 'C'");
        try
        {
            var error = await Assert.ThrowsAsync<SetupException>(() => PostgresStore.MigrateAsync(latin));
            Assert.Contains("the encoding LATIN1", error.Message, StringComparison.Ordinal);
            Assert.Equal(error.Message, (await Assert.ThrowsAsync<SetupException>(() => PostgresStore.OpenAsync(latin, null))).Message);
        }
        finally
        {
            await PostgresServer.DropDatabaseAsync(latin);
        }
    }

    /// <summary>What they swept may stay in the indexes for as long as a dump runs: they do not go through it again and again.</summary>
    [Fact]
    public async Task Sweeps_go_on_from_where_they_have_come_to()
    {
        const string Add = "INSERT INTO idempotency_keys SELECT 'g', 'k' || {0}, {0}, 200, '', NULL, ''";
        DateTimeOffset now = Clock.GetUtcNow();
        Jumun.Products.ProductView product = await ProductAsync(stock: 10);
        await RunAsync(string.Format(null, Add, 2_000));
        await ForgetAsync(true);
        await ForgetAsync(false);

        // Nobody writes so long after the time of a batch: it shows that the sweep did not begin at the beginning.
        await RunAsync(string.Format(null, Add, 1_000));
        await RunAsync(string.Format(null, Add, 3_000));
        await ForgetAsync(true);
        Assert.Equal(["k1000"], await TextsAsync("SELECT key FROM idempotency_keys"));
        Assert.False(await Store.HasKeysBeforeAsync(now));

        Assert.Empty(await Store.ExpiredOrdersAsync(now, 10));
        Jumun.Orders.OrderView order = await OrderAsync("m", null, (product.ProductId, 1));
        await RunAsync("UPDATE orders SET pay_before = 1");
        Assert.Empty(await Store.ExpiredOrdersAsync(now, 10));
        await RunAsync($"UPDATE orders SET pay_before = {now.AddMinutes(-4).ToUnixTimeMilliseconds()}");
        Assert.Equal(("m", order.OrderId), Assert.Single(await Store.ExpiredOrdersAsync(now, 10)));

        // Time went back: all is looked through anew.
        await RunAsync("UPDATE orders SET pay_before = 1");
        Assert.Single(await Store.ExpiredOrdersAsync(now.AddHours(-1), 10));

        async Task ForgetAsync(bool has)
        {
            Assert.Equal(has, await Store.HasKeysBeforeAsync(now));
            await DoAsync<Done>(new ForgetIdempotencyKeys(TimeSpan.Zero));
        }
    }

    /// <summary>The step adds a table that the version before does not know: its processes go on beside it.</summary>
    [Fact]
    public async Task A_shop_from_before_events_could_be_forgotten_is_brought_up_to_date_while_it_sells()
    {
        await RunAsync("DROP TABLE forgotten_events; DELETE FROM schema_migrations WHERE name = '0003-forgotten-events.sql'");
        using var stop = new CancellationTokenSource();
        Task selling = SellAsync();
        Assert.Equal(["0003-forgotten-events.sql"], await PostgresStore.MigrateAsync(database));
        await Task.Delay(50, TestContext.Current.CancellationToken);
        await stop.CancelAsync();
        await selling;
        await AuditAsync();
        PendingEvent pending = (await PendingAsync(1))[0];
        await DoAsync<Done>(new Jumun.DataPlatform.RecordDelivery([pending.Key]));
        Clock.Advance(TimeSpan.FromDays(2));
        await DoAsync<Done>(new Jumun.DataPlatform.ForgetDeliveredEvents([pending.EventId], TimeSpan.FromDays(1)));
        await AuditAsync();

        async Task SellAsync()
        {
            do
            {
                await LiveAsync();
            }
            while (!stop.IsCancellationRequested);
        }
    }

    [Fact]
    public async Task A_database_that_cannot_be_used_is_named()
    {
        var settings = new NpgsqlConnectionStringBuilder(database) { Database = "jumun_missing" };
        Assert.Contains("There is no database", await MessageAsync(settings.ConnectionString), StringComparison.Ordinal);
        settings.Port = 1;
        Assert.Contains("whether the server runs", await MessageAsync(settings.ConnectionString), StringComparison.Ordinal);
        Assert.Contains("cannot be read", await MessageAsync("Host=x;Nonsense=1"), StringComparison.Ordinal);
        Assert.Contains("names no Host", await MessageAsync("Database=x"), StringComparison.Ordinal);

        static async Task<string> MessageAsync(string connectionString) =>
            (await Assert.ThrowsAsync<SetupException>(() => PostgresStore.OpenAsync(connectionString, null))).Message;
    }

    [Fact]
    public async Task Of_several_hosts_the_primary_is_found()
    {
        var settings = new NpgsqlConnectionStringBuilder(database) { Host = "127.0.0.1:1,127.0.0.1", TargetSessionAttributes = "primary" };
        await using PostgresStore store = await PostgresStore.OpenAsync(settings.ConnectionString, null);
        Assert.Null(await store.ProbeAsync());
    }

    [Fact]
    public async Task A_store_that_is_opened_for_reading_reads_beside_a_running_server_and_cannot_write()
    {
        await ChargeAsync("m", 5);
        await using PostgresStore beside = await PostgresStore.OpenForReadingAsync(database);
        Assert.Equal(5, (await beside.PointsAsync("m")).Balance);
        Assert.All(await beside.AuditAsync(), report => Assert.True(report.Holds));
        Assert.Null(await beside.ProbeAsync());
        var batch = new Jumun.Server.Execution.Batch();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await beside.LoadAsync(batch));
    }

    [Fact]
    public async Task A_hot_batch_takes_two_round_trips_of_few_commands()
    {
        var store = (PostgresStore)Store;
        CouponView coupon = await CouponAsync(quantity: 1_000);
        long product = (await ProductAsync(stock: 1_000)).ProductId;
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => DoAsync<IssuedCouponView>(new IssueCoupon($"m{i}", coupon.CouponId))));
        Assert.Equal((3, 4), store.StatementsOf(lane: 0));
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => ChargeAsync($"m{i}", 1_000)));
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => ChargeAsync($"m{i}", 1_000)));
        Assert.Equal((2, 4), store.StatementsOf(lane: 0));
        OrderView[] orders = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => OrderAsync($"m{i}", null, (product, 1))));
        Assert.Equal((2, 5), store.StatementsOf(lane: 0));
        await Task.WhenAll(orders.Select(PayAsync));
        Assert.Equal((4, 8), store.StatementsOf(lane: 0));
    }

    [Theory]
    [InlineData("INSERT INTO products VALUES (99, 1, -1, true, 'x')")]
    [InlineData("UPDATE products SET stock = -1")]
    [InlineData("UPDATE coupons SET issued = quantity + 1")]
    [InlineData("INSERT INTO issued_coupons SELECT member_id, coupon_id, 99, 0, NULL, 0 FROM issued_coupons LIMIT 1")]
    [InlineData("UPDATE wallets SET balance = -1")]
    [InlineData("UPDATE wallets SET balance = 9007199254740992")]
    [InlineData("UPDATE ledger SET balance = -1")]
    [InlineData("INSERT INTO ledger SELECT member_id, entry + 100, amount, balance, 0, order_id, kind FROM ledger WHERE kind = 1")]
    [InlineData("INSERT INTO orders SELECT * FROM orders LIMIT 1")]
    [InlineData("UPDATE orders SET discount = subtotal + 1")]
    [InlineData("UPDATE orders SET paid_at = NULL WHERE status = 1")]
    [InlineData("UPDATE orders SET ended_at = 0 WHERE status = 1")]
    [InlineData("INSERT INTO outbox SELECT * FROM outbox LIMIT 1")]
    [InlineData("INSERT INTO stock_changes SELECT product_id + 1000, batch_id, 99::smallint, 1, 0, 'x' FROM stock_changes LIMIT 1")]
    public async Task The_schema_refuses_what_must_never_happen(string sql)
    {
        await LiveAsync();
        var error = await Assert.ThrowsAsync<PostgresException>(() => RunAsync(sql));
        Assert.StartsWith("23", error.SqlState, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("I1", "UPDATE wallets SET balance = balance + 1 WHERE member_id = 'm'")]
    [InlineData("I1", "DELETE FROM wallets WHERE member_id = 'm'")]
    [InlineData("I1", "DELETE FROM ledger WHERE member_id = 'm' AND entry = 1")]
    [InlineData("I2", "UPDATE ledger SET balance = balance + 1 WHERE entry = 1 AND member_id = 'm'")]
    [InlineData("I2", "UPDATE ledger SET entry = entry + 1 WHERE member_id = 'm' AND entry = 2")]
    [InlineData("I2", "UPDATE wallets SET entries = entries + 1 WHERE member_id = 'm'")]
    [InlineData("I3", "UPDATE products SET stock = stock + 1")]
    [InlineData("I3", "UPDATE stock_changes SET change = change - 1")]
    [InlineData("I3", "DELETE FROM stock_changes; DELETE FROM products; DELETE FROM sales")]
    [InlineData("I3", "INSERT INTO sales VALUES (999, 1, 0, 0, 0)")]
    [InlineData("I4", "UPDATE coupons SET issued = issued + 1")]
    [InlineData("I4", "UPDATE issued_coupons SET number = number + 1 WHERE number = 4")]
    [InlineData("I4", "UPDATE issued_coupons SET number = 1 WHERE number = 2")]
    [InlineData("I4", "DELETE FROM coupons")]
    [InlineData("I4", "UPDATE issued_coupons SET status = 0, order_id = NULL WHERE status = 2")]
    [InlineData("I4", "UPDATE issued_coupons SET status = 2, order_id = '00000000-0000-0000-0000-000000000000' WHERE status = 0")]
    [InlineData("I5", "UPDATE orders SET status = 0, paid_at = NULL WHERE status = 1")]
    [InlineData("I5", "DELETE FROM ledger WHERE kind = 2")]
    [InlineData("I5", "UPDATE ledger SET amount = amount - 1 WHERE kind = 1")]
    [InlineData("I6", "UPDATE orders SET subtotal = subtotal + 1")]
    [InlineData("I6", "UPDATE orders SET discount = discount + 1 WHERE status = 0")]
    [InlineData("I6", "UPDATE orders SET coupon_id = NULL WHERE status = 0")]
    [InlineData("I6", "UPDATE coupons SET discount_maximum = 1")]
    [InlineData("I6", "UPDATE orders SET lines = '{' WHERE status = 0")]
    [InlineData("I7", "DELETE FROM outbox WHERE type = 0")]
    [InlineData("I7", "DELETE FROM outbox_queue; DELETE FROM outbox WHERE type = 1")]
    [InlineData("I7", "UPDATE outbox SET sequence = sequence + 1 WHERE type = 1")]
    [InlineData("I7", "UPDATE wallets SET events = events + 1 WHERE member_id = 'm'")]
    [InlineData("I7", "DELETE FROM outbox_queue; UPDATE outbox SET event_id = gen_random_uuid()")]
    [InlineData("I7", "DELETE FROM outbox_queue; UPDATE outbox SET event_id = (left(event_id::text, 35) || '0')::uuid WHERE type = 1")]
    [InlineData("I7", "INSERT INTO outbox_dead SELECT member_id, sequence, event_id, created_at FROM outbox_queue")]
    [InlineData("I11", "UPDATE issued_coupons SET status = 0, order_id = NULL WHERE status = 1")]
    [InlineData("I11", "UPDATE orders SET status = 3, ended_at = 0 WHERE status = 0")]
    [InlineData("I11", "UPDATE sales SET quantity = quantity + 1")]
    [InlineData("I11", "UPDATE sales SET amount = amount + 1")]
    [InlineData("I11", "UPDATE sales SET hour = hour - 500")]
    [InlineData("I11", "INSERT INTO sales SELECT product_id, hour + 1, slot, 0, -1 FROM sales")]
    public Task The_audit_names_each_invariant_that_is_broken(string id, string sql) => MustBeNamedAsync(id, sql);

    /// <summary>What a database that is divided by member, product and coupon asks of a schema.</summary>
    [Fact]
    public async Task The_schema_could_be_divided()
    {
        Assert.Equal(
            Groups.Keys.Order(StringComparer.Ordinal),
            (await TextsAsync("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")).Order(StringComparer.Ordinal));
        Assert.Empty(await TextsAsync("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"));
        Assert.Empty(await TextsAsync("SELECT relname FROM pg_class WHERE relkind = 'S'"));
        Assert.Empty(await TextsAsync("SELECT adrelid::regclass::text FROM pg_attrdef"));
        Assert.Empty(await TextsAsync("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"));

        const string Columns = "array_to_string(ARRAY(SELECT attname FROM unnest({0}) k JOIN pg_attribute ON attrelid = {1} AND attnum = k), ',')";
        string indexes = string.Format(null, Columns, "i.indkey::smallint[]", "i.indrelid");
        foreach (string index in await TextsAsync($"SELECT c.relname || ' ' || i.indisprimary::text || ' ' || {indexes} FROM pg_index i "
            + "JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique"))
        {
            string[] parts = index.Split(' ');
            string[] columns = parts[2].Split(',');
            Assert.Contains(Groups[parts[0]], columns);
            Assert.True(parts[1] == "false" || columns[0] == Groups[parts[0]], $"{parts[0]}: {Groups[parts[0]]} comes first in the primary key");
        }

        string keys = string.Format(null, Columns, "conkey", "conrelid");
        string[] foreign = await TextsAsync($"SELECT conrelid::regclass || ' ' || confrelid::regclass || ' ' || {keys} FROM pg_constraint WHERE contype = 'f'");
        Assert.All(foreign.Select(one => one.Split(' ')), one =>
        {
            Assert.Equal(Groups[one[0]], Groups[one[1]]);
            Assert.Contains(Groups[one[0]], one[2].Split(','));
        });

        Assert.Empty(await TextsAsync("""
            SELECT attrelid::regclass || '.' || attname FROM pg_attribute
            WHERE attname IN ('member_id', 'subject', 'key') AND attrelid::regclass::text IN (SELECT tablename FROM pg_tables WHERE schemaname = 'public')
              AND attcollation <> '"C"'::regcollation
            """));
    }

    /// <summary>Plans are kept from when the tables were empty: what they read afterwards is what the batch needs, and no table.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Plans_made_on_empty_tables_find_their_rows_when_the_tables_have_grown(bool analyzed)
    {
        for (int i = 0; i < 3; i++)
        {
            await LiveOnceAsync();
        }

        if (analyzed)
        {
            // Now the planner knows for certain that the tables are tiny.
            await RunAsync("VACUUM ANALYZE");
            await LiveOnceAsync();
        }

        await RunAsync("""
            INSERT INTO products SELECT i, 1, 1, true, 'x' FROM generate_series(1001, 21000) i;
            INSERT INTO coupons SELECT i, 1, NULL, 0, 1, 0, 0, 1, 1, 0, 'x' FROM generate_series(1001, 21000) i;
            INSERT INTO wallets SELECT 'g' || i, 0, 0, 0 FROM generate_series(1, 20000) i;
            INSERT INTO issued_coupons SELECT 'g' || i, 1001, i, 0, NULL, 0 FROM generate_series(1, 20000) i;
            INSERT INTO orders SELECT 'g' || i, gen_random_uuid(), 0, 0, 0, NULL, 0, 0, NULL, 1, '[]' FROM generate_series(1, 20000) i;
            INSERT INTO cart_lines SELECT 'g' || i, 1, 1 FROM generate_series(1, 20000) i;
            INSERT INTO outbox SELECT 'g' || i, gen_random_uuid(), gen_random_uuid(), 1, 0, 0, '' FROM generate_series(1, 20000) i;
            INSERT INTO outbox_queue SELECT 'g' || i, 1, gen_random_uuid(), i, 0, 0 FROM generate_series(1, 20000) i;
            INSERT INTO idempotency_keys SELECT 'g' || i, 'k', 0, 200, '', NULL, '' FROM generate_series(1, 20000) i;
            """);
        const string Read = """
            SELECT s.relname || ' ' || (s.seq_tup_read + coalesce(s.idx_tup_fetch, 0) + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes i
              WHERE i.relid = s.relid)) FROM pg_stat_user_tables s
            """;
        await SettleStatisticsAsync();
        Dictionary<string, long> before = await CountsAsync();
        await LiveOnceAsync();
        await SettleStatisticsAsync();
        Assert.All(await CountsAsync(), table => Assert.InRange(table.Value - before[table.Key], 0, 1_000));

        // A session tells what it read at most once a second, at the end of a transaction.
        async Task SettleStatisticsAsync()
        {
            await Task.Delay(1_100, TestContext.Current.CancellationToken);
            await ChargeAsync("m", 1);
            await Task.Delay(200, TestContext.Current.CancellationToken);
        }

        async Task<Dictionary<string, long>> CountsAsync() =>
            (await TextsAsync(Read)).Select(line => line.Split(' ')).ToDictionary(line => line[0], line => long.Parse(line[1], null));
    }

    /// <summary>Every statement of the lane, but for those that sweep.</summary>
    private async Task LiveOnceAsync()
    {
        await LiveAsync();
        long product = (await ProductAsync()).ProductId;
        await DoAsync<Done>(new PutCartLine("m", product, 1));
        await DoAsync<Done>(new RemoveCartLine("m", product));
        await DoAsync<Done>(new RemoveCartLine("m", null));
        PendingEvent pending = (await PendingAsync(1)).FirstOrDefault() ?? new PendingEvent("m", Guid.Empty, 0, default, [], default, null);
        await DoAsync<Done>(new Jumun.DataPlatform.RecordDelivery([new(pending.MemberId, pending.EventId, pending.Sequence)]));
        await DoAsync<Jumun.DataPlatform.FailuresRecorded>(new Jumun.DataPlatform.RecordFailures([pending.EventId], TimeSpan.Zero));
        await Store.PendingEventsAsync(AllPartitions, [pending.Key]);
        await DoAsync<Jumun.DataPlatform.EventsReplayed>(new Jumun.DataPlatform.ReplayEvents([pending.EventId], Next: null));
        List<PendingEvent> more = await PendingAsync(2);
        await DoAsync<Done>(new Jumun.DataPlatform.RecordDelivery(more.ConvertAll(one => one.Key)));
        await Store.OldEventsAsync(Clock.GetUtcNow().AddDays(1), null, 2);
        await DoAsync<Done>(new Jumun.DataPlatform.ForgetDeliveredEvents(more.ConvertAll(one => one.EventId), TimeSpan.FromDays(-1)));
    }

    private protected override async Task RunAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<string[]> TextsAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync();
        var texts = new List<string>();
        while (await rows.ReadAsync())
        {
            texts.Add(rows.GetString(0));
        }

        return [.. texts];
    }
}
