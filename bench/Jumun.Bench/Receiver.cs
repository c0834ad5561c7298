using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Connections.Features;

namespace Jumun.Bench;

/// <summary>
/// A data platform in memory: it takes batches of events, as the <c>http</c> sink posts them, and can be asked how long each took
/// from the moment of its batch until it could be found here, and whether any came out of order or came again with other bytes. How
/// late it answers can be set, and how it fails.
/// </summary>
internal sealed class Receiver
{
    private readonly Lock gate = new();
    private readonly Dictionary<Guid, int> events = [];
    private readonly Dictionary<string, long> sequences = [];
    private readonly Queue<(long At, double Delay)> recent = [];
    private readonly string eventsUrl;
    private WebApplication? listener;
    private List<double> delays = [];
    private int answersAfter;
    private string fails = "";
    private long requests, failed, repeated, changed, disordered;

    private Receiver(string eventsUrl) => this.eventsUrl = eventsUrl;

    /// <param name="url">Where it listens for everything, or, with <paramref name="eventsUrl"/>, for what is asked and told of it.</param>
    /// <param name="milliseconds">How late it answers.</param>
    /// <param name="eventsUrl">Where it takes events, so that it can stop to listen there.</param>
    public static async Task<int> RunAsync(string url, string milliseconds, string? eventsUrl)
    {
        var receiver = new Receiver(eventsUrl ?? "") { answersAfter = int.Parse(milliseconds) };
        WebApplication app = receiver.Build(url);
        if (eventsUrl is not null)
        {
            await receiver.FailAsync("");
        }

        await app.RunAsync();
        return 0;
    }

    private WebApplication Build(string url)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls(url).ConfigureKestrel(options => options.AddServerHeader = false);
        WebApplication app = builder.Build();
        app.Run(AnswerAsync);
        return app;
    }

    private async Task AnswerAsync(HttpContext http)
    {
        switch (http.Request.Path.Value)
        {
            case "/events":
                await TakeAsync(http);
                break;
            case "/slow":
                answersAfter = int.Parse(http.Request.Query["ms"].ToString());
                break;
            case "/fail":
                await FailAsync(http.Request.Query["how"].ToString());
                break;
            case "/reset":
                Reset();
                break;
            default:
                await http.Response.WriteAsync(Figures());
                break;
        }
    }

    /// <summary>Fails from now on in one way: <c>refuse</c>, <c>500</c>, <c>429</c>, <c>silent</c>, <c>break</c>; with none it works.</summary>
    private async Task FailAsync(string how)
    {
        fails = how;
        if (how == "refuse" && listener is not null)
        {
            using var soon = new CancellationTokenSource(100);
            await listener.StopAsync(soon.Token);
            await listener.DisposeAsync();
            listener = null;
        }
        else if (how != "refuse" && listener is null)
        {
            listener = Build(eventsUrl);
            await listener.StartAsync();
        }
    }

    private async Task TakeAsync(HttpContext http)
    {
        using JsonDocument batch = await JsonDocument.ParseAsync(http.Request.Body);
        string how = fails;
        bool isSecond = Interlocked.Increment(ref requests) % 2 == 0;
        if (how.Length > 0)
        {
            Interlocked.Increment(ref failed);
        }

        switch (how)
        {
            case "500":
                http.Response.StatusCode = StatusCodes.Status500InternalServerError;
                return;
            case "429":
                http.Response.StatusCode = StatusCodes.Status429TooManyRequests;
                http.Response.Headers.RetryAfter = "20";
                return;
            case "silent":
                // Each second one is stored all the same: the shop cannot know, and sends it again.
                if (isSecond)
                {
                    Take(batch);
                }

                await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            case "break":
                // It is stored; the connection is reset in the midst of the status, which the shop did not hear then, or after it.
                Take(batch);
                byte[] part = isSecond ? "HTTP/1.1 2"u8.ToArray() : "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"u8.ToArray();
                PipeWriter output = http.Features.Get<IConnectionTransportFeature>()!.Transport.Output;
                await output.WriteAsync(part);
                await Task.Delay(20);
                http.Abort();
                return;
            default:
                Take(batch);
                await Task.Delay(answersAfter);
                http.Response.StatusCode = StatusCodes.Status204NoContent;
                return;
        }
    }

    private void Take(JsonDocument batch)
    {
        lock (gate)
        {
            foreach (JsonElement one in batch.RootElement.EnumerateArray())
            {
                Guid id = one.GetProperty("id").GetGuid();
                int bytes = one.GetRawText().GetHashCode(StringComparison.Ordinal);
                if (events.TryGetValue(id, out int before))
                {
                    repeated += 1;
                    changed += bytes == before ? 0 : 1;
                    continue;
                }

                events.Add(id, bytes);
                string member = one.GetProperty("partitionkey").GetString()!;
                long sequence = one.GetProperty("sequence").GetInt64();
                disordered += sequence == sequences.GetValueOrDefault(member) + 1 ? 0 : 1;
                sequences[member] = sequence;
                double delay = (TimeProvider.System.GetUtcNow() - one.GetProperty("time").GetDateTimeOffset()).TotalMilliseconds;
                delays.Add(delay);
                recent.Enqueue((Environment.TickCount64, delay));
            }

            Forget();
        }
    }

    private void Reset()
    {
        lock (gate)
        {
            delays = [];
        }
    }

    /// <summary>Of all since the reset, and of the last second.</summary>
    private string Figures()
    {
        lock (gate)
        {
            Forget();
            double[] sorted = [.. delays.Order()];
            double At(double share) => sorted.Length == 0 ? 0 : sorted[(int)Math.Min(sorted.Length - 1, sorted.Length * share)];
            double latest = recent.Count == 0 ? 0 : recent.Max(one => one.Delay);
            return $"events={events.Count} measured={sorted.Length} p50={At(0.5):0.0} p99={At(0.99):0.0} max={At(1):0.0} "
                + $"second={recent.Count} oldest={latest:0} "
                + $"requests={Interlocked.Read(ref requests)} failed={Interlocked.Read(ref failed)} "
                + $"repeated={repeated} changed={changed} disordered={disordered}\n";
        }
    }

    private void Forget()
    {
        while (recent.TryPeek(out (long At, double Delay) first) && Environment.TickCount64 - first.At > 1_000)
        {
            recent.Dequeue();
        }
    }
}
