using System.Globalization;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// Which keys lie together: the only place of the store that knows shards. On PostgreSQL itself each group of tables is one
/// slice. On Citus a group has a slice a shard, because a statement that locks or updates rows in place has to stay in one; such
/// a statement runs once a slice, in the order of the slices. Reads and inserts find their shards by themselves.
/// </summary>
internal sealed class ShardMap
{
    /// <summary>Nothing is divided: PostgreSQL itself.</summary>
    public static readonly ShardMap Whole = new(Slices.One, Slices.One, Slices.One, Slices.One, []);

    private const string DividedText = """
        SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus')
        """;

    private const string ShardsText = """
        SELECT s.logicalrelid::text, s.shardminvalue::int, s.shardmaxvalue::int, s.shardid, p.groupid
        FROM pg_catalog.pg_dist_shard s JOIN pg_catalog.pg_dist_placement p ON p.shardid = s.shardid
        WHERE s.logicalrelid::text = ANY ($1) ORDER BY s.logicalrelid::text, s.shardminvalue::int
        """;

    private const string NodesText = """
        SELECT DISTINCT n.groupid, n.nodename, n.nodeport
        FROM pg_catalog.pg_dist_shard s JOIN pg_catalog.pg_dist_placement p ON p.shardid = s.shardid
        JOIN pg_catalog.pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
        WHERE s.logicalrelid::text = 'wallets' ORDER BY n.groupid
        """;

    // Tables that are divided together have one number in common.
    private const string BesideText = """
        SELECT count(*) = 2 AND count(DISTINCT colocationid) = 1
        FROM pg_catalog.pg_dist_partition WHERE logicalrelid::text IN ('coupons', 'issued_coupons')
        """;

    private static readonly string[] Tables = ["wallets", "products", "coupons", "batches"];

    private ShardMap(Slices members, Slices products, Slices coupons, Slices batches, IReadOnlyList<Node> nodes)
    {
        Batches = batches;
        Nodes = nodes;
        Members = members;
        Products = products;
        Coupons = coupons;
    }

    /// <summary>What a member owns, by its name.</summary>
    public Slices Members { get; }

    /// <summary>Products with their stock and sales, by id.</summary>
    public Slices Products { get; }

    /// <summary>Coupons, by id.</summary>
    public Slices Coupons { get; }

    /// <summary>Batches' own rows, by id.</summary>
    public Slices Batches { get; }

    /// <summary>Members' coupons, by the coupon's id: beside their coupon, so that a claim is on one node.</summary>
    public Slices IssuedCoupons => Coupons;

    /// <summary>The nodes that hold what members own.</summary>
    public IReadOnlyList<Node> Nodes { get; }

    /// <summary>Whether the tables are divided among the nodes of a cluster.</summary>
    public bool IsDivided => this != Whole;

    /// <summary>Whether all lies where another map says, too, and is reached there.</summary>
    public bool IsSameAs(ShardMap other) =>
        IsDivided == other.IsDivided && Members.AreAs(other.Members) && Products.AreAs(other.Products) && Coupons.AreAs(other.Coupons)
        && Batches.AreAs(other.Batches) && Nodes.SequenceEqual(other.Nodes);

    /// <summary>Whether a batch's own row lies on a node; where none does, as good as any.</summary>
    public bool IsBatchOf(int group, Guid batchId) => !Batches.AreIn(group) || Batches.GroupOf(Batches.Of(batchId)) == group;

    /// <summary>What a statement says besides on Citus: it finds its shard by a value, and by no join.</summary>
    /// <param name="column">The column by which the table is divided.</param>
    /// <param name="parameter">The parameter with the slice's values of it.</param>
    public string Within(string column, string parameter) => IsDivided ? $" AND {column} = ANY({parameter})" : "";

    /// <summary>The map as the catalogue has it now, checked against Citus's own function.</summary>
    /// <exception cref="SetupException">Keys do not lie where they should: nothing may be written with such a map.</exception>
    public static async Task<ShardMap> ReadAsync(NpgsqlConnection connection)
    {
        await using var divided = new NpgsqlCommand(DividedText, connection);
        if (await divided.ExecuteScalarAsync().ConfigureAwait(false) is not true)
        {
            return Whole;
        }

        List<Shard> shards = await ShardsAsync(connection).ConfigureAwait(false);
        if (shards.Count == 0)
        {
            return Whole;
        }

        await using var beside = new NpgsqlCommand(BesideText, connection);
        if (await beside.ExecuteScalarAsync().ConfigureAwait(false) is not true)
        {
            throw new SetupException(
                "issued_coupons does not lie beside coupons: an earlier version divided it by the member. Stop all servers and run 'migrate --distributed'.");
        }

        var map = new ShardMap(
            Of("wallets"), Of("products"), Of("coupons"), Of("batches"), await NodesAsync(connection).ConfigureAwait(false));
        await map.CheckAsync(connection, shards).ConfigureAwait(false);
        return map;

        Slices Of(string table)
        {
            Shard[] own = [.. shards.Where(shard => shard.Table == table)];
            return own.Length > 0
                ? new Slices(Array.ConvertAll(own, shard => shard.From), Array.ConvertAll(own, shard => shard.Group))
                : throw new SetupException($"Some tables are divided and {table} is not. Run 'migrate --distributed'.");
        }
    }

    private static async Task<List<Shard>> ShardsAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(ShardsText, connection);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = Tables });
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
        var shards = new List<Shard>();
        while (await rows.ReadAsync().ConfigureAwait(false))
        {
            shards.Add(new Shard(rows.GetString(0), rows.GetInt32(1), rows.GetInt32(2), rows.GetInt64(3), rows.GetInt32(4)));
        }

        return shards;
    }

    private static async Task<List<Node>> NodesAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(NodesText, connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
        var nodes = new List<Node>();
        while (await rows.ReadAsync().ConfigureAwait(false))
        {
            nodes.Add(new Node(rows.GetInt32(0), rows.GetString(1), rows.GetInt32(2)));
        }

        return nodes;
    }

    /// <summary>Asks Citus for the shards of some keys of each kind; texts of many lengths, also beyond ASCII.</summary>
    private async Task CheckAsync(NpgsqlConnection connection, List<Shard> shards)
    {
        string[] names = [.. Enumerable.Range(0, Bounds.ShardProbes).Select(
            i => string.Create(CultureInfo.InvariantCulture, $"{new string('m', i % 31)}{i}{(i % 3 == 0 ? "가é" : "")}"))];
        long[] numbers = [.. Enumerable.Range(0, Bounds.ShardProbes).Select(i => ((i - 8) * 1_000_003L) << (i % 24))];
        await MustAgreeAsync("wallets", names, Members.Of).ConfigureAwait(false);
        await MustAgreeAsync("products", numbers, Products.Of).ConfigureAwait(false);
        await MustAgreeAsync("coupons", numbers, Coupons.Of).ConfigureAwait(false);
        Guid[] ids = [.. Enumerable.Range(0, Bounds.ShardProbes).Select(i => Guid.CreateVersion7(DateTimeOffset.UnixEpoch.AddDays(i * 1_000)))];
        await MustAgreeAsync("batches", ids, Batches.Of).ConfigureAwait(false);

        async Task MustAgreeAsync<TKey>(string table, TKey[] keys, Func<TKey, int> sliceOf)
        {
            long[] own = [.. shards.Where(shard => shard.Table == table).Select(shard => shard.Id)];
            await using var command = new NpgsqlCommand(
                $"SELECT get_shard_id_for_distribution_column('{table}', k.key) FROM unnest($1) WITH ORDINALITY k(key, place) ORDER BY k.place", connection);
            command.Parameters.Add(new NpgsqlParameter<TKey[]> { TypedValue = keys });
            await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
            foreach (TKey key in keys)
            {
                if (!await rows.ReadAsync().ConfigureAwait(false) || rows.GetInt64(0) != own[sliceOf(key)])
                {
                    throw new SetupException(
                        $"The shard map of {table} is wrong for '{key}': Citus keeps it elsewhere. Nothing may be written so; it is a bug, tell us.");
                }
            }
        }
    }

    /// <summary>A node of the cluster.</summary>
    /// <param name="Group">Its number, and that of its standbys.</param>
    /// <param name="Host">Where the cluster's nodes find it.</param>
    /// <param name="Port">Its port.</param>
    internal sealed record Node(int Group, string Host, int Port);

    /// <summary>A shard: the hashes that it holds, and the group of nodes that has it.</summary>
    private sealed record Shard(string Table, int From, int To, long Id, int Group);
}

/// <summary>The slices of a group of tables, in the order of their hashes.</summary>
internal sealed class Slices
{
    /// <summary>All in one.</summary>
    public static readonly Slices One = new([int.MinValue], [0]);

    private readonly int[] from;
    private readonly int[] groups;

    /// <param name="from">The lowest hash of each, ascending.</param>
    /// <param name="groups">The group of nodes that holds each.</param>
    public Slices(int[] from, int[] groups)
    {
        this.from = from;
        this.groups = groups;
    }

    /// <summary>How many there are.</summary>
    public int Count => from.Length;

    /// <summary>The slice of a text, 0 to <see cref="Count"/> − 1.</summary>
    public int Of(string key) => from.Length == 1 ? 0 : Holding(ShardHash.Of(key));

    /// <summary>The slice of a number, 0 to <see cref="Count"/> − 1.</summary>
    public int Of(long key) => from.Length == 1 ? 0 : Holding(ShardHash.Of(key));

    /// <summary>The slice of an id, 0 to <see cref="Count"/> − 1.</summary>
    public int Of(Guid key) => from.Length == 1 ? 0 : Holding(ShardHash.Of(key));

    /// <summary>Whether they begin and lie where others do.</summary>
    public bool AreAs(Slices other) => from.AsSpan().SequenceEqual(other.from) && groups.AsSpan().SequenceEqual(other.groups);

    /// <summary>Whether a group of nodes holds any.</summary>
    public bool AreIn(int group) => Array.IndexOf(groups, group) >= 0;

    /// <summary>The group of nodes that holds a slice.</summary>
    public int GroupOf(int slice) => groups[slice];

    private int Holding(int hash)
    {
        int found = Array.BinarySearch(from, hash);
        return found >= 0 ? found : ~found - 1;
    }
}
