using Jumun.Tests.Sinks;
using Jumun.Tests.Stores;

namespace Jumun.Tests.Simulation;

/// <summary>A text of a source file and what stands there instead when a bug is on.</summary>
/// <param name="File">The file, below <c>src</c>.</param>
/// <param name="Text">What is there, once.</param>
/// <param name="Instead">What is put there; it asks <c>Seeded.Is(name)</c>.</param>
internal sealed record Edit(string File, string Text, string Instead);

/// <summary>A bug that the tests must catch.</summary>
/// <param name="Name">Its name, by which it is turned on.</param>
/// <param name="Test">The test that must fail, as the runner's <c>-method</c> takes it.</param>
/// <param name="Edits">How it is put into a copy of the sources.</param>
internal sealed record SeededBug(string Name, string Test, params Edit[] Edits);

/// <summary>
/// The bugs that tests like these are made for. All are compiled into one copy of the sources, in which none is on but the
/// one that is asked for. The program itself knows nothing of them.
/// </summary>
internal static class SeededBugs
{
    private const string Core = "Jumun";
    private const string Server = "Jumun.Server";

    private static readonly string Simulation =
        Named<SimulationTests>(nameof(SimulationTests.Every_answer_is_what_a_naive_shop_would_give_whatever_fails));

    private static readonly string Absent =
        Named<HttpSinkTests>(nameof(HttpSinkTests.A_receiver_that_is_not_there_gets_everything_when_it_is));

    private static readonly string LockOrder =
        Named<PostgresLockOrderTests>(nameof(PostgresLockOrderTests.Locks_are_taken_in_one_order_everywhere));

    private static readonly string HotProduct =
        Named<PostgresRaceTests>(nameof(PostgresRaceTests.A_hot_product_is_sold_to_its_last_piece_and_not_beyond));

    // Two bugs in one line.
    private static readonly Edit ProductLocks = new(
        $"{Server}/Stores/Postgres/PostgresLoad.cs",
        "WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE\",",
        "WHERE product_id = ANY($1) ORDER BY \"\n"
        + "            + (Seeded.Is(\"locks in any order\") ? \"random()\" : \"product_id\")\n"
        + "            + (Seeded.Is(\"products without locks\") ? \"\" : \" FOR NO KEY UPDATE\"),");

    public static readonly SeededBug[] All =
    [
        new("no stock guard", Simulation, new Edit(
            $"{Core}/Orders/PlaceOrder.cs",
            "if (available < item.Quantity)",
            "if (available < item.Quantity && !Seeded.Is(\"no stock guard\"))")),
        new("no key stored", Simulation, new Edit(
            $"{Server}/Execution/Executor.cs",
            "batch.NewKeys.Add(keyed.Key);",
            "if (!Seeded.Is(\"no key stored\")) { batch.NewKeys.Add(keyed.Key); }")),
        new("key without fingerprint", Simulation, new Edit(
            $"{Server}/Execution/Executor.cs",
            "return stored.Fingerprint.AsSpan().SequenceEqual(keyed.Fingerprint)",
            "return Seeded.Is(\"key without fingerprint\") || stored.Fingerprint.AsSpan().SequenceEqual(keyed.Fingerprint)")),
        new(
            "event before commit",
            Simulation,
            new Edit(
                $"{Server}/Stores/Sqlite/SqliteStore.Batches.cs",
                "            Fault?.Invoke(FaultPoint.Write);\n",
                "            if (Seeded.Is(\"event before commit\"))\n"
                + "            { WriteOutbox(db, batch.Rows); db.Execute(\"COMMIT\"); db.Execute(\"BEGIN IMMEDIATE\"); }\n"
                + "            Fault?.Invoke(FaultPoint.Write);\n"),
            new Edit(
                $"{Server}/Stores/Sqlite/SqliteStore.Batches.cs",
                "        WriteOutbox(db, rows);\n",
                "        if (!Seeded.Is(\"event before commit\")) { WriteOutbox(db, rows); }\n")),
        new("stale read", Simulation, new Edit(
            $"{Server}/Stores/Sqlite/SqliteStore.Reads.cs",
            "public ValueTask<ProductView?> ProductAsync(long productId) => pointReads.ProductAsync(productId);",
            """
            private readonly System.Collections.Concurrent.ConcurrentDictionary<long, ProductView?> remembered = new();
            public async ValueTask<ProductView?> ProductAsync(long productId)
            {
                ProductView? fresh = await pointReads.ProductAsync(productId);
                ProductView? before = remembered.GetValueOrDefault(productId);
                remembered[productId] = fresh;
                return Seeded.Is("stale read") ? before ?? fresh : fresh;
            }
            """)),
        new(
            "answer before commit",
            Simulation,
            new Edit(
                $"{Server}/Execution/Executor.cs",
                "        if (batch.HasChanges)\n",
                "        if (Seeded.Is(\"answer before commit\")) "
                + "{ submissions.ForEach(submission => Answer(submission, submission.Outcome, Stopwatch.GetTimestamp())); }\n"
                + "        if (batch.HasChanges)\n"),
            new Edit(
                $"{Server}/Execution/Executor.cs",
                "submission.SetResult(settlement);",
                "submission.TrySetResult(settlement);")),
        new("expiry gives back twice", Simulation, new Edit(
            $"{Core}/Orders/Order.cs",
            "product.GiveBack(line.Quantity);",
            "product.GiveBack(line.Quantity * (Seeded.Is(\"expiry gives back twice\") && status == OrderStatus.Expired ? 2 : 1));")),
        new("refund pays twice", Simulation, new Edit(
            $"{Core}/Orders/EndOrder.cs",
            "wallet.Post(rows, LedgerKind.Refund, order.Total, order.OrderId);",
            "wallet.Post(rows, LedgerKind.Refund, order.Total * (Seeded.Is(\"refund pays twice\") ? 2 : 1), order.OrderId);")),
        new("refund counts in another hour", Simulation, new Edit(
            $"{Core}/Ranking/Sales.cs",
            "long hour = Of(order.PaidAt ??",
            "long hour = Of(sign < 0 && Seeded.Is(\"refund counts in another hour\") ? rows.Now : order.PaidAt ??")),
        new("gap in coupon numbers", Simulation, new Edit(
            $"{Core}/Coupons/Coupon.cs",
            "return Issued;",
            "return Issued + (Issued > 1 && Seeded.Is(\"gap in coupon numbers\") ? 1 : 0);")),
        new("gap in the ledger", Simulation, new Edit(
            $"{Core}/Points/Points.cs",
            "Entries += 1;",
            "Entries += Entries > 2 && Seeded.Is(\"gap in the ledger\") ? 2 : 1;")),
        new("price not frozen", Simulation, new Edit(
            $"{Server}/Stores/Sqlite/SqliteStore.Batches.cs",
            "        foreach (StockChange change in rows.StockChanges)\n",
            """"
                    foreach (Product product in rows.Products.Written.Where(product => product.State == RowState.Changed && Seeded.Is("price not frozen")))
                    {
                        db["""
                            UPDATE orders SET lines = (SELECT json_group_array(json_set(
                              value, '$.price', CASE value ->> 'productId' WHEN ?1 THEN ?2 ELSE value ->> 'price' END)) FROM json_each(lines))
                            WHERE status = 0
                            """].Bind(1, product.ProductId).Bind(2, product.Price).Run();
                    }

                    foreach (StockChange change in rows.StockChanges)

            """")),
        new("sweep ends a paid order", Simulation, new Edit(
            $"{Core}/Orders/EndOrder.cs",
            "if (order.Status == OrderStatus.PendingPayment && order.StatusAt(rows.Now) == OrderStatus.Expired)",
            "if ((order.Status == OrderStatus.PendingPayment || (order.Status == OrderStatus.Completed && Seeded.Is(\"sweep ends a paid order\")))"
            + " && rows.Now >= order.PayBefore)")),
        new(
            "lost delivery",
            Absent,
            new Edit(
                $"{Server}/DataPlatform/Courier.cs",
                "        DeliveryOutcome outcome = OfAll(await HandOverAsync(next, cut).ConfigureAwait(false));\n        List<PendingEvent> taken",
                "        if (Seeded.Is(\"lost delivery\")) { await RecordAsync(next, cut).ConfigureAwait(false); }\n"
                + "        DeliveryOutcome outcome = OfAll(await HandOverAsync(next, cut).ConfigureAwait(false));\n        List<PendingEvent> taken")),
        new("unknown told as none", Simulation, new Edit(
            $"{Server}/Stores/Sqlite/SqliteStore.Batches.cs",
            "            DropWriter();\n            throw new StoreUnavailableException(RequestOutcome.Unknown, error);",
            "            DropWriter();\n            throw new StoreUnavailableException("
            + "Seeded.Is(\"unknown told as none\") ? RequestOutcome.None : RequestOutcome.Unknown, error);")),
        new("commit not looked up", Simulation, new Edit(
            $"{Server}/Stores/Sqlite/SqliteStore.Batches.cs",
            "bool committed = row.Step() && row.Guid(0) == batchId;",
            "bool committed = row.Step() && row.Guid(0) == batchId && !Seeded.Is(\"commit not looked up\");")),
        new("locks in any order", LockOrder, ProductLocks),
        new("products without locks", HotProduct, ProductLocks),
    ];

    private static string Named<T>(string test) => $"{typeof(T).FullName}.{test}";
}
