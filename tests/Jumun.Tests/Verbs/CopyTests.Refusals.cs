using Jumun.Server.Stores.Sqlite;
using Jumun.Tests.Crashes;

namespace Jumun.Tests.Verbs;

/// <summary>What is not copied, and a copy that is killed.</summary>
public sealed partial class CopyTests
{
    private const string StandingStill = "pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";

    [Fact]
    public async Task A_file_that_is_served_is_refused()
    {
        await using TestShop shop = await TestShop.StartAsync(data: file);
        await shop.As("alice").ChargeAsync(5);
        string said = await RefusedAsync(database.Address, FilePath);
        Assert.Contains("Another process writes", said, StringComparison.Ordinal);
        Assert.Contains("Stop it", said, StringComparison.Ordinal);
        string link = Path.Combine(file.Folder, "link.db");
        File.CreateSymbolicLink(link, FilePath);
        Assert.Contains("Another process writes", await RefusedAsync(database.Address, link), StringComparison.Ordinal);
        Assert.Equal(10, await shop.As("alice").ChargeAsync(5));
    }

    [Fact]
    public async Task A_database_that_has_a_shop_is_refused_and_left_as_it_is()
    {
        await using (TestShop shop = await TestShop.StartAsync(data: file))
        {
            await shop.As("alice").ChargeAsync(5);
        }

        await CopiedAsync();
        Dictionary<string, string> contents = await database.ContentsAsync();
        Assert.Contains("has a shop already", await RefusedAsync(database.Address, FilePath), StringComparison.Ordinal);
        Assert.Equal(contents, await database.ContentsAsync());
    }

    [Fact]
    public async Task A_database_that_was_not_migrated_is_refused()
    {
        await SqliteStore.Open(FilePath).DisposeAsync();
        string empty = await PostgresServer.CreateDatabaseAsync();
        try
        {
            Assert.Contains("Run 'migrate'", await RefusedAsync(empty, FilePath), StringComparison.Ordinal);
        }
        finally
        {
            await PostgresServer.DropDatabaseAsync(empty);
        }
    }

    [Fact]
    public async Task What_is_no_shops_file_of_this_version_is_refused()
    {
        string path = Path.Combine(file.Folder, "other");
        Assert.Contains("no shop", await RefusedAsync(database.Address, path), StringComparison.Ordinal);
        Assert.False(File.Exists(path + ".lock"));
        await File.WriteAllTextAsync(path, new string('z', 5_000), Cancellation);
        Assert.Contains("Jumun database", await RefusedAsync(database.Address, path), StringComparison.Ordinal);
        File.Delete(path);
        using (SqliteConnection other = SqliteConnection.Open(path, readOnly: false, create: true))
        {
            other.Execute("CREATE TABLE products (product_id INTEGER)");
        }

        Assert.Contains("Jumun database", await RefusedAsync(database.Address, path), StringComparison.Ordinal);
        await SqliteStore.Open(FilePath).DisposeAsync();
        await file.ExecuteAsync("DROP TABLE forgotten_events; DELETE FROM schema_migrations WHERE name = '0003-forgotten-events.sql'");
        Assert.Contains("'migrate'", await RefusedAsync(database.Address, FilePath), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_that_name_no_PostgreSQL_are_refused()
    {
        await SqliteStore.Open(FilePath).DisposeAsync();
        using var program = new ServerProcess(file);
        (int exitCode, string output) = await program.RunAsync(Cancellation, "copy", FilePath);
        Assert.Equal(1, exitCode);
        Assert.Contains("Jumun__Store", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("UPDATE ledger SET amount = amount + 1 WHERE entry = 1", "BROKEN I1")]
    [InlineData("INSERT INTO outbox_queue (position, state) VALUES (99, 0)", "The file has 1 rows for outbox_queue, and 0 came over")]
    public async Task A_shop_that_is_broken_is_not_copied(string damage, string complaint)
    {
        await using (TestShop shop = await TestShop.StartAsync(data: file))
        {
            await shop.As("alice").ChargeAsync(5);
        }

        await file.ExecuteAsync(damage);
        string said = await RefusedAsync(database.Address, FilePath);
        Assert.Contains(complaint, said, StringComparison.Ordinal);
        Assert.Contains("Nothing was copied", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copy_that_is_stopped_or_killed_leaves_nothing_and_is_made_again()
    {
        await using (TestShop shop = await TestShop.StartAsync(data: file))
        {
            await shop.AsAdmin().CreateProductAsync();
            await shop.As("alice").ChargeAsync(5);
        }

        // Stands still where the first rows are there and not the last.
        await database.ExecuteAsync("""
            CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';
            CREATE TRIGGER stand_still BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION stand_still();
            """);
        using (var program = new ServerProcess(database))
        {
            (int exitCode, string output) = await program.RunAndTerminateAsync(
                () => TestShop.UntilAsync(async () => await CountAsync(StandingStill) == 1, seconds: 60), Cancellation, "copy", FilePath);
            Assert.Equal(1, exitCode);
            Assert.Contains("Stopped. Nothing was copied.", output, StringComparison.Ordinal);
            await TestShop.UntilAsync(async () => await CountAsync(StandingStill) == 0);
            await program.RunAndKillAsync(
                () => TestShop.UntilAsync(async () => await CountAsync(StandingStill) == 1, seconds: 60),
                "copy", FilePath);
        }

        // The database notices by itself.
        await TestShop.UntilAsync(async () => await CountAsync(StandingStill) == 0);
        Assert.Equal(0, await CountAsync("products"));
        Assert.Equal(1, await CountAsync("forgotten_events"));
        await database.ExecuteAsync("DROP TRIGGER stand_still ON orders");
        await CopiedAsync();
        Assert.Equal(1, await CountAsync("products"));
        Assert.Equal(1, await CountAsync("wallets"));
    }

    /// <summary>What is said when nothing is copied.</summary>
    private async Task<string> RefusedAsync(string address, string path)
    {
        using var program = new ServerProcess(database.Folder, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = address });
        (int exitCode, string output) = await program.RunAsync(Cancellation, "copy", path);
        Assert.Equal(1, exitCode);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        if (!output.Contains("already", StringComparison.Ordinal))
        {
            Assert.Equal(0, await CountAsync("ledger"));
        }

        return output;
    }
}
