using System.Collections.Concurrent;

namespace Jumun.Tests.Processes;

/// <summary>
/// Members who buy one thing after the other, each time through another process, and remember what they paid for. When a
/// process goes away in the middle they ask the next one under the same key.
/// </summary>
internal sealed class Shoppers(Servers servers, string prefix, long product)
{
    private readonly ConcurrentBag<string> paid = [];
    private readonly ConcurrentDictionary<string, bool> charged = new();
    private int turn;

    /// <summary>The ids of the orders that were paid.</summary>
    public IReadOnlyCollection<string> Paid => paid;

    /// <summary>Buys for so many members at once, so many times each.</summary>
    public Task BuyAsync(int members, int times) => Task.WhenAll(Enumerable.Range(0, members).Select(async i =>
    {
        for (int time = 0; time < times; time++)
        {
            await BuyAsync($"{prefix}{i}");
        }
    }));

    /// <summary>Buys until it is told to stop, at a pace that leaves the processes time for other things.</summary>
    public Task LiveAsync(int members, CancellationToken stop) => Task.WhenAll(Enumerable.Range(0, members).Select(async i =>
    {
        while (!stop.IsCancellationRequested)
        {
            await BuyAsync($"{prefix}{i}");
            await Task.Delay(50, CancellationToken.None);
        }
    }));

    /// <summary>Buys for one member.</summary>
    public async Task BuyAsync(string member)
    {
        if (charged.TryAdd(member, true))
        {
            (await AskAsync(member, $"/members/{member}/points/charge", """{"amount":1000000}""")).Is(200);
        }

        TestAnswer order = (await AskAsync(member, $"/order/{member}", $$"""{"items":[{"productId":{{product}},"quantity":1}]}""")).Is(201);
        (await AskAsync(member, $"/payment/{order["paymentId"]}", null)).Is(200);
        paid.Add((string)order["orderId"]!);
    }

    private async Task<TestAnswer> AskAsync(string member, string path, string? json)
    {
        string key = Guid.NewGuid().ToString();
        var patience = new Patience();
        string last;
        while (true)
        {
            try
            {
                IReadOnlyList<Server> running = servers.Running;
                TestAnswer answer = await running[Interlocked.Increment(ref turn) % running.Count].As(member).PostAsync(path, json, key);
                if (answer.Status != 503)
                {
                    return answer;
                }

                last = answer.Text;
            }
            catch (Exception error) when (error is HttpRequestException or IOException or TaskCanceledException)
            {
                // It is gone: what became of the request, the key can tell at another one.
                last = error.Message;
            }

            patience.MayGoOn(path, last);
            await Task.Delay(20, CancellationToken.None);
        }
    }
}
