using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Jumun.Server;

/// <summary>
/// Makes UUIDs of version 7 that grow with every call: 48 bits of milliseconds, then a 12-bit counter where the
/// standard allows one (RFC 9562, 6.2 method 1), so that orders of one process sort by the time they came.
/// </summary>
internal sealed class OrderIds(TimeProvider clock)
{
    private long last;

    /// <summary>A new order id.</summary>
    public Guid Next()
    {
        long now = clock.GetUtcNow().ToUnixTimeMilliseconds() << 12;
        long before, next;
        do
        {
            before = Volatile.Read(ref last);
            next = Math.Max(now, before + 1);
        }
        while (Interlocked.CompareExchange(ref last, next, before) != before);

        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes[8..]);
        BinaryPrimitives.WriteInt64BigEndian(bytes, ((next & ~0xFFFL) << 4) | 0x7000 | (next & 0xFFF));
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return Ids.ToOrderId(new Guid(bytes, bigEndian: true));
    }
}
