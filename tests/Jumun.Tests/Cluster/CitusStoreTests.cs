using Jumun.Coupons;
using Jumun.Points;
using Jumun.Server;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Tests.Stores;
using Npgsql;

namespace Jumun.Tests.Cluster;

/// <summary>The contract on a Citus cluster, the one that <c>JUMUN_TEST_CITUS</c> names. These run by <c>tests/citus</c> alone.</summary>
public sealed class CitusStoreTests : StoreContract
{
    private string database = "";

    private protected override async ValueTask<IStore> OpenAsync()
    {
        Assert.False(CitusServer.Coordinator is null, "JUMUN_TEST_CITUS names no coordinator.");
        if (database.Length == 0)
        {
            database = await CitusServer.CreateShopAsync();
        }

        return await PostgresStore.OpenAsync(database, "test");
    }

    /// <summary>An order and its member's coupon lie apart here, and the audit's questions about both are others than PostgreSQL's.</summary>
    [Theory]
    [InlineData("I4", "UPDATE coupons SET issued = issued + 1")]
    [InlineData("I4", "UPDATE issued_coupons SET number = number + 1 WHERE number = 4")]
    [InlineData("I4", "DELETE FROM coupons")]
    [InlineData("I4", "UPDATE issued_coupons SET status = 0, order_id = NULL WHERE status = 2")]
    [InlineData("I4", "UPDATE issued_coupons SET status = 2, order_id = '00000000-0000-0000-0000-000000000000' WHERE status = 0")]
    [InlineData("I11", "UPDATE issued_coupons SET status = 0, order_id = NULL WHERE status = 1")]
    [InlineData("I11", "UPDATE orders SET status = 3, ended_at = 0 WHERE status = 0")]
    public Task The_audit_names_what_an_order_and_a_coupon_do_not_agree_on(string id, string sql) => MustBeNamedAsync(id, sql);

    /// <summary>Each lane has members and coupons of its own; where a claim goes its coupon alone says.</summary>
    [Fact]
    public void A_claim_goes_to_the_node_of_its_coupon_and_all_else_to_its_members()
    {
        Assert.True(Store.Lanes > 1);
        string[] members = [.. Enumerable.Range(0, 50).Select(i => $"m{i}")];
        Assert.Equal(Store.Lanes, members.Select(member => Store.LaneOf(new ChargePoints(member, 1))).Distinct().Count());
        int[] coupons = [.. Enumerable.Range(1, 50).Select(coupon => Assert.Single(
            members.Select(member => Store.LaneOf(new IssueCoupon(member, coupon))).Distinct()))];
        Assert.Equal(Store.Lanes, coupons.Distinct().Count());
    }

    /// <summary>
    /// Nodes show a commit one after the other. Whoever repeats a claim under its key may see the claim on the coupon's node
    /// while its key is not to be seen yet on the member's; then the answer is the stored one all the same.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_repeated_claim_waits_for_its_key_which_its_node_does_not_show_yet(bool isAmongOthers)
    {
        Settlement settled = await RepeatBesideAsync(isAmongOthers, "COMMIT");
        Assert.True(settled.Replayed, $"Refused: {settled.Refusal?.Code}");
        Assert.Equal(201, settled.Stored!.Status);
        await AuditAsync();
    }

    /// <summary>A refusal stores no key, also where its key was asked for once more; and one that was never committed is no answer.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_repeated_claim_whose_key_is_given_up_is_refused_and_its_key_stays_free(bool isAmongOthers)
    {
        Assert.Equal(RefusalCode.CouponAlreadyIssued, (await RepeatBesideAsync(isAmongOthers, "ROLLBACK")).Refusal!.Code);
        Settlement other = await Executor.SubmitAsync(new ChargePoints("m", 1), new KeyedRequest(
            new IdempotencyKey("m", "key"), [2], new Reply<PointsCharged>(200, ApiJson.Default.PointsCharged).Render));
        Assert.Equal((false, 200), (other.Replayed, other.Stored!.Status));
        await AuditAsync();
    }

    /// <summary>The oldest go first, and no more than a bound: whoever sweeps holds up its lane.</summary>
    [Fact]
    public async Task Rows_of_old_batches_are_swept_from_every_node_a_bounded_number_at_a_time()
    {
        await LiveAsync();
        long young = await CountAsync();
        await RunAsync($"""
            INSERT INTO batches
            SELECT (lpad(to_hex(i), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid, i, true
            FROM generate_series(1, {Bounds.SweptBatches + 500}) i
            """);
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using PostgresHosts hosts = PostgresConnections.Lane(database, isDivided: true);
        using PostgresLane lane = await PostgresLane.OpenAsync(hosts, await ShardMap.ReadAsync(connection), slot: 0, new SweepMark());
        var before = Guid.CreateVersion7(DateTimeOffset.UnixEpoch.AddDays(1));
        await lane.SweepAsync(Guid.Empty, before, Bounds.SweptBatches);
        Assert.Equal(young + 500, await CountAsync());
        await lane.SweepAsync(Guid.Empty, before, Bounds.SweptBatches);
        Assert.Equal(young, await CountAsync());
        await lane.SweepAsync(Guid.Empty, before, Bounds.SweptBatches);

        async Task<long> CountAsync()
        {
            await using var counting = new NpgsqlConnection(database);
            await counting.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = new NpgsqlCommand("SELECT count(*) FROM batches", counting);
            return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        }
    }

    /// <summary>Repeats a claim whose key waits on the member's node for the end of its transaction, and ends that.</summary>
    private async Task<Settlement> RepeatBesideAsync(bool isAmongOthers, string end)
    {
        CouponView coupon = await CouponAsync();
        await DoAsync<IssuedCouponView>(new IssueCoupon("m", coupon.CouponId));
        (string node, string shard) = await ShardOfKeysAsync("m");
        await CitusServer.ExecuteAsync(
            $"{node};Options=-c citus.enable_manual_changes_to_shards=on",
            "BEGIN",
            $"INSERT INTO {shard} (subject, key, created_at, status, fingerprint, body) VALUES ('m', 'key', 0, 201, '\\x01', '{{}}')",
            "PREPARE TRANSACTION 'jumun_test_key'");
        Task<Settlement> repeated = RepeatAsync(coupon.CouponId, isAmongOthers);
        await Task.Delay(300, TestContext.Current.CancellationToken);
        bool isWaiting = !repeated.IsCompleted;
        await CitusServer.ExecuteAsync(node, $"{end} PREPARED 'jumun_test_key'");
        Assert.True(isWaiting);
        return await repeated;
    }

    /// <summary>A claim under a key, by itself or in one batch with a claim that is carried out.</summary>
    private async Task<Settlement> RepeatAsync(long couponId, bool isAmongOthers)
    {
        var gate = new TaskCompletionSource();
        ((PostgresStore)Store).Fault = point => isAmongOthers && point == PostgresStore.FaultPoint.Load ? gate.Task : Task.CompletedTask;
        Task<Settlement> first = Executor.SubmitAsync(new IssueCoupon("first", couponId)).AsTask();
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Task<Settlement> repeated = Executor.SubmitAsync(new IssueCoupon("m", couponId), new KeyedRequest(
            new IdempotencyKey("m", "key"), [1], new Reply<IssuedCouponView>(201, ApiJson.Default.IssuedCouponView).Render)).AsTask();
        Task<Settlement> other = isAmongOthers ? Executor.SubmitAsync(new IssueCoupon("n", couponId)).AsTask() : first;
        gate.SetResult();
        Settlement settled = await repeated;
        Assert.NotNull((await first).Answer);
        Assert.NotNull((await other).Answer);
        return settled;
    }

    /// <summary>The worker that holds a subject's keys, and their shard.</summary>
    private async Task<(string Node, string Shard)> ShardOfKeysAsync(string subject)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand($"""
            SELECT nodename, nodeport, shard_name FROM citus_shards
            WHERE shardid = get_shard_id_for_distribution_column('idempotency_keys', '{subject}')
            """, connection);
        await using NpgsqlDataReader rows = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        Assert.True(await rows.ReadAsync(TestContext.Current.CancellationToken));
        var node = new NpgsqlConnectionStringBuilder(database) { Host = rows.GetString(0), Port = rows.GetInt32(1) };
        return (node.ConnectionString, rows.GetString(2));
    }

    private protected override async Task RunAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private protected override async ValueTask CleanAsync() => await CitusServer.DropAsync(database);
}
