using System.Globalization;
using Npgsql;

namespace Jumun.Tests;

/// <summary>The PostgreSQL that all tests of a run share, started by the first that asks; each has a database of its own.</summary>
internal static class PostgresServer
{
    private static readonly Lazy<Task<PostgresCluster>> Cluster = new(StartAsync);
    private static int last;

    /// <summary>An empty database; its connection string.</summary>
    public static async Task<string> CreateDatabaseAsync()
    {
        PostgresCluster cluster = await Cluster.Value;
        string name = $"shop_{Interlocked.Increment(ref last).ToString(CultureInfo.InvariantCulture)}";
        await cluster.ExecuteAsync($"CREATE DATABASE {name}");
        return cluster.ConnectionString(name);
    }

    /// <summary>Drops a database, also under those who still use it.</summary>
    public static async Task DropDatabaseAsync(string connectionString)
    {
        PostgresCluster cluster = await Cluster.Value;
        string name = new NpgsqlConnectionStringBuilder(connectionString).Database!;
        await cluster.ExecuteAsync($"DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    }

    private static async Task<PostgresCluster> StartAsync()
    {
        PostgresCluster cluster = await PostgresCluster.CreateAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => cluster.End();
        return cluster;
    }
}
