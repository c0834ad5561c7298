using System.Diagnostics;
using System.Globalization;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jumun.Tests;

/// <summary>
/// A throwaway RabbitMQ: a real broker on ports of its own, with its data in a folder of its own. It is gone with the
/// tests, also when they are killed.
/// </summary>
internal sealed class RabbitServer : IAsyncDisposable
{
    private const string Host = "127.0.0.1";
    private const string User = "rabbitmq";
    private const string DebianPrograms = "/usr/lib/rabbitmq/bin";
    private const int StartSeconds = 60;
    private const string CalmSchedulers = "+sbwt none +sbwtdcpu none +sbwtdio none";

    /// <summary>The port mapper is asked until it has seen the broker go.</summary>
    private const string CleanText =
        """
        kill -9 "$(cat "$1/pid")"
        tries=0
        until epmd -port "$2" -kill | grep -q Killed || [ $((tries += 1)) -gt 50 ]; do sleep 0.1; done
        rm -rf "$1"
        """;

    private const int HostsAtOnce = 16;

    private static readonly Lazy<Task<RabbitServer>> Shared = new(StartSharedAsync);
    private static readonly SemaphoreSlim HostsTurn = new(1);
    private static readonly Queue<string> Hosts = [];
    private static int lastHost;

    private readonly int distributionPort = FreePort.Next();
    private readonly int mapperPort;
    private readonly Watch watch;
    private Process? broker;

    private RabbitServer(string folder, int mapperPort, Watch watch)
    {
        Folder = folder;
        this.mapperPort = mapperPort;
        this.watch = watch;
    }

    /// <summary>Where its data and its log are.</summary>
    public string Folder { get; }

    public int Port { get; } = FreePort.Next();

    /// <summary>The broker's own virtual host, with name and password.</summary>
    public string Url => UrlOf("%2F");

    private string Node => $"jumun_{Port.ToString(CultureInfo.InvariantCulture)}@localhost";

    private string PidPath => Path.Combine(Folder, "pid");

    /// <summary>Makes a broker and starts it.</summary>
    public static async Task<RabbitServer> CreateAsync()
    {
        string folder = Directory.CreateTempSubdirectory("jumun-mq-").FullName;
        if (Environment.IsPrivilegedProcess)
        {
            using Process change = Process.Start("chown", [$"{User}:", folder]);
            await change.WaitForExitAsync();
        }

        int mapperPort = FreePort.Next();
        var watch = new Watch(CleanText, folder, mapperPort.ToString(CultureInfo.InvariantCulture));
        var server = new RabbitServer(folder, mapperPort, watch);
        try
        {
            await server.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>An empty virtual host of the broker that all tests of a run share, started by the first that asks; its URL.</summary>
    public static async Task<string> CreateHostAsync()
    {
        RabbitServer server = await Shared.Value;
        await HostsTurn.WaitAsync();
        try
        {
            if (Hosts.Count == 0)
            {
                string[] names = [.. Enumerable.Range(lastHost, HostsAtOnce).Select(one => $"shop_{one.ToString(CultureInfo.InvariantCulture)}")];
                lastHost += HostsAtOnce;
                foreach (string url in await server.AddHostsAsync(names))
                {
                    Hosts.Enqueue(url);
                }
            }

            return Hosts.Dequeue();
        }
        finally
        {
            HostsTurn.Release();
        }
    }

    /// <summary>Runs <c>rabbitmqctl</c> for a virtual host of the shared broker.</summary>
    public static async Task ControlHostAsync(string url, string command, params string[] arguments) =>
        await (await Shared.Value).ControlAsync([command, "-p", new Uri(url).AbsolutePath[1..], .. arguments]);

    /// <summary>
    /// Makes virtual hosts of this broker: queues and exchanges of their own. Their URLs. All in one, because the program
    /// that asks the broker for it takes far longer to start than the broker to do it.
    /// </summary>
    public async Task<string[]> AddHostsAsync(params string[] names)
    {
        string list = string.Join(", ", names.Select(name => $"<<\"{name}\">>"));
        await ControlAsync("eval", $"""
            lists:foreach(fun(Name) ->
                rabbit_vhost:add(Name, <<"guest">>),
                rabbit_auth_backend_internal:set_permissions(<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"guest">>)
              end, [{list}]).
            """);
        return [.. names.Select(UrlOf)];
    }

    /// <summary>Starts it where it was stopped or killed; returns when it takes connections.</summary>
    public async Task StartAsync()
    {
        // Nothing of the last start may be taken for this one.
        File.Delete(PidPath);
        broker = Start("rabbitmq-server", redirect: false);
        var factory = new ConnectionFactory { Uri = new Uri(Url), AutomaticRecoveryEnabled = false };
        await TestShop.UntilAsync(
            async () =>
            {
                Assert.False(broker.HasExited, $"RabbitMQ stopped at its start; see {Folder}.");
                try
                {
                    await using IConnection connection = await factory.CreateConnectionAsync();
                    return File.Exists(PidPath);
                }
                catch (BrokerUnreachableException)
                {
                    return false;
                }
            },
            StartSeconds);
    }

    /// <summary>Stops it as an operator does.</summary>
    public Task StopAsync() => EndAsync("-TERM");

    /// <summary><c>kill -9</c>.</summary>
    public Task KillAsync() => EndAsync("-KILL");

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    /// <summary>Runs <c>rabbitmqctl</c>; what it printed.</summary>
    public async Task<string> ControlAsync(params string[] arguments)
    {
        using Process control = Start("rabbitmqctl", redirect: true, ["--quiet", .. arguments]);
        Task<string> errors = control.StandardError.ReadToEndAsync();
        string output = await control.StandardOutput.ReadToEndAsync();
        await control.WaitForExitAsync();
        return control.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"rabbitmqctl {string.Join(' ', arguments)} failed: {output}{await errors}");
    }

    /// <summary>Ends it as a crash does and deletes its folder.</summary>
    public async ValueTask DisposeAsync()
    {
        await watch.CloseAsync();
        broker?.Dispose();
    }

    /// <summary>The same, at the end of the process, where nothing can be awaited.</summary>
    private void End() => watch.Close();

    private static async Task<RabbitServer> StartSharedAsync()
    {
        RabbitServer server = await CreateAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.End();
        return server;
    }

    private string UrlOf(string host) => string.Create(CultureInfo.InvariantCulture, $"amqp://guest:guest@{Host}:{Port}/{host}");

    private async Task EndAsync(string signal)
    {
        using (Process kill = Process.Start("kill", [signal, (await File.ReadAllTextAsync(PidPath)).Trim()]))
        {
            await kill.WaitForExitAsync();
        }

        await broker!.WaitForExitAsync();
        broker.Dispose();
        broker = null;
    }

    /// <summary>Debian's broker belongs to a user of its own, and so does its data.</summary>
    private Process Start(string program, bool redirect, params string[] arguments)
    {
        string path = Path.Combine(DebianPrograms, program);
        path = File.Exists(path) ? path : program;
        string[] command = Environment.IsPrivilegedProcess ? ["runuser", "-u", User, "--", path, .. arguments] : [path, .. arguments];

        // Its console goes to its log too, and a pipe that nobody reads would fill.
        string[] quiet = redirect ? command : ["setsid", "sh", "-c", "exec \"$@\" >/dev/null 2>&1 </dev/null", "jumun-broker", .. command];
        var start = new ProcessStartInfo(quiet[0], quiet[1..])
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = redirect,
            RedirectStandardError = redirect,
        };
        foreach ((string name, string value) in new Dictionary<string, string>
        {
            ["HOME"] = Folder,
            ["RABBITMQ_NODENAME"] = Node,
            ["RABBITMQ_NODE_IP_ADDRESS"] = Host,
            ["RABBITMQ_NODE_PORT"] = Port.ToString(CultureInfo.InvariantCulture),
            ["RABBITMQ_DIST_PORT"] = distributionPort.ToString(CultureInfo.InvariantCulture),
            ["ERL_EPMD_ADDRESS"] = Host,
            ["ERL_EPMD_PORT"] = mapperPort.ToString(CultureInfo.InvariantCulture),
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(Folder, "data"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(Folder, "log"),
            ["RABBITMQ_PID_FILE"] = PidPath,
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(Folder, "rabbitmq"),
            ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(Folder, "none"),
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(Folder, "plugins"),

            // Idle schedulers would spin on cores that the tests need.
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = CalmSchedulers,
            ["RABBITMQ_CTL_ERL_ARGS"] = CalmSchedulers,
        })
        {
            start.Environment[name] = value;
        }

        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new InvalidOperationException("RabbitMQ is missing. Install it (Debian: sudo apt-get install rabbitmq-server).", error);
        }
    }
}
