using Jumun.Tests.Crashes;

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
    [InlineData("serve")]
    [InlineData("seed")]
    [InlineData("audit")]
    public async Task A_schema_that_was_not_migrated_is_refused_and_the_message_says_what_to_run(string verb)
    {
        using ServerProcess program = On(address);
        (int exitCode, string output) = await program.RunAsync(TestContext.Current.CancellationToken, verb);
        Assert.Equal(1, exitCode);
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
    [InlineData("serve")]
    [InlineData("migrate")]
    [InlineData("audit")]
    [InlineData("doctor")]
    public async Task A_server_that_cannot_be_reached_is_named_without_the_password(string verb)
    {
        int nobody = FreePort.Next();
        using ServerProcess program = On($"Host=127.0.0.1;Port={nobody};Database=shop;Username=shop;Password=secret");
        (int exitCode, string output) = await program.RunAsync(TestContext.Current.CancellationToken, verb);
        Assert.Equal(1, exitCode);
        Assert.Contains($"127.0.0.1:{nobody}", output, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
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

    private ServerProcess On(string connectionString) =>
        new(folder.FullName, new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = connectionString });
}
