using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Hostile;

/// <summary>An answer as it came over the wire.</summary>
/// <param name="Status">Its status.</param>
/// <param name="Headers">Its headers, names in small letters; of a name that came twice, the last.</param>
/// <param name="Body">Its body.</param>
internal sealed record RawAnswer(int Status, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);

    /// <summary>Whether the server closes the connection after it.</summary>
    public bool IsLast => Headers.TryGetValue("connection", out string? value) && value.Contains("close", StringComparison.OrdinalIgnoreCase);

    /// <summary>The code of a problem; null when it is none.</summary>
    public string? Code
    {
        get
        {
            try
            {
                return Headers.GetValueOrDefault("content-type") == "application/problem+json" ? (string?)JsonNode.Parse(Body)!["code"] : null;
            }
            catch (JsonException)
            {
                return null;
            }
        }
    }
}

/// <summary>A connection on which any bytes can be sent, also such as no HTTP client would send.</summary>
internal sealed class RawConnection : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Socket socket;
    private readonly byte[] buffer = new byte[16 * 1024];
    private int start;
    private int end;

    private RawConnection(Socket socket) => this.socket = socket;

    public static async Task<RawConnection> OpenAsync(Uri address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port);
        return new RawConnection(socket);
    }

    /// <summary>Sends one request on a connection of its own; null when the server closes it without an answer.</summary>
    public static async Task<RawAnswer?> AskAsync(Uri address, string request, bool isHead = false)
    {
        using RawConnection connection = await OpenAsync(address);
        await connection.SendAsync(request);
        return await connection.ReadAsync(isHead);
    }

    /// <summary>Sends text, each character as the byte of its number.</summary>
    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes)..];
        }
    }

    /// <summary>Says that nothing more is sent, and goes on to listen.</summary>
    public void Half() => socket.Shutdown(SocketShutdown.Send);

    /// <summary>The next answer; null when the server closes the connection instead.</summary>
    /// <param name="isHead">Whether it has no body, whatever its length says.</param>
    public async Task<RawAnswer?> ReadAsync(bool isHead = false)
    {
        while (true)
        {
            if (await LineAsync() is not { } first)
            {
                return null;
            }

            int status = int.Parse(first.Split(' ')[1], CultureInfo.InvariantCulture);
            var headers = new Dictionary<string, string>();
            while (await LineAsync() is { Length: > 0 } line)
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                headers[line[..colon].ToLowerInvariant()] = line[(colon + 1)..].Trim();
            }

            if (status == 100)
            {
                continue;
            }

            if (headers.GetValueOrDefault("content-type") == "text/event-stream")
            {
                // A stream goes on until somebody leaves: its first line is enough, and its connection is left.
                headers["connection"] = "close";
                return new RawAnswer(status, headers, isHead ? [] : Encoding.UTF8.GetBytes(await LineAsync() ?? ""));
            }

            bool hasNone = isHead || status is 204 or 304;
            byte[] body = hasNone ? [] : headers.TryGetValue("content-length", out string? length)
                ? await BytesAsync(int.Parse(length, CultureInfo.InvariantCulture))
                : headers.ContainsKey("transfer-encoding") ? await ChunksAsync() : await RestAsync();
            return new RawAnswer(status, headers, body);
        }
    }

    /// <summary>Whether the server closes the connection within the time; what it says before that is passed over.</summary>
    public async Task<bool> EndsAsync(TimeSpan time)
    {
        using var late = new CancellationTokenSource(time);
        try
        {
            while (await socket.ReceiveAsync(buffer, late.Token) > 0)
            {
            }

            return true;
        }
        catch (SocketException)
        {
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Waits until an answer is here, and does not read it.</summary>
    public async Task ComesAsync() => await socket.ReceiveAsync(Memory<byte>.Empty);

    /// <summary>Cuts the connection, as a lost network does: the server is told by a reset.</summary>
    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void Dispose() => socket.Dispose();

    private async Task<string?> LineAsync()
    {
        var line = new StringBuilder();
        while (await ByteAsync() is { } one)
        {
            if (one == '\n')
            {
                return line.ToString().TrimEnd('\r');
            }

            line.Append((char)one);
        }

        return null;
    }

    private async Task<byte[]> ChunksAsync()
    {
        var body = new List<byte>();
        while (true)
        {
            int length = Convert.ToInt32(await LineAsync() ?? throw new IOException("An answer ended in its midst."), 16);
            body.AddRange(await BytesAsync(length));
            await LineAsync();
            if (length == 0)
            {
                return [.. body];
            }
        }
    }

    private async Task<byte[]> BytesAsync(int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = await ByteAsync() ?? throw new IOException("An answer ended in its midst.");
        }

        return bytes;
    }

    private async Task<byte[]> RestAsync()
    {
        var bytes = new List<byte>();
        while (await ByteAsync() is { } one)
        {
            bytes.Add(one);
        }

        return [.. bytes];
    }

    private async ValueTask<byte?> ByteAsync()
    {
        if (start == end)
        {
            using var late = new CancellationTokenSource(Patience);
            try
            {
                (start, end) = (0, await socket.ReceiveAsync(buffer, late.Token));
            }
            catch (SocketException)
            {
                return null;
            }

            if (end == 0)
            {
                return null;
            }
        }

        return buffer[start++];
    }
}
