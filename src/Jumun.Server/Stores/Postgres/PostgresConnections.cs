using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>How connections are made: what the operator wrote, and what the store needs beside it.</summary>
internal static class PostgresConnections
{
    // A plan may be made while its table is empty, and is kept: an index is taken all the same. The compiler of plans would
    // see the price of what was switched off, and start for every statement.
    private const string Plans = "-c enable_seqscan=off -c enable_mergejoin=off -c enable_bitmapscan=off -c jit=off";

    // Citus plans with the values, to see which shards they are in; what names one key alone it plans once. A session has one
    // connection to each other node, so that it does not open one a shard for each statement; settings of a transaction go along.
    private const string DividedPlans =
        "-c plan_cache_mode=auto -c citus.max_adaptive_executor_pool_size=1 -c citus.propagate_set_commands=local";

    /// <summary>
    /// The lane's connection: never pooled, never cancelled, and gone soon when the network falls silent. It is told warnings,
    /// whatever the user's default says: a commit that did not wait for its standby succeeds with one.
    /// </summary>
    /// <param name="connectionString">What the operator wrote.</param>
    /// <param name="isDivided">Whether it leads to a cluster whose tables are divided.</param>
    public static PostgresHosts Lane(string connectionString, bool isDivided)
    {
        NpgsqlConnectionStringBuilder settings = Read(connectionString);
        settings.Pooling = false;
        settings.CommandTimeout = Bounds.PostgresReadSeconds;
        settings.ReadBufferSize = 64 * 1024;
        settings.WriteBufferSize = 64 * 1024;
        settings.IncludeFailedBatchedCommand = isDivided;
        AddOptions(
            settings,
            $"{Plans} {(isDivided ? DividedPlans : "-c plan_cache_mode=force_generic_plan")} -c lock_timeout={Bounds.PostgresLockMilliseconds}"
            + $" -c idle_in_transaction_session_timeout={Bounds.PostgresIdleMilliseconds}"
            + $" -c tcp_keepalives_idle={Bounds.PostgresSilenceSeconds / 2} -c tcp_keepalives_interval=1"
            + $" -c tcp_user_timeout={Bounds.PostgresSilenceSeconds * 1_000} -c client_min_messages=warning");
        return new PostgresHosts(settings, Build);
    }

    /// <summary>The same connection string, for another node of the cluster.</summary>
    public static string At(string connectionString, string host, int port) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Host = host, Port = port, TargetSessionAttributes = null }.ConnectionString;

    /// <summary>Connections for reads: pooled, and unable to write.</summary>
    public static PostgresHosts Readers(string connectionString)
    {
        NpgsqlConnectionStringBuilder settings = Read(connectionString);
        settings.Pooling = true;
        settings.MaxPoolSize = Bounds.PostgresReaders;
        settings.MinPoolSize = 0;
        settings.CommandTimeout = Bounds.PostgresReadSeconds;

        // Nothing that a read leaves behind could matter to the next one.
        settings.NoResetOnClose = true;
        AddOptions(settings, $"{Plans} -c default_transaction_read_only=on");
        return new PostgresHosts(settings, Build);
    }

    /// <summary>A connection as the operator wrote it, for migrations.</summary>
    public static NpgsqlDataSource Plain(string connectionString)
    {
        NpgsqlConnectionStringBuilder settings = Read(connectionString);
        settings.Pooling = false;
        settings.CommandTimeout = 0;
        return Build(settings);
    }

    private static NpgsqlConnectionStringBuilder Read(string connectionString)
    {
        try
        {
            var settings = new NpgsqlConnectionStringBuilder(connectionString) { Timeout = Bounds.PostgresConnectSeconds };
            if (string.IsNullOrWhiteSpace(settings.Host))
            {
                throw new SetupException("ConnectionStrings__Jumun names no Host. Write it so: Host=…;Database=…;Username=…;Password=…");
            }

            settings.ApplicationName ??= "jumun";
            // Which host is the primary is asked of each connection: one remembered as standby or lost may be it by now, and
            // one remembered as primary may be none. PostgreSQL says so unasked, so this costs nothing.
            settings.HostRecheckSeconds = 0;

            // A machine that is gone without a word is noticed also by what may take any time, as an audit or a migration may.
            settings.TcpKeepAlive = true;
            settings.TcpKeepAliveTime = Bounds.PostgresSilenceSeconds / 2;
            settings.TcpKeepAliveInterval = 1;
            settings.MaxAutoPrepare = 200;
            settings.AutoPrepareMinUsages = 2;
            return settings;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or KeyNotFoundException)
        {
            throw new SetupException($"ConnectionStrings__Jumun cannot be read: {error.Message}", error);
        }
    }

    private static void AddOptions(NpgsqlConnectionStringBuilder settings, string options) =>
        settings.Options = settings.Options is { Length: > 0 } own ? $"{own} {options}" : options;

    private static NpgsqlDataSource Build(NpgsqlConnectionStringBuilder settings)
    {
        bool hasSeveralHosts = settings.Host!.Contains(',', StringComparison.Ordinal);
        if (!hasSeveralHosts)
        {
            // One host is the primary or nothing; Npgsql refuses the word where it has no choice.
            settings.TargetSessionAttributes = null;
        }

        // The types that the store uses are built in: none are read from the catalogue at the start.
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return hasSeveralHosts ? builder.BuildMultiHost().WithTargetSession(TargetSessionAttributes.Primary) : builder.Build();
    }
}
