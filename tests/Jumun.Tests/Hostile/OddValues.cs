using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Hostile;

/// <summary>
/// Writes values of a schema as text, with something odd at any place of them: a JSON writer would refuse most of it.
/// </summary>
/// <param name="random">Chooses.</param>
/// <param name="known">What the shop has, for values that mean something.</param>
internal sealed class OddValues(Random random, Known known)
{
    /// <summary>What stands where another value should.</summary>
    private static readonly string[] Values =
    [
        "null", "true", "false", "{}", "[]", "[[]]", "[null]", "\"\"", "\" \"", "\"100\"", "\"null\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"",
        "\"a\\u0000b\"", "\"\\u202e gnp\"", "\"한글 상품\"", "\"👩‍👩‍👧‍👦\"", "\"<script>alert(1)</script>\"", "\"' OR 1=1 --\"", "\"{{7*7}}\"",
        "\"../../etc/passwd\"",
        "0", "-0", "-1", "1", "1.0", "1.5", "1e0", "1e3", "1E-2", "1e400", "-1e400", "0.1e1", "2147483647", "2147483648", "4294967296", "9007199254740991",
        "9007199254740992", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "00", "01", "+1", "0x10", ".5", "5.", "NaN", "Infinity", "-Infinity", "undefined", "''", "'a'", "`a`", "1,", ",", ":", "\"", "\"\\", "\"\\x41\"",
        "\"\\u12\"", "{\"a\":1}", "{\"amount\":1}", "{\"kind\":\"amount\",\"value\":1}", "\"2030-01-01\"", "\"2030-13-01T00:00:00Z\"",
        "\"2030-01-01T00:00:00\"", "\"0001-01-01T00:00:00+14:00\"", "\"9999-12-31T23:59:59-14:00\"", "\"2030-01-01T24:00:00Z\"", "\"2030-01-01T00:00:60Z\"",
        "\"-2030-01-01T00:00:00Z\"", "\"1900-02-29T00:00:00Z\"", "\"2030-01-01T00:00:00.123456789123456789Z\"",
        "\"00000000-0000-0000-0000-000000000000\"", "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"", "\"{00000000-0000-0000-0000-000000000000}\"",
    ];

    private static readonly string[] Names =
    [
        "constructor", "__proto__", "$type", "$id", "$ref", "memberId", "status", "price", "balance", "", " ", "a.b", "\\u0000",
    ];

    /// <summary>How likely anything is odd: 0 for a value as it should be.</summary>
    public double Oddness { get; set; }

    private bool IsOdd => random.NextDouble() < Oddness;

    /// <summary>A value of a schema.</summary>
    /// <param name="schema">The schema, or a reference to it.</param>
    /// <param name="name">The member that has it.</param>
    /// <param name="document">Where references lead.</param>
    public string Write(JsonNode schema, string name, JsonNode document)
    {
        if (IsOdd)
        {
            return Odd();
        }

        if ((string?)schema["$ref"] is { } reference)
        {
            return Write(document["components"]!["schemas"]![reference.Split('/')[^1]]!, name, document);
        }

        if (schema["enum"] is JsonArray words)
        {
            return words[random.Next(words.Count)]!.ToJsonString();
        }

        string type = schema["type"] is JsonArray types ? (string)types[^1]! : (string)schema["type"]!;
        return type switch
        {
            "object" => Members(schema, document),
            "array" => $"[{string.Join(',', Enumerable.Range(0, Count()).Select(_ => Write(schema["items"]!, name.TrimEnd('s'), document)))}]",
            "integer" => known.Number(name, random).ToString(CultureInfo.InvariantCulture),
            "boolean" => random.Next(2) == 0 ? "true" : "false",
            _ => $"\"{known.Text(name, (string?)schema["format"], random)}\"",
        };
    }

    /// <summary>Bytes that may be a body: mostly the text in UTF-8, but it may be cut, stretched, wrapped or of another encoding.</summary>
    public byte[] Bytes(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (!IsOdd)
        {
            return bytes;
        }

        switch (random.Next(14))
        {
            case 0: return [];
            case 1: return bytes[..random.Next(bytes.Length)];
            case 2: return [.. bytes, .. bytes];
            case 3: return [0xEF, 0xBB, 0xBF, .. bytes];
            case 4: return Encoding.Unicode.GetBytes(text);
            case 5: return Encoding.UTF32.GetBytes(text);
            case 6: return [.. bytes, 0];
            case 7: return Encoding.UTF8.GetBytes($"/**/{text}//");
            case 8: return Encoding.UTF8.GetBytes(new string('[', 20_000) + text);
            case 9: return Encoding.UTF8.GetBytes(new string(' ', random.Next(60_000, 70_000)) + text);
            case 10: return Encoding.UTF8.GetBytes($"[{text}]");
            case 11: return new byte[random.Next(2_000)];
            case 12:
                byte[] noise = new byte[random.Next(1, 200)];
                random.NextBytes(noise);
                return noise;
            default:
                // One byte of it is another, which may no longer be UTF-8.
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                return bytes;
        }
    }

    /// <summary>Anything but the value that belongs there.</summary>
    private string Odd() => random.Next(12) switch
    {
        0 => $"\"{new string('x', random.Next(190, 70_000))}\"",
        1 => new string('9', random.Next(1, 2_000)),
        2 => string.Concat(Enumerable.Repeat("{\"a\":", 70)) + "1" + new string('}', 70),
        3 => new string('[', 200) + new string(']', 200),
        _ => Values[random.Next(Values.Length)],
    };

    private int Count() => IsOdd ? random.Next(4) switch { 0 => 0, 1 => 100, 2 => 101, _ => 3_000 } : random.Next(1, 4);

    private string Members(JsonNode schema, JsonNode document)
    {
        string[] required = [.. schema["required"]?.AsArray().Select(name => (string)name!) ?? []];
        var members = new List<string>();
        foreach ((string name, JsonNode? value) in schema["properties"]!.AsObject())
        {
            if (required.Contains(name) ? IsOdd : random.Next(2) == 0)
            {
                continue;
            }

            string written = IsOdd ? random.Next(3) switch { 0 => name.ToUpperInvariant(), 1 => $"{name} ", _ => Names[random.Next(Names.Length)] } : name;
            members.Add($"\"{written}\":{Write(value!, name, document)}");
            if (IsOdd)
            {
                members.Add($"\"{name}\":{Write(value!, name, document)}");
            }
        }

        if (IsOdd)
        {
            members.Add($"\"{Names[random.Next(Names.Length)]}\":{Odd()}");
        }

        return $"{{{string.Join(',', members)}}}";
    }
}
