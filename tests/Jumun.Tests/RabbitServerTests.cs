using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jumun.Tests;

/// <summary>The broker that other tests rest on does what these take for granted.</summary>
[Once]
public sealed class RabbitServerTests
{
    [Fact]
    public async Task What_the_broker_confirmed_is_there_after_a_kill_and_nothing_of_it_is_left_at_the_end()
    {
        RabbitServer server = await RabbitServer.CreateAsync();
        string host = (await server.AddHostsAsync("one"))[0];
        var factory = new ConnectionFactory { Uri = new Uri(host), AutomaticRecoveryEnabled = false };
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using (IConnection connection = await factory.CreateConnectionAsync(cancellation))
        {
            await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), cancellation);
            await channel.QueueDeclareAsync("kept", durable: true, exclusive: false, autoDelete: false, cancellationToken: cancellation);
            await channel.BasicPublishAsync(
                "", "kept", mandatory: true, new BasicProperties { Persistent = true }, Encoding.UTF8.GetBytes("word"), cancellation);

            // A confirmation is about the message. The broker's own log, in which the queue stands, is written a little later.
            await server.ControlAsync("eval", "mnesia:sync_log().");
            await server.KillAsync();
        }

        await Assert.ThrowsAsync<BrokerUnreachableException>(() => factory.CreateConnectionAsync(cancellation));
        await server.StartAsync();
        await using (IConnection connection = await factory.CreateConnectionAsync(cancellation))
        {
            await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: cancellation);
            BasicGetResult? kept = await channel.BasicGetAsync("kept", autoAck: true, cancellation);
            Assert.Equal("word", Encoding.UTF8.GetString(kept!.Body.Span));
        }

        await server.RestartAsync();
        await server.DisposeAsync();
        Assert.False(Directory.Exists(server.Folder));
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => factory.CreateConnectionAsync(cancellation));
    }

    [Fact]
    public async Task Virtual_hosts_of_the_shared_broker_are_apart()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        var one = new ConnectionFactory { Uri = new Uri(await RabbitServer.CreateHostAsync()) };
        var other = new ConnectionFactory { Uri = new Uri(await RabbitServer.CreateHostAsync()) };
        await using IConnection first = await one.CreateConnectionAsync(cancellation);
        await using IChannel here = await first.CreateChannelAsync(cancellationToken: cancellation);
        await here.QueueDeclareAsync("mine", durable: true, exclusive: false, autoDelete: false, cancellationToken: cancellation);
        await using IConnection second = await other.CreateConnectionAsync(cancellation);
        await using IChannel there = await second.CreateChannelAsync(cancellationToken: cancellation);
        await Assert.ThrowsAsync<OperationInterruptedException>(() => there.QueueDeclarePassiveAsync("mine", cancellation));
    }
}
