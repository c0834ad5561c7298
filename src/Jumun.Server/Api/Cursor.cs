using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Jumun.Server.Api;

/// <summary>
/// The place in a list where the next page begins: two numbers, and a checksum over them and the list's name, so that
/// a cursor of another list, of another filter or with a changed letter is refused. It grants nothing: the list's own
/// access rules hold for every page.
/// </summary>
internal static class Cursor
{
    private const int ChecksumBytes = 8;
    private const int Bytes = 16 + ChecksumBytes;

    /// <summary>The cursor of a place.</summary>
    /// <param name="list">The list with its filters.</param>
    /// <param name="first">The place.</param>
    /// <param name="second">What breaks ties, where the list has them.</param>
    public static string Write(string list, long first, long second = 0)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        BinaryPrimitives.WriteInt64BigEndian(bytes, first);
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], second);
        Checksum(list, bytes[..16], bytes[16..]);
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>The place of a cursor; null when it was not issued for this list.</summary>
    public static (long First, long Second)? Read(string list, string text)
    {
        // Asked first, because the decoder throws at a foreign letter. Then a round trip: base64 has more than one
        // spelling for some bytes, and a cursor has one.
        Span<byte> bytes = stackalloc byte[Bytes];
        if (!Base64Url.IsValid(text, out int length) || length != Bytes
            || !Base64Url.TryDecodeFromChars(text, bytes, out _) || Base64Url.EncodeToString(bytes) != text)
        {
            return null;
        }

        Span<byte> checksum = stackalloc byte[ChecksumBytes];
        Checksum(list, bytes[..16], checksum);
        return checksum.SequenceEqual(bytes[16..])
            ? (BinaryPrimitives.ReadInt64BigEndian(bytes), BinaryPrimitives.ReadInt64BigEndian(bytes[8..]))
            : null;
    }

    private static void Checksum(string list, ReadOnlySpan<byte> place, Span<byte> checksum)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData([.. Encoding.UTF8.GetBytes(list), 0, .. place], hash);
        hash[..ChecksumBytes].CopyTo(checksum);
    }
}
