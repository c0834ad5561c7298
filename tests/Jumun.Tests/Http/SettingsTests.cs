using System.Net;
using System.Net.Sockets;
using Jumun.Server;
using Jumun.Server.Stores.Sqlite;
using Jumun.Server.Verbs;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jumun.Tests.Http;

/// <summary>Settings that make no sense stop the start, and the message names them.</summary>
public sealed class SettingsTests
{
    [Fact]
    public async Task Production_without_a_key_refuses_to_start()
    {
        SetupException refused = await Assert.ThrowsAsync<SetupException>(() => StartAsync(new() { ["Jumun:Auth:SigningKey"] = "" }));
        Assert.NotEmpty(refused.Message);
        Assert.Contains("Jumun__Auth__SigningKey", Refused([], Environments.Production).Message, StringComparison.Ordinal);
        Assert.Contains("Jumun__Auth__Authority", Refused([], Environments.Production).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Development_without_a_key_makes_one_beside_its_data_file_and_keeps_it()
    {
        using var folder = new TemporaryFolder();
        var settings = new Dictionary<string, string?>
        {
            ["ConnectionStrings:Jumun"] = $"Data Source={Path.Combine(folder.FullName, "jumun.db")}",
        };
        string first = Read(settings, Environments.Development).Auth.SigningKey!;
        Assert.True(first.Length >= 32);
        Assert.Equal(first, Read(settings, Environments.Development).Auth.SigningKey);
        Assert.Single(Directory.GetFiles(folder.FullName));
    }

    [Theory]
    [InlineData("Jumun:Auth:SigningKey", "only-thirty-one-bytes-in-thekey", "Jumun__Auth__SigningKey")]
    [InlineData("Jumun:Auth:Authority", "https://issuer.example", "Jumun__Auth__Authority")]
    [InlineData("Jumun:Store", "mongo", "Jumun__Store")]
    [InlineData("Jumun:DataPlatform:Sink", "kafka", "Jumun__DataPlatform__Sink")]
    [InlineData("Jumun:DataPlatform:Sink", "http", "Jumun__DataPlatform__Url")]
    [InlineData("Jumun:DataPlatform:Sink", "amqp", "Jumun__DataPlatform__Url")]
    [InlineData("Jumun:DataPlatform:DeadAfter", "never", "Jumun__DataPlatform__DeadAfter")]
    [InlineData("Jumun:DataPlatform:KeepDelivered", "forever", "Jumun__DataPlatform__KeepDelivered")]
    [InlineData("Jumun:DataPlatform:KeepDelivered", "23:59:59", "Jumun__DataPlatform__KeepDelivered")]
    [InlineData("Jumun:DataPlatform:KeepDelivered", "3651.00:00:00", "Jumun__DataPlatform__KeepDelivered")]
    [InlineData("Jumun:Orders:PaymentWindow", "soon", "Jumun__Orders__PaymentWindow")]
    [InlineData("Jumun:Orders:PaymentWindow", "00:00:00", "Jumun__Orders__PaymentWindow")]
    [InlineData("Jumun:Orders:PaymentWindow", "-00:10:00", "Jumun__Orders__PaymentWindow")]
    [InlineData("Jumun:Orders:PaymentWindow", "00:00:00.0001", "Jumun__Orders__PaymentWindow")]
    [InlineData("Jumun:Orders:PaymentWindow", "24:00:00", "Jumun__Orders__PaymentWindow")]
    [InlineData("Jumun:Orders:PaymentWindow", "10", "00:10:00")]
    [InlineData("Jumun:DataPlatform:DeadAfter", "3", "Jumun__DataPlatform__DeadAfter")]
    [InlineData("Jumun:Orders:RefundWindow", "7", "7.00:00:00")]
    [InlineData("Jumun:Orders:RefundWindow", "-00:00:01", "Jumun__Orders__RefundWindow")]
    [InlineData("Jumun:Orders:RefundWindow", "400.00:00:00", "Jumun__Orders__RefundWindow")]
    [InlineData("Jumun:RateLimit:PermitsPerSecond", "0", "Jumun__RateLimit__PermitsPerSecond")]
    [InlineData("Jumun:RateLimit:Burst", "many", "Jumun__RateLimit__Burst")]
    [InlineData("Jumun:Console:ClientId", "console", "Jumun__Auth__Authority")]
    [InlineData("Jumun:SecondLaneFrom", "0", "Jumun__SecondLaneFrom")]
    [InlineData("Jumun:SecondLaneFrom", "many", "Jumun__SecondLaneFrom")]
    public async Task A_setting_that_makes_no_sense_refuses_to_start_and_is_named(string name, string value, string named)
    {
        SetupException refused = await Assert.ThrowsAsync<SetupException>(() => StartAsync(new() { [name] = value }));
        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Windows_are_read_to_their_ends_and_empty_names_are_those_of_the_shop()
    {
        Settings settings = Read(
            new()
            {
                ["Jumun:Auth:SigningKey"] = TestShop.SigningKey,
                ["Jumun:Auth:Issuer"] = "",
                ["Jumun:Auth:Audience"] = "",
                ["Jumun:Orders:PaymentWindow"] = "00:00:00.001",
                ["Jumun:Orders:RefundWindow"] = "00:00:00",
            },
            Environments.Production);
        Assert.Equal((TimeSpan.FromMilliseconds(1), TimeSpan.Zero), (settings.PaymentWindow, settings.RefundWindow));
        Assert.Equal(("jumun", "jumun"), (settings.Auth.Issuer, settings.Auth.Audience));
        settings = Read(
            new() { ["Jumun:Auth:SigningKey"] = TestShop.SigningKey, ["Jumun:Orders:PaymentWindow"] = "1.06:00:00" }, Environments.Production);
        Assert.Equal(TimeSpan.FromHours(30), settings.PaymentWindow);
    }

    [Theory]
    [InlineData("http", "events", "secret", "Url")]
    [InlineData("http", "ftp://platform.example/secret", "secret", "Url")]
    [InlineData("http", "amqp://platform.example", "secret", "Url")]
    [InlineData("http", "https://jumun:secret@platform.example/events", "secret", "Url")]
    [InlineData("http", "https://platform.example/events", null, "Secret")]
    [InlineData("http", "https://platform.example/events", "  ", "Secret")]
    [InlineData("http", "https://platform.example/events", "whsec_secret!", "Secret")]
    [InlineData("http", "https://platform.example/events", "good whsec_", "Secret")]
    [InlineData("amqp", "https://secret.example/", null, "Url")]
    [InlineData("amqp", "amqp:secret", null, "Url")]
    public void A_data_platform_that_cannot_be_reached_so_is_refused_without_showing_a_secret(string sink, string url, string? secret, string named)
    {
        SetupException refused = Refused(
            new()
            {
                ["Jumun:DataPlatform:Sink"] = sink,
                ["Jumun:DataPlatform:Url"] = url,
                ["Jumun:DataPlatform:Secret"] = secret,
                ["Jumun:Auth:SigningKey"] = TestShop.SigningKey,
            },
            Environments.Production);
        Assert.Contains($"Jumun__DataPlatform__{named}", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret!", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret.example", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(":secret", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_events_go_is_shown_without_secrets()
    {
        DataPlatformSettings http = PlatformOf("http", "https://platform.example:8443/events?key=secret", "whsec_c2VjcmV0 secret");
        Assert.Equal("https://platform.example:8443/events", http.ToString());
        Assert.Equal(["secret"u8.ToArray(), "secret"u8.ToArray()], http.Secrets);
        Assert.Equal(TimeSpan.FromDays(3), http.DeadAfter);
        Assert.Equal("amqps://rabbitmq.example:5671/shop", PlatformOf("amqp", "amqps://jumun:secret@rabbitmq.example:5671/shop", null).ToString());
    }

    /// <summary>Whoever set an address and forgot the sink would think that events go there.</summary>
    [Fact]
    public void What_the_sink_makes_no_use_of_is_named()
    {
        Assert.Equal(
            ["Jumun__DataPlatform__Url", "Jumun__DataPlatform__Secret"], PlatformOf("", "https://platform.example/events", "whsec_c2VjcmV0").Unused);
        Assert.Equal(["Jumun__DataPlatform__Secret"], PlatformOf("amqp", "amqp://rabbitmq.example/", "whsec_c2VjcmV0").Unused);
        Assert.Empty(PlatformOf("http", "https://platform.example/events", "whsec_c2VjcmV0").Unused);
        Assert.Empty(PlatformOf("file", "", null).Unused);
    }

    [Theory]
    [InlineData("Database=jumun;Username=jumun;Password=secret!")]
    [InlineData("mysql://jumun:secret!@db.example/jumun")]
    public void An_address_that_names_no_file_is_not_shown(string address)
    {
        SetupException refused = Refused(
            new() { ["ConnectionStrings:Jumun"] = address, ["Jumun:Auth:SigningKey"] = TestShop.SigningKey }, Environments.Production);
        Assert.Contains("ConnectionStrings__Jumun", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret!", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("1.00:00:00", 1)]
    [InlineData("90.00:00:00", 90)]
    [InlineData("3650.00:00:00", 3650)]
    public void Delivered_events_are_kept_for_ever_unless_a_time_is_set(string? value, int? days)
    {
        Settings settings = Read(
            new() { ["Jumun:DataPlatform:KeepDelivered"] = value, ["Jumun:Auth:SigningKey"] = TestShop.SigningKey }, Environments.Production);
        Assert.Equal(days, settings.DataPlatform.KeepDelivered?.TotalDays);
    }

    [Fact]
    public void In_development_deliveries_need_not_be_signed()
    {
        Settings settings = Read(
            new()
            {
                ["Jumun:DataPlatform:Sink"] = "http",
                ["Jumun:DataPlatform:Url"] = "http://localhost:5090/events",
                ["Jumun:Auth:SigningKey"] = TestShop.SigningKey,
            },
            Environments.Development);
        Assert.Empty(settings.DataPlatform.Secrets);
    }

    [Theory]
    [InlineData("postgres", null, "ConnectionStrings__Jumun")]
    [InlineData("postgres", "", "ConnectionStrings__Jumun")]
    [InlineData("postgres", "Data Source=data/jumun.db", "ConnectionStrings__Jumun")]
    [InlineData("postgres", "Host=localhost;Password=secret", "Database")]
    [InlineData("postgres", "Database=jumun;Password=secret", "Host")]
    [InlineData("postgres", "Host=localhost;Database=jumun;Port=secret", "ConnectionStrings__Jumun")]
    [InlineData("postgres", "postgres://jumun:secret@localhost/jumun", "ConnectionStrings__Jumun")]
    [InlineData("sqlite", "postgres://jumun:secret@localhost/jumun", "Jumun__Store")]
    [InlineData("sqlite", "Host=localhost;Database=jumun;Password=secret", "Jumun__Store")]
    [InlineData(null, "Server=localhost;Database=jumun;Password=secret", "Jumun__Store")]
    [InlineData("Postgres", "Host=localhost;Database=jumun", "Jumun__Store")]
    public void A_store_and_a_connection_string_that_do_not_fit_are_refused_without_showing_a_password(string? store, string? address, string named)
    {
        SetupException refused = Refused(new() { ["Jumun:Store"] = store, ["ConnectionStrings:Jumun"] = address }, Environments.Development);
        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PostgreSQL_is_named_by_its_database_and_server_and_its_files_are_in_data()
    {
        const string address = "Host=db.example;Port=6432;Database=shop;Username=jumun;Password=secret";
        StoreSettings store = Read(
            new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = address, ["Jumun:Auth:SigningKey"] = TestShop.SigningKey },
            Environments.Production).Store;
        Assert.Equal(StoreKind.Postgres, store.Kind);
        Assert.Equal(address, store.Address);
        Assert.Equal("shop at db.example:6432", store.Name);
        Assert.DoesNotContain("secret", store.ToString(), StringComparison.Ordinal);
        Assert.Equal(Path.GetFullPath("data"), store.Folder);
    }

    [Fact]
    public async Task A_message_about_a_key_does_not_show_it()
    {
        SetupException refused = await Assert.ThrowsAsync<SetupException>(() => StartAsync(new() { ["Jumun:Auth:SigningKey"] = "secret" }));
        Assert.DoesNotContain("secret", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_of_32_bytes_is_long_enough_and_bytes_are_counted_not_characters()
    {
        foreach (string key in new[] { new string('k', 32), "열쇠열쇠열쇠열쇠열쇠열" })
        {
            await using TestShop shop = await TestShop.StartAsync(new() { ["Jumun:Auth:SigningKey"] = key });
            (await new TestCaller(shop, "alice", Jwt.Signed(Jwt.Claims("alice"), key: key)).GetAsync("/products")).Is(200);
        }
    }

    [Fact]
    public void An_authority_must_be_an_https_address()
    {
        foreach (string authority in new[] { "http://issuer.example", "issuer", "ftp://issuer.example" })
        {
            Assert.Contains("Authority", Refused(new() { ["Jumun:Auth:Authority"] = authority }, Environments.Production).Message, StringComparison.Ordinal);
        }

        Assert.Equal(
            "https://issuer.example",
            Read(new() { ["Jumun:Auth:Authority"] = "https://issuer.example" }, Environments.Production).Auth.Authority);
    }

    [Fact]
    public void The_defaults_are_those_of_the_contract()
    {
        Settings settings = Read(new() { ["Jumun:Auth:SigningKey"] = TestShop.SigningKey }, Environments.Production);
        Assert.Equal(TimeSpan.FromMinutes(10), settings.PaymentWindow);
        Assert.Equal(TimeSpan.FromDays(7), settings.RefundWindow);
        Assert.Equal("jumun", settings.Auth.Issuer);
        Assert.Equal("jumun", settings.Auth.Audience);
        Assert.Null(settings.RateLimit);
        Assert.Equal(new StoreSettings(StoreKind.Sqlite, Path.GetFullPath("data/jumun.db")), settings.Store);
        Assert.Equal(Path.GetFullPath("data/events.ndjson"), settings.DataPlatform.Path);
        Assert.Equal("http://localhost:5080", Settings.DefaultUrl);
    }

    [Fact]
    public async Task Developers_who_start_at_once_have_one_key_and_a_file_without_one_is_told_of()
    {
        // Who looks whether there is a key before they make one, and no more, are caught in some of so many rounds.
        const int starters = 4;
        const int rounds = 200;
        using var folder = new TemporaryFolder();
        string PathOf(int round) => Path.Combine(folder.FullName, $"data-{round}", "key");
        var auth = new AuthSettings(null, null, "jumun", "jumun");
        int made = 0;
        using var together = new Barrier(starters);
        string?[][] keys = await Task.WhenAll(Enumerable.Range(0, starters).Select(_ => Task.Factory.StartNew(
            () => Enumerable.Range(0, rounds).Select(round =>
            {
                Assert.True(together.SignalAndWait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
                return auth.WithKey(PathOf(round), isDevelopment: true, _ => Interlocked.Increment(ref made)).SigningKey;
            }).ToArray(),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        for (int round = 0; round < rounds; round++)
        {
            Assert.Equal(64, Assert.Single(keys.Select(one => one[round]).Distinct())!.Length);
            Assert.Equal([PathOf(round)], Directory.GetFiles(Path.GetDirectoryName(PathOf(round))!));
        }

        Assert.Equal(rounds, made);

        // What a start leaves that is killed midway keeps none from making a whole one.
        string path = PathOf(0);
        File.Move(path, $"{path}.part");
        await File.WriteAllTextAsync(SqliteFile.LockOf(path), "", TestContext.Current.CancellationToken);
        string key = auth.WithKey(path, isDevelopment: true, _ => { }).SigningKey!;
        Assert.Equal((64, false), (key.Length, key == keys[0][0]));
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));

        await File.WriteAllTextAsync(path, "", TestContext.Current.CancellationToken);
        Assert.Contains(path, Assert.Throws<SetupException>(() => auth.WithKey(path, isDevelopment: true, _ => { })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lock_that_is_looked_at_for_an_instant_keeps_no_server_from_its_start()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.FullName, "jumun.db");
        FileStream look = SqliteFile.TryLock(path)!;
        Assert.Null(SqliteFile.TryLock(path));

        // Each on a thread of its own: a lock is waited for so shortly that a busy pool may not get to giving it back in time.
        Task<FileStream> start = Task.Factory.StartNew(
            () => SqliteFile.Lock(path), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        SpinWait.SpinUntil(() => start.IsCompleted, millisecondsTimeout: 50);
        await look.DisposeAsync();
        await using FileStream taken = await start;
        Assert.Contains(path, Assert.Throws<SetupException>(() => SqliteFile.Lock(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    [Once]
    public async Task What_went_wrong_first_is_told_at_once_also_while_the_database_does_not_answer()
    {
        // It takes connections and says nothing; the store waits for each of six in turn.
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        string hosts = string.Join(',', Enumerable.Repeat($"127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}", 6));
        WebApplicationBuilder builder = Surroundings.Builder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Jumun:Store"] = "postgres",
            ["ConnectionStrings:Jumun"] = $"Host={hosts};Database=jumun;Username=jumun",
            ["Jumun:Auth:SigningKey"] = TestShop.SigningKey,
        });
        builder.Host.UseDefaultServiceProvider(options => options.ValidateOnBuild = true);
        builder.Services.AddSingleton<Glance>();
        AggregateException told = await Assert.ThrowsAsync<AggregateException>(
            () => ShopHost.StartAsync(builder, Settings.Read(builder.Configuration, builder.Environment))
                .WaitAsync(TimeSpan.FromSeconds(5 * Bounds.PostgresConnectSeconds), TestContext.Current.CancellationToken));
        Assert.Contains(nameof(Glance), told.Message, StringComparison.Ordinal);
    }

    private static DataPlatformSettings PlatformOf(string sink, string url, string? secret) => Read(
        new()
        {
            ["Jumun:DataPlatform:Sink"] = sink,
            ["Jumun:DataPlatform:Url"] = url,
            ["Jumun:DataPlatform:Secret"] = secret,
            ["Jumun:Auth:SigningKey"] = TestShop.SigningKey,
        },
        Environments.Production).DataPlatform;

    private static async Task StartAsync(Dictionary<string, string?> settings)
    {
        await using TestShop shop = await TestShop.StartAsync(settings);
    }

    private static SetupException Refused(Dictionary<string, string?> settings, string environment) =>
        Assert.Throws<SetupException>(() => Read(settings, environment));

    private static Settings Read(Dictionary<string, string?> settings, string environment)
    {
        WebApplicationBuilder builder = Surroundings.Builder();
        builder.Environment.EnvironmentName = environment;
        builder.Configuration.AddInMemoryCollection(settings);
        return Surroundings.SettingsWithKey(builder);
    }
}
