using System.Diagnostics;
using System.Globalization;
using Jumun.Tests.Crashes;

namespace Jumun.Tests.Hostile;

/// <summary>
/// Clients that take their time, or take connections and say nothing. They cost the shop memory and no more: others are
/// served beside them, and who is too slow is cut off.
/// </summary>
public sealed class SlowClientTests
{
    private const int Slow = 200;

    private static readonly int Idle = int.Parse(Environment.GetEnvironmentVariable("JUMUN_TEST_IDLE_CONNECTIONS") ?? "10000", CultureInfo.InvariantCulture);

    private readonly string token = TestShop.Token("anna");

    [Fact]
    public async Task Headers_that_come_a_byte_at_a_time_are_cut_off_and_others_are_served_meanwhile()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await DripAsync(shop, $"GET /members/anna/points HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nX: ", 'x');
    }

    [Fact]
    public async Task Bodies_that_come_a_byte_at_a_time_are_cut_off_and_others_are_served_meanwhile()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await DripAsync(
            shop,
            $"POST /members/anna/points/charge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            + "Content-Length: 60000\r\n\r\n",
            ' ');
        Assert.Equal(0, await shop.As("anna").BalanceAsync());
    }

    [Fact]
    public async Task Connections_that_say_nothing_leave_room_for_those_that_do()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data);
        await server.StartAsync(cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        var idle = new List<RawConnection>();
        try
        {
            for (int i = 0; i < Idle; i++)
            {
                idle.Add(await RawConnection.OpenAsync(server.Address));
            }

            // A part of them says something and then no more.
            foreach (RawConnection connection in idle.Where((_, i) => i % 3 == 0))
            {
                await connection.SendAsync("GET /products/top HTTP/1.1\r\nHost: x\r\n");
            }

            for (int i = 0; i < 50; i++)
            {
                await ServesAsync(new TestCaller(http, "somebody", TestShop.Token("somebody")), server.Address);
            }

            string status = await File.ReadAllTextAsync($"/proc/{server.ProcessId}/status", cancellation);
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{Idle} connections: {status.Split('\n').Single(line => line.StartsWith("VmRSS", StringComparison.Ordinal))}");
        }
        finally
        {
            foreach (RawConnection connection in idle)
            {
                connection.Dispose();
            }
        }

        await ServesAsync(new TestCaller(http, "somebody", TestShop.Token("somebody")), server.Address);
        Assert.DoesNotContain(server.Said, line => line.Contains("bug", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Connections_that_are_cut_in_the_midst_of_requests_leave_nothing_behind()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data);
        await server.StartAsync(cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        string request = $"POST /members/anna/points/charge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            + "Content-Length: 12\r\n\r\n{\"amount\":5}";
        var random = new Random(1);
        for (int i = 0; i < 300; i++)
        {
            using RawConnection connection = await RawConnection.OpenAsync(server.Address);

            // Half of them anywhere and at once, before anybody has read it; half of them in the body, when somebody waits for its rest.
            bool isInBody = int.IsOddInteger(i);
            await connection.SendAsync(request[..(isInBody ? request.Length - random.Next(1, 12) : random.Next(request.Length))]);
            await Task.Delay(isInBody ? 20 : 0, cancellation);
            connection.Reset();
        }

        Assert.Equal(0, await new TestCaller(http, "anna", token).BalanceAsync());
        await ServesAsync(new TestCaller(http, "somebody", TestShop.Token("somebody")), server.Address);

        // What a request says of its end it has said when the server has stopped.
        Assert.Equal(0, await server.TerminateAsync(cancellation));
        Assert.DoesNotContain(server.Said, line => line.Contains("bug", StringComparison.Ordinal));
    }

    /// <summary>Many clients send the beginning of a request at once and then a byte now and then, until they are cut off.</summary>
    private static async Task DripAsync(TestShop shop, string beginning, char next)
    {
        RawConnection[] slow = await Task.WhenAll(Enumerable.Range(0, Slow).Select(_ => RawConnection.OpenAsync(shop.Http.BaseAddress!)));
        try
        {
            await Task.WhenAll(slow.Select(connection => connection.SendAsync(beginning)));
            Task dripping = Task.WhenAll(slow.Select(connection => DripAsync(connection, next)));
            while (!dripping.IsCompleted)
            {
                await ServesAsync(shop);
                await Task.WhenAny(dripping, Task.Delay(500));
            }

            await dripping;
        }
        finally
        {
            foreach (RawConnection connection in slow)
            {
                connection.Dispose();
            }
        }
    }

    private static async Task DripAsync(RawConnection connection, char next)
    {
        long begun = Stopwatch.GetTimestamp();
        Task<bool> ends = connection.EndsAsync(TimeSpan.FromSeconds(60));
        while (!ends.IsCompleted)
        {
            try
            {
                await connection.SendAsync($"{next}");
            }
            catch (System.Net.Sockets.SocketException)
            {
                break;
            }

            await Task.WhenAny(ends, Task.Delay(500));
        }

        Assert.True(await ends, $"It was still served after {Stopwatch.GetElapsedTime(begun)}.");
    }

    /// <summary>A member is served, reads and writes, on a connection that it has and on a new one.</summary>
    private static Task ServesAsync(TestShop shop) => ServesAsync(shop.As("somebody"), shop.Http.BaseAddress!);

    private static async Task ServesAsync(TestCaller member, Uri address)
    {
        long balance = await member.ChargeAsync(1);
        Assert.Equal(balance, await member.BalanceAsync());
        Assert.Equal(200, (await RawConnection.AskAsync(address, "GET /products/top HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))!.Status);
    }
}
