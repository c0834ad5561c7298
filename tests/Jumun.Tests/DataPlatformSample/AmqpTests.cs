using System.Text;
using System.Text.Json.Nodes;
using RabbitMQ.Client;

namespace Jumun.Tests.Platform;

/// <summary>What the reference data platform takes from a real RabbitMQ.</summary>
public sealed class AmqpTests
{
    private const string Rejected = "jumun.data-platform.rejected";

    [Fact]
    public async Task Messages_are_stored_once_and_one_that_makes_no_sense_is_put_aside()
    {
        string url = await RabbitServer.CreateHostAsync();
        await using PlatformProcess platform = await PlatformProcess.StartAsync(new() { ["DataPlatform__Amqp"] = url });
        await using IConnection connection = await ConnectAsync(url);
        JsonObject one = TestEvents.Some();
        JsonObject other = TestEvents.Some("bob");
        await PublishAsync(connection, one.ToJsonString(), one.ToJsonString(), "no event", other.ToJsonString());

        await TestShop.UntilAsync(async () => await platform.TotalAsync("events") == 2 && await platform.TotalAsync("duplicates") == 1);
        Assert.Equal(new[] { TestEvents.IdOf(one), TestEvents.IdOf(other) }.Order(StringComparer.Ordinal), await platform.IdsAsync());
        await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: TestContext.Current.CancellationToken);
        await TestShop.UntilAsync(async () => await CountAsync(channel, Rejected) == 1);
        BasicGetResult aside = (await channel.BasicGetAsync(Rejected, autoAck: true, TestContext.Current.CancellationToken))!;
        Assert.Equal("no event", Encoding.UTF8.GetString(aside.Body.Span));
        Assert.True(aside.BasicProperties.Persistent);
        Assert.Contains("JSON", Encoding.UTF8.GetString((byte[])aside.BasicProperties.Headers!["x-reason"]!), StringComparison.Ordinal);
        Assert.Equal(0, await platform.TerminateAsync());
        Assert.Equal(0u, await CountAsync(channel, "jumun.data-platform"));
    }

    [Fact]
    public async Task A_message_whose_sums_would_not_fit_is_put_aside_once_and_those_after_it_arrive()
    {
        const long largest = 9_007_199_254_740_991;
        string url = await RabbitServer.CreateHostAsync();
        await using PlatformProcess platform = await PlatformProcess.StartAsync(new() { ["DataPlatform__Amqp"] = url });
        await using IConnection connection = await ConnectAsync(url);

        // With their quantities 511 of these fit; the last is too much by one.
        List<JsonObject> large =
        [
            .. Enumerable.Range(1, 512).Select(number =>
                TestEvents.Completed("mallory", number, DateTimeOffset.UtcNow, discount: 0, new TestLine(1, "mug", largest))),
        ];
        await PublishAsync(connection, [.. large[..^1].Select(one => one.ToJsonString())]);
        await TestShop.UntilAsync(async () => await platform.TotalAsync("events") == 511);
        string refused = large[^1].ToJsonString();
        await PublishAsync(connection, refused);
        await PublishAsync(connection, TestEvents.Some().ToJsonString());
        await TestShop.UntilAsync(async () => await platform.TotalAsync("events") == 512);
        await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: TestContext.Current.CancellationToken);
        BasicGetResult aside = (await channel.BasicGetAsync(Rejected, autoAck: true, TestContext.Current.CancellationToken))!;
        Assert.Equal(refused, Encoding.UTF8.GetString(aside.Body.Span));
        Assert.Contains("too large", Encoding.UTF8.GetString((byte[])aside.BasicProperties.Headers!["x-reason"]!), StringComparison.Ordinal);
        Assert.DoesNotContain(TestEvents.IdOf(large[^1]), await platform.IdsAsync());
        Assert.Equal((511 * largest) + 1_000, await platform.TotalAsync("revenue"));

        // Neither stored nor sent round and round, and the connection is the first one still.
        (await platform.SendAsync(TestEvents.Some("bob"))).Is(200);
        Assert.Equal(0, await platform.TerminateAsync());
        Assert.Equal(0u, await CountAsync(channel, "jumun.data-platform"));
        Assert.Equal(0u, await CountAsync(channel, Rejected));
        Assert.Single(platform.Said.Split('\n'), line => line.Contains("was put aside: The events' prices", StringComparison.Ordinal));
        Assert.Single(platform.Said.Split('\n'), line => line.Contains("Takes events from", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Killed_while_it_consumes_it_gets_again_what_it_had_not_acknowledged_and_keeps_each_event_once()
    {
        string url = await RabbitServer.CreateHostAsync();
        await using PlatformProcess platform = await PlatformProcess.StartAsync(new() { ["DataPlatform__Amqp"] = url });
        await using IConnection connection = await ConnectAsync(url);
        List<JsonObject> events = [.. Enumerable.Range(1, 6_000).Select(number => TestEvents.Some("alice", number))];
        Task published = PublishAsync(connection, [.. events.Select(one => one.ToJsonString())]);
        for (int kill = 0; kill < 3; kill++)
        {
            long before = await platform.TotalAsync("events");
            await TestShop.UntilAsync(async () => await platform.TotalAsync("events") is long now && (now > before || now == events.Count), seconds: 60);
            await platform.KillAsync();
            await platform.StartAgainAsync();
        }

        await published;
        await TestShop.UntilAsync(async () => await platform.TotalAsync("events") == events.Count, seconds: 60);
        Assert.Equal(events.Select(TestEvents.IdOf).Order(StringComparer.Ordinal), await platform.IdsAsync());
        await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(0, await platform.TerminateAsync());
        Assert.Equal(0u, await CountAsync(channel, "jumun.data-platform"));
        Assert.Equal(events.Select(one => one.ToJsonString()).Order(StringComparer.Ordinal), platform.Lines().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task When_the_broker_is_killed_and_comes_back_it_goes_on_by_itself()
    {
        await using RabbitServer broker = await RabbitServer.CreateAsync();
        await using PlatformProcess platform = await PlatformProcess.StartAsync(new() { ["DataPlatform__Amqp"] = broker.Url });
        await PublishOnceAsync(broker.Url, TestEvents.Some());
        await TestShop.UntilAsync(async () => await platform.TotalAsync("events") == 1);

        await broker.KillAsync();
        await TestShop.UntilAsync(async () => (string?)(await platform.Reader.GetAsync("/health/ready")).Is(200)["broker"] == "away");
        (await platform.SendAsync(TestEvents.Some("bob"))).Is(200);
        await broker.StartAsync();
        await TestShop.UntilAsync(async () => (string?)(await platform.Reader.GetAsync("/health/ready"))["broker"] == "connected", seconds: 30);
        await PublishOnceAsync(broker.Url, TestEvents.Some("carol"));
        await TestShop.UntilAsync(async () => await platform.TotalAsync("events") == 3);
    }

    [Fact]
    public async Task A_message_that_cannot_be_put_aside_is_acknowledged_with_no_other()
    {
        string url = await RabbitServer.CreateHostAsync();
        await using PlatformProcess platform = await PlatformProcess.StartAsync(new() { ["DataPlatform__Amqp"] = url });
        await using IConnection connection = await ConnectAsync(url);
        await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: TestContext.Current.CancellationToken);
        await RabbitServer.ControlHostAsync(url, "set_policy", "full", Rejected, """{"max-length":0,"overflow":"reject-publish"}""", "--apply-to", "queues");
        await PublishAsync(connection, "no event");
        await PublishAsync(connection, TestEvents.Some().ToJsonString());
        await Task.Delay(2_000, TestContext.Current.CancellationToken);
        Assert.Equal(0u, await CountAsync(channel, Rejected));

        await RabbitServer.ControlHostAsync(url, "clear_policy", "full");
        await TestShop.UntilAsync(async () => await CountAsync(channel, Rejected) == 1);
        await TestShop.UntilAsync(async () => await platform.TotalAsync("events") == 1);
    }

    private static async Task<IConnection> ConnectAsync(string url) =>
        await new ConnectionFactory { Uri = new Uri(url), AutomaticRecoveryEnabled = false }.CreateConnectionAsync(TestContext.Current.CancellationToken);

    private static Task<uint> CountAsync(IChannel channel, string queue) => channel.MessageCountAsync(queue, TestContext.Current.CancellationToken);

    private static async Task PublishOnceAsync(string url, JsonObject one)
    {
        await using IConnection connection = await ConnectAsync(url);
        await PublishAsync(connection, one.ToJsonString());
    }

    /// <summary>Publishes as the shop does: persistent, by the type, confirmed.</summary>
    private static async Task PublishAsync(IConnection connection, params string[] bodies)
    {
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        foreach (string[] some in bodies.Chunk(200))
        {
            await Task.WhenAll(some.Select(body => channel.BasicPublishAsync(
                "jumun.events", "jumun.order.completed.v1", mandatory: true, new BasicProperties { Persistent = true },
                Encoding.UTF8.GetBytes(body)).AsTask()));
        }
    }
}
