using Jumun.Server.Stores;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Publishes events to RabbitMQ, each as a persistent message on a durable topic exchange, and counts those as taken that the
/// broker confirmed. What no queue is bound for comes back, and was not taken. A member's event goes out when the one before
/// it is confirmed, so that their order holds whatever happens between them.
/// </summary>
internal sealed class AmqpSink : ISink, IAsyncDisposable
{
    /// <summary>The exchange.</summary>
    public const string Exchange = "jumun.events";

    private const string ContentType = "application/cloudevents+json";

    // Deliveries are bounded themselves.
    private static readonly CreateChannelOptions Confirmed = new(
        publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true, outstandingPublisherConfirmationsRateLimiter: null);

    private static readonly TimeSpan CloseTime = TimeSpan.FromSeconds(1);

    private readonly ConnectionFactory factory;
    private readonly SemaphoreSlim turn = new(1, 1);
    private IConnection? connection;
    private IChannel? channel;

    /// <param name="url">Where the broker is, with name and password.</param>
    public AmqpSink(Uri url) => factory = new ConnectionFactory
    {
        Uri = url,
        ClientProvidedName = "jumun",

        // When to come back is the relay's business.
        AutomaticRecoveryEnabled = false,
        TopologyRecoveryEnabled = false,
        RequestedConnectionTimeout = TimeSpan.FromSeconds(Bounds.ConnectSeconds),
        RequestedHeartbeat = TimeSpan.FromSeconds(Bounds.DeliverySeconds),
    };

    public async ValueTask<DeliveryOutcome> DeliverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            var delivery = new Publishing(await ChannelAsync(cancellation).ConfigureAwait(false), events, cancellation);
            DeliveryOutcome outcome = await delivery.RunAsync().ConfigureAwait(false);
            if (outcome.Has(Verdict.Failed))
            {
                // What came of the rest will not be told any more.
                await CloseAsync().ConfigureAwait(false);
            }

            return outcome;
        }
        finally
        {
            turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync().ConfigureAwait(false);
        turn.Dispose();
    }

    private async ValueTask<IChannel> ChannelAsync(CancellationToken cancellation)
    {
        if (channel is { IsOpen: true } open)
        {
            return open;
        }

        await CloseAsync().ConfigureAwait(false);
        try
        {
            connection = await factory.CreateConnectionAsync(cancellation).ConfigureAwait(false);
            channel = await connection.CreateChannelAsync(Confirmed, cancellation).ConfigureAwait(false);
            await channel.ExchangeDeclareAsync(
                Exchange, RabbitMQ.Client.ExchangeType.Topic, durable: true, autoDelete: false, cancellationToken: cancellation).ConfigureAwait(false);
            return channel;
        }
        catch
        {
            await CloseAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask CloseAsync()
    {
        channel = null;
        if (connection is not { } lost)
        {
            return;
        }

        connection = null;
        try
        {
            await lost.AbortAsync(CloseTime).ConfigureAwait(false);
            await lost.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is OperationInterruptedException or IOException or TimeoutException or OperationCanceledException)
        {
            // It was lost already.
        }
    }

    /// <summary>One delivery: all members side by side, each one's events one after the other.</summary>
    private sealed class Publishing(IChannel channel, IReadOnlyList<PendingEvent> events, CancellationToken cancellation)
    {
        private readonly Verdict[] verdicts = new Verdict[events.Count];
        private string? reason;

        public async Task<DeliveryOutcome> RunAsync()
        {
            Array.Fill(verdicts, Verdict.NotTried);
            List<int[]> members = [.. Enumerable.Range(0, events.Count).GroupBy(place => events[place].MemberId, (_, places) => places.ToArray())];
            for (int turn = 0; members.Count > 0; turn++)
            {
                await Task.WhenAll(members.ConvertAll(places => PublishAsync(places[turn]))).ConfigureAwait(false);
                members.RemoveAll(places => places.Length == turn + 1 || verdicts[places[turn]] != Verdict.Taken);
            }

            return new DeliveryOutcome(verdicts, reason);
        }

        private async Task PublishAsync(int place)
        {
            PendingEvent pending = events[place];
            string type = OrderEventJson.TypeName(pending.Type);
            var properties = new BasicProperties
            {
                MessageId = pending.EventId.ToString(),
                ContentType = ContentType,
                Type = type,
                Persistent = true,
            };
            try
            {
                await channel.BasicPublishAsync(Exchange, type, mandatory: true, properties, pending.Body, cancellation).ConfigureAwait(false);
                verdicts[place] = Verdict.Taken;
            }
            catch (PublishException error) when (error.IsReturn)
            {
                verdicts[place] = Verdict.Refused;
                reason ??= $"no queue is bound to the exchange {Exchange} for {type}: bind one, and what waits follows";
            }
            catch (PublishException)
            {
                verdicts[place] = Verdict.Failed;
                reason = "the broker did not confirm the message (basic.nack)";
            }
            catch (Exception error)
            {
                verdicts[place] = Verdict.Failed;
                reason = cancellation.IsCancellationRequested ? "the broker did not confirm the message in time" : error.Message;
            }
        }
    }
}
