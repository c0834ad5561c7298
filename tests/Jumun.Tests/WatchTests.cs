using System.Diagnostics;
using System.Globalization;

namespace Jumun.Tests;

/// <summary>What the tests start ends with them.</summary>
[Once]
public sealed class WatchTests
{
    [Fact]
    public async Task A_watch_does_its_work_when_its_pipe_closes_and_none_when_that_was_done()
    {
        using var folder = new TemporaryFolder();
        string done = Path.Combine(folder.FullName, "done");
        string undone = Path.Combine(folder.FullName, "undone");
        using Process left = Process.Start("sleep", "60");
        var watch = new Watch("kill -9 \"$1\"; touch \"$2\"", left.Id.ToString(CultureInfo.InvariantCulture), done);
        var other = new Watch("touch \"$1\"", undone);
        other.Leave();
        await watch.CloseAsync();
        await left.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(File.Exists(done));
        Assert.False(File.Exists(undone));
    }
}
