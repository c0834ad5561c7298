using Jumun.Server.Stores.Postgres;
using Npgsql;

namespace Jumun.Tests.Stores;

/// <summary>The hashes by which a cluster divides keys are PostgreSQL's own: each is compared with what PostgreSQL says.</summary>
public sealed class ShardHashTests
{
    private const int Keys = 2_000;

    [Fact]
    public async Task Hashes_are_those_of_PostgreSQL()
    {
        var random = new Random(20_261_125);
        string[] texts = [.. Enumerable.Range(0, Keys).Select(i => Text(random, i % 300))];
        long[] numbers = [0, 1, -1, long.MinValue, long.MaxValue, .. Enumerable.Range(0, Keys).Select(i => random.NextInt64() >> (i % 63))];
        Guid[] ids = [.. Enumerable.Range(0, Keys).Select(_ => Id(random))];
        Assert.Equal(await AskAsync("hashtext(k COLLATE \"C\")", texts), Array.ConvertAll(texts, ShardHash.Of));
        Assert.Equal(await AskAsync("hashint8(k)", numbers), Array.ConvertAll(numbers, ShardHash.Of));
        Assert.Equal(await AskAsync("uuid_hash(k)", ids), Array.ConvertAll(ids, ShardHash.Of));
    }

    /// <summary>Letters of one to four bytes, so that every length and every rest comes.</summary>
    private static string Text(Random random, int length) => string.Concat(Enumerable.Range(0, length).Select(
        _ => random.Next(4) switch { 0 => "é", 1 => "가", 2 => "🍵", _ => ((char)random.Next('!', '~')).ToString() }));

    private static Guid Id(Random random)
    {
        byte[] bytes = new byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes);
    }

    private static async Task<int[]> AskAsync<TKey>(string hash, TKey[] keys)
    {
        string database = await PostgresServer.CreateDatabaseAsync();
        try
        {
            await using var connection = new NpgsqlConnection($"{database};Pooling=false");
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand($"SELECT array_agg({hash} ORDER BY place) FROM unnest($1) WITH ORDINALITY k(k, place)", connection);
            command.Parameters.Add(new NpgsqlParameter<TKey[]> { TypedValue = keys });
            return (int[])(await command.ExecuteScalarAsync())!;
        }
        finally
        {
            await PostgresServer.DropDatabaseAsync(database);
        }
    }
}
