using System.Diagnostics;
using Jumun.Server.DataPlatform;
using Jumun.Tests.Crashes;
using Jumun.Tests.Http;
using RabbitMQ.Client;

namespace Jumun.Tests.Sinks;

/// <summary>Delivery to a RabbitMQ for real, with a queue and without one, alive and dead.</summary>
public sealed class AmqpSinkTests : SinkTest
{
    private string url = "";
    private Queue queue = null!;
    private RabbitServer? ownServer;

    private protected override async Task<Dictionary<string, string?>> PrepareAsync()
    {
        url = await RabbitServer.CreateHostAsync();
        queue = new Queue(url);
        return Settings();
    }

    private protected override async ValueTask EndAsync()
    {
        await queue.DisposeAsync();
        if (ownServer is not null)
        {
            await ownServer.DisposeAsync();
        }
    }

    [Fact]
    public async Task An_event_is_a_persistent_message_of_its_own_with_what_was_stored()
    {
        await queue.BindAsync();
        await queue.ConsumeAsync();
        await BuyAsync(Members(20), times: 3);
        await queue.GotAsync(60);
        Assert.Equal(60, queue.Got.Count);
        HasAll();
        Assert.All(queue.Got, one =>
        {
            Assert.Equal(one.Event.Id, one.Properties.MessageId);
            Assert.Equal("application/cloudevents+json", one.Properties.ContentType);
            Assert.Equal(DeliveryModes.Persistent, one.Properties.DeliveryMode);
            Assert.Equal("jumun.order.completed.v1", one.RoutingKey);
            Assert.Equal(one.Event.Type, one.RoutingKey);
        });
        await CountsAsync("pending", 0);
        Assert.Equal(CircuitState.Closed, Shop.Figures.Circuit);
    }

    [Fact]
    public async Task Without_a_queue_nothing_counts_as_delivered_and_once_one_is_bound_everything_arrives()
    {
        await BuyAsync(Members(30), times: 2);
        await StateAsync(CircuitState.Open);
        await CountsAsync("pending", 60);

        // Nobody is held for long because of it; those whose events served to ask are, until one is taken.
        await queue.BindAsync();
        await queue.ConsumeAsync();
        await queue.GotAsync(60);
        HasAll();
        await CountsAsync("pending", 0);
        await StateAsync(CircuitState.Closed);
        await HeldAsync(0);
    }

    [Fact]
    public async Task A_kind_of_event_that_no_queue_is_bound_for_keeps_only_its_members_waiting()
    {
        await queue.BindAsync("jumun.order.completed.v1");
        await queue.ConsumeAsync();
        long product = await Shop.Administrator().CreateProductAsync();
        (TestCaller member, TestAnswer order) = await Shop.BuyerAsync(product);
        (await member.PostAsync($"/members/{member.Member}/orders/{order["orderId"]}/cancel")).Is(200);
        (await member.PayAsync((await member.OrderAsync(product)).Is(201))).Is(200);
        await BuyAsync(Members(20), times: 2);
        await queue.GotAsync(41);
        await CountsAsync("pending", 2);
        await HeldAsync(1);
        Assert.Equal(CircuitState.Closed, Shop.Figures.Circuit);
        Assert.Equal([1L], queue.Events.Where(one => one.Member == member.Member).Select(one => one.Sequence));

        await queue.BindAsync("jumun.order.refunded.v1");
        Shop.Clock.Advance(TimeSpan.FromMinutes(8));
        await queue.GotAsync(43);
        Assert.Equal([1L, 2L, 3L], queue.Events.Where(one => one.Member == member.Member).Select(one => one.Sequence));
        Assert.Equal(43, queue.Got.Count);
    }

    [Fact]
    public async Task A_broker_that_does_not_confirm_gets_the_rest_later()
    {
        // A queue for three messages, which refuses the fourth.
        await using (IConnection connection = await new ConnectionFactory { Uri = new Uri(url) }.CreateConnectionAsync(Cancellation))
        {
            await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
            await channel.QueueDeclareAsync(
                Queue.Name, durable: true, exclusive: false, autoDelete: false,
                new Dictionary<string, object?> { ["x-max-length"] = 3, ["x-overflow"] = "reject-publish" }, cancellationToken: Cancellation);
            await channel.ExchangeDeclareAsync("jumun.events", RabbitMQ.Client.ExchangeType.Topic, durable: true, cancellationToken: Cancellation);
            await channel.QueueBindAsync(Queue.Name, "jumun.events", "#", cancellationToken: Cancellation);
        }

        await BuyAsync(Members(10), times: 2);
        await StateAsync(CircuitState.Open);
        Assert.Equal(17, (await EventsAsync("pending")).Count);
        await queue.ConsumeAsync();
        await queue.GotAsync(20);
        HasAll();
        await CountsAsync("pending", 0);
    }

    [Fact]
    public async Task A_broker_that_is_killed_under_load_gets_everything_when_it_is_back()
    {
        ownServer = await RabbitServer.CreateAsync();
        url = ownServer.Url;
        queue = new Queue(url);
        await RestartAsync(("Jumun:DataPlatform:Url", url));
        await queue.BindAsync();
        Task buying = BuyAsync(Members(40), times: 25);
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.DeliveredEvents > 100));
        await ownServer.KillAsync();
        await buying;
        await BuyAsync(Members(40));
        await StateAsync(CircuitState.Open);
        Assert.True(Shop.Figures.DeliveredEvents < Orders.Count);
        await ownServer.StartAsync();
        await TestShop.UntilAsync(() => Task.FromResult(Shop.Figures.DeliveredEvents == Orders.Count), seconds: 60);
        await queue.ConsumeAsync();
        await queue.GotAsync(Orders.Count);
        HasAll();
    }

    [Fact]
    public async Task A_broker_that_is_not_there_keeps_nobody_from_buying()
    {
        url = $"amqp://guest:guest@127.0.0.1:{FreePort.Next()}/";
        await RestartAsync(("Jumun:DataPlatform:Url", url));
        await BuyAsync(Members(10), times: 2);
        await StateAsync(CircuitState.Open);
        await CountsAsync("pending", 20);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_stops_as_it_should_whether_its_broker_lives_or_not(bool isKilled)
    {
        if (isKilled)
        {
            ownServer = await RabbitServer.CreateAsync();
            url = ownServer.Url;
            queue = new Queue(url);
        }

        await queue.BindAsync();
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data, Settings());
        await server.StartAsync(Cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        var admin = new TestCaller(http, "admin", TestShop.Token("admin", admin: true));
        var member = new TestCaller(http, "m", TestShop.Token("m"));
        long product = await admin.CreateProductAsync(price: 0);
        (await member.PayAsync((await member.OrderAsync(product)).Is(201))).Is(200);
        await queue.ConsumeAsync();
        await queue.GotAsync(1);
        await queue.DisposeAsync();
        if (isKilled)
        {
            await ownServer!.KillAsync();
            (await member.PayAsync((await member.OrderAsync(product)).Is(201))).Is(200);
        }

        long began = Stopwatch.GetTimestamp();
        Assert.Equal(0, await server.TerminateAsync(Cancellation));
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 8);
    }

    private Dictionary<string, string?> Settings() => new()
    {
        ["Jumun:DataPlatform:Sink"] = "amqp",
        ["Jumun:DataPlatform:Url"] = url,
    };

    /// <summary>Every order was told of; whatever came twice came with the same bytes; each member's events came in their order.</summary>
    private void HasAll() => Arrived.HaveAll(Orders, queue.Events);
}
