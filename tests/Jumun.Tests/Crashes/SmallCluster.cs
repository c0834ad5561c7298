using Npgsql;

namespace Jumun.Tests.Crashes;

/// <summary>What of PostgreSQL has no room.</summary>
internal enum FullPart
{
    /// <summary>Its tables: a statement that needs room fails, and everything else goes on until a checkpoint comes.</summary>
    Data,

    /// <summary>Its write-ahead log: it ends all sessions and starts itself anew, which fails as well when there is still no room.</summary>
    Log,

    /// <summary>Both, on one disk.</summary>
    Whole,
}

/// <summary>A PostgreSQL of which a part has a disk that fills and gets room again.</summary>
internal sealed class SmallCluster : IAsyncDisposable
{
    // A file of its log has a megabyte: a limit below that fills the log, one above it the tables alone.
    private const long LogFile = 1024 * 1024;

    private readonly SmallDisk? disk;
    private readonly FullPart part;
    private long filledAt;

    private SmallCluster(PostgresCluster cluster, SmallDisk? disk, FullPart part)
    {
        Cluster = cluster;
        this.disk = disk;
        this.part = part;
    }

    public PostgresCluster Cluster { get; }

    /// <summary>
    /// Whether PostgreSQL has ended all sessions since the disk was filled. It does so also where its tables alone have no room, when a checkpoint
    /// comes meanwhile: each begins with a small file beside them (<c>pg_logical/replorigin_checkpoint.tmp</c>), and it does not go on without that.
    /// </summary>
    public bool HasPanicked => LogFrom(filledAt).Split('\n').Any(
        line => line.Contains("PANIC:", StringComparison.Ordinal) && line.Contains("No space left on device", StringComparison.Ordinal));

    /// <summary>The end of what PostgreSQL said.</summary>
    public string LastSaid => string.Join('\n', LogFrom(0).Split('\n').TakeLast(40));

    public static async Task<SmallCluster> CreateAsync(DiskKind kind, FullPart part)
    {
        SmallDisk? disk = kind == DiskKind.Mount ? await SmallDisk.CreateAsync(kind, megabytes: 96) : null;
        PostgresCluster cluster = await PostgresCluster.CreateInAsync(
            part == FullPart.Log ? null : disk?.Folder, part == FullPart.Data ? null : disk?.Folder,
            "wal_keep_size = 0", "min_wal_size = 2MB", "max_wal_size = 3MB");
        return new SmallCluster(cluster, disk, part);
    }

    /// <summary>Leaves hardly any room.</summary>
    public async Task FillAsync()
    {
        filledAt = new FileInfo(Cluster.LogPath).Length;
        if (disk is not null)
        {
            // Files of the log are used again, unless a standby that is gone still needs them: the usual cause of a log that grows.
            await Cluster.ExecuteAsync("SELECT pg_create_physical_replication_slot('gone', true)");
            disk.Fill();
            return;
        }

        long largest = new DirectoryInfo(Path.Combine(Cluster.DataFolder, "base")).EnumerateFiles("*", SearchOption.AllDirectories).Max(file => file.Length);
        await Cluster.LimitFilesAsync(part == FullPart.Data ? Math.Max(LogFile, largest) + 100_000 : LogFile / 2);
    }

    /// <summary>Makes room, and starts PostgreSQL where it has given up, as an operator does.</summary>
    public async Task GrowAsync()
    {
        if (disk is not null)
        {
            disk.Clear();
        }
        else
        {
            await Cluster.LimitFilesAsync(null);
        }

        await TestShop.UntilAsync(
            async () =>
            {
                try
                {
                    if (Cluster.ProcessId is null)
                    {
                        await Cluster.StartAsync();
                    }

                    return await Cluster.ScalarAsync("SELECT 1") == "1";
                }
                catch (NpgsqlException)
                {
                    // It recovers, or is about to give up.
                    return false;
                }
            },
            seconds: 30);
        if (disk is not null)
        {
            await Cluster.ExecuteAsync("SELECT pg_drop_replication_slot('gone')");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        await (disk?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private string LogFrom(long start)
    {
        using FileStream log = new(Cluster.LogPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        log.Position = start;
        using var text = new StreamReader(log);
        return text.ReadToEnd();
    }
}
