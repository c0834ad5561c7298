using System.Diagnostics;
using Jumun.Points;
using Jumun.Server;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Sqlite;
using Jumun.Tests.Crashes;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Stores;

/// <summary>Which files are opened as a shop, and which are left alone.</summary>
[Once]
public sealed class SqliteFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string DatabasePath => Path.Combine(folder.FullName, "jumun.db");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_file_is_written_by_one_whatever_links_lead_to_it()
    {
        string link = Path.Combine(folder.FullName, "link.db");
        File.CreateSymbolicLink(link, "jumun.db");
        string folderLink = folder.FullName + "-link";
        Directory.CreateSymbolicLink(folderLink, folder.FullName);
        try
        {
            await using SqliteStore store = SqliteStore.Open(DatabasePath);
            foreach (string path in (string[])[link, Path.Combine(folderLink, "jumun.db"), Path.Combine(folderLink, "link.db")])
            {
                Assert.Contains("Another process writes", Assert.Throws<SetupException>(() => SqliteStore.Open(path)).Message, StringComparison.Ordinal);
                Assert.Equal(DatabasePath, SqliteFile.PathOf($"Data Source={path}"));
            }
        }
        finally
        {
            Directory.Delete(folderLink);
        }

        // A link to a file that is not there makes it; one to itself leads nowhere.
        string first = Path.Combine(folder.FullName, "first.db");
        File.CreateSymbolicLink(first, "new.db");
        await SqliteStore.Open(first).DisposeAsync();
        Assert.True(File.Exists(Path.Combine(folder.FullName, "new.db")));
        string circle = Path.Combine(folder.FullName, "circle.db");
        File.CreateSymbolicLink(circle, circle);
        Assert.Throws<SetupException>(() => SqliteStore.Open(circle));
    }

    [Fact]
    public async Task A_file_that_may_only_be_read_is_refused()
    {
        bool canMount = SmallDisk.Kinds.Contains(DiskKind.Mount);
        Assert.SkipWhen(Environment.IsPrivilegedProcess && !canMount, "Rights do not bind the administrator, and nothing can be mounted.");
        await using SmallDisk disk = await SmallDisk.CreateAsync(canMount ? DiskKind.Mount : DiskKind.Limit);
        string path = Path.Combine(disk.Folder, "jumun.db");
        await SqliteStore.Open(path).DisposeAsync();
        if (canMount)
        {
            // The file alone: its folder takes the lock and the log.
            await RunAsync("mount", "--bind", path, path);
            await RunAsync("mount", "-o", "remount,ro,bind", path);
        }
        else
        {
            new FileInfo(path).IsReadOnly = true;
        }

        try
        {
            string said = Assert.Throws<SetupException>(() => SqliteStore.Open(path)).Message;
            Assert.Contains("may only read it", said, StringComparison.Ordinal);
            Assert.Contains(path, said, StringComparison.Ordinal);
        }
        finally
        {
            if (canMount)
            {
                await RunAsync("umount", "-l", path);
            }
        }
    }

    [Theory]
    [InlineData("CREATE TABLE notes (x)")]
    [InlineData("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)")]
    public async Task Another_programs_database_is_refused_and_left_as_it_is(string sql)
    {
        using (SqliteConnection other = SqliteConnection.Open(DatabasePath, readOnly: false, create: true))
        {
            other.Execute(sql);
        }

        byte[] before = await File.ReadAllBytesAsync(DatabasePath, Cancellation);
        Assert.Contains("another program's", Assert.Throws<SetupException>(() => SqliteStore.Open(DatabasePath)).Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(DatabasePath, Cancellation));
        Assert.False(File.Exists(DatabasePath + "-wal"));
        Assert.Throws<SetupException>(() => SqliteStore.OpenReadOnly(DatabasePath));
    }

    [Fact]
    public async Task A_file_that_was_moved_away_is_not_replaced_by_an_empty_one()
    {
        await using SqliteStore store = SqliteStore.Open(DatabasePath);
        await using var executor = new Executor(store, TimeProvider.System, NullLogger<Executor>.Instance);
        Assert.NotNull((await executor.SubmitAsync(new ChargePoints("m", 5))).Answer);
        bool hasFailed = false;
        store.Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.Load && !hasFailed)
            {
                hasFailed = true;
                throw new SqliteException(10, "disk I/O error");
            }
        };
        string moved = DatabasePath + "-moved";
        File.Move(DatabasePath, moved);
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(RefusalCode.Unavailable, (await executor.SubmitAsync(new ChargePoints("m", 5))).Refusal!.Code);
        }

        Assert.NotNull(await store.ProbeAsync());
        Assert.False(File.Exists(DatabasePath));
        File.Move(moved, DatabasePath);
        Assert.NotNull((await executor.SubmitAsync(new ChargePoints("m", 5))).Answer);
        Assert.Equal(10, (await store.PointsAsync("m")).Balance);
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using Process run = Process.Start(program, arguments);
        await run.WaitForExitAsync(Cancellation);
        Assert.Equal(0, run.ExitCode);
    }
}
