using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace Jumun.Bench;

/// <summary>What came of a load.</summary>
/// <param name="Offered">Requests a second that were due.</param>
/// <param name="Accepted">Answers a second that were a success.</param>
/// <param name="Refused">Answers a second that were a 503 or a 429.</param>
/// <param name="Failed">Any other answer or none, in all.</param>
/// <param name="FromDue">Milliseconds from the moment at which a request that was accepted was due to its answer, sorted.</param>
/// <param name="FromSent">The same from the moment at which it was sent: without the wait for a free connection.</param>
internal sealed record LoadReport(double Offered, double Accepted, double Refused, long Failed, double[] FromDue, double[] FromSent);

/// <summary>
/// Sends charges of random members when they are due, whether or not earlier ones are answered, as people do. A request that
/// finds no free connection waits, and its wait counts: the latency runs from when it was due.
/// </summary>
internal sealed class OpenLoop(Uri address, IReadOnlyList<(string Member, string Token)> members)
{
    /// <param name="rate">Requests a second; infinity for as many as the connections bear.</param>
    /// <param name="connections">Connections.</param>
    /// <param name="seconds">How long.</param>
    /// <param name="uncounted">Seconds before that, which are not counted.</param>
    /// <param name="late">Seconds after that in which answers still count.</param>
    public async Task<LoadReport> RunAsync(double rate, int connections, double seconds, double uncounted = 2, double late = 0)
    {
        var due = Channel.CreateUnbounded<long>(new UnboundedChannelOptions { SingleWriter = true });
        Lane[] lanes = [.. Enumerable.Range(0, connections).Select(i => new Lane(address, members, i))];
        foreach (Lane lane in lanes)
        {
            await lane.ConnectAsync();
        }

        long begun = Stopwatch.GetTimestamp();
        long counted = begun + (long)(uncounted * Stopwatch.Frequency);
        long end = counted + (long)(seconds * Stopwatch.Frequency);
        long over = end + (long)(late * Stopwatch.Frequency);
        bool isClosed = double.IsPositiveInfinity(rate);
        Task[] running = [.. lanes.Select(lane => Task.Run(() => lane.RunAsync(isClosed ? null : due.Reader, counted, over)))];
        long sent = 0;
        while (!isClosed && Stopwatch.GetTimestamp() is var now && now < end)
        {
            for (double wanted = (now - begun) / (double)Stopwatch.Frequency * rate; sent < wanted; sent++)
            {
                due.Writer.TryWrite(begun + (long)(sent / rate * Stopwatch.Frequency));
            }

            await Task.Delay(1);
        }

        due.Writer.Complete();
        await Task.WhenAll(running);
        double accepted = lanes.Sum(lane => lane.Accepted) / seconds;
        return new LoadReport(
            isClosed ? accepted : rate, accepted, lanes.Sum(lane => lane.Refused) / seconds, lanes.Sum(lane => lane.Failed),
            [.. lanes.SelectMany(lane => lane.FromDue).Order()], [.. lanes.SelectMany(lane => lane.FromSent).Order()]);
    }

    /// <summary>One connection with its answers.</summary>
    private sealed class Lane(Uri address, IReadOnlyList<(string Member, string Token)> members, int number)
    {
        private readonly byte[] buffer = new byte[2 * 1024];
        private readonly Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        private readonly Random random = new(number);

        public List<double> FromDue { get; } = [];

        public List<double> FromSent { get; } = [];

        public long Accepted { get; private set; }

        public long Refused { get; private set; }

        public long Failed { get; private set; }

        public Task ConnectAsync() => socket.ConnectAsync(address.Host, address.Port);

        public async Task RunAsync(ChannelReader<long>? due, long counted, long end)
        {
            using Socket connection = socket;
            while (true)
            {
                if (await NextAsync(due) is not { } at || Stopwatch.GetTimestamp() > end)
                {
                    // What was due and found no connection until the end was never sent: it counts as offered only.
                    return;
                }

                long sent = Stopwatch.GetTimestamp();
                int status = await AskAsync();
                long answered = Stopwatch.GetTimestamp();
                if (answered < counted)
                {
                    continue;
                }

                if (answered > end)
                {
                    // Too late for the rates; but what takes longest must not be missing among the latencies.
                    if (status == 200)
                    {
                        FromDue.Add(Stopwatch.GetElapsedTime(at, answered).TotalMilliseconds);
                        FromSent.Add(Stopwatch.GetElapsedTime(sent, answered).TotalMilliseconds);
                    }

                    return;
                }

                switch (status)
                {
                    case 200:
                        Accepted += 1;
                        FromDue.Add(Stopwatch.GetElapsedTime(at, answered).TotalMilliseconds);
                        FromSent.Add(Stopwatch.GetElapsedTime(sent, answered).TotalMilliseconds);
                        break;
                    case 503 or 429:
                        Refused += 1;
                        break;
                    default:
                        Failed += 1;
                        break;
                }
            }
        }

        /// <summary>When the next request is due; null when none is any more.</summary>
        private static async ValueTask<long?> NextAsync(ChannelReader<long>? due)
        {
            if (due is null)
            {
                return Stopwatch.GetTimestamp();
            }

            try
            {
                // This wakes one connection that waits; to ask whether there is something to read would wake all of them.
                return await due.ReadAsync();
            }
            catch (ChannelClosedException)
            {
                return null;
            }
        }

        private async Task<int> AskAsync()
        {
            (string member, string token) = members[random.Next(members.Count)];
            string request = $"POST /members/{member}/points/charge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                + "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"amount\":1}";
            byte[] bytes = ArrayPool<byte>.Shared.Rent(request.Length);
            int length = Encoding.ASCII.GetBytes(request, bytes);
            await socket.SendAsync(bytes.AsMemory(0, length));
            ArrayPool<byte>.Shared.Return(bytes);
            int have = 0;
            while (true)
            {
                int read = await socket.ReceiveAsync(buffer.AsMemory(have));
                if (read == 0)
                {
                    throw new IOException("The server closed a connection.");
                }

                have += read;
                if (IsWhole(have))
                {
                    return int.Parse(buffer.AsSpan(9, 3), CultureInfo.InvariantCulture);
                }
            }
        }

        private bool IsWhole(int have)
        {
            ReadOnlySpan<byte> answer = buffer.AsSpan(0, have);
            int head = answer.IndexOf("\r\n\r\n"u8);
            if (head < 0)
            {
                return false;
            }

            ReadOnlySpan<byte> name = "Content-Length: "u8;
            int at = answer[..head].IndexOf(name) + name.Length;
            ReadOnlySpan<byte> value = answer[at..(at + answer[at..].IndexOf((byte)'\r'))];
            return have >= head + 4 + int.Parse(value, CultureInfo.InvariantCulture);
        }
    }
}
