using System.Buffers.Binary;

namespace Jumun.Server.Stores;

/// <summary>Places in lists that go by a UUID: its bytes as the two numbers of a cursor.</summary>
internal static class IdPlace
{
    /// <summary>The place of a UUID.</summary>
    public static (long First, long Second) Of(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return (BinaryPrimitives.ReadInt64BigEndian(bytes), BinaryPrimitives.ReadInt64BigEndian(bytes[8..]));
    }

    /// <summary>The UUID of a place.</summary>
    public static Guid IdOf((long First, long Second) place)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(bytes, place.First);
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], place.Second);
        return new Guid(bytes, bigEndian: true);
    }
}
