using System.Collections.Concurrent;
using System.Globalization;
using Jumun.Server;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Tests;

/// <summary>
/// Shops on the Citus cluster whose coordinator <c>JUMUN_TEST_CITUS</c> names: a connection string, of an administrator who may
/// make databases on every node. Each test has a database of its own; one that is done is emptied and given to the next.
/// </summary>
internal static class CitusServer
{
    private const string NodesText = "SELECT nodename, nodeport FROM pg_dist_node WHERE noderole = 'primary' AND groupid > 0 ORDER BY nodename, nodeport";

    private static readonly ConcurrentStack<string> Free = new();
    private static readonly ConcurrentDictionary<string, bool> Spoilt = new();
    private static readonly Lazy<Task<string[]>> Nodes = new(NodesAsync);
    private static int last;

    /// <summary>The coordinator's connection string; null when the tests are to run on PostgreSQL itself.</summary>
    public static string? Coordinator { get; } = Environment.GetEnvironmentVariable("JUMUN_TEST_CITUS") is { Length: > 0 } address ? address : null;

    /// <summary>A shop whose tables are divided among the workers.</summary>
    public static async Task<string> CreateShopAsync()
    {
        if (Free.TryPop(out string? kept))
        {
            return kept;
        }

        string address = await CreateDatabaseAsync();
        await PostgresStore.MigrateAsync(address);
        await PostgresStore.DivideAsync(address, new ShardSettings(null, null, null));
        return address;
    }

    /// <summary>An empty database on every node, which know one another.</summary>
    public static async Task<string> CreateDatabaseAsync()
    {
        string name = $"jumun_test_{Interlocked.Increment(ref last).ToString(CultureInfo.InvariantCulture)}";
        string[] nodes = await Nodes.Value;
        foreach (string node in nodes)
        {
            await ExecuteAsync(
                node,
                "SET citus.enable_create_database_propagation = off",
                $"CREATE DATABASE {name}");
            await ExecuteAsync(On(node, name), "CREATE EXTENSION citus");
        }

        string address = On(Coordinator!, name);
        var own = new NpgsqlConnectionStringBuilder(address);
        await ExecuteAsync(address, $"SELECT citus_set_coordinator_host('{own.Host}', {Number(own.Port)})");
        foreach (string node in nodes[1..])
        {
            var worker = new NpgsqlConnectionStringBuilder(node);
            await ExecuteAsync(address, $"SELECT citus_add_node('{worker.Host}', {Number(worker.Port)})");
        }

        return address;
    }

    /// <summary>Empties a shop that a test is done with, for the next one.</summary>
    public static async Task DropAsync(string address)
    {
        NpgsqlConnection.ClearAllPools();
        if (Spoilt.ContainsKey(address))
        {
            return;
        }

        try
        {
            await ExecuteAsync(
                address,
                """
                TRUNCATE products, stock_changes, sales, coupons, issued_coupons, wallets, ledger, orders, cart_lines, outbox, outbox_queue,
                  outbox_dead, idempotency_keys, batches, processes;
                """,
                "INSERT INTO forgotten_events (only_row, before) VALUES (1, 0) ON CONFLICT (only_row) DO UPDATE SET before = 0",
                "UPDATE leases SET holder = NULL, until = 0");
            Free.Push(address);
        }
        catch (NpgsqlException)
        {
            // A test that failed while a worker was away: its own error is the one to be told.
            Forget(address);
        }
    }

    /// <summary>Keeps a shop from the next test: its tables are divided in another way by now.</summary>
    public static void Forget(string address) => Spoilt[address] = true;

    /// <summary>The connection strings of the workers, to the same database.</summary>
    public static async Task<string[]> WorkersAsync(string address)
    {
        await using var connection = new NpgsqlConnection($"{address};Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(NodesText, connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync();
        var workers = new List<string>();
        while (await rows.ReadAsync())
        {
            workers.Add(new NpgsqlConnectionStringBuilder(address) { Host = rows.GetString(0), Port = rows.GetInt32(1) }.ConnectionString);
        }

        return [.. workers];
    }

    /// <summary>Runs statements, each by itself, on a connection of their own.</summary>
    public static async Task ExecuteAsync(string address, params string[] statements)
    {
        await using var connection = new NpgsqlConnection($"{address};Pooling=false");
        await connection.OpenAsync();
        foreach (string statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 120 };
            await command.ExecuteNonQueryAsync();
        }
    }

    /// <summary>The coordinator and the workers, without what an earlier run left there: each database keeps a process of its own busy.</summary>
    private static async Task<string[]> NodesAsync()
    {
        string[] nodes = [Coordinator!, .. await WorkersAsync(Coordinator!)];
        foreach (string node in nodes)
        {
            await using var connection = new NpgsqlConnection($"{node};Pooling=false");
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(
                "SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname ~ '^jumun_test_[0-9]+$'", connection);
            string[] left = ((string)(await command.ExecuteScalarAsync())!).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            await ExecuteAsync(
                node, ["SET citus.enable_create_database_propagation = off", .. left.Select(name => $"DROP DATABASE IF EXISTS {name} WITH (FORCE)")]);
        }

        return nodes;
    }

    private static string On(string address, string database) => new NpgsqlConnectionStringBuilder(address) { Database = database }.ConnectionString;

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
