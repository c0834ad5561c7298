using System.Globalization;
using Jumun.Server.Stores.Postgres;

namespace Jumun.Tests.Crashes;

/// <summary>The server and its database are killed together, as when their machine loses its memory; then both come back.</summary>
[Once]
public sealed class BothLostTests
{
    // A longer run sets JUMUN_TEST_BOTH_LOST.
    private static readonly int Losses = int.Parse(Environment.GetEnvironmentVariable("JUMUN_TEST_BOTH_LOST") ?? "3", CultureInfo.InvariantCulture);

    private readonly Random random = new(20_261_124);

    [Fact]
    public async Task Kills_of_server_and_database_in_a_storm_lose_and_double_nothing_acknowledged()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        await PostgresStore.MigrateAsync(cluster.ConnectionString());
        using var folder = new TemporaryFolder();
        using var server = new ServerProcess(folder.FullName, new()
        {
            ["Jumun:Store"] = "postgres",
            ["ConnectionStrings:Jumun"] = cluster.ConnectionString(),
            ["Jumun:Orders:PaymentWindow"] = "00:01:00",
        });
        await server.StartAsync(cancellation);
        using var storm = new Storm(server, clients: 24, serverStays: false);
        await storm.BeginAsync(cancellation);
        for (int loss = 0; loss < Losses; loss++)
        {
            await storm.AcknowledgedAsync().WaitAsync(TimeSpan.FromSeconds(30), cancellation);
            await Task.Delay(random.Next(50, 500), cancellation);
            if (int.IsEvenInteger(loss))
            {
                await Task.WhenAll(server.KillAsync(cancellation), cluster.StopAsync(StopMode.Immediate));
            }
            else
            {
                await cluster.StopAsync(StopMode.Immediate);
                await server.KillAsync(cancellation);
            }

            await cluster.StartAsync();
            await server.StartAsync(cancellation);
        }

        await storm.AcknowledgedAsync().WaitAsync(TimeSpan.FromSeconds(30), cancellation);
        await storm.EndAsync();
        await storm.ReconcileAsync(cancellation);
        TestContext.Current.TestOutputHelper?.WriteLine($"{Losses} losses of both; {storm.Figures}; the audit holds");
    }
}
