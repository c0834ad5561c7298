using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Jumun.Tests.Sinks;

/// <summary>An event as it arrived.</summary>
internal sealed record Arrived(string Id, string Type, string Order, string Member, long Sequence, string Text)
{
    /// <summary>Each order was told of; each id came with the same bytes; each member's events came first in their order, without gaps.</summary>
    public static void HaveAll(IEnumerable<string> orders, IEnumerable<Arrived> arrived)
    {
        Arrived[] all = [.. arrived];
        Assert.Equal(orders.Order(StringComparer.Ordinal), all.Select(one => one.Order).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(all.Select(one => one.Id).Distinct().Count(), all.Select(one => one.Text).Distinct().Count());
        Assert.All(all.DistinctBy(one => one.Id).GroupBy(one => one.Member), ofMember => Assert.Equal(
            Enumerable.Range(1, ofMember.Count()).Select(number => (long)number), ofMember.Select(one => one.Sequence)));
    }
}

/// <summary>A request as it arrived.</summary>
internal sealed record Posted(DateTimeOffset At, Dictionary<string, string> Headers, byte[] Body, IReadOnlyList<Arrived> Events)
{
    /// <summary>Whether an event of this member is in it.</summary>
    public bool Has(string member) => Events.Any(one => one.Member == member);
}

/// <summary>A data platform at the other end of a real socket, which does what a test tells it to.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly int port = FreePort.Next();
    private readonly ConcurrentQueue<Posted> requests = [];
    private readonly ConcurrentQueue<Arrived> taken = [];
    private WebApplication? server;
    private int strangers;

    /// <summary>What it answers: a status, or null when there is nothing to say any more. Whatever was answered with 2xx is taken.</summary>
    public Func<Posted, HttpContext, Task<int?>> Answers { get; set; } = Ok;

    /// <summary>Requests that were no deliveries.</summary>
    public int Strangers => strangers;

    /// <summary>Where it listens.</summary>
    public string Url => $"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}/events";

    /// <summary>All it ever got.</summary>
    public IReadOnlyList<Posted> Requests => [.. requests];

    /// <summary>What it took, in order.</summary>
    public IReadOnlyList<Arrived> Taken => [.. taken];

    public static Task<int?> Ok(Posted posted, HttpContext http) => Task.FromResult<int?>(204);

    /// <summary>The same status for everything.</summary>
    public static Func<Posted, HttpContext, Task<int?>> Always(int status) => (_, _) => Task.FromResult<int?>(status);

    public static async Task<Receiver> StartAsync()
    {
        var receiver = new Receiver();
        await receiver.ListenAsync();
        return receiver;
    }

    /// <summary>Listens again.</summary>
    public async Task ListenAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls(new Uri(Url).GetLeftPart(UriPartial.Authority));
        builder.Logging.ClearProviders();
        server = builder.Build();
        server.Run(ReceiveAsync);
        await server.StartAsync();
    }

    /// <summary>Is gone: connections are refused.</summary>
    public async Task CloseAsync()
    {
        if (server is not null)
        {
            using var now = new CancellationTokenSource();
            await now.CancelAsync();
            await server.StopAsync(now.Token);
            await server.DisposeAsync();
            server = null;
        }
    }

    /// <summary>Takes what was posted, whatever it answers.</summary>
    public void Take(Posted posted)
    {
        foreach (Arrived one in posted.Events)
        {
            taken.Enqueue(one);
        }
    }

    /// <summary>Waits until it took so many different events.</summary>
    public Task TookAsync(int events, double seconds = 20) =>
        TestShop.UntilAsync(() => Task.FromResult(taken.Select(one => one.Id).Distinct().Count() >= events), seconds);

    /// <summary>It was told of each of these orders, as it has to be.</summary>
    public void HasAll(IEnumerable<string> orders) => Arrived.HaveAll(orders, Taken);

    public ValueTask DisposeAsync() => new(CloseAsync());

    private async Task ReceiveAsync(HttpContext http)
    {
        if (http.Request.Method != "POST")
        {
            Interlocked.Increment(ref strangers);
            return;
        }

        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        byte[] bytes = body.ToArray();
        var posted = new Posted(
            DateTimeOffset.UtcNow, http.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString()), bytes,
            [.. JsonNode.Parse(bytes)!.AsArray().Select(one => new Arrived(
                (string)one!["id"]!, (string)one["type"]!, (string)one["subject"]!, (string)one["partitionkey"]!, (long)one["sequence"]!,
                one.ToJsonString()))]);
        requests.Enqueue(posted);
        if (await Answers(posted, http) is { } status)
        {
            if (status is >= 200 and < 300)
            {
                Take(posted);
            }

            http.Response.StatusCode = status;
        }
    }
}
