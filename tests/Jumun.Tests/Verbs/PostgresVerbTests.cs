using Jumun.Tests.Crashes;
using Npgsql;

namespace Jumun.Tests.Verbs;

/// <summary>What the commands do on PostgreSQL alone: its schema is brought up to date by hand, its backups are its own.</summary>
[Once]
public sealed class PostgresVerbTests : IAsyncLifetime
{
    private readonly TemporaryFolder folder = new();
    private string address = "";

    public async ValueTask InitializeAsync() => address = await PostgresServer.CreateDatabaseAsync();

    public async ValueTask DisposeAsync()
    {
        folder.Dispose();
        await PostgresServer.DropDatabaseAsync(address);
    }

    [Theory]
    [InlineData("serve", 1)]
    [InlineData("seed", 1)]
    [InlineData("audit", 2)]
    public async Task A_schema_that_was_not_migrated_is_refused_and_the_message_says_what_to_run(string verb, int expected)
    {
        using ServerProcess program = On(address);
        (int exitCode, string output) = await program.RunAsync(TestContext.Current.CancellationToken, verb);
        Assert.Equal(expected, exitCode);
        Assert.Contains("migrate", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrate_brings_the_schema_up_to_date_and_serve_is_content_with_it()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using ServerProcess program = On(address);
        (int exitCode, string output) = await program.RunAsync(cancellation, "doctor");
        Assert.Equal(1, exitCode);
        Assert.Contains("WARN schema", output, StringComparison.Ordinal);

        (exitCode, output) = await program.RunAsync(cancellation, "migrate");
        Assert.True(exitCode == 0, output);
        Assert.Contains("0001", output, StringComparison.Ordinal);
        (exitCode, output) = await program.RunAsync(cancellation, "migrate");
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("0001", output, StringComparison.Ordinal);
        await program.StartAsync(cancellation);
        Assert.Equal(0, await program.TerminateAsync(cancellation));
    }

    [Theory]
    [InlineData("serve", 1)]
    [InlineData("migrate", 1)]
    [InlineData("audit", 2)]
    [InlineData("doctor", 1)]
    public async Task A_server_that_cannot_be_reached_is_named_without_the_password(string verb, int expected)
    {
        int nobody = FreePort.Next();
        using ServerProcess program = On($"Host=127.0.0.1;Port={nobody};Database=shop;Username=shop;Password=secret");
        (int exitCode, string output) = await program.RunAsync(TestContext.Current.CancellationToken, verb);
        Assert.Equal(expected, exitCode);
        Assert.Contains($"127.0.0.1:{nobody}", output, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Seed_says_why_the_database_refused_it_and_goes_on_when_that_is_mended()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using ServerProcess program = On(address);
        Assert.Equal(0, (await program.RunAsync(cancellation, "migrate")).ExitCode);
        await ExecuteAsync("""
            CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no room for coupons$$ USING ERRCODE = $$53100$$; END';
            CREATE TRIGGER no_room BEFORE INSERT ON coupons FOR EACH STATEMENT EXECUTE FUNCTION no_room();
            """);
        (int exitCode, string output) = await program.RunAsync(cancellation, "seed");
        Assert.Equal(1, exitCode);
        Assert.Contains("The demo catalogue was refused", output, StringComparison.Ordinal);
        Assert.Contains("no room for coupons", output, StringComparison.Ordinal);

        await ExecuteAsync("DROP TRIGGER no_room ON coupons");
        (exitCode, output) = await program.RunAsync(cancellation, "seed");
        Assert.True(exitCode == 0, output);
        Assert.Contains("has a demo catalogue", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backup_is_of_SQLite_and_names_what_PostgreSQL_has()
    {
        using ServerProcess program = On(address);
        (int exitCode, string output) = await program.RunAsync(TestContext.Current.CancellationToken, "backup", "copy.db");
        Assert.Equal(1, exitCode);
        Assert.Contains("pg_dump", output, StringComparison.Ordinal);
        Assert.Contains("pg_basebackup", output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.FullName));
    }

    [Fact]
    public async Task A_developers_key_and_the_events_are_in_the_data_folder()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using var program = new ServerProcess(folder.FullName, new()
        {
            ["Jumun:Store"] = "postgres",
            ["ConnectionStrings:Jumun"] = address,
            ["Jumun:Auth:SigningKey"] = null,
            ["Jumun:DataPlatform:Path"] = null,
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
        });
        (int exitCode, string output) = await program.RunAsync(cancellation, "token", "--member", "alice");
        Assert.True(exitCode == 0, output);
        Assert.True(File.Exists(Path.Combine(folder.FullName, "data", "jumun.signing-key")));
        (_, output) = await program.RunAsync(cancellation, "doctor");
        Assert.Contains(Path.Combine(folder.FullName, "data", "events.ndjson"), output, StringComparison.Ordinal);
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection($"{address};Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private ServerProcess On(string connectionString) =>
        new(folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = connectionString });
}
