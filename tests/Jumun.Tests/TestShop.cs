using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Jumun.Server;
using Jumun.Server.Api;
using Jumun.Server.DataPlatform;
using Jumun.Server.Execution;
using Jumun.Server.Live;
using Jumun.Server.Stores;
using Jumun.Server.Verbs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jumun.Tests;

/// <summary>A real server on a real socket, over a real database of its own.</summary>
internal sealed class TestShop : IAsyncDisposable
{
    public const string SigningKey = "the-signing-key-of-the-tests-which-is-long-enough";

    private readonly TestData data;
    private readonly bool ownsData;
    private readonly ShopHost host;
    private readonly EndpointDataSource endpoints;

    private TestShop(
        ShopHost host, EndpointDataSource endpoints, DeliveryFigures figures, Leases leases, Auth tokens, TestClock clock, TestData data, bool ownsData)
    {
        this.host = host;
        Tokens = tokens;
        Figures = figures;
        Leases = leases;
        this.endpoints = endpoints;
        this.data = data;
        this.ownsData = ownsData;
        Clock = clock;
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, MaxConnectionsPerServer = 256 })
        {
            BaseAddress = new Uri(host.Urls.First()),
        };
    }

    public static AuthSettings Auth { get; } = new(SigningKey, null, "jumun", "jumun");

    public HttpClient Http { get; }

    /// <summary>The server's clock: real time and what the test adds.</summary>
    public TestClock Clock { get; }

    public string Folder => data.Folder;

    public string EventsPath => Path.Combine(Folder, "events.ndjson");

    public Shop Shop => host.Shop;

    public IStore Store => host.Shop.Store;

    /// <summary>How the delivery of events fares.</summary>
    public DeliveryFigures Figures { get; }

    /// <summary>The partitions that it works on.</summary>
    public Leases Leases { get; }

    /// <summary>How it checks tokens.</summary>
    public Auth Tokens { get; }

    public LiveHub Live => host.Live;

    /// <summary>Every route that the running server has.</summary>
    public IEnumerable<RouteEndpoint> Routes => endpoints.Endpoints.OfType<RouteEndpoint>();

    /// <param name="settings">Settings beside those that every test has, written as in an environment, with ':'.</param>
    /// <param name="data">The data of an earlier server, to go on with it.</param>
    /// <param name="isDevelopment">Whether it is a developer's machine.</param>
    /// <param name="journal">What keeps its log, in place of the console that has errors alone.</param>
    /// <param name="change">Makes of the settings that were read those that hold: what nobody but a test can set.</param>
    public static async Task<TestShop> StartAsync(
        Dictionary<string, string?>? settings = null, TestData? data = null, bool isDevelopment = false, Journal? journal = null,
        Func<Settings, Settings>? change = null)
    {
        bool ownsData = data is null;
        data ??= await TestData.CreateAsync();
        try
        {
            return await StartAsync(settings ?? [], data, ownsData, isDevelopment, journal, change ?? (read => read));
        }
        catch when (ownsData)
        {
            await data.DisposeAsync();
            throw;
        }
    }

    /// <summary>A token of the shop.</summary>
    public static string Token(string member, bool admin = false) =>
        TokenVerb.Issue(Auth, member, admin, hours: 24, TimeProvider.System);

    public TestCaller As(string member) => new(this, member, Token(member));

    public TestCaller AsAdmin(string member = "admin") => new(this, member, Token(member, admin: true));

    public TestCaller AsNobody() => new(this, "", null);

    /// <summary>Stops the server as an operator does; the data stays.</summary>
    public async Task StopAsync()
    {
        Http.Dispose();
        await host.DisposeAsync();
    }

    /// <summary>All that the shop holds, table by table.</summary>
    public Task<Dictionary<string, string>> ContentsAsync() => data.ContentsAsync();

    /// <summary>Every invariant holds.</summary>
    public async Task AuditAsync()
    {
        foreach (InvariantReport report in await Store.AuditAsync())
        {
            Assert.True(report.Holds, $"{report.Id}: {string.Join("; ", report.Offenders)}");
        }
    }

    /// <summary>Waits until something is so, at most the seconds given.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, double seconds = 10)
    {
        DateTime end = DateTime.UtcNow.AddSeconds(seconds);
        while (!await condition())
        {
            Assert.True(DateTime.UtcNow < end, $"It was not so after {seconds.ToString(CultureInfo.InvariantCulture)} seconds.");
            await Task.Delay(20);
        }
    }

    /// <summary>
    /// What happens within a time when the machine has nothing else to do, and a machine that runs all the tests has: the best of three tries is
    /// judged. The next one is made two seconds after one was late.
    /// </summary>
    /// <param name="milliseconds">Within what time.</param>
    /// <param name="tryAsync">Tries it, and says after how many milliseconds it happened.</param>
    public static async Task BestOfThreeAsync(double milliseconds, Func<Task<double>> tryAsync)
    {
        var took = new List<double> { await tryAsync() };
        while (took[^1] > milliseconds && took.Count < 3)
        {
            // What else the machine does lasts for a while.
            await Task.Delay(2_000);
            took.Add(await tryAsync());
        }

        string all = string.Join(", ", took.Select(one => $"{one:F0}"));
        Assert.True(took[^1] <= milliseconds, $"It happened after {all} ms, not within {milliseconds} in any try.");
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (ownsData)
        {
            await data.DisposeAsync();
        }
    }

    private static async Task<TestShop> StartAsync(
        Dictionary<string, string?> settings, TestData data, bool ownsData, bool isDevelopment, Journal? journal, Func<Settings, Settings> change)
    {
        var clock = new TestClock();
        WebApplicationBuilder builder = Surroundings.Builder();
        builder.Environment.EnvironmentName = isDevelopment ? Environments.Development : Environments.Production;
        builder.Configuration.AddInMemoryCollection(data.Settings);
        builder.Configuration.AddInMemoryCollection([new("Jumun:Auth:SigningKey", SigningKey)]);
        builder.Configuration.AddInMemoryCollection(settings);
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.SetMinimumLevel(journal is null ? LogLevel.Error : LogLevel.Information);
        if (journal is not null)
        {
            builder.Logging.ClearProviders().AddProvider(journal);
        }

        builder.Services.AddSingleton<TimeProvider>(clock);
        EndpointDataSource? endpoints = null;
        Relay? relay = null;
        Leases? leases = null;
        Auth? tokens = null;
        builder.Services.AddSingleton<IHostedService>(services => new Glance(
            () => (endpoints, relay, leases, tokens) = (
                services.GetRequiredService<EndpointDataSource>(), services.GetRequiredService<Relay>(), services.GetRequiredService<Leases>(),
                services.GetRequiredService<Auth>())));
        ShopHost host = await ShopHost.StartAsync(builder, change(Settings.Read(builder.Configuration, builder.Environment)));
        return new TestShop(host, endpoints!, relay!.Figures, leases!, tokens!, clock, data, ownsData);
    }
}

/// <summary>Looks into a server while it starts.</summary>
internal sealed class Glance(Action look) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        look();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Real time, and what the test adds to it.</summary>
internal sealed class TestClock : TimeProvider
{
    private long added;
    private volatile bool isBroken;

    /// <summary>Whether it throws when it is asked for the time, as a bug would.</summary>
    public bool IsBroken
    {
        get => isBroken;
        set => isBroken = value;
    }

    public void Advance(TimeSpan time) => Interlocked.Add(ref added, time.Ticks);

    public override DateTimeOffset GetUtcNow() => isBroken
        ? throw new InvalidOperationException("the secret of the broken clock")
        : base.GetUtcNow() + TimeSpan.FromTicks(Volatile.Read(ref added));

    public override long GetTimestamp() => base.GetTimestamp() + (Volatile.Read(ref added) * (TimestampFrequency / TimeSpan.TicksPerSecond));
}

/// <summary>An answer: its status, headers and body.</summary>
internal sealed record TestAnswer(HttpStatusCode Code, HttpResponseHeaders Headers, HttpContentHeaders ContentHeaders, byte[] Bytes)
{
    public int Status => (int)Code;

    public string Text => Encoding.UTF8.GetString(Bytes);

    public JsonObject Json => JsonNode.Parse(Bytes)!.AsObject();

    /// <summary>A member of the body.</summary>
    public JsonNode? this[string name] => Json[name];

    /// <summary>The answer is a problem of this status and code.</summary>
    public TestAnswer IsProblem(int status, string code)
    {
        Assert.True(status == Status, $"Expected {status} {code}, got {Status}: {Text}");
        Assert.Equal("application/problem+json", ContentHeaders.ContentType?.MediaType);
        Assert.Equal(code, (string?)Json["code"]);
        Assert.Equal($"/problems/{code}", (string?)Json["type"]);
        Assert.Equal(status, (int?)Json["status"]);
        Assert.False(string.IsNullOrEmpty((string?)Json["title"]));
        Assert.False(string.IsNullOrEmpty((string?)Json["detail"]));
        Assert.False(string.IsNullOrEmpty((string?)Json["traceId"]));
        return this;
    }

    /// <summary>The answer has this status.</summary>
    public TestAnswer Is(int status)
    {
        Assert.True(status == Status, $"Expected {status}, got {Status}: {Text}");
        return this;
    }
}

/// <summary>Somebody who calls the API.</summary>
internal sealed class TestCaller(HttpClient http, string member, string? token)
{
    public TestCaller(TestShop shop, string member, string? token)
        : this(shop.Http, member, token)
    {
    }

    public string Member { get; } = member;

    public Task<TestAnswer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<TestAnswer> PostAsync(string path, string? json = null, string? key = null) => SendAsync(HttpMethod.Post, path, json, key);

    public Task<TestAnswer> PutAsync(string path, string json) => SendAsync(HttpMethod.Put, path, json);

    public Task<TestAnswer> PatchAsync(string path, string json) => SendAsync(HttpMethod.Patch, path, json);

    public Task<TestAnswer> DeleteAsync(string path) => SendAsync(HttpMethod.Delete, path);

    public Task<TestAnswer> SendAsync(HttpMethod method, string path, string? json = null, string? key = null)
    {
        var request = new HttpRequestMessage(method, path);
        if (json is not null)
        {
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }

        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        }

        return SendAsync(request);
    }

    /// <summary>Sends a request with this caller's token.</summary>
    public async Task<TestAnswer> SendAsync(HttpRequestMessage request)
    {
        using (request)
        {
            if (token is not null && request.Headers.Authorization is null)
            {
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            }

            using HttpResponseMessage response = await http.SendAsync(request);
            return new TestAnswer(response.StatusCode, response.Headers, response.Content.Headers, await response.Content.ReadAsByteArrayAsync());
        }
    }

    // What most tests begin with. Each insists on success.

    public async Task<long> ChargeAsync(long amount) =>
        (long)(await PostAsync($"/members/{Member}/points/charge", $$"""{"amount":{{amount}}}""")).Is(200)["balance"]!;

    public async Task<long> BalanceAsync() => (long)(await GetAsync($"/members/{Member}/points")).Is(200)["balance"]!;

    public async Task<long> CreateProductAsync(string name = "mug", long price = 1_000, long stock = 100) =>
        (long)(await PostAsync("/admin/products", $$"""{"name":"{{name}}","price":{{price}},"stock":{{stock}}}""")).Is(201)["productId"]!;

    /// <param name="discount">The discount as JSON.</param>
    /// <param name="quantity">How many.</param>
    /// <param name="more">More members, as JSON, with a comma before each.</param>
    public async Task<long> CreateCouponAsync(
        string discount = """{"kind":"amount","value":100}""", long quantity = 10, string more = "") =>
        (long)(await PostAsync(
            "/admin/coupons",
            $$"""
            {"name":"coupon","discount":{{discount}},"quantity":{{quantity}},
             "issueFrom":"2020-01-01T00:00:00Z","issueUntil":"2099-01-01T00:00:00Z","usableUntil":"2099-01-01T00:00:00Z"{{more}}}
            """)).Is(201)["couponId"]!;

    public async Task<TestAnswer> OrderAsync(long productId, long quantity = 1, long? couponId = null) =>
        await PostAsync(
            $"/order/{Member}",
            $$"""{"items":[{"productId":{{productId}},"quantity":{{quantity}}}]{{(couponId is null ? "" : $",\"couponId\":{couponId}")}}}""");

    public async Task<TestAnswer> PayAsync(TestAnswer order) => await PostAsync($"/payment/{order["paymentId"]}");

    public async Task<long> StockAsync(long productId) => (long)(await GetAsync($"/products/{productId}")).Is(200)["stock"]!;
}
