using System.Globalization;
using Jumun.Tests.Crashes;

namespace Jumun.Tests.Platform;

/// <summary>
/// The shop and the data platform are killed by turns of chance in the middle of a storm. Afterwards nothing acknowledged is
/// lost or doubled, and the platform has every completed order exactly once: its revenue is the ledger's.
/// </summary>
public sealed class TwoSidesTests
{
    // Ten here; a longer run sets JUMUN_TEST_PLATFORM_KILLS.
    private static readonly int Kills = int.Parse(
        Environment.GetEnvironmentVariable("JUMUN_TEST_PLATFORM_KILLS") ?? "10", CultureInfo.InvariantCulture);

    private readonly Random random = new(20_261_124);

    [Fact]
    public async Task Whoever_is_killed_the_platform_has_each_order_exactly_once()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data, new()
        {
            ["Jumun__DataPlatform__Sink"] = "http",
            ["Jumun__DataPlatform__Url"] = $"{platform.Address}events",
            ["Jumun__DataPlatform__Secret"] = PlatformProcess.Secret,
        });
        await server.StartAsync(cancellation);
        using var storm = new Storm(server, clients: 32, serverStays: false);
        await storm.BeginAsync(cancellation);
        for (int kill = 0; kill < Kills; kill++)
        {
            await Task.Delay(random.Next(50, 900), cancellation);
            if (random.Next(2) == 0)
            {
                await server.KillAsync(cancellation);
                await server.StartAsync(cancellation);
            }
            else
            {
                await platform.KillAsync();
                await Task.Delay(random.Next(0, 400), cancellation);
                await platform.StartAgainAsync();
            }
        }

        await storm.EndAsync();
        Assert.True(storm.Log.Count > 10 * Kills, $"The storm was a breeze: {storm.Figures}.");
        await storm.ReconcileAsync(cancellation);

        (int exitCode, string output) = await server.RunAsync(cancellation, "reconcile", "--platform", platform.Address.ToString());
        Assert.True(exitCode == 0, output);
        Assert.Equal(
            storm.Log.Count(answer => answer.Path.StartsWith("/payment/", StringComparison.Ordinal)), await platform.TotalAsync("completed"));
        TestContext.Current.TestOutputHelper?.WriteLine($"{Kills} kills, {storm.Figures}; {output}");
    }
}
