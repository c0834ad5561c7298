using System.Globalization;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Tests;

/// <summary>
/// The PostgreSQL that all tests of a run share, started by the first that asks; each has a database of its own. Where a
/// cluster is named, shops are on that (<see cref="CitusServer"/>).
/// </summary>
internal static class PostgresServer
{
    private static readonly Lazy<Task<PostgresCluster>> Cluster = new(StartAsync);
    private static readonly Lazy<Task<string>> Template = new(MakeTemplateAsync);
    private static int last;

    /// <summary>An empty database; its connection string.</summary>
    /// <param name="template">What it is a copy of, and what stands behind that when a database is made.</param>
    public static Task<string> CreateDatabaseAsync(string template = "template1") => CreateAsync(template);

    /// <summary>A database with the shop's schema: a copy, because that is faster than the steps that lead there.</summary>
    public static async Task<string> CreateShopAsync() =>
        CitusServer.Coordinator is null ? await CreateAsync(await Template.Value) : await CitusServer.CreateShopAsync();

    /// <summary>Drops a database, also under those who still use it.</summary>
    public static async Task DropDatabaseAsync(string connectionString)
    {
        if (CitusServer.Coordinator is not null)
        {
            await CitusServer.DropAsync(connectionString);
            return;
        }

        PostgresCluster cluster = await Cluster.Value;
        string name = new NpgsqlConnectionStringBuilder(connectionString).Database!;
        await cluster.ExecuteAsync($"DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    }

    private static async Task<string> CreateAsync(string template)
    {
        PostgresCluster cluster = await Cluster.Value;
        string name = $"shop_{Interlocked.Increment(ref last).ToString(CultureInfo.InvariantCulture)}";
        await cluster.ExecuteAsync($"CREATE DATABASE {name} TEMPLATE {template}");
        return cluster.ConnectionString(name);
    }

    private static async Task<string> MakeTemplateAsync()
    {
        // A database that somebody is connected to cannot be copied: no connection may stay in a pool.
        string template = await CreateDatabaseAsync();
        await PostgresStore.MigrateAsync($"{template};Pooling=false");
        return new NpgsqlConnectionStringBuilder(template).Database!;
    }

    private static async Task<PostgresCluster> StartAsync()
    {
        PostgresCluster cluster = await PostgresCluster.CreateInMemoryAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => cluster.End();
        return cluster;
    }
}
