using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Jumun.Bench;

/// <summary>
/// Buys at a fixed pace, however long each purchase takes: whoever is late does not keep the next ones from coming. What it tells
/// of a purchase is the time from when it was due until its payment was answered.
/// </summary>
internal static class PacedBuyers
{
    private const int Products = 10_000;

    public static async Task<int> RunAsync(string url, string tokensPath, int rate, int seconds)
    {
        (string Member, string Token)[] members = [.. File.ReadLines(tokensPath).Select(line => line.Split(' ')).Select(line => (line[0], line[1]))];
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, MaxConnectionsPerServer = 512 }) { BaseAddress = new Uri(url) };
        var times = new ConcurrentBag<double>();
        int failed = 0;
        var buying = new List<Task>(rate * seconds);
        long began = Stopwatch.GetTimestamp();
        for (int started = 0; started < rate * seconds;)
        {
            double due = Stopwatch.GetElapsedTime(began).TotalSeconds * rate;
            for (; started < due && started < rate * seconds; started++)
            {
                (string member, string token) = members[started % members.Length];
                buying.Add(BuyAsync(member, token, 1 + (started * 7_919 % Products), began + (long)(started * (double)Stopwatch.Frequency / rate)));
            }

            await Task.Delay(1);
        }

        await Task.WhenAll(buying);
        double lasted = Stopwatch.GetElapsedTime(began).TotalSeconds;
        double[] sorted = [.. times.Order()];
        double At(double share) => sorted.Length == 0 ? 0 : sorted[(int)Math.Min(sorted.Length - 1, sorted.Length * share)];
        Console.WriteLine($"purchases={sorted.Length} rate={sorted.Length / lasted:0} p50={At(0.5):0.0} p99={At(0.99):0.0} max={At(1):0.0} failed={failed}");
        return 0;

        async Task BuyAsync(string member, string token, int product, long due)
        {
            await Task.Yield();
            byte[] order = Encoding.UTF8.GetBytes($$"""{"items":[{"productId":{{product}},"quantity":1}]}""");
            try
            {
                using JsonDocument placed = JsonDocument.Parse(await PostAsync($"/order/{member}", token, order));
                await PostAsync($"/payment/{placed.RootElement.GetProperty("paymentId").GetString()}", token, null);
                times.Add(Stopwatch.GetElapsedTime(due).TotalMilliseconds);
            }
            catch (HttpRequestException)
            {
                Interlocked.Increment(ref failed);
            }
        }

        async Task<byte[]> PostAsync(string path, string token, byte[]? body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            if (body is not null)
            {
                request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            }

            using HttpResponseMessage response = await http.SendAsync(request);
            response.EnsureSuccessStatusCode();
            return await response.Content.ReadAsByteArrayAsync();
        }
    }
}
