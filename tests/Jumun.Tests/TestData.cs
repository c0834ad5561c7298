using Jumun.Server;
using Jumun.Server.Stores.Sqlite;
using Npgsql;

namespace Jumun.Tests;

/// <summary>
/// The data of one shop, for servers that run one after the other: a folder, and on PostgreSQL a database besides. Which
/// store it is for, <c>JUMUN_TEST_STORE</c> says, so that the same tests show the same of both.
/// </summary>
internal sealed class TestData : IAsyncDisposable
{
    private static readonly string[] Tables =
    [
        "products", "stock_changes", "coupons", "issued_coupons", "ledger", "orders", "cart_lines", "sales", "outbox", "idempotency_keys",
    ];

    private readonly StoreKind kind;

    private TestData(StoreKind kind, string folder, string address)
    {
        this.kind = kind;
        Folder = folder;
        Address = address;
    }

    /// <summary>The store of this run; SQLite when nothing is said.</summary>
    public static StoreKind Kind { get; } = Environment.GetEnvironmentVariable("JUMUN_TEST_STORE") switch
    {
        null or "" or "sqlite" => StoreKind.Sqlite,
        "postgres" => StoreKind.Postgres,
        string other => throw new InvalidOperationException($"JUMUN_TEST_STORE is '{other}'. It must be 'sqlite' or 'postgres'."),
    };

    public string Folder { get; }

    /// <summary>The connection string.</summary>
    public string Address { get; }

    /// <summary>Where a server finds this data, written as in a configuration.</summary>
    public Dictionary<string, string?> Settings => new()
    {
        ["Jumun:Store"] = kind == StoreKind.Sqlite ? "sqlite" : "postgres",
        ["ConnectionStrings:Jumun"] = Address,
        ["Jumun:DataPlatform:Path"] = Path.Combine(Folder, "events.ndjson"),
    };

    /// <param name="kind">The store, for tests that are of one alone.</param>
    public static async Task<TestData> CreateAsync(StoreKind? kind = null)
    {
        StoreKind store = kind ?? Kind;
        string folder = Directory.CreateTempSubdirectory("jumun-test-").FullName;
        return new TestData(store, folder, store switch
        {
            StoreKind.Sqlite => $"Data Source={Path.Combine(folder, "jumun.db")}",
            StoreKind.Postgres => await PostgresServer.CreateShopAsync(),
        });
    }

    /// <summary>Changes the data behind the shop's back.</summary>
    public async Task ExecuteAsync(string sql)
    {
        if (kind == StoreKind.Sqlite)
        {
            using SqliteConnection connection = SqliteConnection.Open(Path.Combine(Folder, "jumun.db"), readOnly: false);
            // The shop may be in the midst of a commit.
            connection.Execute("PRAGMA busy_timeout = 10000");
            connection.Execute(sql);
            return;
        }

        await using var server = new NpgsqlConnection($"{Address};Pooling=false");
        await server.OpenAsync();
        await using var command = new NpgsqlCommand(sql, server);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>
    /// All that the shop holds, table by table: what a refusal must leave as it was. Left out is what changes by itself: the
    /// queue of deliveries, and what processes tell each other.
    /// </summary>
    public async Task<Dictionary<string, string>> ContentsAsync()
    {
        var contents = new Dictionary<string, string>();
        if (kind == StoreKind.Sqlite)
        {
            using SqliteConnection file = SqliteConnection.Open(Path.Combine(Folder, "jumun.db"), readOnly: true);
            foreach (string table in Tables)
            {
                string row = file.Scalar($"SELECT group_concat('quote(' || name || ')', '||'',''||') FROM pragma_table_info('{table}')")!;
                contents[table] = file.Scalar($"SELECT group_concat({row}, char(10)) FROM (SELECT * FROM {table} ORDER BY 1, 2)") ?? "";
            }

            return contents;
        }

        await using var server = new NpgsqlConnection(Address);
        await server.OpenAsync();
        IEnumerable<string> each = Tables.Append("wallets").Select(
            table => $"SELECT '{table}', coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '') FROM {table} t");
        await using var command = new NpgsqlCommand(string.Join(" UNION ALL ", each), server);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync())
        {
            contents[rows.GetString(0)] = rows.GetString(1);
        }

        return contents;
    }

    /// <summary>Gives a member a balance that no client could charge in a test's time.</summary>
    public Task SetBalanceAsync(string member, long balance) => ExecuteAsync(kind switch
    {
        StoreKind.Sqlite =>
            $"""
            INSERT INTO ledger (member_id, entry, kind, amount, balance, events, created_at) VALUES ('{member}', 100, 0, {balance}, {balance}, 100, 0);
            """,
        StoreKind.Postgres =>
            $"""
            INSERT INTO ledger (member_id, entry, kind, amount, balance, created_at) VALUES ('{member}', 100, 0, {balance}, {balance}, 0);
            UPDATE wallets SET balance = {balance}, entries = 100 WHERE member_id = '{member}';
            """,
    });

    public async ValueTask DisposeAsync()
    {
        Directory.Delete(Folder, recursive: true);
        if (kind == StoreKind.Postgres)
        {
            await PostgresServer.DropDatabaseAsync(Address);
        }
    }
}
