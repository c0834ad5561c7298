using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Jumun.Server.DataPlatform;

/// <summary>
/// Signs what is sent to a receiver, as Standard Webhooks say: HMAC-SHA256 of <c>id.timestamp.body</c>, in Base64, once for
/// each secret, so that a receiver may still know an old secret or already a new one.
/// </summary>
/// <param name="secrets">The secrets.</param>
internal sealed class WebhookSignature(IReadOnlyList<byte[]> secrets)
{
    private const string Encoded = "whsec_";

    /// <summary>Reads secrets that are separated by spaces: <c>whsec_</c> and Base64, or any other text, of which the UTF-8 bytes count.</summary>
    /// <exception cref="FormatException">What follows <c>whsec_</c> is no Base64.</exception>
    public static IReadOnlyList<byte[]> ReadSecrets(string text) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(ReadSecret)];

    /// <summary>The value of the header <c>webhook-signature</c>.</summary>
    /// <param name="id">The value of <c>webhook-id</c>.</param>
    /// <param name="timestamp">The value of <c>webhook-timestamp</c>: seconds since 1970, UTC.</param>
    /// <param name="body">The body, as it is sent.</param>
    public string Of(string id, long timestamp, ReadOnlySpan<byte> body)
    {
        byte[] head = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}."));
        var signatures = new List<string>(secrets.Count);
        foreach (byte[] secret in secrets)
        {
            using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);
            hash.AppendData(head);
            hash.AppendData(body);
            signatures.Add($"v1,{Convert.ToBase64String(hash.GetHashAndReset())}");
        }

        return string.Join(' ', signatures);
    }

    private static byte[] ReadSecret(string text)
    {
        byte[] secret = text.StartsWith(Encoded, StringComparison.Ordinal)
            ? Convert.FromBase64String(text[Encoded.Length..])
            : Encoding.UTF8.GetBytes(text);
        return secret.Length > 0 ? secret : throw new FormatException("The secret is empty.");
    }
}
