namespace Jumun.Server.Stores.Postgres;

/// <summary>Numbers made of names, the same in every process and every version: they are stored.</summary>
internal static class PostgresHash
{
    private const uint Start = 2_166_136_261;
    private const uint Prime = 16_777_619;

    /// <summary>The partition of the outbox that a member's events are in, 0 to <see cref="Bounds.Partitions"/> − 1.</summary>
    public static short PartitionOf(string memberId) => (short)(Of(memberId) % Bounds.Partitions);

    /// <summary>The slot in which a process counts its sales, 0 to <see cref="Bounds.SalesSlots"/> − 1.</summary>
    public static short SlotOf(string processName) => (short)(Of(processName) % Bounds.SalesSlots);

    /// <summary>FNV-1a over the characters, stirred at the end so that the low bits depend on all of them.</summary>
    private static uint Of(string text)
    {
        unchecked
        {
            uint hash = Start;
            foreach (char c in text)
            {
                hash = (hash ^ c) * Prime;
            }

            hash ^= hash >> 16;
            hash *= 0x85EB_CA6B;
            return hash ^ (hash >> 13);
        }
    }
}
