using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace Jumun.Tests;

/// <summary>How a cluster is stopped: as an operator does, or as a crash does.</summary>
internal enum StopMode
{
    Fast,
    Immediate,
}

/// <summary>
/// A throwaway PostgreSQL cluster: real and fully durable, on a port of its own, with its data and its socket in a folder
/// of its own. It is gone with the tests, also when they are killed.
/// </summary>
internal sealed partial class PostgresCluster : IAsyncDisposable
{
    private const string Host = "127.0.0.1";
    private const string User = "postgres";
    private const int OldestVersion = 15;

    // Its log alone may take a gigabyte.
    private const long MemoryBytes = 3L << 30;

    private const string CleanText =
        """
        folder=$1
        shift
        "$@" -m immediate stop
        rm -rf "$folder"
        """;

    private static readonly Lazy<string> Programs = new(FindPrograms);

    private readonly Watch watch;

    private PostgresCluster(string folder, string dataFolder, Watch watch)
    {
        Folder = folder;
        DataFolder = dataFolder;
        this.watch = watch;
    }

    /// <summary>Where its data, its socket and its log are.</summary>
    public string Folder { get; }

    public int Port { get; } = FreePort.Next();

    /// <summary>What a standby calls itself to its primary, as <c>synchronous_standby_names</c> needs it.</summary>
    public string Name => $"jumun_{Port.ToString(CultureInfo.InvariantCulture)}";

    public string LogPath => Path.Combine(Folder, "log");

    /// <summary>The process that is the parent of all others; null while it does not run.</summary>
    public int? ProcessId
    {
        get
        {
            try
            {
                int id = int.Parse(File.ReadLines(Path.Combine(DataFolder, "postmaster.pid")).First(), CultureInfo.InvariantCulture);
                using var process = Process.GetProcessById(id);
                return id;
            }
            catch (Exception error) when (error is IOException or ArgumentException or InvalidOperationException or FormatException)
            {
                return null;
            }
        }
    }

    public string DataFolder { get; }

    /// <summary>Makes a cluster and starts it.</summary>
    /// <param name="settings">Lines of <c>postgresql.conf</c> beside those that every test has.</param>
    public static async Task<PostgresCluster> CreateAsync(params string[] settings) => await CreateAsync(await PrepareAsync(), [], settings);

    /// <summary>
    /// Makes a cluster in memory, where there is room for it, and starts it. It syncs as every other one does, which costs nothing there; what
    /// that is for, clusters on a disk show. Databases by the hundred, each made and dropped, would keep a disk busy with nothing else.
    /// </summary>
    public static async Task<PostgresCluster> CreateInMemoryAsync()
    {
        var memory = new DriveInfo("/dev/shm");
        bool hasRoom = memory.IsReady && memory.AvailableFreeSpace > MemoryBytes;

        // Shops by the dozen are on it at once, each with sessions of its own.
        return await CreateAsync(await PrepareAsync(parent: hasRoom ? memory.Name : Path.GetTempPath()), [], ["max_connections = 1000"]);
    }

    /// <summary>Makes a cluster with its data, or its log, on another disk, and starts it. A file of the log has a megabyte.</summary>
    /// <param name="dataDisk">A folder in which everybody may write, for all but the log; null for one beside the socket.</param>
    /// <param name="logDisk">Such a folder for the log; null for one beside the socket.</param>
    /// <param name="settings">Lines of <c>postgresql.conf</c> beside those that every test has.</param>
    public static async Task<PostgresCluster> CreateInAsync(string? dataDisk, string? logDisk, params string[] settings)
    {
        PostgresCluster cluster = await PrepareAsync(dataDisk);
        return await CreateAsync(cluster, ["--wal-segsize=1", "-X", Path.Combine(logDisk ?? cluster.Folder, "log-files")], settings);
    }

    private static async Task<PostgresCluster> CreateAsync(PostgresCluster cluster, string[] initialization, string[] settings)
    {
        try
        {
            // Its first files need no fsync: they are made in a moment. The server's own fsync is on.
            await cluster.RunAsync(
            [
                "initdb", "-D", cluster.DataFolder, "-U", User, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                "--data-checksums", "--no-sync", "--no-instructions", .. initialization,
            ]);
            await cluster.WriteSettingsAsync(
            [
                $"listen_addresses = '{Host}'", "max_connections = 200", "shared_buffers = 32MB", "wal_keep_size = 64MB",
                "fsync = on", "synchronous_commit = on", "full_page_writes = on", .. cluster.PlaceSettings, .. settings,
            ]);
            await cluster.StartAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes a streaming standby of this cluster and starts it.</summary>
    /// <param name="isSynchronous">Whether commits here wait from now on until it has them on its disk.</param>
    public async Task<PostgresCluster> CreateStandbyAsync(bool isSynchronous)
    {
        PostgresCluster standby = await PrepareAsync();
        try
        {
            await standby.FollowAsync(this, isSynchronous);
            return standby;
        }
        catch
        {
            await standby.DisposeAsync();
            throw;
        }
    }

    /// <summary>Becomes a streaming standby of a primary, made anew in the place of what it was, and starts. It must not run.</summary>
    /// <param name="primary">The primary.</param>
    /// <param name="isSynchronous">Whether commits there wait from now on until this has them on its disk.</param>
    public async Task FollowAsync(PostgresCluster primary, bool isSynchronous)
    {
        if (Directory.Exists(DataFolder))
        {
            Directory.Delete(DataFolder, recursive: true);
        }

        string from = $"host={Host} port={primary.Port.ToString(CultureInfo.InvariantCulture)} user={User} application_name={Name}";
        await RunAsync("pg_basebackup", "-d", from, "-D", DataFolder, "-X", "stream", "-c", "fast", "-R", "--no-sync");

        // When this is promoted, it does not wait for the standbys that its primary had.
        await WriteSettingsAsync([.. PlaceSettings, "synchronous_standby_names = ''"]);
        await StartAsync();
        if (isSynchronous)
        {
            await primary.ConfigureAsync($"synchronous_standby_names = '{Name}'");
        }

        string wanted = isSynchronous ? "sync" : "async";
        await TestShop.UntilAsync(
            async () => wanted == await primary.ScalarAsync(
                $"SELECT sync_state FROM pg_stat_replication WHERE application_name = '{Name}' AND state = 'streaming'"),
            seconds: 30);
    }

    public Task StartAsync() => RunAsync("pg_ctl", "-D", DataFolder, "-l", LogPath, "-w", "-t", "60", "start");

    public Task StopAsync(StopMode mode = StopMode.Fast) =>
        RunAsync("pg_ctl", "-D", DataFolder, "-m", mode == StopMode.Fast ? "fast" : "immediate", "-w", "-t", "60", "stop");

    public async Task RestartAsync(StopMode mode = StopMode.Fast)
    {
        await StopAsync(mode);
        await StartAsync();
    }

    /// <summary>Makes a standby the primary; returns when it takes writes.</summary>
    public Task PromoteAsync() => RunAsync("pg_ctl", "-D", DataFolder, "-w", "-t", "60", "promote");

    /// <summary>Lets no file of its processes, and of those that they start, grow beyond a length; without a length, any.</summary>
    public async Task LimitFilesAsync(long? length)
    {
        // Limits may be set for processes of the same user alone.
        foreach (int process in Processes())
        {
            string bytes = length?.ToString(CultureInfo.InvariantCulture) ?? "unlimited";
            string id = process.ToString(CultureInfo.InvariantCulture);
            string[] limit = AsUser("prlimit", [$"--pid={id}", $"--fsize={bytes}:"]);
            try
            {
                await EndAsync(Process.Start(new ProcessStartInfo(limit[0], limit[1..]) { RedirectStandardError = true })!);
            }
            catch (InvalidOperationException) when (!Directory.Exists($"/proc/{id}"))
            {
                // It ended meanwhile.
            }
        }
    }

    /// <summary>Changes settings while it runs; those that need a restart count after one.</summary>
    public async Task ConfigureAsync(params string[] settings)
    {
        await WriteSettingsAsync(settings);
        await RunAsync("pg_ctl", "-D", DataFolder, "reload");
    }

    public string ConnectionString(string database = "postgres") =>
        new NpgsqlConnectionStringBuilder { Host = Host, Port = Port, Username = User, Database = database }.ConnectionString;

    /// <summary>Runs statements as an administrator, on a connection of their own.</summary>
    public async Task ExecuteAsync(string sql, string database = "postgres") => await ScalarAsync(sql, database);

    /// <summary>The first value of an answer as text; null when there is none.</summary>
    public async Task<string?> ScalarAsync(string sql, string database = "postgres")
    {
        await using var connection = new NpgsqlConnection(ConnectionString(database) + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return Convert.ToString(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }

    /// <summary>Stops it as a crash does and deletes its folder.</summary>
    public async ValueTask DisposeAsync() => await watch.CloseAsync();

    /// <summary>The same, at the end of the process, where nothing can be awaited.</summary>
    public void End() => watch.Close();

    private string[] PlaceSettings => [$"port = {Port.ToString(CultureInfo.InvariantCulture)}", $"unix_socket_directories = '{Folder}'"];

    private Task WriteSettingsAsync(string[] settings) =>
        File.AppendAllLinesAsync(Path.Combine(DataFolder, "postgresql.conf"), settings);

    /// <summary>An empty folder that belongs to PostgreSQL's user, and a watch over it.</summary>
    /// <param name="dataDisk">Where the data goes, if not into that folder.</param>
    /// <param name="parent">Where the folder is made; null for where temporary ones are.</param>
    private static async Task<PostgresCluster> PrepareAsync(string? dataDisk = null, string? parent = null)
    {
        string folder = Path.Combine(parent ?? Path.GetTempPath(), $"jumun-pg-{Path.GetRandomFileName()}");
        Directory.CreateDirectory(folder);
        if (Environment.IsPrivilegedProcess)
        {
            await EndAsync(Process.Start(new ProcessStartInfo("chown", [$"{User}:", folder]) { RedirectStandardError = true })!);
        }

        string data = Path.Combine(dataDisk ?? folder, "data");
        string[] control = Command("pg_ctl", "-D", data);
        var watch = new Watch(CleanText, [folder, .. control]);
        return new PostgresCluster(folder, data, watch);
    }

    /// <summary>The first process and its children, which inherit from it; none while it does not run.</summary>
    private IEnumerable<int> Processes()
    {
        if (ProcessId is not { } first)
        {
            return [];
        }

        string parent = $"PPid:\t{first.ToString(CultureInfo.InvariantCulture)}\n";
        List<int> children = [];
        foreach (string process in Directory.EnumerateDirectories("/proc"))
        {
            try
            {
                if (int.TryParse(Path.GetFileName(process), CultureInfo.InvariantCulture, out int id)
                    && File.ReadAllText(Path.Combine(process, "status")).Contains(parent, StringComparison.Ordinal))
                {
                    children.Add(id);
                }
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }

        return [first, .. children];
    }

    /// <summary>PostgreSQL refuses to run as root.</summary>
    private static string[] Command(string program, params string[] arguments) => AsUser(Path.Combine(Programs.Value, program), arguments);

    private static string[] AsUser(string program, string[] arguments) =>
        Environment.IsPrivilegedProcess ? ["runuser", "-u", User, "--", program, .. arguments] : [program, .. arguments];

    private Task RunAsync(string program, params string[] arguments) => RunAsync([program, .. arguments]);

    private async Task RunAsync(string[] words)
    {
        string[] command = Command(words[0], words[1..]);
        try
        {
            await EndAsync(Process.Start(new ProcessStartInfo(command[0], command[1..])
            {
                WorkingDirectory = Folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!);
        }
        catch (InvalidOperationException error) when (File.Exists(LogPath))
        {
            throw new InvalidOperationException($"{error.Message}\n{string.Join('\n', File.ReadLines(LogPath).TakeLast(20))}", error);
        }
    }

    private static async Task EndAsync(Process process)
    {
        using (process)
        {
            Task<string> output = process.StartInfo.RedirectStandardOutput ? process.StandardOutput.ReadToEndAsync() : Task.FromResult("");
            string errors = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException(
                    $"{process.StartInfo.FileName} {string.Join(' ', process.StartInfo.ArgumentList)} failed: {errors}{await output}");
            }
        }
    }

    /// <summary>The programs of the newest PostgreSQL: where Debian keeps them, or on the path.</summary>
    private static string FindPrograms()
    {
        const string debian = "/usr/lib/postgresql";
        IEnumerable<string> packaged = Directory.Exists(debian) ? Directory.GetDirectories(debian).Select(version => Path.Combine(version, "bin")) : [];
        string[] path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        (string? folder, int version) = packaged.Concat(path)
            .Where(folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "pg_basebackup")))
            .Select(folder => (folder, VersionIn(folder)))
            .MaxBy(found => found.Item2);
        return folder is not null && version >= OldestVersion
            ? folder
            : throw new InvalidOperationException($"PostgreSQL {OldestVersion} or newer is missing. Install it (Debian: sudo apt-get install postgresql).");
    }

    private static int VersionIn(string folder)
    {
        using Process initdb = Process.Start(new ProcessStartInfo(Path.Combine(folder, "initdb"), ["--version"]) { RedirectStandardOutput = true })!;
        string version = initdb.StandardOutput.ReadToEnd();
        initdb.WaitForExit();
        return int.Parse(Major().Match(version).Groups["major"].Value, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\(PostgreSQL\) (?<major>\d+)")]
    private static partial Regex Major();
}
