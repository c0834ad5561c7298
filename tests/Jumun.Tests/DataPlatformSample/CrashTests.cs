using System.Text.Json.Nodes;
using Npgsql;

namespace Jumun.Tests.Platform;

/// <summary>What the platform acknowledged is there once, in its database and in its files, whatever happens to it.</summary>
public sealed class CrashTests
{
    private const int Kills = 5;
    private const int Senders = 4;
    private const int BatchEvents = 25;

    [Fact]
    public async Task Killed_under_load_it_keeps_each_event_once_in_its_database_and_once_in_its_files()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        using var end = new CancellationTokenSource();
        Task<List<JsonObject>>[] senders = [.. Enumerable.Range(0, Senders).Select(number => SendAsync(platform, $"member-{number}", end.Token))];
        long before = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            // At any place of its work, after some of it was done.
            await TestShop.UntilAsync(async () => await platform.TotalAsync("events") > before + 200, seconds: 60);
            await Task.Delay(Random.Shared.Next(200), TestContext.Current.CancellationToken);
            before = await platform.TotalAsync("events");
            await platform.KillAsync();
            await platform.StartAgainAsync();
        }

        await end.CancelAsync();
        List<JsonObject> sent = [.. (await Task.WhenAll(senders)).SelectMany(events => events)];
        Assert.True(sent.Count > Kills * 200);
        Assert.Equal(sent.Select(TestEvents.IdOf).Order(StringComparer.Ordinal), await platform.IdsAsync());
        Assert.Equal(sent.Count, await platform.TotalAsync("events"));
        Assert.Equal(1_000 * sent.Count, await platform.TotalAsync("revenue"));
        Assert.Equal(sent.Count, (await platform.Reader.GetAsync("/sales")).Is(200)["items"]!.AsArray().Sum(item => (long)item!["quantity"]!));
        Assert.Equal(0, await platform.TerminateAsync());
        Assert.Equal(Ordered(sent), platform.Lines().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task At_its_start_it_mends_files_that_were_torn_cut_or_taken_away()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();

        // Of one day, also when the next begins meanwhile.
        DateTimeOffset now = DateTimeOffset.UtcNow;
        JsonObject One(string member) => TestEvents.Completed(member, 1, now, discount: 0, new TestLine(1, "mug", 1_000));
        List<JsonObject> events = [.. Enumerable.Range(0, 30).Select(day =>
            TestEvents.Completed("alice", day + 1, now.AddDays(-day % 3), discount: 0, new TestLine(1, "mug", 1_000)))];
        (await platform.SendAsync([.. events])).Is(200);
        await TestShop.UntilAsync(() => Task.FromResult(platform.Lines().Count == 30));
        Assert.Equal(0, await platform.TerminateAsync());

        string[] files = [.. Directory.GetFiles(platform.Files, "events-*.ndjson").Order(StringComparer.Ordinal)];
        Assert.Equal(3, files.Length);
        await File.AppendAllTextAsync(files[0], "{\"specversion\":\"1.0\",\"id\":\"torn", TestContext.Current.CancellationToken);
        await using (FileStream cut = File.OpenWrite(files[1]))
        {
            cut.SetLength(cut.Length - 40);
        }

        File.Delete(files[2]);
        await platform.StartAgainAsync();
        Assert.Equal(Ordered(events), platform.Lines().Order(StringComparer.Ordinal));

        (await platform.SendAsync(events[0], One("bob"))).Is(200);
        await TestShop.UntilAsync(() => Task.FromResult(platform.Lines().Count == 31));

        // And while it runs: a day's file that is missing is whole again with the day's next event.
        List<string> before = platform.Lines();
        File.Delete(files[2]);
        (await platform.SendAsync(One("carol"))).Is(200);
        await TestShop.UntilAsync(() => Task.FromResult(platform.Lines().Count == 32));
        IEnumerable<string> others = platform.Lines().Where(line => !line.Contains("carol", StringComparison.Ordinal));
        Assert.Equal(before.Order(StringComparer.Ordinal), others.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Files_that_cannot_be_written_keep_no_event_from_being_stored_and_are_whole_when_they_can()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        DateTimeOffset now = DateTimeOffset.UtcNow;
        List<JsonObject> sent = [];
        async Task SendAsync(int count)
        {
            for (int number = 0; number < count; number++)
            {
                JsonObject one = TestEvents.Completed("alice", sent.Count + 1, now, discount: 0, new TestLine(1, "mug", 1_000));
                (await platform.SendAsync(one)).Is(200);
                sent.Add(one);
                await Task.Delay(100, TestContext.Current.CancellationToken);
            }
        }

        async Task AreWholeAsync()
        {
            await TestShop.UntilAsync(() => Task.FromResult(platform.Lines().Count == sent.Count));
            Assert.Equal(Ordered(sent), platform.Lines().Order(StringComparer.Ordinal));
        }

        // The files are ahead of what the database has recorded of them when their folder goes away, for longer than a flush waits.
        await SendAsync(5);
        string aside = $"{platform.Files}-aside";
        Directory.Move(platform.Files, aside);
        await SendAsync(20);
        Directory.Move(aside, platform.Files);
        await AreWholeAsync();

        // And when it is gone for good: the new one gets all that the day had.
        Directory.Move(platform.Files, aside);
        await SendAsync(20);
        Directory.CreateDirectory(platform.Files);
        await AreWholeAsync();
        await SendAsync(1);
        await AreWholeAsync();
        Assert.Equal(sent.Count, await platform.TotalAsync("events"));

        Assert.Equal(0, await platform.TerminateAsync());
        Assert.Equal(2, platform.Said.Split("The daily files cannot be written").Length - 1);
        Assert.Equal(2, platform.Said.Split("The daily files are written again").Length - 1);
        await platform.StartAgainAsync();
        await AreWholeAsync();
    }

    [Fact, Once]
    public async Task Events_that_cannot_be_read_are_stored_all_the_same_and_both_is_said_once()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync();
        await cluster.ExecuteAsync("CREATE ROLE platform LOGIN");
        await cluster.ExecuteAsync("CREATE DATABASE platform OWNER platform");
        string database = new NpgsqlConnectionStringBuilder(cluster.ConnectionString("platform")) { Username = "platform" }.ConnectionString;
        await using PlatformProcess platform = await PlatformProcess.StartAsync(
            new() { ["DataPlatform__Store"] = "postgres", ["DataPlatform__Database"] = database });
        (await platform.SendAsync(TestEvents.Some())).Is(200);
        await TestShop.UntilAsync(() => Task.FromResult(platform.Lines().Count == 1));

        // What the writer needs is left to it. For longer than three flushes, and for one while nothing is sent.
        await cluster.ExecuteAsync("REVOKE SELECT ON events FROM platform; GRANT SELECT (position, event_id) ON events TO platform", "platform");
        for (int number = 2; number <= 21; number++)
        {
            (await platform.SendAsync(TestEvents.Some("alice", number))).Is(200);
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }

        await Task.Delay(1_500, TestContext.Current.CancellationToken);
        Assert.Single(platform.Lines());
        await cluster.ExecuteAsync("GRANT SELECT ON events TO platform", "platform");
        await TestShop.UntilAsync(() => Task.FromResult(platform.Lines().Count == 21));
        Assert.Equal(0, await platform.TerminateAsync());
        Assert.Equal(1, Count("Stored events cannot be read"));
        Assert.Equal(1, Count("Stored events are read again"));
        Assert.Equal(0, Count("Events cannot be stored"));
        Assert.Equal(0, Count("Events are stored again"));

        int Count(string words) => platform.Said.Split(words).Length - 1;
    }

    [Fact, Once]
    public async Task It_waits_for_the_disk_of_a_PostgreSQL_whose_commits_do_not_wait_by_themselves()
    {
        await using PostgresCluster cluster = await PostgresCluster.CreateAsync("synchronous_commit = off");
        await using PlatformProcess platform = await PlatformProcess.StartAsync(
            new() { ["DataPlatform__Store"] = "postgres", ["DataPlatform__Database"] = cluster.ConnectionString() });

        // Each event says how it is committed.
        await cluster.ExecuteAsync("""
            CREATE TABLE said (setting text);
            CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN INSERT INTO said VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
            CREATE TRIGGER say AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION say()
            """);
        (await platform.SendAsync(TestEvents.Some())).Is(200);
        Assert.Equal("off", await cluster.ScalarAsync("SHOW synchronous_commit"));
        Assert.Equal("on", await cluster.ScalarAsync("SELECT string_agg(setting, ' ') FROM said"));
    }

    [Fact]
    public async Task A_second_one_and_files_of_another_database_are_refused()
    {
        await using PlatformProcess platform = await PlatformProcess.StartAsync();
        (int exitCode, string said) = await platform.StartSecondAsync();
        Assert.Equal(1, exitCode);
        Assert.Contains("Another data platform", said, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", said, StringComparison.Ordinal);

        Assert.Equal(0, await platform.TerminateAsync());
        string stranger = Path.Combine(platform.Files, "events-2020-01-01.ndjson");
        await File.WriteAllTextAsync(stranger, "{}\n", TestContext.Current.CancellationToken);
        (exitCode, said) = await platform.StartSecondAsync();
        Assert.Equal(1, exitCode);
        Assert.Contains(stranger, said, StringComparison.Ordinal);
        Assert.Equal("{}\n", await File.ReadAllTextAsync(stranger, TestContext.Current.CancellationToken));
    }

    /// <summary>Sends batch after batch until told to end, each until it is acknowledged; all that it sent.</summary>
    private static async Task<List<JsonObject>> SendAsync(PlatformProcess platform, string member, CancellationToken end)
    {
        List<JsonObject> sent = [];
        while (!end.IsCancellationRequested)
        {
            JsonObject[] batch = [.. Enumerable.Range(1, BatchEvents).Select(number => TestEvents.Some(member, sent.Count + number))];
            sent.AddRange(batch);
            while (!await IsTakenAsync(platform, batch))
            {
                await Task.Delay(20, CancellationToken.None);
            }
        }

        return sent;
    }

    private static async Task<bool> IsTakenAsync(PlatformProcess platform, JsonObject[] batch)
    {
        try
        {
            return (await platform.SendAsync(batch)).Status == 200;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static IEnumerable<string> Ordered(IEnumerable<JsonObject> events) =>
        events.Select(one => one.ToJsonString()).Order(StringComparer.Ordinal);
}
