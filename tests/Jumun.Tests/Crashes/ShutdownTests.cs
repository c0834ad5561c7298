using System.Net.Sockets;
using System.Text;

namespace Jumun.Tests.Crashes;

/// <summary>A server that is told to stop finishes what it began.</summary>
public sealed class ShutdownTests
{
    [Fact]
    public async Task A_request_that_is_under_way_is_answered_and_no_log_is_left_beside_the_file()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data);
        await server.StartAsync(cancellation);
        using var client = new TcpClient();
        await client.ConnectAsync(server.Address.Host, server.Port, cancellation);
        await using NetworkStream stream = client.GetStream();
        string head = $"POST /members/m/points/charge HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {TestShop.Token("m")}\r\n"
            + "Content-Type: application/json\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head), cancellation);

        // It is said when the body is asked for: then the request is under way.
        byte[] goOn = new byte["HTTP/1.1 100 Continue\r\n\r\n".Length];
        await stream.ReadExactlyAsync(goOn, cancellation);
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", Encoding.ASCII.GetString(goOn));
        await stream.WriteAsync(Encoding.ASCII.GetBytes("{\"amount\""), cancellation);
        Task<int> stopping = server.TerminateAsync(cancellation);
        await Task.Delay(2_500, cancellation);
        Assert.False(stopping.IsCompleted);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(":5} "), cancellation);
        using var reader = new StreamReader(stream);
        string answer = await reader.ReadToEndAsync(cancellation);
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Contains("\"balance\":5", answer, StringComparison.Ordinal);

        Assert.Equal(0, await stopping);
        Assert.False(File.Exists(Path.Combine(data.Folder, "jumun.db-wal")));
        await server.StartAsync(cancellation);
        (int exitCode, string output) = await server.RunAsync(cancellation, "audit");
        Assert.True(exitCode == 0, output);
    }
}
