using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Crashes;

/// <summary>
/// Clients that live one member after the other (charge, coupon, orders, payment) and repeat each step under its key until the
/// answer is definite, whatever is done to the shop meanwhile. Afterwards the shop is held to every answer that they have.
/// </summary>
internal sealed class Storm : IDisposable
{
    public const long ChargeAmount = 1_000;
    private const long Coupons = 200;
    private const long Scarce = 50;

    private readonly ServerProcess server;
    private readonly int clients;
    private readonly CancellationTokenSource over = new();
    private long product;
    private long scarce;
    private long coupon;
    private Task[] lives = [];
    private Awaited? awaited;
    private long none;
    private long unknown;
    private long queries;

    /// <param name="server">The server.</param>
    /// <param name="clients">How many live at once.</param>
    /// <param name="serverStays">Whether the server must answer every request, if only by 503; and whether clients query between their steps.</param>
    public Storm(ServerProcess server, int clients, bool serverStays)
    {
        this.server = server;
        this.clients = clients;
        ServerStays = serverStays;
        Http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = clients + 8 })
        {
            BaseAddress = server.Address,
            Timeout = TimeSpan.FromSeconds(serverStays ? 60 : 10),
        };
        Admin = new StormClient(this, "admin", admin: true);
    }

    public HttpClient Http { get; }

    public StormClient Admin { get; }

    public bool ServerStays { get; }

    /// <summary>Every answer that a client has.</summary>
    public ConcurrentBag<Acknowledged> Log { get; } = [];

    /// <summary>Requests that were answered 503.</summary>
    public long Refusals => Volatile.Read(ref none) + Volatile.Read(ref unknown);

    /// <summary>What it was like.</summary>
    public string Figures =>
        $"{Log.Count} acknowledged, {Volatile.Read(ref queries)} queries, 503 none {Volatile.Read(ref none)}, 503 unknown {Volatile.Read(ref unknown)}";

    public async Task BeginAsync(CancellationToken cancellation)
    {
        product = await Admin.MakeAsync("/admin/products", """{"name":"hot","price":700,"stock":1000000}""", "productId", cancellation);
        scarce = await Admin.MakeAsync("/admin/products", $$"""{"name":"scarce","price":1,"stock":{{Scarce}}}""", "productId", cancellation);
        coupon = await Admin.MakeAsync(
            "/admin/coupons",
            $$"""
            {"name":"hot","discount":{"kind":"amount","value":100},"quantity":{{Coupons}},
             "issueFrom":"2020-01-01T00:00:00Z","issueUntil":"2099-01-01T00:00:00Z","usableUntil":"2099-01-01T00:00:00Z"}
            """, "couponId", cancellation);
        lives = [.. Enumerable.Range(0, clients).Select(id => Task.Run(() => LiveAsync(id), cancellation))];
    }

    /// <summary>Lets each client end its life, and fails when one saw what it must not see, or when they get nowhere.</summary>
    public async Task EndAsync()
    {
        await over.CancelAsync();
        Task all = Task.WhenAll(lives);
        for (long before = -1; !all.IsCompleted;)
        {
            long now = Log.Count + Volatile.Read(ref queries);
            Assert.True(now != before, $"For {Patience.Longest} no client got any further: {Figures}.");
            before = now;
            await Task.WhenAny(all, Task.Delay(Patience.Longest));
        }

        await all;
    }

    /// <summary>How long it takes from now until a command is acknowledged that was sent after now.</summary>
    public Task<TimeSpan> AcknowledgedAsync()
    {
        var next = new Awaited(Stopwatch.GetTimestamp());
        Volatile.Write(ref awaited, next);
        return next.Task;
    }

    public void Succeeded(long sent)
    {
        if (Volatile.Read(ref awaited) is { } next && sent > next.From)
        {
            next.TrySetResult(Stopwatch.GetElapsedTime(next.From));
        }
    }

    public void Queried() => Interlocked.Increment(ref queries);

    public void Refused(bool isUnknown) => Interlocked.Increment(ref isUnknown ? ref unknown : ref none);

    /// <summary>Nothing acknowledged is lost, nothing happened twice, every event is told and the books hold.</summary>
    public async Task ReconcileAsync(CancellationToken cancellation)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = clients, CancellationToken = cancellation };
        await Parallel.ForEachAsync(Log, parallel, async (answer, stop) =>
        {
            using HttpResponseMessage again = await answer.RepeatAsync(Http, stop);
            Assert.Equal(answer.Status, again.StatusCode);
            Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));
            Assert.Equal(answer.Body, await again.Content.ReadAsStringAsync(stop));
        });

        JsonObject[] issued = Answers("/coupons/");
        JsonObject[] orders = Answers("/order/");
        JsonObject[] payments = Answers("/payment/");
        JsonObject[] refunds = Answers("/members/", "/cancel");

        // Exact counts: what the clients were told is what the shop holds, no more and no less.
        Assert.Equal(Enumerable.Range(1, issued.Length).Select(i => (long)i), issued.Select(coupon => (long)coupon["number"]!).Order());
        Assert.Equal(Coupons - issued.Length, (long)((await Admin.GetAsync("/coupons?limit=1", cancellation))["items"]![0]!["remaining"]!));
        long Ordered(long id) => orders.Count(order => (long)order["items"]![0]!["productId"]! == id);
        Assert.Equal(1_000_000 - Ordered(product) + refunds.Length, (long)(await Admin.GetAsync($"/products/{product}", cancellation))["stock"]!);
        Assert.Equal(Scarce - Ordered(scarce), (long)(await Admin.GetAsync($"/products/{scarce}", cancellation))["stock"]!);
        ILookup<string, string> ownerOf = orders.ToLookup(order => (string)order["orderId"]!, order => (string)order["memberId"]!);
        ILookup<string, long> paid = payments.ToLookup(payment => ownerOf[(string)payment["orderId"]!].Single(), payment => (long)payment["amount"]!);
        ILookup<string, long> refunded = refunds.ToLookup(order => (string)order["memberId"]!, order => (long)order["total"]!);
        await Parallel.ForEachAsync(Answers("/members/", "/charge"), parallel, async (charge, stop) =>
        {
            string member = (string)charge["memberId"]!;
            Assert.Equal(
                ChargeAmount - paid[member].Sum() + refunded[member].Sum(),
                (long)(await Admin.GetAsync($"/members/{member}/points", stop))["balance"]!);
        });

        await ToldAsync(cancellation);
        if (File.Exists(server.EventsPath))
        {
            await ReconcileEventsAsync(payments, refunds, cancellation);
        }

        (int exitCode, string output) = await server.RunAsync(cancellation, "audit");
        Assert.True(exitCode == 0, output);
    }

    public void Dispose()
    {
        over.Cancel();
        over.Dispose();
        Http.Dispose();
    }

    /// <summary>Waits until no event is left to be delivered.</summary>
    private Task ToldAsync(CancellationToken cancellation) => TestShop.UntilAsync(
        async () => ((await Admin.GetAsync("/admin/events?state=pending", cancellation))["items"]!).AsArray().Count == 0, seconds: 90);

    /// <summary>Every paid order reaches the file, each under its one id; a torn line may be there, a lost event may not.</summary>
    private async Task ReconcileEventsAsync(JsonObject[] payments, JsonObject[] refunds, CancellationToken cancellation)
    {
        var told = new HashSet<(string Id, string Of)>();
        foreach (string line in await File.ReadAllLinesAsync(server.EventsPath, cancellation))
        {
            try
            {
                JsonNode read = JsonNode.Parse(line)!;
                told.Add(((string)read["id"]!, $"{read["type"]} {read["subject"]}"));
            }
            catch (System.Text.Json.JsonException)
            {
                // Torn by a kill: its event comes again.
            }
        }

        Assert.Equal(
            payments.Select(payment => $"jumun.order.completed.v1 {payment["orderId"]}")
                .Concat(refunds.Select(order => $"jumun.order.refunded.v1 {order["orderId"]}")).Order(StringComparer.Ordinal),
            told.Select(one => one.Of).Order(StringComparer.Ordinal));
        Assert.Equal(told.Count, told.Select(one => one.Id).Distinct().Count());
    }

    private JsonObject[] Answers(string start, string end = "") => [.. Log
        .Where(answer => answer.Path.StartsWith(start, StringComparison.Ordinal) && answer.Path.EndsWith(end, StringComparison.Ordinal))
        .Select(answer => answer.Json)];

    /// <summary>One member after the other: charge, coupon, orders, payment, and sometimes the money back.</summary>
    private async Task LiveAsync(int id)
    {
        for (int life = 0; !over.IsCancellationRequested; life++)
        {
            var member = new StormClient(this, $"m{id}.{life}");
            await member.SendAsync($"/members/{member.Name}/points/charge", $$"""{"amount":{{ChargeAmount}}}""");
            await member.HasAsync($"/members/{member.Name}/points", "balance", ChargeAmount);
            JsonObject? issued = await member.SendAsync($"/coupons/{coupon}", null);
            string with = issued is null ? "" : $",\"couponId\":{coupon}";
            JsonObject? few = await member.SendAsync($"/order/{member.Name}", $$"""{"items":[{"productId":{{scarce}},"quantity":1}]}""");
            long left = ChargeAmount;
            if (few is not null)
            {
                await member.SendAsync($"/payment/{few["paymentId"]}", null);
                left -= (long)few["total"]!;
            }

            JsonObject order = (await member.SendAsync(
                $"/order/{member.Name}", $$"""{"items":[{"productId":{{product}},"quantity":1}]{{with}}}"""))!;
            await member.SendAsync($"/payment/{order["paymentId"]}", null);
            await member.HasAsync($"/members/{member.Name}/points", "balance", left - (long)order["total"]!);
            await member.HasAsync($"/members/{member.Name}/orders/{order["orderId"]}", "status", "completed");
            if (life % 5 == 4)
            {
                await member.SendAsync($"/members/{member.Name}/orders/{order["orderId"]}/cancel", null);
                await member.HasAsync($"/members/{member.Name}/points", "balance", left);
            }
        }
    }

    private sealed class Awaited(long from) : TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public long From => from;
    }
}
