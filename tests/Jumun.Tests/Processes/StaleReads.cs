using System.Diagnostics;
using Jumun.Products;

namespace Jumun.Tests.Processes;

/// <summary>A mistake that is easily made: whoever comes while a query runs takes its answer, which may be from before.</summary>
internal sealed class LateReads(Func<Task<ProductView?>> query)
{
    private readonly Lock gate = new();
    private Task<ProductView?>? sent;

    public Task<ProductView?> ReadAsync()
    {
        lock (gate)
        {
            return sent is { IsCompleted: false } ? sent : sent = query();
        }
    }
}

/// <summary>Another one: a cache for a moment only.</summary>
internal sealed class RememberedReads(Func<Task<ProductView?>> query, TimeSpan age)
{
    private (ProductView? View, long ReadAt)? last;

    public async Task<ProductView?> ReadAsync()
    {
        if (last is { } known && Stopwatch.GetElapsedTime(known.ReadAt) < age)
        {
            await Task.Delay(1);
            return known.View;
        }

        ProductView? view = await query();
        last = (view, Stopwatch.GetTimestamp());
        return view;
    }
}
