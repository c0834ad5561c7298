using System.Diagnostics;
using System.Globalization;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Verbs;

namespace Jumun.Bench;

/// <summary>
/// The server as 'serve' starts it, and on another address its counters: what cannot be seen from outside, such as the
/// bytes that it allocated. They are read between two loads, never during one.
/// </summary>
internal static class ServeMeasured
{
    public static async Task<int> RunAsync(string countersUrl)
    {
        long begun = Stopwatch.GetTimestamp();
        WebApplicationBuilder builder = Surroundings.Builder();
        await using ShopHost host = await ShopHost.StartAsync(builder, Surroundings.SettingsWithKey(builder));
        double startSeconds = (DateTime.Now - Process.GetCurrentProcess().StartTime).TotalSeconds;

        WebApplicationBuilder besides = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        besides.WebHost.UseKestrelCore().UseUrls(countersUrl);
        await using WebApplication counters = besides.Build();
        counters.Run(http => http.Response.WriteAsync(Read(host.Shop.Executor, startSeconds)));
        await counters.StartAsync();
        Console.WriteLine($"Serving, {Stopwatch.GetElapsedTime(begun).TotalMilliseconds:F0} ms after its main began.");
        await host.WaitForShutdownAsync(CancellationToken.None);
        return 0;
    }

    private static string Read(Executor executor, double startSeconds)
    {
        using var process = Process.GetCurrentProcess();
        ExecutorCounters counted = executor.Counters;
        return string.Create(CultureInfo.InvariantCulture,
            $"commands={counted.Commands} batches={counted.Batches} commits={counted.Commits} races={counted.Races} "
            + $"allocated={GC.GetTotalAllocatedBytes()} gen0={GC.CollectionCount(0)} gen2={GC.CollectionCount(2)} "
            + $"pause_ms={GC.GetTotalPauseDuration().TotalMilliseconds:F0} cpu_ms={process.TotalProcessorTime.TotalMilliseconds:F0} "
            + $"rss={process.WorkingSet64} peak={process.PeakWorkingSet64} start_s={startSeconds:F3}");
    }
}
