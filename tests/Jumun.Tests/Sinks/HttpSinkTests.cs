using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Jumun.Server.DataPlatform;
using Jumun.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace Jumun.Tests.Sinks;

/// <summary>Delivery over HTTP to a receiver that behaves, and to one that misbehaves in every way it can.</summary>
public sealed partial class HttpSinkTests : SinkTest
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private Receiver Receiver { get; set; } = null!;

    private protected override async Task<Dictionary<string, string?>> PrepareAsync()
    {
        Receiver = await Receiver.StartAsync();
        return new()
        {
            ["Jumun:DataPlatform:Sink"] = "http",
            ["Jumun:DataPlatform:Url"] = Receiver.Url,
            ["Jumun:DataPlatform:Secret"] = Secret,
        };
    }

    private protected override ValueTask EndAsync() => Receiver.DisposeAsync();

    [Fact]
    public async Task What_was_stored_is_posted_as_it_is_and_signed()
    {
        await BuyAsync(Members(20), times: 2);
        await Receiver.TookAsync(40);
        Receiver.HasAll(Orders);
        Assert.All(Receiver.Requests, posted =>
        {
            Assert.Equal("application/cloudevents-batch+json", posted.Headers["content-type"]);
            Assert.StartsWith("Jumun/", posted.Headers["user-agent"], StringComparison.Ordinal);
            long stamped = long.Parse(posted.Headers["webhook-timestamp"], CultureInfo.InvariantCulture);
            Assert.InRange(stamped, posted.At.ToUnixTimeSeconds() - 5, posted.At.ToUnixTimeSeconds() + 1);
            Assert.DoesNotContain('.', posted.Headers["webhook-id"]);
            Assert.Equal(Expected(posted, Convert.FromBase64String(Secret[6..])), posted.Headers["webhook-signature"]);
        });

        // The bytes of the outbox, with nothing between them but commas.
        string stored = $"[{string.Join(',', Receiver.Requests[0].Events.Select(one => one.Text))}]";
        Assert.Equal(Encoding.UTF8.GetString(Receiver.Requests[0].Body), stored);
        await CountsAsync("pending", 0);
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.DeliveredEvents >= 40));
        Assert.Equal(40, Shop.Figures.DeliveredEvents);
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.Lag == TimeSpan.Zero));
    }

    [Fact]
    public async Task While_a_secret_is_replaced_both_sign()
    {
        await RestartAsync(("Jumun:DataPlatform:Secret", $" plain-words-열쇠  {Secret} "));
        await BuyAsync("m");
        await Receiver.TookAsync(1);
        Posted posted = Receiver.Requests[0];
        Assert.Equal(
            [Expected(posted, Encoding.UTF8.GetBytes("plain-words-열쇠")), Expected(posted, Convert.FromBase64String(Secret[6..]))],
            posted.Headers["webhook-signature"].Split(' '));
    }

    [Fact]
    public void The_signature_is_that_of_the_published_example()
    {
        var signature = new WebhookSignature(WebhookSignature.ReadSecrets(Secret));
        Assert.Equal(
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            signature.Of("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, """{"test": 2432232314}"""u8));
    }

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(307)]
    public async Task A_redirect_is_not_followed(int status)
    {
        await using Receiver elsewhere = await Receiver.StartAsync();
        Receiver.Answers = (_, http) =>
        {
            http.Response.Headers.Location = elsewhere.Url;
            return Task.FromResult<int?>(status);
        };
        await BuyAsync("m");
        await StateAsync(CircuitState.Open);
        await TestShop.UntilAsync(() => Task.FromResult(Receiver.Requests.Count >= 3));
        Assert.Equal((0, 0), (elsewhere.Requests.Count, elsewhere.Strangers));
        await CountsAsync("pending", 1);
    }

    [Theory]
    [InlineData(429, "2")]
    [InlineData(503, "2")]
    [InlineData(503, "date")]
    public async Task A_receiver_that_says_when_to_come_back_is_left_alone_until_then(int status, string retryAfter)
    {
        DateTimeOffset comeBack = default;
        Receiver.Answers = (posted, http) =>
        {
            if (comeBack != default)
            {
                return Receiver.Ok(posted, http);
            }

            // A date has no fractions of a second.
            comeBack = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.AddSeconds(3).ToUnixTimeSeconds());
            http.Response.Headers.RetryAfter = retryAfter == "date" ? comeBack.ToString("R", CultureInfo.InvariantCulture) : retryAfter;
            return Task.FromResult<int?>(status);
        };
        await BuyAsync("m");
        await Receiver.TookAsync(1);
        Assert.True(Receiver.Requests[1].At - Receiver.Requests[0].At >= TimeSpan.FromSeconds(1.8), $"{Receiver.Requests[1].At - Receiver.Requests[0].At}");
    }

    [Fact]
    public async Task A_receiver_that_resets_or_drops_what_it_acknowledged_gets_the_same_again_under_the_same_id()
    {
        int requests = 0;
        Receiver.Answers = (posted, http) =>
        {
            int number = Interlocked.Increment(ref requests);
            if (number % 2 == 0)
            {
                // It has it, and its word is lost.
                Receiver.Take(posted);
            }

            if (number <= 6)
            {
                http.Abort();
                return Task.FromResult<int?>(null);
            }

            return Receiver.Ok(posted, http);
        };
        await BuyAsync(Members(5), times: 3);
        await CountsAsync("pending", 0);
        Receiver.HasAll(Orders);
        Assert.True(Receiver.Taken.Count > 15);
        Assert.All(
            Receiver.Requests.GroupBy(posted => string.Join(' ', posted.Events.Select(one => one.Id))),
            same => Assert.Single(same.Select(posted => posted.Headers["webhook-id"]).Distinct()));
    }

    [Fact]
    public async Task A_receiver_that_hangs_is_given_up_after_a_while_and_nobody_who_buys_notices()
    {
        using var hang = new CancellationTokenSource();
        Receiver.Answers = async (posted, http) =>
        {
            await Task.Delay(Timeout.Infinite, hang.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return 204;
        };
        await BuyAsync("first");
        await TestShop.UntilAsync(() => Task.FromResult(Receiver.Requests.Count == 1));
        long began = Stopwatch.GetTimestamp();
        await BuyAsync(Members(20), times: 5);
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 5);
        Assert.Single(Receiver.Requests);
        await StateAsync(CircuitState.Open);

        Receiver.Answers = Receiver.Ok;
        await hang.CancelAsync();
        await Receiver.TookAsync(101);
        Receiver.HasAll(Orders);
    }

    [Fact]
    public async Task A_receiver_that_is_not_there_gets_everything_when_it_is()
    {
        await Receiver.CloseAsync();
        await BuyAsync(Members(30), times: 2);
        await StateAsync(CircuitState.Open);
        await RestartAsync();
        await BuyAsync(Members(30));
        await Receiver.ListenAsync();
        await Receiver.TookAsync(90);
        Receiver.HasAll(Orders);
    }

    [Fact]
    public async Task A_receiver_that_answers_with_a_few_words_keeps_its_connection()
    {
        var connections = new ConcurrentDictionary<string, bool>();
        Receiver.Answers = async (posted, http) =>
        {
            connections[http.Connection.Id] = true;
            Receiver.Take(posted);
            await http.Response.WriteAsync(new string('x', 5_000), Cancellation);
            return null;
        };
        for (int i = 1; i <= 5; i++)
        {
            await BuyAsync($"m{i}");
            await Receiver.TookAsync(i);
        }

        Assert.Single(connections);
    }

    [Fact]
    public async Task An_answer_without_end_is_not_read()
    {
        var written = new ConcurrentBag<long>();
        Receiver.Answers = async (posted, http) =>
        {
            Receiver.Take(posted);
            long bytes = 0;
            byte[] noise = new byte[64 * 1024];
            try
            {
                while (bytes < 1L << 30)
                {
                    // What is written once nobody listens goes nowhere, and at once.
                    await http.Response.Body.WriteAsync(noise, http.RequestAborted);
                    await Task.Delay(1, http.RequestAborted);
                    bytes += noise.Length;
                }
            }
            catch (Exception error) when (error is IOException or OperationCanceledException)
            {
                // It hung up.
            }

            written.Add(bytes);
            return null;
        };
        await BuyAsync("m");
        await CountsAsync("pending", 0);
        await TestShop.UntilAsync(() => Task.FromResult(!written.IsEmpty));
        Assert.All(written, bytes => Assert.InRange(bytes, 0, 64L << 20));
        Assert.Single(Receiver.Taken);
    }

    [Fact]
    public async Task A_delivery_is_bounded_in_bytes()
    {
        Receiver.Answers = Receiver.Always(503);
        TestCaller admin = Shop.Administrator();
        long[] products = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => admin.CreateProductAsync(new string('이', 200), price: 1, stock: 1_000)));
        string items = string.Join(',', products.Select(id => $$"""{"productId":{{id}},"quantity":1}"""));
        for (int i = 0; i < 80; i++)
        {
            TestCaller member = Shop.Member($"large{i}");
            await member.ChargeAsync(1_000);
            TestAnswer order = (await member.PostAsync($"/order/{member.Member}", $$"""{"items":[{{items}}]}""")).Is(201);
            (await member.PayAsync(order)).Is(200);
        }

        Receiver.Answers = Receiver.Ok;
        await Receiver.TookAsync(80, seconds: 40);
        Assert.All(Receiver.Requests, posted => Assert.InRange(posted.Body.Length, 1, Jumun.Server.Bounds.DeliveryBytes));
        Assert.True(Receiver.Requests.Sum(posted => posted.Body.Length) > Jumun.Server.Bounds.DeliveryBytes);
    }

    /// <summary>As a receiver of any language computes it.</summary>
    private static string Expected(Posted posted, byte[] key)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{posted.Headers["webhook-id"]}.{posted.Headers["webhook-timestamp"]}."), .. posted.Body];
        return $"v1,{Convert.ToBase64String(HMACSHA256.HashData(key, signed))}";
    }
}
