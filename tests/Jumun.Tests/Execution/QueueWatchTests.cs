using System.Diagnostics;
using Jumun.Server;
using Jumun.Server.Execution;

namespace Jumun.Tests.Execution;

/// <summary>A burst is taken, an overload is not.</summary>
public sealed class QueueWatchTests
{
    private const int Long = Bounds.QueueMilliseconds + 1;

    private readonly QueueWatch watch = new();
    private long now = 1_000 * Stopwatch.Frequency;

    [Fact]
    public void A_long_wait_is_an_overload_only_after_a_burst_could_have_been_settled()
    {
        Assert.False(AfterTaken(Long, seconds: 0));
        Assert.False(AfterTaken(Long, seconds: Bounds.BurstSeconds - 0.1));
        Assert.True(AfterTaken(Long, seconds: 0.2));
        Assert.True(AfterTaken(Long, seconds: 5));
        Assert.False(AfterTaken(Bounds.QueueMilliseconds - 1, seconds: 0.1));
    }

    [Fact]
    public void Waits_that_become_short_in_between_are_none()
    {
        for (int i = 0; i < 100; i++)
        {
            Assert.False(AfterTaken(Long, seconds: Bounds.BurstSeconds / 2.0));
            Assert.False(AfterTaken(1, seconds: 0.01));
        }
    }

    [Fact]
    public void Few_that_wait_long_are_none_because_the_disk_is_slow()
    {
        for (int i = 0; i < 100; i++)
        {
            Assert.False(AfterTaken(5_000, seconds: 1, waiting: Bounds.OverloadCommands - 1));
        }
    }

    [Fact]
    public void After_an_overload_the_next_one_counts_at_once_for_a_while()
    {
        AfterTaken(Long, seconds: 0);
        Assert.True(AfterTaken(Long, seconds: Bounds.BurstSeconds));
        Assert.False(AfterTaken(1, seconds: 1));
        Assert.True(AfterTaken(Long, seconds: 1));
        Assert.False(AfterTaken(1, seconds: Bounds.OverloadSeconds + 1));
        Assert.False(AfterTaken(Long, seconds: 0.1));
    }

    private bool AfterTaken(double milliseconds, double seconds, int waiting = Bounds.QueuedCommands)
    {
        now += (long)(seconds * Stopwatch.Frequency);
        watch.Taken(now - (long)(milliseconds * Stopwatch.Frequency / 1_000), now, waiting);
        return watch.IsOverloaded;
    }
}
