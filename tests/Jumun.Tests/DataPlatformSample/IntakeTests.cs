using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Jumun.Tests.Hostile;

namespace Jumun.Tests.Platform;

/// <summary>What the reference data platform takes by HTTP, and what it refuses.</summary>
public sealed class IntakeTests(SharedPlatform shared) : IClassFixture<SharedPlatform>, IAsyncLifetime
{
    private readonly PlatformProcess platform = shared.Process;
    private readonly Dictionary<string, long> before = [];

    public async ValueTask InitializeAsync()
    {
        foreach (string name in (string[])["events", "duplicates", "revenue"])
        {
            before[name] = await platform.TotalAsync(name);
        }

        // The file follows what is stored.
        await TestShop.UntilAsync(() => Task.FromResult(platform.Lines().Count == before["events"]));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_signature_by_any_of_the_secrets_is_good_and_any_other_is_not()
    {
        string body = TestEvents.BatchOf(TestEvents.Some());
        (await platform.SendAsync(body, PlatformProcess.SignatureOf)).Is(200);
        (await platform.SendAsync(body, (id, time, text) => PlatformProcess.SignatureOf(SharedPlatform.Older, id, time, text))).Is(200);
        (await platform.SendAsync(body, (id, time, text) => PlatformProcess.SignatureOf(SharedPlatform.Newer, id, time, text))).Is(200);

        // While secrets change, a sender signs with both: the platform may know either.
        (await platform.SendAsync(body, (id, time, text) =>
            $"{PlatformProcess.SignatureOf([9], id, time, text)} {PlatformProcess.SignatureOf(SharedPlatform.Newer, id, time, text)}")).Is(200);

        (await platform.SendAsync(body, sign: null)).Is(401);
        (await platform.SendAsync(body, (id, time, text) => PlatformProcess.SignatureOf([9], id, time, text))).Is(401);
        (await platform.SendAsync(body, (id, time, text) => PlatformProcess.SignatureOf(SharedPlatform.Newer, $"{id}0", time, text))).Is(401);
        (await platform.SendAsync(body, (id, time, text) => PlatformProcess.SignatureOf(id, $"{time}0", text))).Is(401);
        (await platform.SendAsync(body, (id, time, text) => PlatformProcess.SignatureOf(id, time, text)["v1,".Length..])).Is(401);
        (await platform.SendAsync(body, (_, _, _) => "v1,")).Is(401);
        (await platform.SendAsync(body, (_, _, _) => "v1,not-base64")).Is(401);
        Assert.Equal(1, await MoreAsync("events"));
        Assert.Equal(3, await MoreAsync("duplicates"));
    }

    [Fact]
    public async Task An_event_with_bytes_that_are_no_text_is_refused_also_where_nobody_reads_them()
    {
        string body = $"[{TestEvents.Some().ToJsonString()[..^1]},\"note\":\"?\"}}]";
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(body);
        bytes[^4] = 0xff;
        (await platform.SendAsync(body, (id, time, _) => PlatformProcess.SignatureOf(SharedPlatform.Newer, id, time, bytes), bytes: bytes)).Is(400);
        Assert.Equal(0, await MoreAsync("events"));
    }

    [Fact]
    public async Task A_body_that_was_changed_is_refused()
    {
        string body = TestEvents.BatchOf(TestEvents.Some());
        string changed = body.Replace("1000", "9000", StringComparison.Ordinal);
        (await platform.SendAsync(changed, (id, time, _) => PlatformProcess.SignatureOf(id, time, body))).Is(401);
        Assert.Equal(0, await MoreAsync("events"));
    }

    [Theory]
    [InlineData(-290, 200)]
    [InlineData(290, 200)]
    [InlineData(-302, 401)]
    [InlineData(310, 401)]
    [InlineData(-1_000_000_000, 401)]
    [InlineData(long.MaxValue - 10_000_000_000, 401)]
    public async Task A_timestamp_is_good_for_five_minutes(long seconds, int status) => (await platform.SendAsync(
        TestEvents.BatchOf(TestEvents.Some()), PlatformProcess.SignatureOf, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds)).Is(status);

    [Fact]
    public async Task Each_event_is_kept_once_whoever_sends_it_again_and_one_may_come_alone()
    {
        JsonObject one = TestEvents.Some();
        JsonObject other = TestEvents.Some("bob");
        TestAnswer answer = (await platform.SendAsync(one, other, one)).Is(200);
        Assert.Equal((2, 1), ((int)answer["stored"]!, (int)answer["duplicates"]!));
        answer = (await platform.SendAsync(other)).Is(200);
        Assert.Equal((0, 1), ((int)answer["stored"]!, (int)answer["duplicates"]!));
        answer = (await platform.SendAsync(one.ToJsonString(), PlatformProcess.SignatureOf, type: "application/cloudevents+json; charset=utf-8")).Is(200);
        Assert.Equal((0, 1), ((int)answer["stored"]!, (int)answer["duplicates"]!));

        Assert.Equal(2, await MoreAsync("events"));
        Assert.Equal(3, await MoreAsync("duplicates"));
        Assert.Equal(2_000, await MoreAsync("revenue"));
        await TestShop.UntilAsync(() => Task.FromResult(NewLines().Count == 2));
        Assert.Equal([one.ToJsonString(), other.ToJsonString()], NewLines());
    }

    [Theory]
    [InlineData("specversion", "\"0.3\"", "specversion")]
    [InlineData("id", "\"42\"", "$.id")]
    [InlineData("id", null, "id")]
    [InlineData("source", "\"\"", "source")]
    [InlineData("type", "\"jumun.order.lost.v1\"", "type")]
    [InlineData("time", "\"yesterday\"", "$.time")]
    [InlineData("sequence", "0", "sequence")]
    [InlineData("subject", "\"11111111-1111-1111-1111-111111111110\"", "subject")]
    [InlineData("partitionkey", "\"mallory\"", "partitionkey")]
    [InlineData("data", null, "data")]
    [InlineData("data.total", "999", "data.total")]
    [InlineData("data.total", "\"1000\"", "$.data.total")]
    [InlineData("data.subtotal", "2000", "data.subtotal")]
    [InlineData("data.discount", "-1", "data.discount")]
    [InlineData("data.items", "[]", "data.items")]
    [InlineData("data.items", "[null]", "data.items")]
    [InlineData("data.items", """[{"productId":1,"name":"mug","price":1000,"quantity":0}]""", "data.items")]
    [InlineData("data.items", """[{"productId":1,"name":"a\u0000b","price":1000,"quantity":1}]""", "name")]
    [InlineData("data.items", """[{"productId":1,"name":"\ud800","price":1000,"quantity":1}]""", "event 1")]
    [InlineData("data.items", """[{"productId":1,"name":"mug","price":9223372036854775807,"quantity":9223372036854775807}]""", "data.subtotal")]
    public async Task A_malformed_event_is_named_and_nothing_of_its_request_is_stored(string member, string? value, string named)
    {
        JsonObject bad = TestEvents.Some();
        JsonObject owner = member.StartsWith("data.", StringComparison.Ordinal) ? bad["data"]!.AsObject() : bad;
        string name = member.Split('.')[^1];
        string old = owner[name]!.ToJsonString();
        string body = TestEvents.BatchOf(TestEvents.Some(), bad);
        int place = body.LastIndexOf($"\"{name}\":{old}", StringComparison.Ordinal);
        string changed = value is null ? $"\"no{name}\":{old}" : $"\"{name}\":{value}";
        body = $"{body[..place]}{changed}{body[(place + name.Length + 3 + old.Length)..]}";

        TestAnswer answer = (await platform.SendAsync(body, PlatformProcess.SignatureOf)).Is(400);
        Assert.Contains("event 1", (string)answer["detail"]!, StringComparison.Ordinal);
        Assert.Contains(named, (string)answer["detail"]!, StringComparison.Ordinal);
        Assert.Equal(0, await MoreAsync("events"));
    }

    [Fact]
    public async Task Events_whose_sums_do_not_fit_are_refused_and_the_sums_stay_right()
    {
        await using PlatformProcess own = await PlatformProcess.StartAsync();
        const long largest = 9_007_199_254_740_991;
        JsonObject[] Some(int count, long price, long quantity) =>
        [
            .. Enumerable.Range(1, count).Select(number =>
                TestEvents.Completed("mallory", number, DateTimeOffset.UtcNow, discount: 0, new TestLine(1, "mug", price) { Quantity = quantity })),
        ];
        (await own.SendAsync(Some(2, price: 0, quantity: long.MaxValue))).Is(400);
        (await own.SendAsync(Some(400, largest, quantity: 1))).Is(200);
        TestAnswer refused = (await own.SendAsync(Some(400, largest, quantity: 1))).Is(400);
        Assert.Contains("too large", (string)refused["detail"]!, StringComparison.Ordinal);
        (await own.SendAsync(TestEvents.Some())).Is(200);
        Assert.Equal(401, await own.TotalAsync("events"));
        Assert.Equal((400 * largest) + 1_000, await own.TotalAsync("revenue"));
    }

    [Theory]
    [InlineData("", 400)]
    [InlineData("[", 400)]
    [InlineData("{}", 400)]
    [InlineData("[1]", 400)]
    [InlineData("[null]", 400)]
    [InlineData("[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", 400)]
    [InlineData("[]", 200)]
    public async Task What_is_no_batch_is_refused(string body, int status) => (await platform.SendAsync(body, PlatformProcess.SignatureOf)).Is(status);

    [Fact]
    public async Task Other_media_types_and_large_bodies_are_refused()
    {
        (await platform.SendAsync("[]", PlatformProcess.SignatureOf, type: "application/json")).Is(415);
        (await platform.SendAsync($"[{new string(' ', 4 * 1024 * 1024)}]", PlatformProcess.SignatureOf)).Is(413);
        Assert.Equal(0, await MoreAsync("events"));
    }

    [Fact]
    public async Task A_request_that_is_not_signed_is_answered_before_its_body_comes()
    {
        using RawConnection connection = await RawConnection.OpenAsync(platform.Address);
        long begun = Stopwatch.GetTimestamp();
        await connection.SendAsync(Head(signed: false));
        Assert.Equal(401, (await connection.ReadAsync())!.Status);
        Assert.True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(4), "It waited for the body.");
    }

    [Fact]
    public async Task Bodies_that_come_slowly_are_few_and_get_ten_seconds()
    {
        await using PlatformProcess own = await PlatformProcess.StartAsync();
        List<RawConnection> slow = [];
        try
        {
            long begun = Stopwatch.GetTimestamp();
            for (int number = 0; number < 16; number++)
            {
                slow.Add(await RawConnection.OpenAsync(own.Address));
                await slow[^1].SendAsync(Head(signed: true));
            }

            await TestShop.UntilAsync(async () => (await own.SendAsync("[]", PlatformProcess.SignatureOf)).Status == 503);
            Task<RawAnswer?[]> answers = Task.WhenAll(slow.Select(connection => connection.ReadAsync()));
            while (!answers.IsCompleted)
            {
                // Fast enough for the web server, which ends what is slower than 240 bytes a second.
                await Task.WhenAll(slow.Select(connection => connection.SendAsync(new string(' ', 200))));
                await Task.WhenAny(answers, Task.Delay(200, TestContext.Current.CancellationToken));
                Assert.True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(25), "They are waited for still.");
            }

            Assert.All(await answers, answer => Assert.Contains("within 10 seconds", answer!.Text, StringComparison.Ordinal));
            (await own.SendAsync("[]", PlatformProcess.SignatureOf)).Is(200);
        }
        finally
        {
            slow.ForEach(connection => connection.Dispose());
        }
    }

    [Fact]
    public async Task This_machine_is_meant_by_its_own_names_alone_where_no_secret_and_no_token_is_set()
    {
        await using PlatformProcess own = await PlatformProcess.StartAsync(new() { ["DataPlatform__Secret"] = "" });
        foreach ((string host, int status) in new[] { ("evil.example", 403), ("127.0.0.1.evil.example:80", 403), ("localhost", 200), ("[::1]:5090", 200) })
        {
            var read = new HttpRequestMessage(HttpMethod.Get, "/totals");
            read.Headers.Host = host;
            (await own.Reader.SendAsync(read)).Is(status);
            var sent = new HttpRequestMessage(HttpMethod.Post, "/events")
            {
                Content = new StringContent("[]", new System.Net.Http.Headers.MediaTypeHeaderValue("application/cloudevents-batch+json")),
            };
            sent.Headers.Host = host;
            (await own.Reader.SendAsync(sent)).Is(status);
        }
    }

    [Fact]
    public async Task An_event_that_came_on_several_lines_has_one_in_the_file()
    {
        string body = $"[{JsonNode.Parse(TestEvents.Some().ToJsonString())!.ToJsonString(new() { WriteIndented = true })}]";
        (await platform.SendAsync(body, PlatformProcess.SignatureOf)).Is(200);
        await TestShop.UntilAsync(() => Task.FromResult(NewLines().Count > 0));
        Assert.Equal("mug", (string?)JsonNode.Parse(Assert.Single(NewLines()))!["data"]!["items"]![0]!["name"]);
    }

    /// <summary>The head of a request whose body of 4 MiB is still to come, with headers of a signature that nobody made or without.</summary>
    private static string Head(bool signed)
    {
        string time = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents-batch+json\r\nContent-Length: 4194304\r\n"
            + (signed ? $"webhook-id: msg\r\nwebhook-timestamp: {time}\r\nwebhook-signature: v1,none\r\n\r\n" : "\r\n");
    }

    /// <summary>How much a total grew in this test.</summary>
    private async Task<long> MoreAsync(string name) => await platform.TotalAsync(name) - before[name];

    private List<string> NewLines() => platform.Lines()[(int)before["events"]..];
}
