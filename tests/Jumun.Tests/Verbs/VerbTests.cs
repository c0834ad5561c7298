using System.Text.RegularExpressions;
using Jumun.Server;
using Jumun.Server.Stores.Sqlite;
using Jumun.Tests.Crashes;
using Jumun.Tests.Http;

namespace Jumun.Tests.Verbs;

/// <summary>The program's commands, as an operator runs them, on each store.</summary>
public sealed class VerbTests
{
    [Fact]
    public async Task Seed_fills_an_empty_shop_once_and_the_audit_finds_nothing_wrong_with_it()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var program = new ServerProcess(data);
        (int exitCode, string output) = await program.RunAsync(cancellation, "seed");
        Assert.True(exitCode == 0, output);
        Assert.Contains("has a demo catalogue", output, StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "seed");
        Assert.True(exitCode == 0, output);
        Assert.Contains("nothing was changed", output, StringComparison.Ordinal);

        (exitCode, output) = await program.RunAsync(cancellation, "audit");
        Assert.True(exitCode == 0, output);
        Assert.Contains("ok     I1", output, StringComparison.Ordinal);
        Assert.DoesNotContain("BROKEN", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Seed_goes_on_where_it_was_cut_and_leaves_a_shop_with_anything_else_as_it_is()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var program = new ServerProcess(data);
        (int exitCode, string output) = await program.RunAsync(cancellation, "seed");
        Assert.True(exitCode == 0, output);
        string products = (await data.ContentsAsync())["products"];
        await data.ExecuteAsync("DELETE FROM coupons; DELETE FROM stock_changes WHERE product_id > 1; DELETE FROM products WHERE product_id > 1");

        (exitCode, output) = await program.RunAsync(cancellation, "seed");
        Assert.True(exitCode == 0, output);
        Assert.Contains("has a demo catalogue", output, StringComparison.Ordinal);
        Dictionary<string, string> contents = await data.ContentsAsync();
        Assert.Equal(products, contents["products"]);
        Assert.Equal(8, products.Split('\n').Length);
        Assert.Equal(4, contents["coupons"].Split('\n').Length);

        await data.ExecuteAsync("DELETE FROM coupons WHERE coupon_id = 4; UPDATE products SET price = 1 WHERE product_id = 8");
        contents = await data.ContentsAsync();
        (exitCode, output) = await program.RunAsync(cancellation, "seed");
        Assert.True(exitCode == 0, output);
        Assert.Contains("nothing was changed", output, StringComparison.Ordinal);
        Assert.Equal(contents, await data.ContentsAsync());
    }

    [Fact]
    [Once]
    public async Task What_cannot_be_looked_at_or_made_is_named_and_is_no_difference()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        using var program = new ServerProcess(data);
        (int exitCode, string output) = await program.RunAsync(cancellation, "audit");
        Assert.Equal(2, exitCode);
        Assert.Contains("There is no shop", output, StringComparison.Ordinal);

        Assert.Equal(0, (await program.RunAsync(cancellation, "migrate")).ExitCode);
        await data.ExecuteAsync("DROP TABLE ledger");
        (exitCode, output) = await program.RunAsync(cancellation, "reconcile", "--platform", "http://127.0.0.1:9");
        Assert.Equal(2, exitCode);
        Assert.Contains("no such table: ledger", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);

        // A folder cannot be made in a file.
        string inside = Path.Combine(data.Folder, "jumun.db", "shop.db");
        using var misplaced = new ServerProcess(data.Folder, new() { ["ConnectionStrings:Jumun"] = $"Data Source={inside}" });
        (exitCode, output) = await misplaced.RunAsync(cancellation, "migrate");
        Assert.Equal(1, exitCode);
        Assert.Contains("Check that", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Audit_fails_with_a_line_for_what_is_broken_and_runs_beside_a_server()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        await using (TestShop shop = await TestShop.StartAsync(data: data))
        {
            await shop.As("alice").ChargeAsync(100);
        }

        await data.ExecuteAsync("UPDATE ledger SET amount = 101");
        using var program = new ServerProcess(data);
        await program.StartAsync(cancellation);
        (int exitCode, string output) = await program.RunAsync(cancellation, "audit");
        Assert.Equal(1, exitCode);
        string[] lines = output.Split('\n');
        int broken = Array.FindIndex(lines, line => line.StartsWith("BROKEN I1 ", StringComparison.Ordinal));
        Assert.True(broken >= 0, output);
        Assert.Contains("alice", lines[broken + 1], StringComparison.Ordinal);
    }

    [Fact]
    [Once]
    public async Task A_backup_is_made_whole_beside_a_server_and_otherwise_not_at_all()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await using TestShop shop = await TestShop.StartAsync(data: data);
        await shop.As("alice").ChargeAsync(100);
        using var program = new ServerProcess(data);
        string path = Path.Combine(data.Folder, "backup.db");
        await File.WriteAllTextAsync(path + ".part", "left by one that was killed", cancellation);
        (int exitCode, string output) = await program.RunAsync(cancellation, "backup", path);
        Assert.True(exitCode == 0, output);
        Assert.Contains(path, output, StringComparison.Ordinal);
        await shop.As("alice").ChargeAsync(1);

        // It has what was there, and is a shop.
        var copied = new Dictionary<string, string?>
        {
            ["Jumun:Store"] = "sqlite",
            ["ConnectionStrings:Jumun"] = $"Data Source={path}",
            ["Jumun:DataPlatform:Path"] = path + ".ndjson",
        };
        await using (TestShop copy = await TestShop.StartAsync(copied))
        {
            Assert.Equal(100, await copy.As("alice").BalanceAsync());
        }

        byte[] whole = await File.ReadAllBytesAsync(path, cancellation);
        (exitCode, output) = await program.RunAsync(cancellation, "backup", path);
        Assert.Equal(1, exitCode);
        Assert.Contains("is there already", output, StringComparison.Ordinal);
        Assert.Equal(whole, await File.ReadAllBytesAsync(path, cancellation));

        // Where it fails nothing has its name.
        string other = Path.Combine(data.Folder, "other.db");
        Directory.CreateDirectory(other + ".part");
        (exitCode, output) = await program.RunAsync(cancellation, "backup", other);
        Assert.Equal(1, exitCode);
        Assert.Contains("The backup failed", output, StringComparison.Ordinal);
        Assert.False(File.Exists(other));
        Assert.False(File.Exists(path + ".part"));
    }

    /// <summary>An older file must be backed up before the newer program changes its schema, which cannot be undone.</summary>
    [Fact]
    [Once]
    public async Task A_file_of_an_older_or_a_newer_version_is_backed_up()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await SqliteStore.Open(Path.Combine(data.Folder, "jumun.db")).DisposeAsync();
        using var program = new ServerProcess(data);
        await data.ExecuteAsync("DROP TABLE forgotten_events; DELETE FROM schema_migrations WHERE name = '0003-forgotten-events.sql'");
        string older = Path.Combine(data.Folder, "older.db");
        (int exitCode, string output) = await program.RunAsync(cancellation, "backup", older);
        Assert.True(exitCode == 0, output);
        Assert.True(File.Exists(older));
        await data.ExecuteAsync("INSERT INTO schema_migrations VALUES ('9999-of-tomorrow.sql', 'x', 0)");
        (exitCode, output) = await program.RunAsync(cancellation, "backup", Path.Combine(data.Folder, "newer.db"));
        Assert.True(exitCode == 0, output);
    }

    [Fact]
    [Once]
    public async Task The_name_of_a_backup_is_on_the_disk_when_it_is_announced()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await SqliteStore.Open(Path.Combine(data.Folder, "jumun.db")).DisposeAsync();
        string folder = Directory.CreateDirectory(Path.Combine(data.Folder, "backups")).FullName;
        string trace = Path.Combine(data.Folder, "trace");
        using var program = new ServerProcess(data) { Wrapper = ["strace", "-f", "-y", "-s", "400", "-e", "trace=fsync,/^rename,/^link,write", "-o", trace] };
        (int exitCode, string output) = await program.RunAsync(cancellation, "backup", Path.Combine(folder, "backup.db"));
        Assert.True(exitCode == 0, output);
        string[] calls = await File.ReadAllLinesAsync(trace, cancellation);
        int named = Array.FindLastIndex(calls, call => call.Contains("backup.db.part\"", StringComparison.Ordinal)
            && (call.Contains(" rename", StringComparison.Ordinal) || call.Contains(" link", StringComparison.Ordinal)));
        int synced = Array.FindLastIndex(
            calls, call => call.Contains("fsync(", StringComparison.Ordinal) && call.Contains($"<{folder}>", StringComparison.Ordinal));
        int announced = Array.FindLastIndex(calls, call => call.Contains(" write(", StringComparison.Ordinal)
            && call.Contains("backup.db, ", StringComparison.Ordinal));
        Assert.True(0 <= named && named < synced && synced < announced, $"{named}, {synced}, {announced}\n{string.Join('\n', calls.TakeLast(40))}");
    }

    [Fact]
    [Once]
    public async Task A_backup_that_is_told_to_stop_leaves_nothing()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        string file = Path.Combine(data.Folder, "jumun.db");
        await SqliteStore.Open(file).DisposeAsync();
        string path = Path.Combine(data.Folder, "backup.db");

        // Each page takes a while to read; the tracer is not the process that is told to stop (-D).
        using var program = new ServerProcess(data)
        {
            Wrapper = ["strace", "-D", "-f", "-o", "/dev/null", "-P", file, "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=200000"],
        };
        (int exitCode, string output) = await program.RunAndTerminateAsync(
            () => TestShop.UntilAsync(() => Task.FromResult(File.Exists(path + ".part")), seconds: 60), cancellation, "backup", path);
        Assert.True(exitCode == 1, $"{exitCode}: {output}");
        Assert.Contains("interrupted", output, StringComparison.Ordinal);
        Assert.False(File.Exists(path + ".part"));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task Migrate_and_doctor_are_content_with_a_shop_that_is_up_to_date()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var program = new ServerProcess(data);
        (int exitCode, string output) = await program.RunAsync(cancellation, "migrate");
        Assert.True(exitCode == 0, output);
        Assert.Contains("is up to date", output, StringComparison.Ordinal);
        await program.StartAsync(cancellation);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("WARN", output, StringComparison.Ordinal);
    }

    [Fact]
    [Once]
    public async Task A_lock_that_cannot_be_opened_is_told_of_and_not_taken_for_another_process()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        using var program = new ServerProcess(data);
        (int exitCode, string output) = await program.RunAsync(cancellation, "migrate");
        Assert.True(exitCode == 0, output);

        // A link to itself opens for nobody, whatever rights they have.
        string file = SqliteFile.LockOf(Path.Combine(data.Folder, "jumun.db"));
        File.Delete(file);
        File.CreateSymbolicLink(file, file);
        (exitCode, output) = await program.RunAsync(cancellation, "serve");
        Assert.Equal(1, exitCode);
        Assert.Contains($"{file} cannot be opened for writing: ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.True(exitCode == 0, output);
        Assert.Matches($"served +unknown: {Regex.Escape(file)} cannot be opened", output);
    }

    [Fact]
    [Once]
    public async Task Doctor_sees_a_clock_that_is_behind_what_was_stored_and_a_disk_without_room()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        await using (TestShop shop = await TestShop.StartAsync(data: data))
        {
            await shop.As("alice").ChargeAsync(100);
        }

        using var small = new ServerProcess(data, new() { ["DOTNET_EnableWriteXorExecute"] = "0" })
        {
            Wrapper = ["sh", "-c", "trap '' XFSZ; ulimit -f 20000; exec \"$@\"", "jumun"],
        };
        (int exitCode, string output) = await small.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Assert.Contains("WARN room", output, StringComparison.Ordinal);
        Assert.DoesNotContain("WARN clock", output, StringComparison.Ordinal);

        await data.ExecuteAsync("UPDATE ledger SET created_at = created_at + 86400000");
        using var program = new ServerProcess(data);
        (exitCode, output) = await program.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Assert.Contains("WARN clock", output, StringComparison.Ordinal);
        Assert.DoesNotContain("WARN room", output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(data.Folder, "jumun.db.doctor")));
    }

    [Fact]
    public async Task A_developer_is_told_where_the_shop_is_and_finds_a_coupon_there_that_opens_soon()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var program = new ServerProcess(data, new() { ["ASPNETCORE_ENVIRONMENT"] = "Development" });
        await program.StartAsync(cancellation);
        await TestShop.UntilAsync(() => Task.FromResult(program.Said.Any(
            line => line.Contains($"{program.Address}shop ", StringComparison.Ordinal))));
        using var http = new HttpClient { BaseAddress = program.Address };
        var alice = new TestCaller(http, "alice", TestShop.Token("alice"));
        TestAnswer coupons = (await alice.GetAsync("/coupons")).Is(200);
        DateTimeOffset opens = coupons["items"]![0]!["issueFrom"].Time();
        Assert.InRange((opens - DateTimeOffset.UtcNow).TotalSeconds, 30, 60);
        (await alice.PostAsync($"/coupons/{coupons["items"]![0]!["couponId"]}")).IsProblem(409, "coupon_not_open");
        (await alice.PostAsync("/coupons/1")).Is(201);
    }

    [Theory]
    [Once]
    [InlineData("'oracle'", "--Jumun:Store=oracle")]
    [InlineData("'oracle'", "serve", "--Jumun:Store", "oracle")]
    [InlineData("'sevre' is neither a verb nor a setting", "sevre")]
    [InlineData("'sevre' is neither a verb nor a setting", "sevre", "--urls=http://localhost:8080")]
    [InlineData("'--urls' is neither a verb nor a setting", "serve", "--urls")]
    public async Task Settings_may_stand_on_the_command_line_and_a_mistyped_verb_serves_nothing(string expected, params string[] words)
    {
        await using TestData data = await TestData.CreateAsync(StoreKind.Sqlite);
        using var program = new ServerProcess(data);
        (int exitCode, string output) = await program.RunAsync(TestContext.Current.CancellationToken, words);
        Assert.Equal(1, exitCode);
        Assert.Contains(expected, output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_printed_token_opens_the_shop()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var program = new ServerProcess(data);
        (int exitCode, string token) = await program.RunAsync(cancellation, "token", "--member", "alice");
        Assert.True(exitCode == 0, token);
        await using TestShop shop = await TestShop.StartAsync(data: data);
        Assert.Equal(5, await new TestCaller(shop, "alice", token.Trim()).ChargeAsync(5));
    }
}
