using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Jumun.Server;

namespace Jumun.Tests.Platform;

/// <summary>The reference data platform in a process of its own, on the store of this run, to be asked and to be killed.</summary>
internal sealed class PlatformProcess : IAsyncDisposable
{
    public const string Secret = "a-secret-of-the-tests";

    private readonly TemporaryFolder folder = new();
    private readonly Dictionary<string, string?> settings;
    private readonly string? database;
    private readonly ConcurrentQueue<string?> said = new();
    private Process? process;
    private int lastMessage;

    private PlatformProcess(Dictionary<string, string?> settings, string? database)
    {
        this.settings = settings;
        this.database = database;
        Http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = Address };
    }

    public int Port { get; } = FreePort.Next();

    public Uri Address => new($"http://127.0.0.1:{Port.ToString(CultureInfo.InvariantCulture)}");

    public HttpClient Http { get; }

    /// <summary>The folder of the daily files.</summary>
    public string Files => Path.Combine(folder.FullName, "files");

    /// <summary>What it wrote to its console; all of it when it has ended.</summary>
    public string Said => string.Join('\n', said);

    /// <summary>Somebody who reads.</summary>
    public TestCaller Reader => new(Http, "", token: null);

    /// <param name="settings">Settings beside those that every test has, as in an environment.</param>
    public static async Task<PlatformProcess> StartAsync(Dictionary<string, string?>? settings = null)
    {
        string? database = TestData.Kind == StoreKind.Postgres ? await PostgresServer.CreateDatabaseAsync() : null;
        var platform = new PlatformProcess(settings ?? [], database);
        try
        {
            await platform.StartAgainAsync();
            return platform;
        }
        catch
        {
            await platform.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it where it was stopped or killed; returns when it is ready, with the broker if it has one.</summary>
    public async Task StartAgainAsync()
    {
        process = Run(Port);
        await TestShop.UntilAsync(
            async () =>
            {
                Assert.False(process.HasExited, $"The platform stopped at its start: {Said}");
                try
                {
                    JsonNode ready = JsonNode.Parse(await Http.GetStringAsync("/health/ready"))!;
                    return (string?)ready["status"] == "ready" && (string?)ready["broker"] != "away";
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            seconds: 60);
    }

    /// <summary>A second one with the same settings: how it ends, and what it says.</summary>
    public async Task<(int ExitCode, string Said)> StartSecondAsync()
    {
        said.Clear();
        using Process second = Run(FreePort.Next());
        await second.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (second.ExitCode, Said);
    }

    /// <summary><c>kill -9</c>.</summary>
    public async Task KillAsync()
    {
        process!.Kill();
        await EndAsync();
    }

    /// <summary><c>kill -TERM</c>; the exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        using (Process kill = Process.Start("kill", ["-TERM", process!.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync();
        }

        return await EndAsync();
    }

    /// <summary>Sends events, signed as the shop signs them.</summary>
    public Task<TestAnswer> SendAsync(params JsonObject[] events) => SendAsync(TestEvents.BatchOf(events), SignatureOf);

    /// <summary>Sends a body with a signature made by the test.</summary>
    /// <param name="body">The body.</param>
    /// <param name="sign">Signs an id, a timestamp and the body; null for none.</param>
    /// <param name="timestamp">When it is said to be sent, in Unix seconds; null for now.</param>
    /// <param name="type">Its media type.</param>
    /// <param name="bytes">What is sent in its place; null for the body.</param>
    public async Task<TestAnswer> SendAsync(
        string body, Func<string, string, string, string>? sign, long? timestamp = null, string type = "application/cloudevents-batch+json",
        byte[]? bytes = null)
    {
        string id = $"msg_{Interlocked.Increment(ref lastMessage).ToString(CultureInfo.InvariantCulture)}";
        string seconds = (timestamp ?? DateTimeOffset.UtcNow.ToUnixTimeSeconds()).ToString(CultureInfo.InvariantCulture);
        var request = new HttpRequestMessage(HttpMethod.Post, "/events") { Content = new ByteArrayContent(bytes ?? Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);

        // A body that is refused for its size is refused before it is sent: otherwise the connection may break first.
        request.Headers.ExpectContinue = body.Length > 1024 * 1024;
        if (sign is not null)
        {
            request.Headers.Add("webhook-id", id);
            request.Headers.Add("webhook-timestamp", seconds);
            request.Headers.TryAddWithoutValidation("webhook-signature", sign(id, seconds, body));
        }

        return await Reader.SendAsync(request);
    }

    /// <summary>The signature that Standard Webhooks ask for, by a secret.</summary>
    public static string SignatureOf(byte[] secret, string id, string timestamp, string body) =>
        SignatureOf(secret, id, timestamp, Encoding.UTF8.GetBytes(body));

    public static string SignatureOf(byte[] secret, string id, string timestamp, byte[] body) =>
        $"v1,{Convert.ToBase64String(HMACSHA256.HashData(secret, (byte[])[.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body]))}";

    public static string SignatureOf(string id, string timestamp, string body) => SignatureOf(Encoding.UTF8.GetBytes(Secret), id, timestamp, body);

    /// <summary>All lines of all daily files.</summary>
    public List<string> Lines() => [.. Directory.GetFiles(Files, "events-*.ndjson").Order(StringComparer.Ordinal).SelectMany(File.ReadLines)];

    /// <summary>The ids of all events that it has, as its list tells them.</summary>
    public async Task<List<string>> IdsAsync()
    {
        List<string> ids = [];
        for (string? after = "00000000-0000-0000-0000-000000000000"; after is not null;)
        {
            TestAnswer page = (await Reader.GetAsync($"/events?after={after}&limit=700")).Is(200);
            ids.AddRange(page["items"]!.AsArray().Select(item => (string)item!["eventId"]!));
            after = (string?)page["next"];
        }

        return ids;
    }

    public async Task<long> TotalAsync(string name) => (long)(await Reader.GetAsync("/totals")).Is(200)[name]!;

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            await KillAsync();
        }

        Http.Dispose();
        folder.Dispose();
        if (database is not null)
        {
            await PostgresServer.DropDatabaseAsync(database);
        }
    }

    private async Task<int> EndAsync()
    {
        await process!.WaitForExitAsync();
        int code = process.ExitCode;
        process.Dispose();
        process = null;
        return code;
    }

    private Process Run(int port)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "DataPlatform.dll")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder.FullName,
        };
        start.Environment["DataPlatform__Store"] = database is null ? "sqlite" : "postgres";
        start.Environment["DataPlatform__Database"] = database ?? Path.Combine(folder.FullName, "platform.db");
        start.Environment["DataPlatform__Files"] = Files;
        start.Environment["DataPlatform__Secret"] = Secret;
        start.Environment["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}";
        foreach ((string name, string? value) in settings)
        {
            start.Environment[name] = value;
        }

        // A pipe that nobody reads would fill.
        Process started = Watch.Over(Process.Start(start)!);
        started.OutputDataReceived += (_, line) => said.Enqueue(line.Data);
        started.ErrorDataReceived += (_, line) => said.Enqueue(line.Data);
        started.BeginOutputReadLine();
        started.BeginErrorReadLine();
        return started;
    }
}
