using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Crashes;

/// <summary>
/// The server is killed in the middle of a storm, again and again. Clients retry under their keys until they have a
/// definite answer; then nothing acknowledged may be lost, and nothing may have happened twice.
/// </summary>
public sealed class KillTests
{
    private const int Clients = 32;
    private const long ChargeAmount = 1_000;

    // Twenty here; a longer run sets JUMUN_TEST_KILLS.
    private static readonly int Kills = int.Parse(
        Environment.GetEnvironmentVariable("JUMUN_TEST_KILLS") ?? "20", CultureInfo.InvariantCulture);

    private readonly ConcurrentBag<Acknowledged> log = [];
    private readonly Random random = new(20_261_122);

    [Fact]
    public async Task Twenty_kills_in_a_storm_lose_and_double_nothing_acknowledged()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data);
        await server.StartAsync(cancellation);
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = Clients + 1 })
        {
            BaseAddress = server.Address,
            Timeout = TimeSpan.FromSeconds(10),
        };
        var admin = new Client(http, log, "admin", admin: true);
        long product = (long)(await admin.SendAsync("/admin/products", """{"name":"hot","price":700,"stock":1000000}""", cancellation))!["productId"]!;
        long scarce = (long)(await admin.SendAsync("/admin/products", """{"name":"scarce","price":1,"stock":50}""", cancellation))!["productId"]!;
        long coupon = (long)(await admin.SendAsync(
            "/admin/coupons",
            """
            {"name":"hot","discount":{"kind":"amount","value":100},"quantity":200,
             "issueFrom":"2020-01-01T00:00:00Z","issueUntil":"2099-01-01T00:00:00Z","usableUntil":"2099-01-01T00:00:00Z"}
            """, cancellation))!["couponId"]!;

        using var storm = new CancellationTokenSource();
        Task[] clients = [.. Enumerable.Range(0, Clients).Select(id => Task.Run(
            () => LiveAsync(http, id, product, scarce, coupon, storm.Token), cancellation))];
        for (int kill = 0; kill < Kills; kill++)
        {
            await Task.Delay(random.Next(50, 500), cancellation);
            await server.KillAsync(cancellation);
            await server.StartAsync(cancellation);
        }

        await storm.CancelAsync();
        await Task.WhenAll(clients);
        Assert.True(log.Count > 10 * Kills, $"The storm was a breeze: {log.Count} answers.");
        await ReconcileAsync(http, server, product, scarce, coupon, cancellation);
    }

    /// <summary>One member after the other: charge, coupon, order, payment; each step until its answer is definite.</summary>
    private async Task LiveAsync(HttpClient http, int id, long product, long scarce, long coupon, CancellationToken storm)
    {
        for (int life = 0; !storm.IsCancellationRequested; life++)
        {
            var member = new Client(http, log, $"m{id}.{life}");
            await member.SendAsync($"/members/{member.Name}/points/charge", $$"""{"amount":{{ChargeAmount}}}""", CancellationToken.None);
            JsonObject? issued = await member.SendAsync($"/coupons/{coupon}", null, CancellationToken.None);
            string with = issued is null ? "" : $",\"couponId\":{coupon}";
            await member.SendAsync($"/order/{member.Name}", $$"""{"items":[{"productId":{{scarce}},"quantity":1}]}""", CancellationToken.None);
            JsonObject order = (await member.SendAsync(
                $"/order/{member.Name}", $$"""{"items":[{"productId":{{product}},"quantity":1}]{{with}}}""", CancellationToken.None))!;
            await member.SendAsync($"/payment/{order["paymentId"]}", null, CancellationToken.None);
            if (life % 5 == 4)
            {
                await member.SendAsync($"/members/{member.Name}/orders/{order["orderId"]}/cancel", null, CancellationToken.None);
            }
        }
    }

    private async Task ReconcileAsync(HttpClient http, ServerProcess server, long product, long scarce, long coupon, CancellationToken cancellation)
    {
        // Every acknowledged answer is still there, byte for byte.
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellation };
        await Parallel.ForEachAsync(log, parallel, async (answer, stop) =>
        {
            using HttpResponseMessage again = await answer.RepeatAsync(http, stop);
            Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));
            Assert.Equal(answer.Status, again.StatusCode);
            Assert.Equal(answer.Body, await again.Content.ReadAsStringAsync(stop));
        });

        Acknowledged[] Of(string start, string end = "") => [.. log.Where(
            answer => answer.Path.StartsWith(start, StringComparison.Ordinal) && answer.Path.EndsWith(end, StringComparison.Ordinal))];
        JsonObject[] issued = [.. Of("/coupons/").Select(answer => answer.Json)];
        JsonObject[] orders = [.. Of("/order/").Select(answer => answer.Json)];
        JsonObject[] payments = [.. Of("/payment/").Select(answer => answer.Json)];
        JsonObject[] refunds = [.. Of("/members/", "/cancel").Select(answer => answer.Json)];
        var admin = new Client(http, log, "admin", admin: true);

        // Exact counts: what the clients were told is what the shop holds, no more and no less.
        Assert.Equal(Enumerable.Range(1, issued.Length).Select(i => (long)i), issued.Select(coupon => (long)coupon["number"]!).Order());
        Assert.Equal(200 - issued.Length, (long)((await admin.GetAsync("/coupons?limit=1", cancellation))["items"]![0]!["remaining"]!));
        long Ordered(long id) => orders.Count(order => (long)order["items"]![0]!["productId"]! == id);
        Assert.Equal(1_000_000 - Ordered(product) + refunds.Length, (long)(await admin.GetAsync($"/products/{product}", cancellation))["stock"]!);
        Assert.Equal(Math.Max(0, 50 - Ordered(scarce)), (long)(await admin.GetAsync($"/products/{scarce}", cancellation))["stock"]!);
        Assert.True(Ordered(scarce) <= 50);
        ILookup<string, string> ownerOf = orders.ToLookup(order => (string)order["orderId"]!, order => (string)order["memberId"]!);
        ILookup<string, long> paid = payments.ToLookup(payment => ownerOf[(string)payment["orderId"]!].Single(), payment => (long)payment["amount"]!);
        ILookup<string, long> refunded = refunds.ToLookup(order => (string)order["memberId"]!, order => (long)order["total"]!);
        await Parallel.ForEachAsync(Of("/members/", "/charge"), parallel, async (charge, stop) =>
        {
            string member = (string)charge.Json["memberId"]!;
            Assert.Equal(
                ChargeAmount - paid[member].Sum() + refunded[member].Sum(),
                (long)(await admin.GetAsync($"/members/{member}/points", stop))["balance"]!);
        });

        // Every paid order reaches the file, each under its one id; a torn line may be there, a lost event may not.
        await TestShop.UntilAsync(async () =>
            ((await admin.GetAsync("/admin/events?state=pending", cancellation))["items"]!).AsArray().Count == 0);
        var told = new HashSet<string>();
        foreach (string line in await File.ReadAllLinesAsync(server.EventsPath, cancellation))
        {
            try
            {
                JsonNode read = JsonNode.Parse(line)!;
                told.Add($"{read["type"]} {read["subject"]}");
            }
            catch (System.Text.Json.JsonException)
            {
                // Torn by a kill: its event comes again.
            }
        }

        Assert.Equal(
            payments.Select(payment => $"jumun.order.completed.v1 {payment["orderId"]}")
                .Concat(refunds.Select(order => $"jumun.order.refunded.v1 {order["orderId"]}")).Order(StringComparer.Ordinal),
            told.Order(StringComparer.Ordinal));

        (int exitCode, string output) = await server.RunAsync(cancellation, "audit");
        Assert.True(exitCode == 0, output);
    }

    /// <summary>An answer that a client has: the shop is held to it.</summary>
    private sealed record Acknowledged(string Token, string Path, string? Request, string Key, HttpStatusCode Status, string Body)
    {
        public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

        public Task<HttpResponseMessage> RepeatAsync(HttpClient http, CancellationToken cancellation)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, Path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
            request.Headers.Add("Idempotency-Key", Key);
            request.Content = Request is null ? null : new StringContent(Request, Encoding.UTF8, "application/json");
            return http.SendAsync(request, cancellation);
        }
    }

    private sealed class Client(HttpClient http, ConcurrentBag<Acknowledged> log, string name, bool admin = false)
    {
        private readonly string token = TestShop.Token(name, admin);

        public string Name => name;

        public async Task<JsonObject> GetAsync(string path, CancellationToken cancellation)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using HttpResponseMessage response = await http.SendAsync(request, cancellation);
            string body = await response.Content.ReadAsStringAsync(cancellation);
            Assert.True(response.IsSuccessStatusCode, body);
            return JsonNode.Parse(body)!.AsObject();
        }

        /// <summary>Posts under a fresh key until the answer is definite; null when it is a refusal.</summary>
        public async Task<JsonObject?> SendAsync(string path, string? json, CancellationToken cancellation)
        {
            string key = Guid.NewGuid().ToString();
            while (true)
            {
                try
                {
                    var attempt = new Acknowledged(token, path, json, key, default, "");
                    using HttpResponseMessage response = await attempt.RepeatAsync(http, cancellation);
                    string body = await response.Content.ReadAsStringAsync(cancellation);
                    if (response.IsSuccessStatusCode)
                    {
                        log.Add(attempt with { Status = response.StatusCode, Body = body });
                        return JsonNode.Parse(body)!.AsObject();
                    }

                    if (response.StatusCode != HttpStatusCode.ServiceUnavailable)
                    {
                        string code = (string)JsonNode.Parse(body)!["code"]!;
                        Assert.True(code is "coupon_sold_out" or "out_of_stock", body);
                        return null;
                    }
                }
                catch (Exception error) when (error is HttpRequestException or IOException or TaskCanceledException)
                {
                    // The server is gone in the middle: what became of it, only the key can tell.
                }

                await Task.Delay(50, cancellation);
            }
        }
    }
}
