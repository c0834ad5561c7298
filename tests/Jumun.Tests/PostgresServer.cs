using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Jumun.Tests;

/// <summary>A PostgreSQL server of the tests' own: started when first asked for, durable like a real one, gone with the process.</summary>
internal static class PostgresServer
{
    private static readonly Lazy<string> Server = new(Start);

    /// <summary>A fresh, empty database.</summary>
    public static async Task<string> CreateDatabaseAsync()
    {
        var settings = new NpgsqlConnectionStringBuilder(Server.Value);
        string name = $"jumun_{Guid.NewGuid():N}";
        await RunAsync(settings.ConnectionString, $"CREATE DATABASE {name}");
        settings.Database = name;
        return settings.ConnectionString;
    }

    /// <summary>Ends every session on a database and drops it.</summary>
    public static async Task DropDatabaseAsync(string connectionString)
    {
        await RunAsync(Server.Value, $"DROP DATABASE IF EXISTS {new NpgsqlConnectionStringBuilder(connectionString).Database} WITH (FORCE)");
    }

    private static async Task RunAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static string Start()
    {
        string programs = Directory.GetDirectories("/usr/lib/postgresql").Order(StringComparer.Ordinal).Last() + "/bin";
        string folder = Directory.CreateTempSubdirectory("jumun-postgres-").FullName;
        string data = Path.Combine(folder, "data");
        if (Environment.UserName == "root")
        {
            // PostgreSQL refuses to run as root.
            RunProgram("chown", ["postgres", folder]);
        }

        int port = FreePort();
        RunProgram(
            $"{programs}/initdb", ["-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], asPostgres: true);
        string options = string.Create(
            CultureInfo.InvariantCulture,
            $"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200 "
            + $"-c fsync=on -c synchronous_commit=on -c full_page_writes=on");
        RunProgram($"{programs}/pg_ctl", ["-D", data, "-l", Path.Combine(folder, "log"), "-o", options, "-w", "start"], asPostgres: true);
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            RunProgram($"{programs}/pg_ctl", ["-D", data, "-m", "immediate", "-w", "stop"], asPostgres: true);
            Directory.Delete(folder, recursive: true);
        };
        return string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={port};Username=postgres;Database=postgres;Pooling=false");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static void RunProgram(string program, string[] arguments, bool asPostgres = false)
    {
        bool asAnother = asPostgres && Environment.UserName == "root";
        var start = new ProcessStartInfo(
            asAnother ? "runuser" : program, asAnother ? ["-u", "postgres", "--", program, .. arguments] : arguments)
        {
            // A server that is started keeps what it inherits: it must not hold the tests' own output open.
            RedirectStandardOutput = !program.EndsWith("pg_ctl", StringComparison.Ordinal),
        };
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}.");
    }
}
