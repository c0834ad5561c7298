using System.Globalization;

namespace Jumun.Bench;

/// <summary>Charges that come all at once to a server that has just started; then the highest rate, and more than that.</summary>
internal static class Overload
{
    private const int Warm = 256;
    private const int Burst = 10_000;

    public static async Task<int> RunAsync(string url, string tokensPath, int connections, int seconds, int warm, double[] loads)
    {
        (string, string)[] members = [.. (await File.ReadAllLinesAsync(tokensPath)).Select(line => line.Split(' ')).Select(parts => (parts[0], parts[1]))];
        var load = new OpenLoop(new Uri(url), members);

        // The first requests that this server sees. Everybody waits for an answer, and then it is calm.
        LoadReport burst = await load.RunAsync(Burst, connections, 1, uncounted: 0, late: 60);
        LoadReport calm = await load.RunAsync(200, Warm, 5);
        await load.RunAsync(double.PositiveInfinity, Warm, warm);
        LoadReport peak = await load.RunAsync(double.PositiveInfinity, Warm, seconds);
        Write($"cold, {Burst} in the first second", burst, peak);
        Write("calm after it, 200 a second", calm, peak);
        Write("closed loop, 256 connections", peak, peak);
        Write("0.5 x, 1024 connections", await load.RunAsync(0.5 * peak.Accepted, 4 * Warm, seconds), peak);

        // What twice the highest rate is compared with is the same loop, over the same connections, at up to that rate.
        foreach (double times in loads)
        {
            Write($"{times.ToString(CultureInfo.InvariantCulture)} x", await load.RunAsync(times * peak.Accepted, connections, seconds), peak);
        }

        Write("closed loop again", await load.RunAsync(double.PositiveInfinity, Warm, seconds), peak);
        return 0;
    }

    private static void Write(string what, LoadReport report, LoadReport peak) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"| {what} | {report.Offered:F0} | {report.Accepted:F0} | {report.Accepted / peak.Accepted:F2} | "
        + $"{report.Refused / Math.Max(1, report.Accepted + report.Refused):P0} | "
        + $"{At(report.FromDue, 0.5):F1} | {At(report.FromDue, 0.99):F1} | {At(report.FromSent, 0.99):F1} | {report.Failed} |"));

    private static double At(double[] sorted, double part) => sorted.Length == 0 ? double.NaN : sorted[(int)(part * (sorted.Length - 1))];
}
