using System.Globalization;

namespace Jumun.Tests.Processes;

/// <summary>A number that only grows, somewhere in the shop.</summary>
/// <param name="Name">What it is.</param>
/// <param name="WriteAsync">Lets it grow, and returns what was acknowledged: it is at least this from now on.</param>
/// <param name="ReadAsync">What a reader is told that it is.</param>
internal sealed record Growing(string Name, Func<Task<long>> WriteAsync, Func<Task<long>> ReadAsync);

/// <summary>What was found.</summary>
internal sealed record FreshReadsReport(long Reads, long Writes, long Stale, string First)
{
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Reads:N0} checked reads beside {Writes:N0} writes: {Stale:N0} stale{First}");
}

/// <summary>
/// Judges whether reads see what was acknowledged before they began. One writer lets each number grow, without rest;
/// readers remember the highest acknowledged value at the moment they begin, and must be told no less.
/// </summary>
internal sealed class FreshReads(IReadOnlyList<Growing> numbers)
{
    private readonly long[] acknowledged = new long[numbers.Count];
    private long begun;
    private long read;
    private long written;
    private long stale;
    private string first = "";

    /// <param name="reads">How many reads to check.</param>
    /// <param name="readers">How many readers read at once: many, so that reads are answered together.</param>
    public async Task<FreshReadsReport> RunAsync(long reads, int readers)
    {
        using var enough = new CancellationTokenSource();
        Task[] writing = [.. Enumerable.Range(0, numbers.Count).Select(i => Task.Run(() => WriteAsync(i, enough.Token)))];
        await Task.WhenAll(Enumerable.Range(0, readers).Select(i => Task.Run(() => ReadAsync(i, reads))));
        await enough.CancelAsync();
        await Task.WhenAll(writing);
        return new FreshReadsReport(read, written, stale, first);
    }

    private async Task WriteAsync(int i, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            long value = await numbers[i].WriteAsync();
            Assert.True(value > acknowledged[i], $"{numbers[i].Name} does not grow: {value} after {acknowledged[i]}.");
            Volatile.Write(ref acknowledged[i], value);
            Interlocked.Increment(ref written);
        }
    }

    private async Task ReadAsync(int reader, long reads)
    {
        var random = new Random(reader);
        for (int i = reader; Interlocked.Increment(ref begun) <= reads; i++)
        {
            // Readers that were answered together would begin together, always before the next query and never in its midst.
            if (random.Next(8) == 0)
            {
                await Task.Delay(random.Next(1, 4));
            }

            int number = i % numbers.Count;
            long atLeast = Volatile.Read(ref acknowledged[number]);
            long value = await numbers[number].ReadAsync();
            if (value < atLeast && Interlocked.Increment(ref stale) == 1)
            {
                first = $"; first {numbers[number].Name}: {value} after {atLeast} was acknowledged";
            }

            Interlocked.Increment(ref read);
        }
    }
}
