using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Jumun.Tests;

/// <summary>
/// Ports that stay free while the server that has them is down. Not ones that the system picks: those are also the ports
/// of connections that go out, and another test's connection could hold one when its server comes back.
/// </summary>
internal static class FreePort
{
    private static readonly ConcurrentDictionary<int, bool> Given = new();

    /// <summary>A port of 127.0.0.1 where nobody listens, and that no other test of this run was given.</summary>
    public static int Next()
    {
        while (true)
        {
            int port = Random.Shared.Next(20_000, 32_000);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                if (Given.TryAdd(port, true))
                {
                    return port;
                }
            }
            catch (SocketException)
            {
                // Taken: try another.
            }
        }
    }
}
