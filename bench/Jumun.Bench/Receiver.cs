using System.Text.Json;

namespace Jumun.Bench;

/// <summary>
/// A data platform in memory: it takes batches of events, as the <c>http</c> sink posts them, and can be asked how long each took
/// from the moment of its batch until it could be found here. How late it answers can be set.
/// </summary>
internal sealed class Receiver
{
    private readonly Lock gate = new();
    private readonly HashSet<Guid> events = [];
    private readonly Queue<(long At, double Delay)> recent = [];
    private List<double> delays = [];
    private int answersAfter;

    public static async Task<int> RunAsync(string url, string milliseconds)
    {
        var receiver = new Receiver { answersAfter = int.Parse(milliseconds) };
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls(url).ConfigureKestrel(options => options.AddServerHeader = false);
        WebApplication app = builder.Build();
        app.Run(receiver.AnswerAsync);
        await app.RunAsync();
        return 0;
    }

    private async Task AnswerAsync(HttpContext http)
    {
        switch (http.Request.Path.Value)
        {
            case "/events":
                Take(await JsonDocument.ParseAsync(http.Request.Body));
                await Task.Delay(answersAfter);
                http.Response.StatusCode = StatusCodes.Status204NoContent;
                break;
            case "/slow":
                answersAfter = int.Parse(http.Request.Query["ms"].ToString());
                break;
            case "/reset":
                Reset();
                break;
            default:
                await http.Response.WriteAsync(Figures());
                break;
        }
    }

    private void Take(JsonDocument batch)
    {
        lock (gate)
        {
            foreach (JsonElement one in batch.RootElement.EnumerateArray())
            {
                if (events.Add(one.GetProperty("id").GetGuid()))
                {
                    DateTimeOffset now = TimeProvider.System.GetUtcNow();
                    double delay = (now - one.GetProperty("time").GetDateTimeOffset()).TotalMilliseconds;
                    delays.Add(delay);
                    recent.Enqueue((Environment.TickCount64, delay));
                }
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
                + $"second={recent.Count} oldest={latest:0}\n";
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
