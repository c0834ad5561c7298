using System.Net.WebSockets;
using Jumun.Tests.Hostile;

namespace Jumun.Tests.Http;

/// <summary>Rate limits, which are off unless they are set.</summary>
public sealed class RateLimitTests
{
    private static readonly Dictionary<string, string?> OneASecond = new()
    {
        ["Jumun:RateLimit:PermitsPerSecond"] = "1",
        ["Jumun:RateLimit:Burst"] = "3",
    };

    [Fact]
    public async Task A_member_above_its_burst_is_rate_limited_with_Retry_After_and_nothing_is_done()
    {
        await using TestShop shop = await TestShop.StartAsync(OneASecond);
        TestCaller member = shop.Somebody();
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(
            _ => member.PostAsync($"/members/{member.Member}/points/charge", """{"amount":1}""")));
        Assert.InRange(answers.Count(answer => answer.Status == 200), 3, 10);
        TestAnswer[] refused = [.. answers.Where(answer => answer.Status != 200)];
        Assert.All(refused, answer => answer.IsProblem(429, "rate_limited"));
        Assert.All(refused, answer => Assert.True(answer.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1)));
        TestAnswer? balance = null;
        await TestShop.UntilAsync(async () =>
            (balance = await member.GetAsync($"/members/{member.Member}/points")).Status == 200);
        Assert.Equal(answers.Count(answer => answer.Status == 200), balance!.Number("balance"));
    }

    [Fact]
    public async Task Members_have_limits_of_their_own_and_what_needs_no_token_has_none()
    {
        await using TestShop shop = await TestShop.StartAsync(OneASecond);
        TestCaller busy = shop.Somebody();
        await TestShop.UntilAsync(async () => (await busy.GetAsync("/products")).Status == 429);
        (await shop.Somebody().GetAsync("/products")).Is(200);
        for (int i = 0; i < 10; i++)
        {
            (await shop.AsNobody().GetAsync("/products/top")).Is(200);
            (await shop.AsNobody().GetAsync("/health/ready")).Is(200);
            (await shop.AsNobody().GetAsync("/products")).IsProblem(401, "unauthenticated");
        }
    }

    [Fact]
    public async Task Open_consoles_take_no_place_from_what_is_worked_on_at_once()
    {
        await using TestShop shop = await TestShop.StartAsync(new()
        {
            ["Jumun:RateLimit:PermitsPerSecond"] = "1000",
            ["Jumun:RateLimit:Concurrency"] = "1",
        });
        var address = new UriBuilder(shop.Http.BaseAddress!) { Scheme = "ws", Path = "/console/_blazor" };
        for (int open = 0; open < 3; open++)
        {
            // Not disposed before the shop: an operator's tab stays open.
            var socket = new ClientWebSocket();
            socket.Options.SetRequestHeader("Cookie", $"jumun-console={TestShop.Token("root", admin: true)}");
            await socket.ConnectAsync(address.Uri, TestContext.Current.CancellationToken);
            Assert.Equal(WebSocketState.Open, socket.State);
        }

        (await shop.Somebody().GetAsync("/products")).Is(200);

        // Nobody gets past the bound by asking for a socket: it is the console's route that has none.
        var asking = new ClientWebSocket();
        asking.Options.SetRequestHeader("Cookie", $"jumun-console={TestShop.Token("alice")}");
        await Assert.ThrowsAsync<WebSocketException>(() => asking.ConnectAsync(address.Uri, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("/members/anna/points/charge", "Content-Type: application/json", 200)]
    [InlineData("/coupons/1", "Idempotency-Key: k", 404)]
    public async Task Who_is_slow_to_send_takes_no_place_from_others(string path, string header, int status)
    {
        await using TestShop shop = await TestShop.StartAsync(new() { ["Jumun:RateLimit:Concurrency"] = "1" });
        using RawConnection slow = await RawConnection.OpenAsync(shop.Http.BaseAddress!);
        await slow.SendAsync(
            $"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TestShop.Token("anna")}\r\n{header}\r\nContent-Length: 12\r\n\r\n{{\"amou");
        TestCaller other = shop.Somebody();
        for (int i = 0; i < 20; i++)
        {
            (await other.GetAsync("/products")).Is(200);
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        await slow.SendAsync("nt\":5}");
        Assert.Equal(status, (await slow.ReadAsync())!.Status);

        // Its place is given back a moment after its answer was sent.
        await TestShop.UntilAsync(async () => (await other.GetAsync("/products")).Status == 200);
    }

    [Fact]
    public async Task Without_settings_nobody_is_limited()
    {
        await using TestShop shop = await TestShop.StartAsync();
        TestCaller member = shop.Somebody();
        TestAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => member.GetAsync("/products")));
        Assert.All(answers, answer => answer.Is(200));
    }
}
