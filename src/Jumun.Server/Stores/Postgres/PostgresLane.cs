using Jumun.Server.Execution;
using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The connection that settles batches, with its prepared statements. When it fails in a way that leaves its state open
/// it is dropped as a whole, and the next batch opens another.
/// </summary>
internal sealed class PostgresLane : IDisposable
{
    private const string SweepText = """
        DELETE FROM batches WHERE batch_id = ANY(ARRAY(
          SELECT batch_id FROM batches WHERE batch_id >= $3 AND batch_id < $1 ORDER BY batch_id LIMIT $2 FOR UPDATE SKIP LOCKED))
        """;

    // On Citus no limited deletion goes through all shards, and one without a limit holds up every lane for as long as there are rows:
    // the oldest are read, and deleted shard by shard.
    private const string OldestText = "SELECT batch_id FROM batches WHERE batch_id >= $3 AND batch_id < $1 ORDER BY batch_id LIMIT $2";
    private const string DeleteText = "DELETE FROM batches WHERE batch_id = ANY($1)";

    private readonly NpgsqlConnection connection;
    private readonly ShardMap map;
    private readonly PostgresLoad load;
    private readonly PostgresWrite write;
    private PostgresNotice? warning;
    private Task running = Task.CompletedTask;

    private PostgresLane(NpgsqlConnection connection, ShardMap map, short slot, SweepMark keys)
    {
        this.connection = connection;
        this.map = map;
        load = new PostgresLoad(connection, map);
        write = new PostgresWrite(connection, map, slot, keys);
        connection.Notice += (_, notice) => warning = notice.Notice.InvariantSeverity == "WARNING" ? notice.Notice : warning;
    }

    /// <summary>The process of the server that serves this connection.</summary>
    public int BackendId => connection.ProcessID;

    /// <summary>Statements of the last load and write.</summary>
    public (int Load, int Write) Statements => (load.Statements, write.Statements);

    /// <summary>By what its statements are divided.</summary>
    public ShardMap Map => map;

    private bool InTransaction { get; set; }

    public static async Task<PostgresLane> OpenAsync(PostgresHosts hosts, ShardMap map, short slot, SweepMark keys)
    {
        NpgsqlConnection connection = await hosts.OpenConnectionAsync().ConfigureAwait(false);
        try
        {
            // What was acknowledged is on the disk, whatever the database's default says.
            await using var durable = new NpgsqlCommand(
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'", connection);
            await durable.ExecuteNonQueryAsync().ConfigureAwait(false);
            return new PostgresLane(connection, map, slot, keys);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public ValueTask LoadAsync(Batch batch)
    {
        InTransaction = true;
        return load.RunAsync(batch);
    }

    /// <summary>Gathers what the batch writes.</summary>
    public void Prepare(Batch batch) => write.Prepare(batch, load);

    /// <summary>
    /// Writes and commits. The wait for the answer is bounded; the commit is not cancelled, it goes on unheard.
    /// </summary>
    /// <returns>What makes the outcome doubtful although the commit was reported; null when nothing does.</returns>
    public async ValueTask<Exception?> CommitAsync()
    {
        warning = null;
        running = write.RunAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(Bounds.PostgresCommitSeconds)).ConfigureAwait(false);
        InTransaction = false;

        // A commit whose wait for the standby was cut short succeeds with no more than a warning.
        return warning is { } notice ? new NpgsqlException(notice.MessageText) : null;
    }

    /// <summary>Ends a batch without changes on a divided database, where it has to be asked whether its refusals under keys stand.</summary>
    public async ValueTask EndAsync(Batch batch)
    {
        write.PrepareEnd(batch);
        running = write.RunAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(Bounds.PostgresReadSeconds)).ConfigureAwait(false);
        InTransaction = false;
    }

    /// <summary>
    /// Whether a commit that failed may have happened: on Citus it is one on several nodes, and its error may be that one of
    /// them was not heard. On one database an error of the commit is a rollback.
    /// </summary>
    public bool MayHaveCommitted(PostgresException error) => map.IsDivided && write.IsCommit(error.BatchCommand);

    /// <summary>Ends the transaction, if there is one, without writing.</summary>
    public async ValueTask RollbackAsync()
    {
        if (InTransaction)
        {
            await using var command = new NpgsqlCommand("ROLLBACK", connection);
            await command.ExecuteNonQueryAsync().ConfigureAwait(false);
            InTransaction = false;
        }
    }

    /// <summary>The database's clock.</summary>
    public async ValueTask<DateTimeOffset> NowAsync()
    {
        await using var ask = new NpgsqlCommand(PostgresStore.NowText, connection);
        return DateTimeOffset.FromUnixTimeMilliseconds((long)(await ask.ExecuteScalarAsync().ConfigureAwait(false))!);
    }

    /// <summary>Deletes rows of old batches, oldest first, as many as the limit says.</summary>
    /// <returns>How many it found.</returns>
    public async ValueTask<int> SweepAsync(Guid from, Guid before, int limit)
    {
        await using var sweep = new NpgsqlCommand(map.IsDivided ? OldestText : SweepText, connection);
        sweep.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = before });
        sweep.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        sweep.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = from });
        if (!map.IsDivided)
        {
            return await sweep.ExecuteNonQueryAsync().ConfigureAwait(false);
        }

        var delete = new PostgresStatement(DeleteText, map.Batches.Count);
        await using (NpgsqlDataReader rows = await sweep.ExecuteReaderAsync().ConfigureAwait(false))
        {
            while (await rows.ReadAsync().ConfigureAwait(false))
            {
                Guid batchId = rows.GetGuid(0);
                delete.Row(map.Batches.Of(batchId)).Add(batchId);
            }
        }

        if (delete.Rows > 0)
        {
            // Each commits by itself, on its own node.
            await using var deletes = new NpgsqlBatch(connection) { EnableErrorBarriers = true };
            delete.AddTo(deletes);
            await deletes.ExecuteNonQueryAsync().ConfigureAwait(false);
        }

        return delete.Rows;
    }

    /// <summary>Has plans made anew: tables have grown meanwhile.</summary>
    public async ValueTask DiscardPlansAsync()
    {
        await using var discard = new NpgsqlCommand("DISCARD PLANS", connection);
        await discard.ExecuteNonQueryAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// Whether a batch committed. The row of a batch that did not is inserted here, as one that never will: while its old
    /// session still lives this waits for its end, and afterwards that session cannot commit. The row is written again in
    /// either case, so that the answer is as durable as the batch: a commit waits for the standby as the lost one did.
    /// </summary>
    /// <exception cref="NpgsqlException">It cannot be known, or not now.</exception>
    public Task<bool> HasCommittedAsync(Guid batchId, DateTimeOffset now, TimeSpan time)
    {
        warning = null;
        Task<bool> lookup = LookUpAsync(batchId, now);
        running = lookup;
        return lookup.WaitAsync(time);
    }

    /// <summary>Whether the session is still busy with what nobody waits for any more.</summary>
    public bool IsLost => !running.IsCompleted;

    /// <summary>Closes the connection. A session that nobody waits for any more is left alone, and closed when it is done.</summary>
    public void Dispose()
    {
        if (running.IsCompleted)
        {
            Close();
        }
        else
        {
            running.ContinueWith(_ => Close(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private async Task<bool> LookUpAsync(Guid batchId, DateTimeOffset now)
    {
        if (map.IsDivided)
        {
            // Nodes that did not hear how a transaction ended are told now, or else after a minute. One that cannot be told is
            // a warning: then it is not known yet, because its rows would be read as they were before.
            await using var recover = new NpgsqlCommand("SELECT recover_prepared_transactions()", connection) { CommandTimeout = 0 };
            await recover.ExecuteNonQueryAsync().ConfigureAwait(false);
        }

        await using var lookup = new NpgsqlBatch(connection) { Timeout = 0 };
        NpgsqlBatchCommand Command(string text)
        {
            var command = new NpgsqlBatchCommand(text);
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = batchId });
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = now.ToUnixTimeMilliseconds() });
            return command;
        }

        lookup.BatchCommands.Add(new NpgsqlBatchCommand("BEGIN ISOLATION LEVEL READ COMMITTED"));
        lookup.BatchCommands.Add(Command(
            "INSERT INTO batches (batch_id, created_at, committed) VALUES ($1, $2, false) ON CONFLICT (batch_id) DO NOTHING"));
        lookup.BatchCommands.Add(Command("UPDATE batches SET created_at = $2 WHERE batch_id = $1 RETURNING committed"));
        lookup.BatchCommands.Add(new NpgsqlBatchCommand(PostgresStore.NowText));
        lookup.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
        await using NpgsqlDataReader reader = await lookup.ExecuteReaderAsync().ConfigureAwait(false);
        bool committed = await reader.ReadAsync().ConfigureAwait(false) && reader.GetBoolean(0);
        await reader.NextResultAsync().ConfigureAwait(false);
        long asked = await reader.ReadAsync().ConfigureAwait(false) ? reader.GetInt64(0) : long.MaxValue;

        // The commit is the last result: it has succeeded only when it was read.
        while (await reader.NextResultAsync().ConfigureAwait(false))
        {
        }

        if (!committed && asked - now.ToUnixTimeMilliseconds() > Bounds.PostgresBatchSeconds * 1_000L / 2)
        {
            // By the database's clock the batch is as old as the rows that are swept away, as by a clock that is far behind.
            throw new NpgsqlException("The batch is too old, its row may have been there.");
        }

        return warning is { } notice ? throw new NpgsqlException(notice.MessageText) : committed;
    }

    private void Close()
    {
        load.Dispose();
        write.Dispose();
        connection.Dispose();
    }
}
