using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Jumun;

/// <summary>What happened to a row since it was loaded.</summary>
public enum RowState
{
    /// <summary>As it is in the store.</summary>
    Unchanged,

    /// <summary>Changed: to be updated.</summary>
    Changed,

    /// <summary>New: to be inserted.</summary>
    Added,
}

/// <summary>A row of the working set, which remembers whether it must be written.</summary>
public abstract class Row
{
    /// <summary>What happened to the row since it was loaded.</summary>
    public RowState State { get; internal set; }

    private protected void Change()
    {
        if (State == RowState.Unchanged)
        {
            State = RowState.Changed;
        }
    }
}

/// <summary>
/// The rows of one table that a batch declared. A key that was declared and has no row reads as null; a key that was
/// not declared throws, because a decision on a row that was not loaded would be a guess.
/// </summary>
public sealed class RowTable<TKey, TRow>
    where TKey : notnull
    where TRow : Row
{
    private readonly Dictionary<TKey, TRow?> rows = [];

    /// <summary>Every declared key.</summary>
    public IEnumerable<TKey> Keys => rows.Keys;

    /// <summary>How many keys were declared.</summary>
    public int Count => rows.Count;

    /// <summary>Every row that must be written.</summary>
    public IEnumerable<TRow> Written
    {
        get
        {
            foreach (TRow? row in rows.Values)
            {
                if (row is not null && row.State != RowState.Unchanged)
                {
                    yield return row;
                }
            }
        }
    }

    /// <summary>Hands over a row that the store holds.</summary>
    public void Load(TKey key, TRow row)
    {
        // A reference into the table, so that a store may load rows while it goes through the keys.
        ref TRow? place = ref CollectionsMarshal.GetValueRefOrNullRef(rows, key);
        if (Unsafe.IsNullRef(ref place))
        {
            ThrowUndeclared(key);
        }

        place = row;
    }

    internal void Declare(TKey key) => rows.TryAdd(key, null);

    internal TRow? Find(TKey key)
    {
        if (!rows.TryGetValue(key, out TRow? row))
        {
            ThrowUndeclared(key);
        }

        return row;
    }

    internal TRow? FindIfDeclared(TKey key) => rows.GetValueOrDefault(key);

    internal void Add(TKey key, TRow row)
    {
        if (Find(key) is not null)
        {
            throw new InvalidOperationException($"A {typeof(TRow).Name} with key {key} is already there.");
        }

        row.State = RowState.Added;
        rows[key] = row;
    }

    internal void Clear() => rows.Clear();

    [DoesNotReturn]
    private static void ThrowUndeclared(TKey key) =>
        throw new InvalidOperationException($"The {typeof(TRow).Name} with key {key} was not declared by any command of this batch.");
}
