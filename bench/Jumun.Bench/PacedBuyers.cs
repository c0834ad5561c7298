using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Jumun.Bench;

/// <summary>
/// Buys at a fixed pace, however long each purchase takes: whoever is late does not keep the next ones from coming. What it tells
/// of a purchase is the time from when it was due until its payment was answered. Where it is told of a data platform, it asks
/// that one for the event of every twentieth purchase, until it is there.
/// </summary>
internal static class PacedBuyers
{
    private const int Products = 10_000;
    private const int AskedOneOf = 20;

    public static async Task<int> RunAsync(string url, string tokensPath, int rate, int seconds, string? platform)
    {
        (string Member, string Token)[] members = [.. File.ReadLines(tokensPath).Select(line => line.Split(' ')).Select(line => (line[0], line[1]))];
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, MaxConnectionsPerServer = 512 }) { BaseAddress = new Uri(url) };
        var times = new ConcurrentBag<double>();
        var arrivals = new ConcurrentBag<double>();
        int failed = 0, unfinished = 0;
        long began = Stopwatch.GetTimestamp();
        for (int started = 0; started < rate * seconds;)
        {
            double soFar = Stopwatch.GetElapsedTime(began).TotalSeconds * rate;
            for (; started < soFar && started < rate * seconds; started++)
            {
                (string member, string token) = members[started % members.Length];
                Interlocked.Increment(ref unfinished);
                long due = began + (long)(started * (double)Stopwatch.Frequency / rate);
                _ = BuyAsync(member, token, 1 + (int)(started * 7_919L % Products), due, isAsked: platform is not null && started % AskedOneOf == 0);
            }

            await Task.Delay(1);
        }

        while (Volatile.Read(ref unfinished) > 0)
        {
            await Task.Delay(1);
        }

        double lasted = Stopwatch.GetElapsedTime(began).TotalSeconds;
        double[] bought = [.. times.Order()], arrived = [.. arrivals.Order()];
        Console.WriteLine(
            $"purchases={bought.Length} rate={bought.Length / lasted:0} p50={At(bought, 0.5):0.0} p99={At(bought, 0.99):0.0} max={At(bought, 1):0.0} "
            + $"failed={failed} asked={arrived.Length} there50={At(arrived, 0.5):0} there99={At(arrived, 0.99):0} thereMax={At(arrived, 1):0}");
        return 0;

        static double At(double[] sorted, double share) => sorted.Length == 0 ? 0 : sorted[(int)Math.Min(sorted.Length - 1, sorted.Length * share)];

        async Task BuyAsync(string member, string token, int product, long due, bool isAsked)
        {
            await Task.Yield();
            byte[] order = Encoding.UTF8.GetBytes($$"""{"items":[{"productId":{{product}},"quantity":1}]}""");
            try
            {
                using JsonDocument placed = JsonDocument.Parse(await PostAsync($"/order/{member}", token, order));
                string paymentId = placed.RootElement.GetProperty("paymentId").GetString()!;
                using JsonDocument paid = JsonDocument.Parse(await PostAsync($"/payment/{paymentId}", token, null));
                times.Add(Stopwatch.GetElapsedTime(due).TotalMilliseconds);
                if (isAsked)
                {
                    await AskAsync(paymentId, paid.RootElement.GetProperty("paidAt").GetDateTimeOffset());
                }
            }
            catch (Exception)
            {
                // Whatever it is, it was no purchase: an answer that did not come, a connection that was cut.
                Interlocked.Increment(ref failed);
            }
            finally
            {
                Interlocked.Decrement(ref unfinished);
            }
        }

        // An event's id is the next one after its payment's, so the first event after the payment is this one or not yet there.
        async Task AskAsync(string paymentId, DateTimeOffset paidAt)
        {
            while (true)
            {
                string answer = await http.GetStringAsync($"{platform}/events?after={paymentId}&limit=1");
                if (answer.Contains(paymentId[..^1], StringComparison.Ordinal))
                {
                    arrivals.Add((TimeProvider.System.GetUtcNow() - paidAt).TotalMilliseconds);
                    return;
                }

                await Task.Delay(2);
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
