using System.Globalization;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// Connections to the primary among the hosts of a connection string. The one that was it last is asked first: a machine that
/// is gone without a word would otherwise cost each read the whole time for a connection, as long as it stands before the primary.
/// </summary>
internal sealed class PostgresHosts : IAsyncDisposable
{
    private readonly string[] hosts;
    private readonly NpgsqlDataSource[] sources;
    private int first;

    /// <param name="settings">How connections are made; the hosts with commas between them.</param>
    /// <param name="build">Makes a source that goes through its hosts in their order.</param>
    public PostgresHosts(NpgsqlConnectionStringBuilder settings, Func<NpgsqlConnectionStringBuilder, NpgsqlDataSource> build)
    {
        string port = settings.Port.ToString(CultureInfo.InvariantCulture);
        string[] named = settings.Host!.Split(',', StringSplitOptions.TrimEntries);
        hosts = [.. named.Select(host => host.Contains(':', StringComparison.Ordinal) ? host : $"{host}:{port}")];
        sources = [.. named.Select((_, start) => build(new NpgsqlConnectionStringBuilder(settings.ConnectionString)
        {
            Host = string.Join(',', named[start..].Concat(named[..start])),
        }))];
    }

    /// <summary>The source that asks the last primary first.</summary>
    public NpgsqlDataSource Source => sources[Volatile.Read(ref first)];

    public async ValueTask<NpgsqlConnection> OpenConnectionAsync()
    {
        NpgsqlConnection connection = await Source.OpenConnectionAsync().ConfigureAwait(false);
        if (sources.Length > 1 && Array.IndexOf(hosts, $"{connection.Host}:{connection.Port}") is >= 0 and int primary)
        {
            int former = Interlocked.Exchange(ref first, primary);
            if (former != primary)
            {
                // Its connections would be kept for a while beside as many new ones, of the few that PostgreSQL has for all.
                sources[former].Clear();
            }
        }

        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (NpgsqlDataSource source in sources)
        {
            await source.DisposeAsync().ConfigureAwait(false);
        }
    }
}
