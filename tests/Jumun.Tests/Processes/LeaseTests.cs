using System.Collections.Concurrent;
using Jumun.Server;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Tests.Processes;

/// <summary>The contract of the leases: at any moment a partition is one process's or nobody's. Time is moved in the tables.</summary>
[Once]
public sealed class LeaseTests : IAsyncLifetime
{
    private static readonly short[] All = [.. Enumerable.Range(0, Bounds.Partitions).Select(number => (short)number)];

    private readonly ConcurrentDictionary<Guid, PostgresStore> stores = new();
    private string database = "";
    private int processes;

    public async ValueTask InitializeAsync() => database = await PostgresServer.CreateShopAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (PostgresStore store in stores.Values)
        {
            await store.DisposeAsync();
        }

        await PostgresServer.DropDatabaseAsync(database);
    }

    [Fact]
    public async Task A_lone_process_has_everything()
    {
        LeasedShare share = await RenewAsync(NewProcess());
        Assert.Equal(All, share.Partitions);
        Assert.Equal((1, true), (share.Processes, share.IsSettled));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(7)]
    public async Task Shares_are_disjoint_and_even_and_together_everything(int count)
    {
        Guid[] all = [.. Enumerable.Range(0, count).Select(_ => NewProcess())];
        await SettleAsync(all);
        LeasedShare[] shares = await Task.WhenAll(all.Select(process => RenewAsync(process)));
        Assert.All(shares, share => Assert.Equal((count, true), (share.Processes, share.IsSettled)));
        Assert.Equal(All, shares.SelectMany(share => share.Partitions).Order());
        Assert.All(shares, share => Assert.InRange(share.Partitions.Count, All.Length / count, (All.Length / count) + 1));

        // The one that came first sweeps, and goes on to sweep when others come.
        Assert.Equal(0, shares[0].Partitions[0]);
    }

    [Theory]
    [InlineData("+ interval '2 s'")]
    [InlineData("- interval '2 s'")]
    public async Task A_process_whose_clock_is_off_holds_nothing_until_it_is_right(string off)
    {
        // To one process the database tells another time than to the others.
        await ClockAsync(off);
        await using PostgresStore astray = await PostgresStore.OpenAsync($"{database};Search Path=aside,pg_catalog,public", "test");
        Assert.NotNull(await astray.ProbeAsync());
        Guid one = NewProcess();
        Guid two = NewProcess();
        Assert.Same(LeasedShare.ClockIsOff, await astray.RenewLeasesAsync(one, mayGive: true));
        Assert.Equal(All, (await RenewAsync(two)).Partitions);

        await ClockAsync("");
        Assert.Null(await astray.ProbeAsync());
        Assert.Empty((await astray.RenewLeasesAsync(one, mayGive: true)).Partitions);
        await RenewAsync(two);
        Assert.Equal(32, (await astray.RenewLeasesAsync(one, mayGive: true)).Partitions.Count);

        // What it holds when its clock goes wrong is the others' as soon as it may give it.
        await ClockAsync(off);
        Assert.Same(LeasedShare.ClockIsOff, await astray.RenewLeasesAsync(one, mayGive: false));
        Assert.Equal(32, (await RenewAsync(two)).Partitions.Count);
        await astray.RenewLeasesAsync(one, mayGive: true);
        Assert.Equal(All, (await RenewAsync(two)).Partitions);
    }

    [Fact]
    public async Task A_process_whose_clock_is_off_ends_no_order_that_somebody_looks_at()
    {
        await ClockAsync("- interval '11 minutes'");
        Dictionary<string, string?> settings = new() { ["Jumun:Store"] = "postgres", ["ConnectionStrings:Jumun"] = database };
        await using TestShop shop = await TestShop.StartAsync(settings);
        await using TestShop ahead = await TestShop.StartAsync(
            new(settings) { ["ConnectionStrings:Jumun"] = $"{database};Search Path=aside,pg_catalog,public" });
        ahead.Clock.Advance(TimeSpan.FromMinutes(11));
        TestCaller member = shop.As("m");
        await member.ChargeAsync(10_000);
        TestAnswer order = (await member.OrderAsync(await shop.AsAdmin().CreateProductAsync("mug"))).Is(201);
        foreach (string path in (string[])[$"/members/m/orders/{order["orderId"]}", $"/payment/{order["paymentId"]}"])
        {
            Assert.Equal("expired", (string?)(await ahead.As("m").GetAsync(path)).Is(200)["status"]);
        }

        (await member.PayAsync(order)).Is(200);
        Assert.Equal("completed", (string?)(await ahead.As("m").GetAsync($"/payment/{order["paymentId"]}")).Is(200)["status"]);
    }

    [Fact]
    public async Task Reads_that_take_every_connection_keep_no_process_from_its_leases()
    {
        Guid process = NewProcess();
        await RenewAsync(process);
        PostgresStore store = await StoreAsync(process);
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using NpgsqlTransaction held = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await new NpgsqlCommand("LOCK TABLE products IN ACCESS EXCLUSIVE MODE", connection).ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        Task[] reads = [.. Enumerable.Range(0, Bounds.PostgresReaders).Select(_ => store.AllProductsAsync(null, 10).AsTask())];
        await TestShop.UntilAsync(async () => await WaitingAsync() == Bounds.PostgresReaders - 1);
        Assert.Equal(All, (await RenewAsync(process)).Partitions);
        Assert.DoesNotContain(reads, read => read.IsCompleted);
        await held.RollbackAsync(TestContext.Current.CancellationToken);
        await Task.WhenAll(reads);

        async Task<long> WaitingAsync() => (long)(await new NpgsqlCommand(
            "SELECT count(*) FROM pg_locks WHERE relation = 'products'::regclass AND NOT granted", connection).ExecuteScalarAsync())!;
    }

    [Fact]
    public async Task What_is_held_is_given_by_its_holder_alone_and_then_taken()
    {
        Guid one = NewProcess();
        await RenewAsync(one);
        Guid two = NewProcess();
        LeasedShare share = await RenewAsync(two);
        Assert.Empty(share.Partitions);
        Assert.Equal((2, false), (share.Processes, share.IsSettled));

        // It delivers, and keeps what it delivers from.
        share = await RenewAsync(one, mayGive: false);
        Assert.Equal(All, share.Partitions);
        Assert.False(share.IsSettled);
        Assert.Empty((await RenewAsync(two)).Partitions);

        LeasedShare kept = await RenewAsync(one);
        Assert.Equal(32, kept.Partitions.Count);
        Assert.True(kept.IsSettled);
        Assert.Equal(All.Except(kept.Partitions), (await RenewAsync(two)).Partitions);
        Assert.Equal(kept.Partitions, (await RenewAsync(one)).Partitions);
    }

    [Fact]
    public async Task A_lease_ends_by_itself_and_is_not_renewed_afterwards_but_taken_like_any_other()
    {
        Guid[] both = [NewProcess(), NewProcess()];
        await SettleAsync(both);

        // The first falls silent. Until its leases end they are its own.
        await RunAsync($"UPDATE processes SET seen_at = seen_at - {Bounds.LeaseSeconds * 1_000} WHERE process_id = '{both[0]}'");
        LeasedShare share = await RenewAsync(both[1]);
        Assert.Equal((1, false), (share.Processes, share.IsSettled));
        Assert.Equal(32, share.Partitions.Count);
        await RunAsync($"UPDATE leases SET until = until - {Bounds.LeaseSeconds * 1_000} WHERE holder = '{both[0]}'");
        Assert.Equal(All, (await RenewAsync(both[1])).Partitions);

        // It speaks again: what was its own is another's by now.
        share = await RenewAsync(both[0]);
        Assert.Empty(share.Partitions);
        Assert.Equal(2, share.Processes);

        // A lease that ran out, and that nobody else took, is taken anew.
        await SettleAsync(both);
        await RunAsync($"UPDATE leases SET until = 0 WHERE holder = '{both[0]}'");
        Dictionary<short, long> before = await FencesAsync();
        Assert.Equal(32, (await RenewAsync(both[0])).Partitions.Count);
        Assert.Equal(32, (await FencesAsync()).Count(lease => lease.Value == before[lease.Key] + 1));
    }

    [Fact]
    public async Task What_a_process_held_whose_session_ended_is_another_s_unless_it_was_heard_of_just_now()
    {
        Guid[] both = [NewProcess(), NewProcess()];
        await SettleAsync(both);
        await EndSessionAsync(both[1]);
        LeasedShare share = await RenewAsync(both[0]);
        Assert.Equal((32, 2, true), (share.Partitions.Count, share.Processes, share.IsSettled));

        // It lost no more than its session: it has another one when it speaks again, however late, and holds what it held.
        await Assert.ThrowsAsync<StoreUnavailableException>(() => RenewAsync(both[1]));
        Assert.Equal(32, (await RenewAsync(both[1])).Partitions.Count);
        await SilentAsync(both[1]);
        share = await RenewAsync(both[0]);
        Assert.Equal((32, 2), (share.Partitions.Count, share.Processes));

        // It does not speak again.
        await EndSessionAsync(both[1]);
        share = await RenewAsync(both[0]);
        Assert.Equal(All, share.Partitions);
        Assert.Equal((1, true), (share.Processes, share.IsSettled));
    }

    [Fact]
    public async Task Times_from_before_the_database_s_clock_was_set_back_keep_nothing_from_anybody()
    {
        Guid[] both = [NewProcess(), NewProcess()];
        await SettleAsync(both);
        await SetBackAsync(both[1], milliseconds: 500);
        LeasedShare share = await RenewAsync(both[0]);
        Assert.Equal((32, 2), (share.Partitions.Count, share.Processes));

        // It was seen an hour from now, and holds until then what it holds.
        await SetBackAsync(both[1], milliseconds: 3_600_000);
        share = await RenewAsync(both[0]);
        Assert.Equal(All, share.Partitions);
        Assert.Equal((1, true), (share.Processes, share.IsSettled));

        // Those that live share everything again.
        await SetBackAsync(both[0], milliseconds: 3_600_000);
        await SettleAsync(both);
        LeasedShare[] shares = await Task.WhenAll(both.Select(process => RenewAsync(process)));
        Assert.Equal(All, shares.SelectMany(one => one.Partitions).Order());
        Assert.All(shares, one => Assert.Equal((32, 2), (one.Partitions.Count, one.Processes)));

        Task SetBackAsync(Guid process, long milliseconds) => RunAsync(
            $"UPDATE processes SET seen_at = seen_at + {milliseconds} WHERE process_id = '{process}';"
            + $"UPDATE leases SET until = until + {milliseconds} WHERE holder = '{process}'");
    }

    /// <summary>The version before writes down no session.</summary>
    [Fact]
    public async Task A_process_of_which_no_session_is_known_is_waited_for()
    {
        Guid[] both = [NewProcess(), NewProcess()];
        await SettleAsync(both);
        await RunAsync($"UPDATE processes SET session = NULL WHERE process_id = '{both[1]}'");
        await SilentAsync(both[1]);
        LeasedShare share = await RenewAsync(both[0]);
        Assert.Equal((32, 2), (share.Partitions.Count, share.Processes));
    }

    [Fact]
    public async Task Leases_that_are_given_up_are_free_at_once()
    {
        Guid[] both = [NewProcess(), NewProcess()];
        await SettleAsync(both);
        await GiveUpAsync(both[0]);
        LeasedShare share = await RenewAsync(both[1]);
        Assert.Equal(All, share.Partitions);
        Assert.Equal((1, true), (share.Processes, share.IsSettled));

        // Who holds nothing gives nothing up.
        await GiveUpAsync(both[0]);
        await GiveUpAsync(NewProcess());
        Assert.Equal(All, (await RenewAsync(both[1])).Partitions);
    }

    [Fact]
    public async Task The_fence_grows_with_each_new_holder_and_stays_with_the_same()
    {
        Guid one = NewProcess();
        await RenewAsync(one);
        Dictionary<short, long> first = await FencesAsync();
        Assert.All(first.Values, fence => Assert.Equal(1, fence));
        await RenewAsync(one);
        Assert.Equal(first, await FencesAsync());

        Guid two = NewProcess();
        await SettleAsync([one, two]);
        LeasedShare taken = await RenewAsync(two);
        Assert.All(await FencesAsync(), lease => Assert.Equal(taken.Partitions.Contains(lease.Key) ? 2 : 1, lease.Value));
    }

    /// <summary>Processes come, go and fall silent in no order, and ask at the same moment.</summary>
    [Fact]
    public async Task However_they_come_and_go_no_partition_is_held_twice_and_all_are_held_in_the_end()
    {
        var random = new Random(20_261_122);
        List<Guid> alive = [NewProcess(), NewProcess(), NewProcess()];
        for (int round = 0; round < 30; round++)
        {
            if (random.Next(3) == 0)
            {
                alive.Add(NewProcess());
            }

            if (alive.Count > 2 && random.Next(3) == 0)
            {
                Guid gone = alive[random.Next(alive.Count)];
                alive.Remove(gone);
                await (random.Next(2) == 0
                    ? GiveUpAsync(gone)
                    : RunAsync($"UPDATE processes SET seen_at = 0 WHERE process_id = '{gone}'; UPDATE leases SET until = 0 WHERE holder = '{gone}'"));
            }

            LeasedShare[] shares = await Task.WhenAll(alive.Select(process => RenewAsync(process, mayGive: random.Next(2) == 0)));
            short[] held = [.. shares.SelectMany(share => share.Partitions)];
            Assert.Equal(held.Distinct().Count(), held.Length);
        }

        await SettleAsync(alive);
        Assert.Equal(All, (await Task.WhenAll(alive.Select(process => RenewAsync(process)))).SelectMany(share => share.Partitions).Order());
    }

    /// <summary>Nothing was heard of it for so long that the end of its session counts.</summary>
    private Task SilentAsync(Guid process) =>
        RunAsync($"UPDATE processes SET seen_at = seen_at - {Bounds.LeaseOfEndedSeconds * 1_000} WHERE process_id = '{process}'");

    private Task EndSessionAsync(Guid process) =>
        RunAsync($"SELECT pg_terminate_backend(session, 10000) FROM processes WHERE process_id = '{process}'");

    /// <summary>What the database tells a process of the time.</summary>
    private async Task ClockAsync(string off)
    {
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(
            "CREATE SCHEMA IF NOT EXISTS aside; CREATE OR REPLACE FUNCTION aside.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE "
            + $"AS $$ SELECT pg_catalog.clock_timestamp() {off} $$",
            connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>As process ids are made: later ones sort later.</summary>
    private Guid NewProcess() => Guid.CreateVersion7(DateTimeOffset.UnixEpoch.AddSeconds(++processes));

    private async Task<LeasedShare> RenewAsync(Guid process, bool mayGive = true) =>
        await (await StoreAsync(process)).RenewLeasesAsync(process, mayGive);

    private async Task GiveUpAsync(Guid process) => await (await StoreAsync(process)).GiveUpLeasesAsync(process);

    /// <summary>Each process has a store of its own.</summary>
    private async Task<PostgresStore> StoreAsync(Guid process) =>
        stores.TryGetValue(process, out PostgresStore? store)
            ? store
            : stores.GetOrAdd(process, await PostgresStore.OpenAsync(database, processName: null));

    /// <summary>Asks for each until partitions move no more: all are seen, then the surplus is given, then taken.</summary>
    private async Task SettleAsync(IReadOnlyList<Guid> all)
    {
        for (int round = 0; round < 3; round++)
        {
            foreach (Guid process in all)
            {
                await RenewAsync(process);
            }
        }
    }

    private async Task RunAsync(string sql)
    {
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<Dictionary<short, long>> FencesAsync()
    {
        await using var connection = new NpgsqlConnection($"{database};Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT partition, fence FROM leases", connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync();
        var fences = new Dictionary<short, long>();
        while (await rows.ReadAsync())
        {
            fences.Add(rows.GetInt16(0), rows.GetInt64(1));
        }

        return fences;
    }
}
