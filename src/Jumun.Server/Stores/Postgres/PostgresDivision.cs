using System.Globalization;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// Divides the tables among the nodes of a Citus cluster: what a member owns by the member, with its products' stock and sales a
/// product by its id, a coupon with its claims by its. What processes tell each other stays on the coordinator. Rows that are
/// there already move; nothing may be served meanwhile.
/// </summary>
internal static class PostgresDivision
{
    // Counts come from the settings and are numbers; names are ours.
    private const string WorkersText = "SELECT count(*) FROM pg_catalog.pg_dist_node WHERE noderole = 'primary' AND isactive AND shouldhaveshards";

    // Citus keeps the function from everybody but administrators: whoever looks a commit up calls it, on the node of its lane.
    private const string UnrecoverableText = """
        SELECT coalesce(string_agg(n.nodename || ':' || n.nodeport, ', ' ORDER BY n.groupid), ''), quote_ident(current_user)
        FROM run_command_on_all_nodes($$SELECT has_function_privilege('pg_catalog.recover_prepared_transactions()', 'EXECUTE')::int$$,
          give_warning_for_connection_errors => true) r
        JOIN pg_catalog.pg_dist_node n USING (nodeid) WHERE r.success AND r.result = '0'
        """;

    private static readonly string[] OfProducts = ["stock_changes", "sales"];

    private static readonly string[] OfMembers = ["ledger", "orders", "cart_lines", "outbox", "outbox_queue", "outbox_dead"];

    /// <summary>Divides what is not divided yet, and tells what was.</summary>
    /// <exception cref="SetupException">This is no coordinator of a cluster.</exception>
    public static async Task<IReadOnlyList<string>> ApplyAsync(NpgsqlConnection connection, ShardSettings shards)
    {
        if (await ScalarAsync(connection, "SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'citus'").ConfigureAwait(false) == 0)
        {
            throw new SetupException(
                $"The database '{connection.Database}' has no Citus. Create the extension on each node and add the workers, then try again.");
        }

        long workers = await ScalarAsync(connection, WorkersText).ConfigureAwait(false);
        if (workers == 0)
        {
            throw new SetupException("The cluster has no worker. Add one on the coordinator: SELECT citus_add_node('host', 5432)");
        }

        var names = new List<string>();
        await DivideAsync("products", "product_id", shards.Products ?? workers, null).ConfigureAwait(false);
        await AllAsync(OfProducts, "product_id", "products").ConfigureAwait(false);
        await DivideAsync("coupons", "coupon_id", shards.Coupons ?? workers, null).ConfigureAwait(false);
        await MoveClaimsAsync(connection, names).ConfigureAwait(false);
        await DivideAsync("issued_coupons", "coupon_id", 0, "coupons").ConfigureAwait(false);
        await DivideAsync("wallets", "member_id", shards.Members ?? (2 * workers), null).ConfigureAwait(false);
        await AllAsync(OfMembers, "member_id", "wallets").ConfigureAwait(false);
        await DivideAsync("idempotency_keys", "subject", 0, "wallets").ConfigureAwait(false);

        // A batch's own row lies where its id says, and commits with it on whatever nodes it touched.
        await DivideAsync("batches", "batch_id", workers, null).ConfigureAwait(false);

        // One row that every lane may write and every audit reads: a copy on each node.
        if (await ScalarAsync(connection, "SELECT count(*) FROM pg_catalog.pg_dist_partition WHERE logicalrelid = 'forgotten_events'::regclass")
            .ConfigureAwait(false) == 0)
        {
            await RunAsync(connection, "SELECT create_reference_table('forgotten_events')").ConfigureAwait(false);
            names.Add("forgotten_events on every node");
        }

        // A session opens one connection to each other node: with one a shard, each statement would open and close them.
        string database = new NpgsqlCommandBuilder().QuoteIdentifier(connection.Database);
        await RunAsync(connection, $"ALTER DATABASE {database} SET citus.max_adaptive_executor_pool_size = 1").ConfigureAwait(false);
        if (await MissingPrivilegeAsync(connection).ConfigureAwait(false) is { } missing)
        {
            names.Add(missing);
        }

        return names;

        async Task AllAsync(string[] tables, string column, string with)
        {
            foreach (string table in tables)
            {
                await DivideAsync(table, column, 0, with).ConfigureAwait(false);
            }
        }

        async Task DivideAsync(string table, string column, long count, string? with)
        {
            string divided = $"SELECT count(*) FROM pg_catalog.pg_dist_partition WHERE logicalrelid = '{table}'::regclass";
            if (await ScalarAsync(connection, divided).ConfigureAwait(false) == 0)
            {
                await RunAsync(connection, with is null
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"SELECT create_distributed_table('{table}', '{column}', colocate_with => 'none', shard_count => {count})")
                    : $"SELECT create_distributed_table('{table}', '{column}', colocate_with => '{with}')").ConfigureAwait(false);
                names.Add(with is null
                    ? string.Create(CultureInfo.InvariantCulture, $"{table} by {column} in {count} shards")
                    : $"{table} by {column} beside {with}");
            }
        }
    }

    /// <summary>What the user of a connection may not do on some nodes and must, and what an administrator can do; null when nothing.</summary>
    public static async Task<string?> MissingPrivilegeAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(UnrecoverableText, connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
        return await rows.ReadAsync().ConfigureAwait(false) && rows.GetString(0) is { Length: > 0 } nodes
            ? $"{rows.GetString(1)} cannot find out on {nodes} how a commit ended whose answer was lost. "
                + $"As an administrator, on each: GRANT EXECUTE ON FUNCTION recover_prepared_transactions() TO {rows.GetString(1)}"
            : null;
    }

    /// <summary>Brings claims that an earlier version divided by the member beside their coupons.</summary>
    private static async Task MoveClaimsAsync(NpgsqlConnection connection, List<string> names)
    {
        const string Elsewhere = """
            SELECT count(*) FROM pg_catalog.pg_dist_partition
            WHERE logicalrelid = 'issued_coupons'::regclass AND column_to_column_name(logicalrelid, partkey) <> 'coupon_id'
            """;
        if (await ScalarAsync(connection, Elsewhere).ConfigureAwait(false) > 0)
        {
            await RunAsync(
                connection,
                "SELECT alter_distributed_table('issued_coupons', distribution_column => 'coupon_id', colocate_with => 'coupons')").ConfigureAwait(false);
            names.Add("issued_coupons by coupon_id beside coupons");
        }
    }

    private static async Task<long> ScalarAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync().ConfigureAwait(false))!;
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
    }
}
