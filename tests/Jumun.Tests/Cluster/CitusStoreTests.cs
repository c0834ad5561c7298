using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Tests.Stores;
using Npgsql;

namespace Jumun.Tests.Cluster;

/// <summary>The contract on a Citus cluster, the one that <c>JUMUN_TEST_CITUS</c> names. These run by <c>tests/citus</c> alone.</summary>
public sealed class CitusStoreTests : StoreContract
{
    private string database = "";

    private protected override async ValueTask<IStore> OpenAsync()
    {
        Assert.False(CitusServer.Coordinator is null, "JUMUN_TEST_CITUS names no coordinator.");
        if (database.Length == 0)
        {
            database = await CitusServer.CreateShopAsync();
        }

        return await PostgresStore.OpenAsync(database, "test");
    }

    private protected override async Task RunAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private protected override async ValueTask CleanAsync() => await CitusServer.DropAsync(database);
}
