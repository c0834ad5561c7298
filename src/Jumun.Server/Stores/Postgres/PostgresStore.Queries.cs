using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>How reads are run: each on a pooled connection of its own.</summary>
internal sealed partial class PostgresStore
{
    private async ValueTask<T> ReadAsync<T>(Query query, Func<NpgsqlDataReader, ValueTask<T>> read)
    {
        await using NpgsqlCommand command = query.Command();
        return await UseAsync(async connection =>
        {
            command.Connection = connection;
            await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
            return await read(rows).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    private ValueTask<T?> FirstAsync<T>(Query query, Func<NpgsqlDataReader, T> read) => ReadAsync(
        query, async rows => await rows.ReadAsync().ConfigureAwait(false) ? read(rows) : default);

    private ValueTask<List<T>> AllAsync<T>(Query query, Func<NpgsqlDataReader, T> read) => ReadAsync(query, async rows =>
    {
        var all = new List<T>();
        while (await rows.ReadAsync().ConfigureAwait(false))
        {
            all.Add(read(rows));
        }

        return all;
    });

    /// <summary>Point reads that came together, in one round trip: each statement has a snapshot of its own, begun now.</summary>
    private async ValueTask ReadPointsAsync(PointRound round) => await UseAsync(async connection =>
    {
        await using var batch = new NpgsqlBatch(connection);
        if (round.Products.Count > 0)
        {
            Add(batch, $"SELECT {PostgresRows.ProductColumns} FROM products WHERE product_id = ANY($1)").Add(round.Products.ToArray());
        }

        if (round.Coupons.Count > 0)
        {
            Add(batch, $"SELECT {PostgresRows.CouponColumns} FROM coupons WHERE coupon_id = ANY($1)").Add(round.Coupons.ToArray());
        }

        if (round.Members.Count > 0)
        {
            Add(batch, "SELECT member_id, balance FROM wallets WHERE member_id = ANY($1)").Add(round.Members.ToArray());
        }

        await using NpgsqlDataReader rows = await batch.ExecuteReaderAsync().ConfigureAwait(false);
        await HandOverAsync(round.Products.Count, rows, static (round, row) => round.Found(PostgresRows.Product(row)), round).ConfigureAwait(false);
        await HandOverAsync(round.Coupons.Count, rows, static (round, row) => round.Found(PostgresRows.Coupon(row)), round).ConfigureAwait(false);
        await HandOverAsync(round.Members.Count, rows, static (round, row) => round.Found(PostgresRows.Points(row)), round).ConfigureAwait(false);
        return true;
    }).ConfigureAwait(false);

    /// <summary>Hands over the rows of a result, when its rows were asked for, and goes to the next.</summary>
    private static async ValueTask HandOverAsync(int asked, NpgsqlDataReader rows, Action<PointRound, NpgsqlDataReader> found, PointRound round)
    {
        if (asked == 0)
        {
            return;
        }

        while (await rows.ReadAsync().ConfigureAwait(false))
        {
            found(round, rows);
        }

        await rows.NextResultAsync().ConfigureAwait(false);
    }

    private ValueTask<T> UseAsync<T>(Func<NpgsqlConnection, Task<T>> use) => AskAsync(async () =>
    {
        await using NpgsqlConnection connection = await readers.OpenConnectionAsync().ConfigureAwait(false);
        return await use(connection).ConfigureAwait(false);
    });

    /// <summary>Asks, and asks again when a connection was lost: a server that was started anew leaves dead ones in the pool.</summary>
    private static async ValueTask<T> AskAsync<T>(Func<Task<T>> ask)
    {
        for (int tries = 1; ; tries++)
        {
            try
            {
                return await ask().ConfigureAwait(false);
            }
            catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
            {
                if (tries == Bounds.PostgresReadTries || PostgresErrors.IsStatementError(error))
                {
                    throw new StoreUnavailableException(RequestOutcome.None, error);
                }
            }
        }
    }

    /// <summary>A statement and its values, in the order of its parameters.</summary>
    private readonly struct Query(string text)
    {
        private readonly List<NpgsqlParameter> parameters = new(4);

        public Query With<T>(T value)
        {
            parameters.Add(new NpgsqlParameter<T> { TypedValue = value });
            return this;
        }

        public NpgsqlCommand Command()
        {
            var command = new NpgsqlCommand(text);
            foreach (NpgsqlParameter parameter in parameters)
            {
                command.Parameters.Add(parameter);
            }

            return command;
        }
    }
}
