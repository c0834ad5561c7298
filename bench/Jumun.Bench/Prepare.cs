using Jumun.Coupons;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;
using Jumun.Server.Verbs;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Bench;

/// <summary>Makes a shop to measure on, through the same executor that serves requests.</summary>
internal static class Prepare
{
    private const int Tokens = 20_000;
    private const int Products = 10_001;
    private const int Coupons = 200;

    public static async Task<int> RunAsync(string database, int members, string key, string tokensPath)
    {
        await using IStore store = await OpenAsync(database);
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);

        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        await SettleAsync(executor, Enumerable.Range(1, Products).Select(i => new CreateProduct($"product {i}", 10, Limits.Stock)));
        await SettleAsync(executor, Enumerable.Range(1, Coupons).Select(i => new CreateCoupon(
            $"coupon {i}", new Discount(DiscountKind.Amount, 1, null), 0, Limits.Stock, now.AddDays(-1), now.AddDays(1), now.AddDays(1))));
        await SettleAsync(executor, Enumerable.Range(0, members).Select(i => new ChargePoints(MemberOf(i), Limits.Charge)));

        // Members with tokens lie anywhere among all members, as those of a rush do.
        var auth = new AuthSettings(key, null, "jumun", "jumun");
        await using var file = new StreamWriter(tokensPath);
        for (int i = 0; i < Math.Min(Tokens, members); i++)
        {
            string member = MemberOf((int)((long)i * members / Tokens));
            await file.WriteLineAsync($"{member} {TokenVerb.Issue(auth, member, isAdministrator: false, hours: 24, TimeProvider.System)}");
        }

        return 0;
    }

    /// <summary>A path is a SQLite file, anything else a connection string of PostgreSQL.</summary>
    private static async Task<IStore> OpenAsync(string database)
    {
        if (!database.Contains("Host=", StringComparison.OrdinalIgnoreCase))
        {
            return SqliteStore.Open(database);
        }

        await PostgresStore.MigrateAsync(database);
        return await PostgresStore.OpenAsync(database, processName: null);
    }

    /// <summary>Members whose names are in no order, so that their rows lie on random pages.</summary>
    private static string MemberOf(int i) => $"u{unchecked((uint)i * 2_654_435_761u):x8}";

    private static async Task SettleAsync(Executor executor, IEnumerable<Command> commands)
    {
        foreach (Command[] some in commands.Chunk(2 * Bounds.BatchCommands))
        {
            foreach (Settlement settlement in await Task.WhenAll(some.Select(command => executor.SubmitAsync(command).AsTask())))
            {
                if (settlement.Refusal is { } refusal)
                {
                    throw new InvalidOperationException($"Preparation was refused: {refusal.Code}.");
                }
            }
        }
    }
}
