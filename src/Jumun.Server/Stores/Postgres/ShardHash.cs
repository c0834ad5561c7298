using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// The hashes by which Citus divides keys: PostgreSQL's own of the key's type (<c>hash_any</c>, which is Bob Jenkins' lookup3).
/// That they agree is checked whenever a <see cref="ShardMap"/> is read.
/// </summary>
internal static class ShardHash
{
    private const uint Start = 0x9E37_79B9 + 3_923_095;
    private const int Block = 12;

    // Names of members are short: they are encoded on the stack.
    private const int StackBytes = 256;

    /// <summary>The hash of a text in UTF-8, compared by its bytes (<c>hashtext</c>).</summary>
    public static int Of(string text)
    {
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        Span<byte> bytes = most <= StackBytes ? stackalloc byte[StackBytes] : new byte[most];
        return Of(bytes[..Encoding.UTF8.GetBytes(text, bytes)]);
    }

    /// <summary>The hash of a UUID (<c>uuid_hash</c>).</summary>
    public static int Of(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return Of(bytes);
    }

    /// <summary>The hash of a number (<c>hashint8</c>).</summary>
    public static int Of(long number)
    {
        unchecked
        {
            uint high = (uint)(number >> 32);
            uint a = Start + sizeof(uint) + ((uint)number ^ (number >= 0 ? high : ~high));
            return (int)Final(a, Start + sizeof(uint), Start + sizeof(uint));
        }
    }

    private static int Of(scoped ReadOnlySpan<byte> key)
    {
        unchecked
        {
            uint a = Start + (uint)key.Length;
            uint b = a;
            uint c = a;
            while (key.Length >= Block)
            {
                a += BinaryPrimitives.ReadUInt32LittleEndian(key);
                b += BinaryPrimitives.ReadUInt32LittleEndian(key[4..]);
                c += BinaryPrimitives.ReadUInt32LittleEndian(key[8..]);
                Mix(ref a, ref b, ref c);
                key = key[Block..];
            }

            // The lowest byte of the last word stands for the length.
            a += Word(key);
            b += key.Length > 4 ? Word(key[4..]) : 0;
            c += key.Length > 8 ? Word(key[8..]) << 8 : 0;
            return (int)Final(a, b, c);
        }
    }

    /// <summary>Up to four bytes, the first one lowest.</summary>
    private static uint Word(ReadOnlySpan<byte> bytes)
    {
        uint word = 0;
        for (int i = 0; i < bytes.Length && i < sizeof(uint); i++)
        {
            word |= (uint)bytes[i] << (8 * i);
        }

        return word;
    }

    private static void Mix(ref uint a, ref uint b, ref uint c)
    {
        unchecked
        {
            a -= c;
            a ^= BitOperations.RotateLeft(c, 4);
            c += b;
            b -= a;
            b ^= BitOperations.RotateLeft(a, 6);
            a += c;
            c -= b;
            c ^= BitOperations.RotateLeft(b, 8);
            b += a;
            a -= c;
            a ^= BitOperations.RotateLeft(c, 16);
            c += b;
            b -= a;
            b ^= BitOperations.RotateLeft(a, 19);
            a += c;
            c -= b;
            c ^= BitOperations.RotateLeft(b, 4);
            b += a;
        }
    }

    private static uint Final(uint a, uint b, uint c)
    {
        unchecked
        {
            c = (c ^ b) - BitOperations.RotateLeft(b, 14);
            a = (a ^ c) - BitOperations.RotateLeft(c, 11);
            b = (b ^ a) - BitOperations.RotateLeft(a, 25);
            c = (c ^ b) - BitOperations.RotateLeft(b, 16);
            a = (a ^ c) - BitOperations.RotateLeft(c, 4);
            b = (b ^ a) - BitOperations.RotateLeft(a, 14);
            return (c ^ b) - BitOperations.RotateLeft(b, 24);
        }
    }
}
