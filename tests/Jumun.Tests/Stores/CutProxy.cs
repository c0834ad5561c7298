using System.Net;
using System.Net.Sockets;

namespace Jumun.Tests.Stores;

/// <summary>Stands between the program and its database as a network does: it carries bytes, loses them, or is cut.</summary>
internal sealed class CutProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly IPEndPoint server;
    private readonly List<TcpClient> clients = [];
    private readonly List<TcpClient> servers = [];
    private readonly Task accepting;

    public CutProxy(string host, int port)
    {
        server = new IPEndPoint(IPAddress.Parse(host), port);
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>What the database says is lost.</summary>
    public bool LosesAnswers { get; set; }

    /// <summary>How many bytes of what the program says still arrive; null for all.</summary>
    public int? Passes { get; set; }

    /// <summary>Whether new connections are refused.</summary>
    public bool Refuses { get; set; }

    /// <summary>Whether the database is not told when the program's side ends.</summary>
    public bool KeepsDatabase { get; set; }

    /// <summary>Ends the connections as the program sees them.</summary>
    public void CutProgram() => Close(Taken(clients));

    /// <summary>Ends the connections that there are now, as the database sees them, when it is called.</summary>
    public Action CutDatabase()
    {
        TcpClient[] taken = Taken(servers);
        return () => Close(taken);
    }

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        CutProgram();
        CutDatabase()();
        await accepting;
    }

    private static void Close(TcpClient[] connections) => Array.ForEach(connections, connection => connection.Close());

    private static TcpClient[] Taken(List<TcpClient> connections)
    {
        lock (connections)
        {
            TcpClient[] taken = [.. connections];
            connections.Clear();
            return taken;
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await listener.AcceptTcpClientAsync();
                if (Refuses)
                {
                    client.Close();
                    continue;
                }

                var database = new TcpClient { NoDelay = true };
                client.NoDelay = true;
                await database.ConnectAsync(server);
                Keep(clients, client);
                Keep(servers, database);
                _ = CarryAsync(client, database, toDatabase: true);
                _ = CarryAsync(database, client, toDatabase: false);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The listener was stopped.
        }
    }

    private static void Keep(List<TcpClient> connections, TcpClient connection)
    {
        lock (connections)
        {
            connections.Add(connection);
        }
    }

    private async Task CarryAsync(TcpClient from, TcpClient to, bool toDatabase)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            int read;
            while ((read = await from.GetStream().ReadAsync(buffer)) > 0)
            {
                if (toDatabase && Passes is { } left)
                {
                    read = Math.Min(read, left);
                    Passes = left - read;
                }

                if (toDatabase || !LosesAnswers)
                {
                    await to.GetStream().WriteAsync(buffer.AsMemory(0, read));
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // One side was cut.
        }

        if (!(toDatabase && KeepsDatabase))
        {
            to.Close();
        }
    }
}
