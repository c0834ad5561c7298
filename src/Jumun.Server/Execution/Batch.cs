using System.Runtime.InteropServices;

namespace Jumun.Server.Execution;

/// <summary>An idempotency key: it belongs to the subject of the token that came with it.</summary>
internal readonly record struct IdempotencyKey(string Subject, string Key);

/// <summary>An answer as it goes over the wire, to be given again byte for byte.</summary>
internal sealed record StoredAnswer(int Status, string? Location, byte[] Body);

/// <summary>What is stored under an idempotency key.</summary>
internal sealed record KeyedAnswer(byte[] Fingerprint, StoredAnswer Answer);

/// <summary>All that commits together: the working set of the decisions, and the answers stored under idempotency keys.</summary>
internal sealed class Batch
{
    /// <summary>Which of the store's lanes it goes.</summary>
    public int Lane { get; init; }

    /// <summary>The name by which its commit can be looked up.</summary>
    public Guid BatchId { get; private set; }

    /// <summary>When it was begun: before its rows were loaded, and so before it was decided, which its working set is stamped with.</summary>
    public DateTimeOffset BegunAt { get; private set; }

    /// <summary>Of how many commands it is.</summary>
    public int Commands { get; private set; }

    /// <summary>Whether these commands were tried before, and another writer was first.</summary>
    public bool IsRetry { get; private set; }

    /// <summary>The rows.</summary>
    public WorkingSet Rows { get; } = new();

    /// <summary>Every idempotency key of the batch: null when nothing is stored under it.</summary>
    public Dictionary<IdempotencyKey, KeyedAnswer?> Keys { get; } = [];

    /// <summary>The keys whose answers this batch stores.</summary>
    public List<IdempotencyKey> NewKeys { get; } = [];

    /// <summary>Once all is decided: the keys under which nothing is stored and nothing will be, because what came with them was refused.</summary>
    public IEnumerable<IdempotencyKey> RefusedKeys => Keys.Where(static key => key.Value is null).Select(static key => key.Key);

    /// <summary>Whether there is anything to commit.</summary>
    public bool HasChanges => NewKeys.Count > 0 || Rows.HasChanges;

    /// <summary>Hands over what the store holds under a key; may be called while going through the keys.</summary>
    public void Found(IdempotencyKey key, KeyedAnswer answer) => CollectionsMarshal.GetValueRefOrNullRef(Keys, key) = answer;

    /// <summary>Gives it another name, before it is loaded.</summary>
    public void Rename() => BatchId = Guid.CreateVersion7(BegunAt);

    public void Begin(DateTimeOffset now, int commands, bool isRetry = false)
    {
        Commands = commands;
        IsRetry = isRetry;
        BegunAt = now;
        BatchId = Guid.CreateVersion7(now);
        Rows.Clear();
        Rows.Now = now;
        Keys.Clear();
        NewKeys.Clear();
    }
}
