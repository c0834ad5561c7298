namespace Jumun;

/// <summary>
/// The identifiers of the shop. Members are named by their tokens, products and coupons are numbered, orders carry
/// UUIDs (version 7). An order and what belongs to it share one UUID but for its two lowest bits, so that a payment or
/// an event is found by its order's key: no second index, and "one payment an order" holds by construction.
/// </summary>
public static class Ids
{
    /// <summary>Longest member id, in characters.</summary>
    public const int MemberIdMaximumLength = 64;

    private const byte FamilyMask = 0b11;
    private const byte OrderTag = 0b00;
    private const byte PaymentTag = 0b01;
    private const byte CompletedEventTag = 0b10;
    private const byte RefundedEventTag = 0b11;

    /// <summary>Whether the text can name a member: 1–64 characters of <c>A-Z a-z 0-9 . _ ~ @ | : -</c>.</summary>
    public static bool IsMemberId(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text.Length > MemberIdMaximumLength)
        {
            return false;
        }

        foreach (char c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '~' or '@' or '|' or ':' or '-'))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The order id of a fresh UUID: the same, its two lowest bits cleared.</summary>
    public static Guid ToOrderId(Guid fresh) => Tag(fresh, OrderTag);

    /// <summary>The id of the order's only payment.</summary>
    public static Guid PaymentOf(Guid orderId) => Tag(orderId, PaymentTag);

    /// <summary>The id of the order's only completed event.</summary>
    public static Guid CompletedEventOf(Guid orderId) => Tag(orderId, CompletedEventTag);

    /// <summary>The id of the order's only refunded event.</summary>
    public static Guid RefundedEventOf(Guid orderId) => Tag(orderId, RefundedEventTag);

    /// <summary>Whether a UUID can be an order's: a payment's cannot.</summary>
    public static bool IsOrderId(Guid id) => TagOf(id) == OrderTag;

    /// <summary>The order of a payment; false for a UUID that cannot be a payment's.</summary>
    public static bool TryOrderOfPayment(Guid paymentId, out Guid orderId)
    {
        orderId = Tag(paymentId, OrderTag);
        return TagOf(paymentId) == PaymentTag;
    }

    private static byte TagOf(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return (byte)(bytes[15] & FamilyMask);
    }

    private static Guid Tag(Guid id, byte tag)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        bytes[15] = (byte)((bytes[15] & ~FamilyMask) | tag);
        return new Guid(bytes, bigEndian: true);
    }
}
