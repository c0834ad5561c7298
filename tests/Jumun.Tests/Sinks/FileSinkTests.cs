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

    private static PendingEvent Event(string body) => new(
        "m", Guid.NewGuid(), 1, OrderEventType.Completed, System.Text.Encoding.UTF8.GetBytes(body), DateTimeOffset.UnixEpoch, null);
}
