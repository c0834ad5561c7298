using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace Jumun.Tests.Crashes;

/// <summary>
/// A kill leaves what the system has not yet written to the disk; the power going does not. So the calls that ask for
/// the disk are counted, as the system sees them.
/// </summary>
[Once]
public sealed class SyncTests : IDisposable
{
    private const int Charges = 20;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Every_acknowledged_commit_is_synced()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string data = Path.Combine(folder.FullName, "jumun.db");
        using var server = new ServerProcess(folder.FullName, new() { ["ConnectionStrings:Jumun"] = $"Data Source={data}" });
        await server.StartAsync(cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestShop.Token("m"));
        await ChargeAsync(http, cancellation);

        string trace = Path.Combine(folder.FullName, "trace");
        string process = server.ProcessId.ToString(CultureInfo.InvariantCulture);
        using Process strace = Process.Start(
            new ProcessStartInfo("strace", ["-f", "-e", "trace=fsync,fdatasync", "-o", trace, "-p", process]) { RedirectStandardError = true })!;
        string? attached = await strace.StandardError.ReadLineAsync(cancellation);
        Assert.Contains("attached", attached, StringComparison.Ordinal);
        _ = strace.StandardError.ReadToEndAsync(cancellation);

        for (int charge = 1; charge <= Charges; charge++)
        {
            await ChargeAsync(http, cancellation);

            // The trace is written by another process, which may be a moment behind.
            int wanted = charge;
            await TestShop.UntilAsync(async () => await SyncsAsync(trace, cancellation) >= wanted, seconds: 5);
        }

        using Process stop = Process.Start("kill", ["-INT", strace.Id.ToString(CultureInfo.InvariantCulture)]);
        await strace.WaitForExitAsync(cancellation);
    }

    private static async Task ChargeAsync(HttpClient http, CancellationToken cancellation)
    {
        using var body = new StringContent("""{"amount":1}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await http.PostAsync("/members/m/points/charge", body, cancellation);
        answer.EnsureSuccessStatusCode();
    }

    private static async Task<int> SyncsAsync(string trace, CancellationToken cancellation) =>
        (await File.ReadAllLinesAsync(trace, cancellation)).Count(line => line.Contains("fdatasync(", StringComparison.Ordinal)
            || line.Contains("fsync(", StringComparison.Ordinal));
}
