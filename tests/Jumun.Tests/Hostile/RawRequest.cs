using System.Globalization;
using System.Text;

namespace Jumun.Tests.Hostile;

/// <summary>A request as it goes over the wire: every part of it may be anything.</summary>
/// <param name="Method">The method.</param>
/// <param name="Target">The path and the query, escaped or not.</param>
/// <param name="Headers">The headers beside <c>Host</c> and the length.</param>
/// <param name="Body">The body; null for none.</param>
/// <param name="What">What is odd about it, for whoever reads a failure.</param>
internal sealed record RawRequest(string Method, string Target, IReadOnlyList<(string Name, string Value)> Headers, byte[]? Body, string What)
{
    /// <summary>Whether the web server may refuse it before it is a request: it breaks the rules of HTTP, or a bound of the headers.</summary>
    public bool IsHardlyHttp =>
        Target.Length > 7_000 || Target.Contains("%00", StringComparison.Ordinal) || !IsVisible(Target) || !Target.StartsWith('/')
        || Target.Contains("..", StringComparison.Ordinal)
        || Headers.Sum(header => header.Name.Length + header.Value.Length) > 15_000
        || Headers.Any(header => header.Name is "Host" or "Upgrade" || !header.Value.All(c => c is '\t' or (>= ' ' and <= '~')) || !IsVisible(header.Name));

    public byte[] Bytes()
    {
        var head = new StringBuilder($"{Method} {Target} HTTP/1.1\r\nHost: localhost\r\n");
        foreach ((string name, string value) in Headers)
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        if (Body is not null)
        {
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {Body.Length}\r\n");
        }

        return [.. Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), .. Body ?? []];
    }

    public override string ToString()
    {
        string headers = string.Join(", ", Headers.Where(header => header.Name != "Authorization").Select(header => $"{header.Name}: {Short(header.Value)}"));
        return $"{Method} {Short(Target)} [{headers}] {(Body is null ? "-" : Short(Encoding.Latin1.GetString(Body)))} ({What})";
    }

    private static bool IsVisible(string text) => text.All(c => c is > ' ' and <= '~');

    private static string Short(string text) => text.Length <= 300 ? text : $"{text[..150]}…({text.Length})…{text[^50..]}";
}
