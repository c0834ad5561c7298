using System.Threading.Channels;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace DataPlatform;

/// <summary>
/// Takes events from RabbitMQ, one a message. A message is acknowledged when its event is on the disk; one that makes no
/// sense goes to a queue of its own. When the broker or the database goes away, all begins anew: what was not acknowledged
/// comes again, and is known by its id.
/// </summary>
internal sealed partial class AmqpIntake(Intake intake, PlatformSettings settings, ILogger<AmqpIntake> log) : BackgroundService
{
    private const string Exchange = "jumun.events";
    private const string Queue = "jumun.data-platform";
    private const string RejectedQueue = "jumun.data-platform.rejected";
    private const string RoutingKey = "jumun.order.#";

    private sealed record Message(ulong Tag, OrderEvent Event);

    /// <summary>Whether messages are being taken now.</summary>
    public bool IsConnected { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (settings.Amqp is not null && !stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ConsumeAsync(settings.Amqp, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error)
            {
                LogLost(error.Message);
            }

            IsConnected = false;
            await Task.Delay(Bounds.ReconnectMilliseconds, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ConsumeAsync(Uri address, CancellationToken stop)
    {
        var factory = new ConnectionFactory { Uri = address, ClientProvidedName = "jumun data platform", AutomaticRecoveryEnabled = false };
        await using IConnection connection = await factory.CreateConnectionAsync(stop);
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), stop);
        await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true, cancellationToken: stop);
        await channel.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false, cancellationToken: stop);
        await channel.QueueDeclareAsync(RejectedQueue, durable: true, exclusive: false, autoDelete: false, cancellationToken: stop);
        await channel.QueueBindAsync(Queue, Exchange, RoutingKey, cancellationToken: stop);
        await channel.BasicQosAsync(0, Bounds.PrefetchedMessages, global: false, stop);

        Channel<Message> messages = Channel.CreateBounded<Message>(Bounds.PrefetchedMessages);
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            messages.Writer.TryComplete(new IOException(reason.ReplyText));
            return Task.CompletedTask;
        };
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivered) =>
        {
            try
            {
                await TakeAsync(channel, delivered, messages.Writer, stop);
            }
            catch (Exception error)
            {
                // Nothing that comes after this message may be acknowledged, because that would acknowledge this one, too.
                messages.Writer.TryComplete(error);
            }
        };
        consumer.UnregisteredAsync += (_, _) =>
        {
            // The queue was deleted.
            messages.Writer.TryComplete(new IOException("the broker ended the subscription"));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(Queue, autoAck: false, consumer, stop);
        IsConnected = true;
        LogConnected(factory.Endpoint.ToString());
        while (await messages.Reader.WaitToReadAsync(stop))
        {
            await StoreAsync(channel, messages.Reader, stop);
        }
    }

    /// <summary>Reads a message, and puts one that makes no sense aside before the next is read.</summary>
    private async Task TakeAsync(IChannel channel, BasicDeliverEventArgs delivered, ChannelWriter<Message> messages, CancellationToken stop)
    {
        try
        {
            var one = OrderEvent.ReadOne(delivered.Body);
            if (!intake.HasRoomFor([one]))
            {
                throw new MalformedEventException(Intake.TooMuch);
            }

            await messages.WriteAsync(new Message(delivered.DeliveryTag, one), stop);
        }
        catch (MalformedEventException error)
        {
            await RejectAsync(channel, delivered, error.Message, stop);
        }
    }

    /// <summary>Stores what is there together, and acknowledges it together.</summary>
    private async Task StoreAsync(IChannel channel, ChannelReader<Message> messages, CancellationToken stop)
    {
        List<OrderEvent> events = [];
        ulong last = 0;
        while (events.Count < Bounds.BatchEvents && messages.TryRead(out Message? message))
        {
            events.Add(message.Event);
            last = message.Tag;
        }

        Task<Receipt>? stored;
        while ((stored = intake.Submit(events)) is null)
        {
            await Task.Delay(20, stop);
        }

        await stored;
        await channel.BasicAckAsync(last, multiple: true, stop);
    }

    /// <summary>Puts a message aside, and acknowledges it when the broker has it there.</summary>
    private async Task RejectAsync(IChannel channel, BasicDeliverEventArgs delivered, string reason, CancellationToken stop)
    {
        LogRejected(delivered.BasicProperties.MessageId, reason);
        var properties = new BasicProperties(delivered.BasicProperties)
        {
            Persistent = true,
            Headers = new Dictionary<string, object?>(delivered.BasicProperties.Headers ?? new Dictionary<string, object?>()) { ["x-reason"] = reason },
        };
        await channel.BasicPublishAsync("", RejectedQueue, mandatory: true, properties, delivered.Body, stop);
        await channel.BasicAckAsync(delivered.DeliveryTag, multiple: false, stop);
    }

    [LoggerMessage(2, LogLevel.Information, "Takes events from {Broker}")]
    private partial void LogConnected(string broker);

    [LoggerMessage(3, LogLevel.Warning, "The broker is tried again in a moment: {Reason}")]
    private partial void LogLost(string reason);

    [LoggerMessage(4, LogLevel.Warning, "Message {MessageId} was put aside: {Reason}")]
    private partial void LogRejected(string? messageId, string reason);
}
