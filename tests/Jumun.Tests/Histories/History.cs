using System.Collections.Concurrent;
using System.Diagnostics;

namespace Jumun.Tests.Histories;

/// <summary>The calls that clients of one number make, with their times by one clock.</summary>
/// <param name="name">What number it is.</param>
/// <param name="start">What it is before the first call.</param>
internal sealed class History(string name, long start)
{
    private readonly ConcurrentBag<Operation> operations = [];

    public int Count => operations.Count;

    /// <summary>Calls of which nobody knows whether they did anything.</summary>
    public int Unknown => operations.Count(operation => operation.Effect.IsUnknown);

    /// <summary>Makes a call and writes down what it did; what certainly did nothing is not written down.</summary>
    /// <param name="call">The call.</param>
    /// <param name="effect">What it did, as its answer tells.</param>
    /// <param name="meant">What it does, should nobody be told.</param>
    public async Task<TestAnswer?> CallAsync(Func<Task<TestAnswer>> call, Func<TestAnswer, Effect> effect, Effect meant)
    {
        long called = Stopwatch.GetTimestamp();
        try
        {
            TestAnswer answer = await call();
            long returned = Stopwatch.GetTimestamp();
            if (answer.Status < 500)
            {
                operations.Add(new Operation(called, returned, effect(answer)));
                return answer;
            }

            answer.IsProblem(503, "unavailable");
            if ((string?)answer["outcome"] == "none")
            {
                return null;
            }
        }
        catch (Exception error) when (error is HttpRequestException or IOException or TaskCanceledException)
        {
            // The server is gone: whether it was done nobody can say.
        }

        if (meant.Deed is Deed.Add or Deed.Take)
        {
            operations.Add(new Operation(called, long.MaxValue, meant with { Told = null, IsUnknown = true }));
        }

        return null;
    }

    /// <summary>There is an order of all calls in which every answer is right.</summary>
    public void Holds()
    {
        Operation[] history = [.. operations];
        Assert.True(Linearizability.Holds(start, history), $"{name}: no order of its {history.Length} calls explains their answers.");
    }

    public override string ToString() => $"{name}: {operations.Count} calls, {Unknown} of them unknown";
}
