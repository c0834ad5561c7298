using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Jumun.Tests.Sinks;

/// <summary>A durable queue of a broker, and all that a consumer got out of it.</summary>
internal sealed class Queue(string url) : IAsyncDisposable
{
    public const string Name = "platform";

    private readonly ConcurrentQueue<(Arrived Event, IReadOnlyBasicProperties Properties, string RoutingKey)> got = [];
    private IConnection? connection;

    public IReadOnlyList<(Arrived Event, IReadOnlyBasicProperties Properties, string RoutingKey)> Got => [.. got];

    public IEnumerable<Arrived> Events => got.Select(one => one.Event);

    /// <summary>Makes the queue and binds it.</summary>
    /// <param name="key">What events it is for.</param>
    public async Task BindAsync(string key = "jumun.order.#")
    {
        await using IConnection opened = await OpenAsync();
        await using IChannel channel = await opened.CreateChannelAsync();
        await channel.ExchangeDeclareAsync("jumun.events", RabbitMQ.Client.ExchangeType.Topic, durable: true);
        await channel.QueueDeclareAsync(Name, durable: true, exclusive: false, autoDelete: false);
        await channel.QueueBindAsync(Name, "jumun.events", key);
    }

    /// <summary>Begins to take out what is in it.</summary>
    public async Task ConsumeAsync()
    {
        connection = await OpenAsync();
        IChannel channel = await connection.CreateChannelAsync();
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, message) =>
        {
            string text = Encoding.UTF8.GetString(message.Body.Span);
            JsonNode json = JsonNode.Parse(text)!;
            got.Enqueue((
                new Arrived(
                    (string)json["id"]!, (string)json["type"]!, (string)json["subject"]!, (string)json["partitionkey"]!, (long)json["sequence"]!, text),
                new BasicProperties(message.BasicProperties), message.RoutingKey));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(Name, autoAck: true, consumer);
    }

    /// <summary>Waits until so many different events came out.</summary>
    public Task GotAsync(int events, double seconds = 30) =>
        TestShop.UntilAsync(() => Task.FromResult(Events.Select(one => one.Id).Distinct().Count() >= events), seconds);

    public async ValueTask DisposeAsync()
    {
        if (connection is not null)
        {
            await connection.DisposeAsync();
        }
    }

    private Task<IConnection> OpenAsync() => new ConnectionFactory { Uri = new Uri(url), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
}
