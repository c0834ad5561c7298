using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;

namespace Jumun.Tests.Stores;

/// <summary>The contract on PostgreSQL.</summary>
public sealed class PostgresStoreTests : StoreContract
{
    private string database = "";

    private protected override async ValueTask<IStore> OpenAsync()
    {
        if (database.Length == 0)
        {
            database = await PostgresServer.CreateDatabaseAsync();
            await PostgresStore.MigrateAsync(database);
        }

        return await PostgresStore.OpenAsync(database, "test");
    }

    private protected override async ValueTask CleanAsync() => await PostgresServer.DropDatabaseAsync(database);
}
