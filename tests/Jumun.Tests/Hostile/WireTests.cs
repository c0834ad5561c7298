using System.Globalization;
using System.Text;
using Jumun.Server;

namespace Jumun.Tests.Hostile;

/// <summary>Bytes that an attacker, a broken client or an old one sends: each has one meaning, or none.</summary>
public sealed class WireTests : IAsyncLifetime
{
    private const string Charge = """{"amount":5}""";

    private readonly string token = TestShop.Token("anna");
    private TestShop shop = null!;

    private Uri Address => shop.Http.BaseAddress!;

    public async ValueTask InitializeAsync() => shop = await TestShop.StartAsync();

    public ValueTask DisposeAsync() => shop.DisposeAsync();

    /// <summary>
    /// Two ways to say how long a body is: a proxy may believe the one and the server the other. What is left over must not count as a request.
    /// </summary>
    [Theory]
    [InlineData("Content-Length: 12\r\nTransfer-Encoding: chunked")]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 12")]
    [InlineData("Content-Length: 12\r\nContent-Length: 13")]
    [InlineData("Content-Length: 12, 12")]
    [InlineData("Content-Length: 0x0c")]
    [InlineData("Content-Length: -1")]
    [InlineData("Content-Length: 99999999999999999999")]
    [InlineData("Content-Length : 12")]
    [InlineData("Content-Length: 12\r\n Transfer-Encoding: chunked")]
    [InlineData("Transfer-Encoding: xchunked")]
    [InlineData("Transfer-Encoding: chunked, identity")]
    [InlineData("Transfer-Encoding:\u000bchunked")]
    [InlineData("Transfer-Encoding : chunked")]
    [InlineData("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")]
    [InlineData("X: y\u0000Content-Length: 12")]
    [InlineData("X: y\rContent-Length: 12")]
    public async Task A_request_whose_length_can_be_read_in_two_ways_smuggles_nothing(string lengths)
    {
        // What hides behind the first body would charge a second time.
        string hidden = Request("/members/anna/points/charge", Charge, "hidden");
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        await connection.SendAsync(
            $"POST /members/anna/points/charge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{lengths}\r\n\r\n"
            + $"0\r\n\r\n{hidden}");
        int answers = 0;
        while (await connection.ReadAsync() is { } answer)
        {
            answers += 1;
            Assert.InRange(answer.Status, 400, 499);
            if (answer.IsLast)
            {
                break;
            }
        }

        Assert.InRange(answers, 0, 1);
        Assert.Equal(0, await shop.As("anna").BalanceAsync());
    }

    [Theory]
    [InlineData("5\r\n{\"amo\r\n7\r\nunt\":5}\r\n0\r\n\r\n", 200)]
    [InlineData("c;x=y\r\n{\"amount\":5}\r\n0\r\nTrailer: x\r\n\r\n", 200)]
    [InlineData("C\r\n{\"amount\":5}\r\n0\r\n\r\n", 200)]
    [InlineData("g\r\n{\"amount\":5}\r\n0\r\n\r\n", 400)]
    [InlineData("-c\r\n{\"amount\":5}\r\n0\r\n\r\n", 400)]
    [InlineData("ffffffffffffffff\r\n{\"amount\":5}\r\n0\r\n\r\n", 400)]
    [InlineData("c\r\n{\"amount\":5}0\r\n\r\n", 400)]
    public async Task A_body_in_chunks_is_read_as_HTTP_says_or_not_at_all(string chunks, int status)
    {
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        await connection.SendAsync(
            $"POST /members/anna/points/charge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            + $"Transfer-Encoding: chunked\r\n\r\n{chunks}");
        RawAnswer answer = (await connection.ReadAsync())!;
        Assert.Equal(status, answer.Status);
        Assert.Equal(status == 200 ? 5 : 0, await shop.As("anna").BalanceAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("\r\n\r\n\r\n")]
    [InlineData("GET\r\n\r\n")]
    [InlineData("GET /products/top\r\n\r\n")]
    [InlineData("GET /products/top HTTP/9.9\r\nHost: x\r\n\r\n")]
    [InlineData("GET /products/top HTTP/1.1\r\n\r\n")]
    [InlineData("GET /products/top HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")]
    [InlineData("GET /products/top HTTP/1.1\r\nHost: a b\r\n\r\n")]
    [InlineData("GET  /products/top HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("G\u0001T /products/top HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /products/top HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n")]
    [InlineData("GET /products/top HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n")]
    [InlineData("GET /pro\u0000ducts HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    [InlineData("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003")]
    [InlineData("\u0000\u0000\u0012\u0004\u0000\u0000\u0000\u0000\u0000")]
    public async Task What_is_not_HTTP_is_refused_or_cut_off(string bytes)
    {
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        await connection.SendAsync(bytes);
        connection.Half();
        Assert.True(await connection.ReadAsync() is null or { Status: 400 or 404 or 405 or 505 });
        (await shop.AsNobody().GetAsync("/health/ready")).Is(200);
    }

    [Fact]
    public async Task HTTP_1_0_is_answered_and_its_connection_ends()
    {
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        await connection.SendAsync($"GET /members/anna/points HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
        RawAnswer answer = (await connection.ReadAsync())!;
        Assert.Equal((200, """{"memberId":"anna","balance":0}"""), (answer.Status, answer.Text));
        Assert.True(await connection.EndsAsync(TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public async Task Requests_sent_without_waiting_for_answers_are_answered_in_their_order()
    {
        const int Requests = 50;
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        await connection.SendAsync(string.Concat(Enumerable.Range(0, Requests).Select(i => Request("/members/anna/points/charge", Charge, $"k{i}"))));
        for (int i = 1; i <= Requests; i++)
        {
            RawAnswer answer = (await connection.ReadAsync())!;
            Assert.Equal(200, answer.Status);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"\"balance\":{5 * i},"), answer.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Headers_up_to_their_bound_are_read_and_beyond_it_refused()
    {
        foreach ((int bytes, int status) in new[] { (Bounds.HeaderBytes - 1_000, 200), (Bounds.HeaderBytes + 1, 431), (4 * Bounds.HeaderBytes, 431) })
        {
            RawAnswer? answer = await RawConnection.AskAsync(
                Address, $"GET /products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nX: {new string('x', bytes)}\r\n\r\n");
            Assert.True(answer is null ? status == 431 : answer.Status == status, $"{bytes} bytes were answered {answer?.Status}.");
        }

        // Many small ones, and a line that does not end.
        string many = string.Concat(Enumerable.Range(0, 200).Select(i => $"X{i}: y\r\n"));
        Assert.Equal(431, (await RawConnection.AskAsync(Address, $"GET /products/top HTTP/1.1\r\nHost: x\r\n{many}\r\n"))!.Status);
        Assert.Equal(414, (await RawConnection.AskAsync(Address, $"GET /{new string('x', 20_000)} HTTP/1.1\r\nHost: x\r\n\r\n"))!.Status);
    }

    [Fact]
    public async Task A_body_that_is_shorter_than_it_said_is_no_request()
    {
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        string request = Request("/members/anna/points/charge", Charge, "half");
        await connection.SendAsync(request.Replace("Content-Length: 12", "Content-Length: 13", StringComparison.Ordinal));
        connection.Half();
        Assert.True(await connection.ReadAsync() is null or { Status: 400 });
        Assert.Equal(0, await shop.As("anna").BalanceAsync());
    }

    [Fact]
    public async Task A_body_announced_as_too_large_is_refused_before_it_is_sent_and_the_connection_ends()
    {
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        await connection.SendAsync(
            $"POST /members/anna/points/charge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            + "Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n");
        RawAnswer answer = (await connection.ReadAsync())!;
        Assert.Equal((413, "payload_too_large", true), (answer.Status, answer.Code, answer.IsLast));
    }

    [Fact]
    public async Task A_client_that_expects_100_continue_is_told_to_go_on()
    {
        using RawConnection connection = await RawConnection.OpenAsync(Address);
        string request = Request("/members/anna/points/charge", Charge, "expects");
        request = request.Replace("Host: x", "Host: x\r\nExpect: 100-continue", StringComparison.Ordinal);
        int body = request.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        await connection.SendAsync(request[..body]);
        await connection.SendAsync(request[body..]);
        Assert.Equal(200, (await connection.ReadAsync())!.Status);
    }

    private string Request(string path, string body, string key) => string.Create(
        CultureInfo.InvariantCulture,
        $"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        + $"Content-Length: {Encoding.Latin1.GetByteCount(body)}\r\n\r\n{body}");
}
