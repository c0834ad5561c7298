using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataPlatform;

/// <summary>
/// Checks that a request comes from somebody who has a secret, as Standard Webhooks say: <c>webhook-signature</c> has
/// <c>v1,</c> and the base64 HMAC-SHA256 of <c>{id}.{timestamp}.{body}</c>, once or, while secrets change, several times.
/// </summary>
internal static class Signature
{
    /// <summary>Why a request is refused whatever its body is; null when the body may be looked at.</summary>
    /// <param name="headers">The request's.</param>
    /// <param name="now">This machine's clock.</param>
    public static string? RefusalOf(IHeaderDictionary headers, DateTimeOffset now)
    {
        (string id, string timestamp, string signatures) = Of(headers);
        if (id.Length == 0 || timestamp.Length == 0 || signatures.Length == 0)
        {
            return "The request is not signed: webhook-id, webhook-timestamp and webhook-signature are needed.";
        }

        return !long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
            || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            || Math.Abs(seconds - now.ToUnixTimeSeconds()) > Bounds.TimestampSeconds
            ? "webhook-timestamp is not within five minutes of this machine's clock."
            : null;
    }

    /// <summary>Why a request is refused that may be looked at; null when it is good.</summary>
    /// <param name="secrets">Any of these may have signed.</param>
    /// <param name="headers">The request's.</param>
    /// <param name="body">As it came, byte for byte.</param>
    public static string? Refusal(IReadOnlyList<byte[]> secrets, IHeaderDictionary headers, ReadOnlySpan<byte> body)
    {
        (string id, string timestamp, string signatures) = Of(headers);
        byte[] signed = Encoding.UTF8.GetBytes($"{id}.{timestamp}.");
        Span<byte> expected = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        bool isGood = false;
        foreach (byte[] secret in secrets)
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);
            hmac.AppendData(signed);
            hmac.AppendData(body);
            hmac.GetHashAndReset(expected);
            foreach (string signature in signatures.Split(' ', Bounds.Signatures))
            {
                isGood |= signature.StartsWith("v1,", StringComparison.Ordinal)
                    && Convert.TryFromBase64Chars(signature.AsSpan(3), given, out int length)
                    && CryptographicOperations.FixedTimeEquals(expected, given[..length]);
            }
        }

        return isGood ? null : "webhook-signature was not made with a secret of this platform over this id, timestamp and body.";
    }

    private static (string Id, string Timestamp, string Signatures) Of(IHeaderDictionary headers) =>
        (headers["webhook-id"].ToString(), headers["webhook-timestamp"].ToString(), headers["webhook-signature"].ToString());
}
