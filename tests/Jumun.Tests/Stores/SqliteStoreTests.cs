using Jumun.Orders;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Tests.Stores;

/// <summary>The contract on SQLite, and what is SQLite's own: the lock, the log, the migrations, the schema.</summary>
public sealed class SqliteStoreTests : StoreContract
{
    private readonly string folder = Directory.CreateTempSubdirectory("jumun-sqlite-").FullName;

    private string DatabasePath => Path.Combine(folder, "jumun.db");

    private protected override ValueTask<IStore> OpenAsync() => new(SqliteStore.Open(DatabasePath));

    private protected override ValueTask CleanAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private protected override Task RunAsync(string sql)
    {
        using SqliteConnection db = SqliteConnection.Open(DatabasePath, readOnly: false);
        db.Execute(sql);
        return Task.CompletedTask;
    }

    [Fact]
    public void A_second_process_is_refused_while_the_first_writes()
    {
        var error = Assert.Throws<SetupException>(() => SqliteStore.Open(DatabasePath));
        Assert.Contains("Another process writes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Readers_see_the_file_beside_a_running_server_and_after_it_stopped()
    {
        await ChargeAsync("m", 5);
        using (SqliteConnection beside = SqliteStore.OpenReadOnly(DatabasePath))
        {
            Assert.Equal("5", beside.Scalar("SELECT balance FROM ledger"));
            Assert.Throws<SqliteException>(() => beside.Execute("DELETE FROM ledger"));
        }

        await Executor.DisposeAsync();
        await Store.DisposeAsync();
        using (SqliteConnection after = SqliteStore.OpenReadOnly(DatabasePath))
        {
            Assert.Equal("5", after.Scalar("SELECT balance FROM ledger"));
        }

        await InitializeAsync();
    }

    [Fact]
    public async Task The_log_is_checkpointed_and_bounded()
    {
        using SqliteConnection db = SqliteStore.OpenReadOnly(DatabasePath);
        Assert.Equal("wal", db.Scalar("PRAGMA journal_mode"));
        ProductView[] products = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => ProductAsync(stock: 1_000_000, name: new string('x', 200))));
        for (int i = 0; i < 400; i++)
        {
            await Task.WhenAll(products.Select(product => DoAsync<ProductView>(new ChangeStock(product.ProductId, 1, new string('y', 200)))));
        }

        long log = new FileInfo(DatabasePath + "-wal").Length;
        Assert.InRange(log, 1, (Bounds.LogPages + Bounds.CheckpointPages) * 4_128L);
        Assert.InRange(new FileInfo(DatabasePath).Length, 1_000_000, long.MaxValue);
        await AuditAsync();
    }

    [Fact]
    public async Task A_log_that_a_reader_kept_starts_again_when_it_is_gone_and_the_lane_does_not_stop_to_copy_it()
    {
        ProductView[] products = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => ProductAsync(stock: 1_000_000, name: new string('x', 200))));
        using (SqliteConnection reader = SqliteStore.OpenReadOnly(DatabasePath))
        {
            reader.Execute("BEGIN");
            Assert.Equal("500", reader.Scalar("SELECT count(*) FROM products"));
            await UntilTheLogHasAsync(pages => pages > Bounds.LogPages);
            reader.Execute("COMMIT");
        }

        await UntilTheLogHasAsync(pages => pages < Bounds.CheckpointPages);
        Assert.InRange(((SqliteStore)Store).MostCopiedByLane, 1, Bounds.CheckpointPages);
        await AuditAsync();

        async Task UntilTheLogHasAsync(Predicate<int> enough)
        {
            for (int i = 0; i < 1_000 && !enough(Pages()); i++)
            {
                await Task.WhenAll(products.Select(product => DoAsync<ProductView>(new ChangeStock(product.ProductId, 1, new string('y', 200)))));
            }

            Assert.True(enough(Pages()), $"{Pages()} pages");
        }

        // From the log's index, whose header tells the last valid page in its fifth word: a checkpoint would do the lane's work.
        int Pages()
        {
            using FileStream index = new(DatabasePath + "-shm", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            Span<byte> header = stackalloc byte[20];
            index.ReadExactly(header);
            return BitConverter.ToInt32(header[16..]);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData(OrderStatus.PendingPayment)]
    [InlineData(OrderStatus.Completed)]
    [InlineData(OrderStatus.Expired)]
    [InlineData(OrderStatus.Cancelled)]
    [InlineData(OrderStatus.Refunded)]
    public void A_page_of_a_members_orders_is_read_from_their_index_and_not_sorted(OrderStatus? status)
    {
        using SqliteConnection db = SqliteStore.OpenReadOnly(DatabasePath);
        SqliteStatement plan = db[$"EXPLAIN QUERY PLAN {SqliteStore.OrdersText(isOfMember: true, status)}"];
        var steps = new List<string>();
        while (plan.Step())
        {
            steps.Add(plan.Text(3));
        }

        Assert.Equal(["SEARCH orders USING INDEX orders_of_member (member_id=? AND order_id<?)"], steps);
    }

    [Fact]
    public async Task A_page_that_began_by_the_position_of_an_order_goes_on_by_its_id()
    {
        ProductView product = await ProductAsync();
        OrderView[] orders = [await PlaceAsync(), await PlaceAsync(), await PlaceAsync()];
        (long First, long Second) third = Assert.Single(await Store.OrdersAsync(null, null, null, Clock.GetUtcNow(), 1)).Place;
        Assert.Equal(0, third.Second);
        Assert.Equal(
            [orders[1].OrderId, orders[0].OrderId],
            (await Store.OrdersAsync("m", null, third, Clock.GetUtcNow(), 10)).Select(row => row.Order.OrderId));
        Assert.Empty(await Store.OrdersAsync("m", null, (999, 0), Clock.GetUtcNow(), 10));

        Task<OrderView> PlaceAsync() => OrderAsync("m", null, (product.ProductId, 1));
    }

    [Fact]
    public async Task Migrations_are_recorded_repeatable_and_refuse_what_they_do_not_know()
    {
        await Executor.DisposeAsync();
        await Store.DisposeAsync();
        using (SqliteConnection db = SqliteConnection.Open(DatabasePath, readOnly: false))
        {
            Assert.Equal(0, SqliteMigrations.Apply(db));
            db.Execute("UPDATE schema_migrations SET checksum = 'another'");
        }

        Assert.Contains("does not know", Assert.Throws<SetupException>(() => SqliteStore.Open(DatabasePath)).Message, StringComparison.Ordinal);
        Assert.Throws<SetupException>(() => SqliteStore.OpenReadOnly(DatabasePath));
        using (SqliteConnection db = SqliteConnection.Open(DatabasePath, readOnly: false))
        {
            db.Execute("DROP TABLE schema_migrations");
        }

        Assert.Contains("not a Jumun database", Assert.Throws<SetupException>(() => SqliteStore.OpenReadOnly(DatabasePath)).Message, StringComparison.Ordinal);
        File.Delete(DatabasePath);
        await InitializeAsync();
    }

    [Fact]
    public async Task A_shop_from_before_events_could_be_forgotten_is_brought_up_to_date()
    {
        await LiveAsync();
        await RunAsync("DROP TABLE forgotten_events; DELETE FROM schema_migrations WHERE name = '0003-forgotten-events.sql'");
        await RestartAsync();
        await AuditAsync();
        List<PendingEvent> pending = await PendingAsync(10);
        await DoAsync<Done>(new Jumun.DataPlatform.RecordDelivery(pending.ConvertAll(one => one.Key)));
        Clock.Advance(TimeSpan.FromDays(2));
        await DoAsync<Done>(new Jumun.DataPlatform.ForgetDeliveredEvents(pending.ConvertAll(one => one.EventId)[..2], TimeSpan.FromDays(1)));
        Assert.Single(await Store.EventsAsync(null, null, 10));
        await AuditAsync();
    }

    /// <summary>The greatest position would be given again, and lists and the relay go on from positions that they have seen.</summary>
    [Fact]
    public async Task The_newest_event_stays()
    {
        await LiveAsync();
        Guid newest = Assert.Single(await Store.EventsAsync(null, null, 1)).Event.EventId;
        List<((long First, long Second) Place, Guid EventId, Jumun.DataPlatform.OutboxState State)> old =
            await Store.OldEventsAsync(Clock.GetUtcNow().AddDays(1), null, 10);
        Assert.Equal(2, old.Count);
        Assert.DoesNotContain(newest, old.Select(one => one.EventId));
    }

    [Fact]
    public async Task An_event_of_a_clock_that_was_ahead_keeps_no_older_one()
    {
        ProductView product = await ProductAsync();
        Clock.Advance(TimeSpan.FromDays(3_650));
        OrderView ahead = await BuyAsync("ahead", product);
        Clock.Advance(TimeSpan.FromDays(-3_650));
        OrderView old = await BuyAsync("old", product);
        Clock.Advance(TimeSpan.FromDays(2));
        await BuyAsync("new", product);
        (_, Guid found, _) = Assert.Single(await Store.OldEventsAsync(Clock.GetUtcNow().AddDays(-1), null, 1));
        Assert.Equal(Ids.CompletedEventOf(old.OrderId), found);
        Assert.Equal(3, (await Store.EventsAsync(null, null, 10)).Count);
        Assert.Contains(Ids.CompletedEventOf(ahead.OrderId), (await Store.EventsAsync(null, null, 10)).Select(row => row.Event.EventId));
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused_and_left_as_it_is()
    {
        string path = Path.Combine(folder, "notes.db");
        await File.WriteAllTextAsync(path, new string('z', 5_000), TestContext.Current.CancellationToken);
        Assert.Throws<SetupException>(() => SqliteStore.Open(path));
        Assert.Equal(new string('z', 5_000), await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
        Assert.Throws<SetupException>(() => SqliteStore.OpenReadOnly(Path.Combine(folder, "missing.db")));
    }

    [Theory]
    [InlineData("INSERT INTO products VALUES (99, 'x', 1, -1, 1)")]
    [InlineData("UPDATE products SET stock = -1")]
    [InlineData("UPDATE coupons SET issued = quantity + 1")]
    [InlineData("INSERT INTO issued_coupons SELECT member_id, coupon_id, 99, 0, NULL, 0 FROM issued_coupons LIMIT 1")]
    [InlineData("INSERT INTO issued_coupons SELECT 'other', coupon_id, number, 0, NULL, 0 FROM issued_coupons LIMIT 1")]
    [InlineData("UPDATE ledger SET balance = -1")]
    [InlineData("UPDATE ledger SET balance = 9007199254740992")]
    [InlineData("INSERT INTO ledger SELECT member_id, entry + 100, kind, amount, balance, events, order_id, 0 FROM ledger WHERE kind = 1")]
    [InlineData("INSERT INTO orders SELECT NULL, member_id, order_id, 0, lines, subtotal, discount, NULL, 0, 0, NULL, NULL FROM orders LIMIT 1")]
    [InlineData("UPDATE orders SET discount = subtotal + 1")]
    [InlineData("INSERT INTO outbox SELECT NULL, event_id, member_id, sequence + 1, type, order_id, body, 0 FROM outbox LIMIT 1")]
    [InlineData("INSERT INTO products VALUES (99, 'x', 'one', 1, 1)")]
    public async Task The_schema_refuses_what_must_never_happen(string sql)
    {
        await LiveAsync();
        using SqliteConnection db = SqliteConnection.Open(DatabasePath, readOnly: false);
        Assert.True(Assert.Throws<SqliteException>(() => db.Execute(sql)).IsConstraint);
    }

    [Theory]
    [InlineData("I1", "UPDATE ledger SET balance = balance + 1 WHERE member_id = 'm' AND entry = 2")]
    [InlineData("I1", "DELETE FROM ledger WHERE member_id = 'm' AND entry = 1")]
    [InlineData("I2", "UPDATE ledger SET balance = balance + 1 WHERE entry = 1 AND member_id = 'm'")]
    [InlineData("I2", "UPDATE ledger SET entry = entry + 1 WHERE member_id = 'm' AND entry = 2")]
    [InlineData("I3", "UPDATE products SET stock = stock + 1")]
    [InlineData("I3", "UPDATE stock_changes SET change = change - 1")]
    [InlineData("I3", "PRAGMA foreign_keys = OFF; DELETE FROM products")]
    [InlineData("I3", "PRAGMA foreign_keys = OFF; DELETE FROM stock_changes; DELETE FROM products; DELETE FROM sales")]
    [InlineData("I3", "INSERT INTO sales VALUES (1, 999, 0, 0)")]
    [InlineData("I4", "UPDATE coupons SET issued = issued + 1")]
    [InlineData("I4", "PRAGMA foreign_keys = OFF; DELETE FROM coupons")]
    [InlineData("I4", "UPDATE issued_coupons SET number = number + 1 WHERE number = 4")]
    [InlineData("I4", "UPDATE issued_coupons SET status = 0, order_id = NULL WHERE status = 2")]
    [InlineData("I4", "UPDATE issued_coupons SET status = 2, order_id = zeroblob(16) WHERE status = 0")]
    [InlineData("I5", "UPDATE orders SET status = 0, paid_at = NULL WHERE status = 1")]
    [InlineData("I5", "DELETE FROM ledger WHERE kind = 2")]
    [InlineData("I5", "UPDATE ledger SET amount = amount - 1 WHERE kind = 1")]
    [InlineData("I6", "UPDATE orders SET subtotal = subtotal + 1")]
    [InlineData("I6", "UPDATE orders SET discount = discount + 1 WHERE status = 0")]
    [InlineData("I6", "UPDATE orders SET coupon_id = NULL WHERE status = 0")]
    [InlineData("I6", "UPDATE coupons SET discount_maximum = 1")]
    [InlineData("I6", "UPDATE orders SET lines = '{' WHERE status = 0")]
    [InlineData("I7", "DELETE FROM outbox_queue; DELETE FROM outbox WHERE type = 0")]
    [InlineData("I7", "DELETE FROM outbox_queue; DELETE FROM outbox WHERE type = 1")]
    [InlineData("I7", "UPDATE outbox SET sequence = sequence + 1 WHERE type = 1")]
    [InlineData("I7", "UPDATE ledger SET events = events + 1 WHERE kind = 2")]
    [InlineData("I7", "UPDATE outbox SET event_id = randomblob(16)")]
    [InlineData("I7", "UPDATE outbox SET event_id = unhex(substr(hex(event_id), 1, 31) || '0') WHERE type = 1")]
    [InlineData("I7", "INSERT INTO outbox_dead SELECT position FROM outbox_queue")]
    [InlineData("I11", "UPDATE issued_coupons SET status = 0, order_id = NULL WHERE status = 1")]
    [InlineData("I11", "UPDATE orders SET status = 3, ended_at = 0 WHERE status = 0")]
    [InlineData("I11", "UPDATE sales SET quantity = quantity + 1")]
    [InlineData("I11", "UPDATE sales SET amount = amount + 1")]
    [InlineData("I11", "UPDATE sales SET hour = hour - 500")]
    public Task The_audit_names_each_invariant_that_is_broken(string id, string sql) => MustBeNamedAsync(id, sql);
}
