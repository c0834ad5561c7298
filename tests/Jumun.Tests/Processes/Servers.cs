using System.Globalization;
using Jumun.Server;
using Jumun.Tests.Crashes;
using Npgsql;

namespace Jumun.Tests.Processes;

/// <summary>Server processes on one database, numbered from 0 as they came; each has a folder and an events file of its own.</summary>
internal sealed class Servers : IAsyncDisposable
{
    private readonly TestData data;
    private readonly Dictionary<string, string?> settings;
    private readonly List<Server> all = [];

    private Servers(TestData data, Dictionary<string, string?> settings)
    {
        this.data = data;
        this.settings = settings;
    }

    /// <summary>Those that run.</summary>
    public IReadOnlyList<Server> Running => [.. all.Where(server => server.Runs)];

    /// <summary>The events files of all, also of those that ended.</summary>
    public IEnumerable<string> EventFiles => all.Select(server => server.EventsPath);

    /// <summary>The database's connection string.</summary>
    public string Address => data.Address;

    public Server this[int number] => all[number];

    /// <param name="count">How many to start.</param>
    /// <param name="settings">Settings beside those that every test has.</param>
    /// <param name="kind">The store.</param>
    public static async Task<Servers> StartAsync(int count, Dictionary<string, string?>? settings = null, StoreKind kind = StoreKind.Postgres)
    {
        TestData data = await TestData.CreateAsync(kind);
        var servers = new Servers(data, new([.. data.Settings.Where(setting => setting.Key != "Jumun:DataPlatform:Path"), .. settings ?? []]));
        try
        {
            await servers.RunAsync(count);
            return servers;
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts more, until so many run. Those that run already go on.</summary>
    public async Task RunAsync(int count)
    {
        Server[] started = [.. Enumerable.Range(all.Count, Math.Max(0, count - Running.Count)).Select(
            number => new Server(Directory.CreateDirectory(Path.Combine(data.Folder, number.ToString(CultureInfo.InvariantCulture))).FullName, settings))];
        all.AddRange(started);
        await Task.WhenAll(started.Select(server => server.StartAsync()));
    }

    /// <summary>So many processes have all partitions among them, each its share.</summary>
    public Task SettledAsync(int processes) => TestShop.UntilAsync(async () =>
    {
        List<(Guid Holder, short Partition)> leases = await LeasesAsync();
        List<int> shares = [.. leases.CountBy(lease => lease.Holder).Select(share => share.Value)];
        return leases.Count == Bounds.Partitions && shares.Count == processes && shares.Max() - shares.Min() <= 1;
    });

    /// <summary>Who holds which partition now.</summary>
    public async Task<List<(Guid Holder, short Partition)>> LeasesAsync()
    {
        await using var connection = new NpgsqlConnection($"{Address};Pooling=false");
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(
            "SELECT holder, partition FROM leases WHERE until > extract(epoch FROM clock_timestamp()) * 1000", connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var leases = new List<(Guid Holder, short Partition)>();
        while (await rows.ReadAsync(TestContext.Current.CancellationToken))
        {
            leases.Add((rows.GetGuid(0), rows.GetInt16(1)));
        }

        return leases;
    }

    /// <summary>Every invariant holds.</summary>
    public async Task AuditAsync()
    {
        TestAnswer audit = (await Running[^1].AsAdmin().GetAsync("/admin/audit")).Is(200);
        Assert.All(audit["invariants"]!.AsArray(), report => Assert.True((bool)report!["holds"]!, report.ToJsonString()));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Server server in all)
        {
            server.Dispose();
        }

        await data.DisposeAsync();
    }
}

/// <summary>One of several server processes.</summary>
internal sealed class Server : IDisposable
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private readonly ServerProcess process;

    public Server(string folder, Dictionary<string, string?> settings)
    {
        process = new ServerProcess(folder, settings);
        Http = new HttpClient(new SocketsHttpHandler { UseCookies = false, MaxConnectionsPerServer = 64 })
        {
            BaseAddress = process.Address,
            Timeout = TimeSpan.FromSeconds(30),
        };
    }

    public HttpClient Http { get; }

    public string EventsPath => process.EventsPath;

    public bool Runs { get; private set; }

    public TestCaller As(string member) => new(Http, member, TestShop.Token(member));

    public TestCaller AsAdmin() => new(Http, "admin", TestShop.Token("admin", admin: true));

    public async Task StartAsync()
    {
        await process.StartAsync(Cancellation);
        Runs = true;
    }

    /// <summary><c>kill -9</c>.</summary>
    public async Task KillAsync()
    {
        Runs = false;
        await process.KillAsync(Cancellation);
    }

    /// <summary>Stops it as an operator does.</summary>
    public async Task StopAsync()
    {
        Runs = false;
        Assert.Equal(0, await process.TerminateAsync(Cancellation));
    }

    public void Dispose()
    {
        Http.Dispose();
        process.Dispose();
    }
}

/// <summary>
/// What several classes need that ask nothing special of their servers. They run one after the other, because each of them
/// keeps the machine busy.
/// </summary>
public sealed class ServersFixture : IAsyncLifetime
{
    private Servers? servers;

    internal async Task<IReadOnlyList<Server>> RunAsync(int count)
    {
        servers ??= await Servers.StartAsync(0);
        await servers.RunAsync(count);
        return [.. servers.Running.Take(count)];
    }

    internal Task AuditAsync() => servers!.AuditAsync();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (servers is not null)
        {
            await servers.DisposeAsync();
        }
    }
}

[CollectionDefinition(nameof(Servers))]
#pragma warning disable CA1711 // So it is named where it comes from.
public sealed class ServersCollection : ICollectionFixture<ServersFixture>;
#pragma warning restore CA1711
