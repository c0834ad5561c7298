using System.Globalization;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Server.Verbs;

/// <summary>
/// What <c>doctor</c> says of a Citus cluster besides: each node and its settings, how the tables are divided, and what is between
/// two nodes. On PostgreSQL itself it says nothing.
/// </summary>
internal static class CitusDoctor
{
    private const string NodesText = """
        SELECT n.nodename || ':' || n.nodeport, n.isactive AND n.metadatasynced, coalesce(r.success, false), coalesce(r.result, '')
        FROM pg_dist_node n
        LEFT JOIN run_command_on_all_nodes($$SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN
            ('fsync', 'full_page_writes', 'synchronous_commit', 'max_prepared_transactions', 'citus.recover_2pc_interval')$$,
            give_warning_for_connection_errors => true) r ON r.nodeid = n.nodeid
        WHERE n.noderole = 'primary' ORDER BY n.groupid
        """;

    private const string SizesText = """
        SELECT nodename || ':' || nodeport, count(*), sum(shard_size)::bigint FROM citus_shards
        WHERE citus_table_type = 'distributed' GROUP BY nodename, nodeport ORDER BY 1
        """;

    private const string InDoubtText = """
        SELECT coalesce(sum(result::int), 0) FROM run_command_on_all_nodes(
          $$SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE 'citus%' AND prepared < now() - interval '2 minutes'$$) WHERE success
        """;

    public static async Task ExamineAsync(NpgsqlConnection connection, DoctorReport report, CancellationToken stop)
    {
        await using var there = new NpgsqlCommand("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'citus'", connection);
        if (await there.ExecuteScalarAsync(stop).ConfigureAwait(false) is not string version)
        {
            return;
        }

        report.Fact("citus", version);
        await ExamineMapAsync(connection, report).ConfigureAwait(false);
        await ExamineNodesAsync(connection, report, stop).ConfigureAwait(false);
        await ExamineSizesAsync(connection, report, stop).ConfigureAwait(false);
        string? missing = await PostgresDivision.MissingPrivilegeAsync(connection).ConfigureAwait(false);
        report.Check(missing is null, "lookup", missing ?? "commits whose answer was lost can be looked up on each node");
        await using var inDoubt = new NpgsqlCommand(InDoubtText, connection);
        long transactions = (long)(await inDoubt.ExecuteScalarAsync(stop).ConfigureAwait(false))!;
        report.Check(transactions == 0, "in doubt", transactions == 0
            ? "no transaction waits for its end"
            : $"{transactions} transactions have waited for more than two minutes to be told how they ended: is a node away?");
    }

    private static async Task ExamineMapAsync(NpgsqlConnection connection, DoctorReport report)
    {
        try
        {
            ShardMap map = await ShardMap.ReadAsync(connection).ConfigureAwait(false);
            report.Check(map.IsDivided, "shard map", map.IsDivided
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"checked; members in {map.Members.Count} shards, products in {map.Products.Count}, coupons in {map.Coupons.Count}")
                : "the tables are not divided. Run 'migrate --distributed'");
        }
        catch (SetupException error)
        {
            report.Check(false, "shard map", error.Message);
        }
    }

    private static async Task ExamineNodesAsync(NpgsqlConnection connection, DoctorReport report, CancellationToken stop)
    {
        await using var command = new NpgsqlCommand(NodesText, connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(stop).ConfigureAwait(false);
        while (await rows.ReadAsync(stop).ConfigureAwait(false))
        {
            string settings = rows.GetString(3);
            string? fault = !rows.GetBoolean(2) ? $"cannot be reached: {settings}"
                : !rows.GetBoolean(1) ? "does not know the cluster yet: SELECT start_metadata_sync_to_all_nodes()"
                : FaultOf(settings);
            report.Check(fault is null, "node", $"{rows.GetString(0)} {fault ?? settings}");
        }
    }

    /// <summary>What a node's settings put at risk; null when nothing.</summary>
    private static string? FaultOf(string settings)
    {
        Dictionary<string, string> values = settings.Split(' ').Select(one => one.Split('=')).ToDictionary(one => one[0], one => one[1]);
        return values["fsync"] != "on" ? "fsync is off: a crash of the machine can destroy its database"
            : values["full_page_writes"] != "on" ? "full_page_writes is off: a page that was half written at a crash stays damaged"
            : values["synchronous_commit"] is "off" ? "synchronous_commit is off: its part of a commit may be lost. Set it to on on every node"
            : values["max_prepared_transactions"] == "0" ? "max_prepared_transactions is 0: no commit can take in two nodes. Set it above max_connections"
            : values["citus.recover_2pc_interval"] == "-1" ? "citus.recover_2pc_interval is -1: what a lost node missed is never told it"
            : null;
    }

    private static async Task ExamineSizesAsync(NpgsqlConnection connection, DoctorReport report, CancellationToken stop)
    {
        var nodes = new List<(string Node, long Shards, long Bytes)>();
        await using var command = new NpgsqlCommand(SizesText, connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(stop).ConfigureAwait(false);
        while (await rows.ReadAsync(stop).ConfigureAwait(false))
        {
            nodes.Add((rows.GetString(0), rows.GetInt64(1), rows.GetInt64(2)));
        }

        foreach ((string node, long shards, long bytes) in nodes)
        {
            bool isEven = bytes <= 2 * nodes.Min(one => one.Bytes);
            report.Advice(isEven, "shards", string.Create(
                CultureInfo.InvariantCulture,
                $"{node} has {shards} with {bytes / (1024.0 * 1024):0.#} MiB{(isEven ? "" : ": twice another's. SELECT citus_rebalance_start()")}"));
        }
    }
}
