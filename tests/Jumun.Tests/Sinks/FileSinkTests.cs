using Jumun.DataPlatform;
using Jumun.Server.DataPlatform;
using Jumun.Server.Stores;

namespace Jumun.Tests.Sinks;

/// <summary>The file of events, while others move and cut it.</summary>
public sealed class FileSinkTests
{
    [Fact]
    public async Task A_file_that_was_cut_in_the_middle_of_a_line_tears_no_other_line()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.FullName, "events.ndjson");
        var sink = new FileSink(path);
        await sink.DeliverAsync([Event("""{"id":1}"""), Event("""{"id":2}""")], TestContext.Current.CancellationToken);
        await using (FileStream file = File.Open(path, FileMode.Open))
        {
            file.SetLength(12);
        }

        await sink.DeliverAsync([Event("""{"id":3}""")], TestContext.Current.CancellationToken);
        Assert.Equal(
            ["""{"id":1}""", """{"i""", """{"id":3}"""],
            await File.ReadAllLinesAsync(path, TestContext.Current.CancellationToken));
    }

    /// <summary>Who moves it away reads it at once, and whatever is written to it afterwards is lost to them.</summary>
    [Fact]
    public async Task What_is_written_to_a_file_that_was_moved_away_is_written_again()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.FullName, "events.ndjson");
        var sink = new FileSink(path);
        var read = new List<string>();
        using var stop = new CancellationTokenSource();
        Task moving = Task.Run(
            async () =>
            {
                string away = Path.Combine(folder.FullName, "away.ndjson");
                for (bool isLast = false; !isLast;)
                {
                    isLast = stop.IsCancellationRequested;
                    await Task.Yield();
                    if (File.Exists(path))
                    {
                        File.Move(path, away, overwrite: true);
                        read.AddRange(await File.ReadAllLinesAsync(away, CancellationToken.None));
                    }
                }
            },
            TestContext.Current.CancellationToken);
        int again = 0;
        for (int number = 0; number < 500; number++)
        {
            while (!await TryAsync(number))
            {
                again++;
            }
        }

        await stop.CancelAsync();
        await moving;
        Assert.InRange(again, 1, int.MaxValue);
        Assert.Equal(Enumerable.Range(0, 500).Select(number => $"{number}"), read.Distinct());

        async Task<bool> TryAsync(int number)
        {
            try
            {
                await sink.DeliverAsync([Event($"{number}")], TestContext.Current.CancellationToken);
                return true;
            }
            catch (IOException)
            {
                return false;
            }
        }
    }

    private static PendingEvent Event(string body) => new(
        "m", Guid.NewGuid(), 1, OrderEventType.Completed, System.Text.Encoding.UTF8.GetBytes(body), DateTimeOffset.UnixEpoch, null);
}
