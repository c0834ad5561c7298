namespace Jumun.Server.Execution;

/// <summary>Wakes a loop that waits. However often it rang meanwhile, the loop goes round once.</summary>
internal sealed class Alarm
{
    private readonly SemaphoreSlim rung = new(0, 1);

    /// <summary>Never waits.</summary>
    public void Ring()
    {
        if (rung.CurrentCount == 0)
        {
            try
            {
                rung.Release();
            }
            catch (SemaphoreFullException)
            {
                // Somebody else rang at this very moment.
            }
        }
    }

    /// <summary>Ends when it rings, or rang since the last time; at the latest after the time given.</summary>
    public Task WaitAsync(TimeSpan longest, CancellationToken stopping = default) => rung.WaitAsync(longest, stopping);
}
