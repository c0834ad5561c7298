using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>How reads are run: each on a pooled connection of its own.</summary>
internal sealed partial class PostgresStore
{
    private async ValueTask<T> ReadAsync<T>(Query query, Func<NpgsqlDataReader, ValueTask<T>> read)
    {
        await using NpgsqlCommand command = query.On(readers);
        for (int tries = 1; ; tries++)
        {
            try
            {
                await using NpgsqlDataReader rows = await command.ExecuteReaderAsync().ConfigureAwait(false);
                return await read(rows).ConfigureAwait(false);
            }
            catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
            {
                // A server that was started anew leaves dead connections in the pool: a read may be asked again.
                if (tries == Bounds.PostgresReadTries || PostgresErrors.IsStatementError(error))
                {
                    throw new StoreUnavailableException(RequestOutcome.None, error);
                }
            }
        }
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

    private async ValueTask<T> UseAsync<T>(Func<NpgsqlConnection, Task<T>> use)
    {
        try
        {
            await using NpgsqlConnection connection = await readers.OpenConnectionAsync().ConfigureAwait(false);
            return await use(connection).ConfigureAwait(false);
        }
        catch (Exception error) when (PostgresErrors.IsOfDatabase(error))
        {
            throw new StoreUnavailableException(RequestOutcome.None, error);
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

        public NpgsqlCommand On(NpgsqlDataSource source)
        {
            NpgsqlCommand command = source.CreateCommand(text);
            foreach (NpgsqlParameter parameter in parameters)
            {
                command.Parameters.Add(parameter);
            }

            return command;
        }
    }
}
