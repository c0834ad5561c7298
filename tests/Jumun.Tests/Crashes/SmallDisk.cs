using System.Diagnostics;
using System.Globalization;

namespace Jumun.Tests.Crashes;

/// <summary>How a disk is made to have no room.</summary>
internal enum DiskKind
{
    /// <summary>No file may grow beyond a limit of the process.</summary>
    Limit,

    /// <summary>A file system of its own, in memory. Needs the right to mount.</summary>
    Mount,
}

/// <summary>A folder on a disk that fills, becomes larger, and can be made read-only.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    /// <summary>Those who write there may be about to end as well.</summary>
    private const string CleanText =
        """
        tries=0
        until umount "$1" || [ $((tries += 1)) -gt 100 ]; do sleep 0.1; done
        umount -l "$1"
        rmdir "$1"
        """;

    private readonly TemporaryFolder folder = new();
    private readonly DiskKind kind;
    private readonly int megabytes;
    private Watch? watch;

    private SmallDisk(DiskKind kind, int megabytes)
    {
        this.kind = kind;
        this.megabytes = megabytes;
    }

    /// <summary>Those that this machine can make.</summary>
    public static IEnumerable<DiskKind> Kinds { get; } = CanMount() ? [DiskKind.Limit, DiskKind.Mount] : [DiskKind.Limit];

    public string Folder => folder.FullName;

    /// <summary>What starts a process so that a limit is an error and not its end.</summary>
    public static string[] Wrapper { get; } = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "jumun"];

    public static async Task<SmallDisk> CreateAsync(DiskKind kind, int megabytes = 16)
    {
        var disk = new SmallDisk(kind, megabytes);
        if (kind == DiskKind.Mount)
        {
            await RunAsync("mount", "-t", "tmpfs", "-o", $"size={Text(megabytes)}m", "jumun-test", disk.Folder);
            disk.watch = new Watch(CleanText, disk.Folder);
        }

        return disk;
    }

    private string BallastPath => Path.Combine(Folder, "ballast");

    /// <summary>Leaves hardly any room beside what there is.</summary>
    public Task FillAsync(int process)
    {
        if (kind == DiskKind.Limit)
        {
            long largest = new DirectoryInfo(Folder).EnumerateFiles().Max(file => file.Length);
            return RunAsync("prlimit", $"--pid={Text(process)}", $"--fsize={Text(largest + 100_000)}:");
        }

        long free = new DriveInfo(Folder).AvailableFreeSpace;
        return File.WriteAllBytesAsync(BallastPath, new byte[free - 200_000]);
    }

    /// <summary>Leaves no room at all on a file system of its own, whoever else writes there.</summary>
    public void Fill()
    {
        using FileStream ballast = File.Create(BallastPath, bufferSize: 0);
        byte[] some = new byte[64 * 1024];
        try
        {
            while (true)
            {
                ballast.Write(some);
            }
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    /// <summary>Gives it room again.</summary>
    public Task GrowAsync(int process) => kind == DiskKind.Limit
        ? RunAsync("prlimit", $"--pid={Text(process)}", "--fsize=unlimited:")
        : RunAsync("mount", "-o", $"remount,size={Text(4 * megabytes)}m", Folder);

    /// <summary>Gives it room again by deleting what filled it.</summary>
    public void Clear() => File.Delete(BallastPath);

    /// <summary>Makes it read-only; nobody may have a file of it open for writing.</summary>
    public Task LockAsync() => RunAsync("mount", "-o", "remount,ro", Folder);

    public async ValueTask DisposeAsync()
    {
        if (kind == DiskKind.Mount)
        {
            await RunAsync("umount", "-l", Folder);
            watch?.Leave();
        }

        folder.Dispose();
    }

    private static bool CanMount()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return false;
        }

        using var folder = new TemporaryFolder();
        using Process mount = Start("mount", "-t", "tmpfs", "-o", "size=1m", "jumun-test", folder.FullName);
        mount.WaitForExit();
        if (mount.ExitCode != 0)
        {
            return false;
        }

        using Process unmount = Start("umount", folder.FullName);
        unmount.WaitForExit();
        return true;
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using Process run = Start(program, arguments);
        string errors = await run.StandardError.ReadToEndAsync();
        await run.WaitForExitAsync();
        Assert.True(run.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {errors}");
    }

    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
