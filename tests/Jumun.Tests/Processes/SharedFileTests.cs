using System.Text.Json;

namespace Jumun.Tests.Processes;

/// <summary>Several processes with one file of events.</summary>
[Once]
public sealed class SharedFileTests : IAsyncLifetime
{
    private readonly TemporaryFolder folder = new();
    private Servers servers = null!;
    private Shoppers shoppers = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string EventsPath => Path.Combine(folder.FullName, "events.ndjson");

    public async ValueTask InitializeAsync()
    {
        servers = await Servers.StartAsync(2, new() { ["Jumun:DataPlatform:Path"] = EventsPath });
        await servers.SettledAsync(2);
        shoppers = new Shoppers(servers, "m", await servers[0].AsAdmin().CreateProductAsync(stock: 100_000));
    }

    public async ValueTask DisposeAsync()
    {
        await servers.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Processes_append_to_one_file_in_turns_and_write_over_none_of_each_others_lines()
    {
        await shoppers.BuyAsync(members: 40, times: 5);
        await ToldAsync();

        // While somebody else appends, nobody does; what waits follows.
        long length = new FileInfo(EventsPath).Length;
        await using (FileStream other = new(EventsPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0))
        {
            await TestShop.UntilAsync(() => Task.FromResult(TryLock(other)));
            await shoppers.BuyAsync(members: 40, times: 1);
            await Task.Delay(500, Cancellation);
            Assert.Equal(length, other.Length);
        }

        await ToldAsync();
    }

    /// <summary>Locks the file as a server does; false while one still has it, which is so for a moment after its lines can be read.</summary>
    private static bool TryLock(FileStream file)
    {
        try
        {
            if (!OperatingSystem.IsMacOS())
            {
                file.Lock(long.MaxValue - 1, 1);
            }

            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private async Task ToldAsync()
    {
        string[] lines = [];
        await TestShop.UntilAsync(async () =>
        {
            // The last line may be written just now.
            string text = await File.ReadAllTextAsync(EventsPath, Cancellation);
            lines = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
            return lines.Length >= shoppers.Paid.Count;
        });
        Assert.Equal(
            shoppers.Paid.Order(),
            lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("data").GetProperty("orderId").GetString()!).Order());
    }
}
