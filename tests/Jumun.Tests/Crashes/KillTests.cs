using System.Globalization;

namespace Jumun.Tests.Crashes;

/// <summary>
/// The server is killed in the middle of a storm, again and again. Clients retry under their keys until they have a
/// definite answer; then nothing acknowledged may be lost, and nothing may have happened twice.
/// </summary>
public sealed class KillTests
{
    // Ten here; a longer run sets JUMUN_TEST_KILLS.
    private static readonly int Kills = int.Parse(
        Environment.GetEnvironmentVariable("JUMUN_TEST_KILLS") ?? "10", CultureInfo.InvariantCulture);

    private readonly Random random = new(20_261_122);

    [Fact]
    public async Task Kills_in_a_storm_lose_and_double_nothing_acknowledged()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data);
        await server.StartAsync(cancellation);
        using var storm = new Storm(server, clients: 32, serverStays: false);
        await storm.BeginAsync(cancellation);
        for (int kill = 0; kill < Kills; kill++)
        {
            await Task.Delay(random.Next(50, 500), cancellation);
            await server.KillAsync(cancellation);
            await server.StartAsync(cancellation);
        }

        await storm.EndAsync();
        Assert.True(storm.Log.Count > 10 * Kills, $"The storm was a breeze: {storm.Figures}.");
        await storm.ReconcileAsync(cancellation);
    }
}
