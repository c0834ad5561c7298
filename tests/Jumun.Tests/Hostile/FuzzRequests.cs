using System.Text;
using System.Text.Json.Nodes;
using Jumun.Server.Problems;

namespace Jumun.Tests.Hostile;

/// <summary>
/// Makes requests out of the API's own description: every route with values for each of its parameters and its body, of
/// which any may be odd, by members, an administrator, somebody else or nobody, in any order.
/// </summary>
internal sealed class FuzzRequests
{
    private static readonly string[] Members = ["anna", "ben", "cho", "dan"];

    private static readonly string[] Methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "FOO-BAR", "QUERY"];

    /// <summary>What stands in a path where an id or a name should: some is no HTTP at all.</summary>
    private static readonly string[] Segments =
    [
        "0", "-1", "1.0", "1e3", "007", "+1", "%2B1", "99999999999999999999", "9223372036854775807", "9223372036854775808", "abc", "null", "*", "%20", "%09",
        "%2F", "a%2Fb", "%5C", "..", ".", "%2e%2e", "%2e", "..%2f..", "%00", "1%00", "%C0%AF", "%ff", "%ZZ", "%", "%e", "%ED%A0%80", "%ED%95%9C%EA%B8%80",
        "~", ";x=1",
        "1;x=1", "anna%40", "anna'--", "<x>", "%3Cx%3E", "{memberId}", "%7B0%7D", "$", "@", ":", "|", "[1]", "\\", "\u00e9", "\u0001", "a b", "#", "?",
        "%23", "%3F",
        "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "00000000000000000000000000000000", "",
    ];

    private static readonly string[] Queries =
    [
        "?", "&", "=", "==", "&&=&", "%00", "limit", "limit=", "limit=0", "limit=101", "limit=1&limit=2", "limit=%31", "limit=1.0", "limit=-1", "limit=+1",
        "limit=1e1",
        "limit=99999999999999999999", "LIMIT=0", "limit[]=1", "cursor=", "cursor=AAAA", "cursor=%00", "cursor=%ff", "cursor=a&cursor=b", "status=",
        "status=paid",
        "status=COMPLETED", "status=0", "status=held,used", "state=pending&state=dead", "memberId=%2F", "memberId=", "query=%25_%5C'", "query=%F0%9F%98%80",
        "query=%C3%28", "days=0", "days=31", "days=3&days=4", "days=%D9%A3", "x=1", "a[b]=c", "%ZZ=%ZZ", "\u00e9=1", "__proto__=1",
    ];

    private static readonly (string Name, string Value)[] OddHeaders =
    [
        ("Content-Encoding", "gzip"), ("Content-Encoding", ""), ("Accept", "text/html"), ("Accept", "application/xml;q=nonsense"), ("Accept-Language", "ko"),
        ("Accept-Language", ";;q=;,,,*"), ("Accept-Encoding", "br"), ("X-HTTP-Method-Override", "DELETE"), ("X-Original-URL", "/admin/audit"),
        ("X-Forwarded-For", "127.0.0.1"), ("Range", "bytes=0-1"), ("If-None-Match", "*"), ("If-Match", "\"x\""), ("If-Modified-Since", "yesterday"),
        ("Cookie", "a=b; a=c"), ("Origin", "null"), ("Expect", "100-continue"), ("Expect", "nonsense"), ("TE", "trailers"), ("traceparent", "nonsense"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("baggage", "a=b,,="), ("Upgrade", "h2c"), ("Host", "other"),
        ("Trailer", "x"),
        ("Content-Type", "application/json"), ("Forwarded", "for=\"_x\""), ("Authorization", "Bearer"), ("\u00e9", "1"), ("X", "\u00ff"),
        ("X-Long", new string('x', 4_000)),
    ];

    private static readonly string?[] MediaTypes =
    [
        null, "", "text/plain", "application/json; charset=utf-16", "application/json;;", "APPLICATION/JSON; CHARSET=UTF-8", "application/problem+json", "*/*",
        "application/merge-patch+json", "multipart/form-data; boundary=x", "application/json, application/json", "\u00e9", new string('x', 2_000),
    ];

    private readonly List<(string Method, string Path, JsonObject Operation)> operations;
    private readonly Dictionary<string, string> tokens = Members.ToDictionary(member => member, member => TestShop.Token(member));
    private readonly string adminToken = TestShop.Token("admin", admin: true);
    private readonly JsonObject document;
    private readonly Random random;
    private readonly OddValues values;
    private readonly List<string> keys = ["k"];

    /// <param name="document">The description of the API.</param>
    /// <param name="seed">The same seed makes the same choices.</param>
    /// <param name="known">What the shop has told.</param>
    public FuzzRequests(JsonObject document, int seed, Known known)
    {
        this.document = document;
        Known = known;
        random = new Random(seed);
        values = new OddValues(random, known);

        // Twice what changes something: it leads to states that only a few requests reach.
        operations = [.. document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject().SelectMany(operation => Enumerable.Repeat(
            (operation.Key.ToUpperInvariant(), path.Key, operation.Value!.AsObject()), operation.Key == "post" ? 2 : 1)))];
    }

    public Known Known { get; }

    /// <summary>Every operation of the description.</summary>
    public IEnumerable<string> Operations => operations.Select(operation => $"{operation.Method} {operation.Path}").Distinct();

    /// <summary>The operation that the last request was made for.</summary>
    public string Operation { get; private set; } = "";

    public RawRequest Next()
    {
        (string method, string path, JsonObject operation) = operations[random.Next(operations.Count)];
        Operation = $"{method} {path}";
        values.Oddness = random.Next(100) < 45 ? 0 : 0.1;
        bool isOdd = values.Oddness > 0;
        string member = Members[random.Next(Members.Length)];
        string caller = Caller(path, member);
        string target = Target(path, operation, caller == "admin" ? member : caller, isOdd);
        var headers = new List<(string Name, string Value)>();
        if (Authorization(caller, isOdd) is { } authorization)
        {
            headers.Add(("Authorization", authorization));
        }

        byte[]? body = null;
        if (operation["requestBody"]?["content"]?["application/json"]?["schema"] is { } schema)
        {
            body = values.Bytes(values.Write(schema, "", document));
            string? type = isOdd && Chance(12) ? MediaTypes[random.Next(MediaTypes.Length)] : "application/json";
            if (type is not null)
            {
                headers.Add(("Content-Type", type));
            }
        }
        else if (isOdd && Chance(8))
        {
            body = values.Bytes("{}");
        }

        if (method == "POST" && Chance(2) && Key(isOdd) is { } key)
        {
            headers.Add(("Idempotency-Key", key));
        }

        while (isOdd && Chance(4))
        {
            headers.Add(OddHeaders[random.Next(OddHeaders.Length)]);
        }

        string sent = isOdd && Chance(12) ? Methods[random.Next(Methods.Length)] : method;
        return new RawRequest(sent, target, headers, body, $"{caller} at {Operation}{(isOdd ? "" : ", as it should be")}");
    }

    private bool Chance(int oneIn) => random.Next(oneIn) == 0;

    private string Caller(string path, string member) => random.Next(20) switch
    {
        0 => "nobody",
        1 => "stranger",
        2 or 3 => "admin",
        _ => path.StartsWith("/admin/", StringComparison.Ordinal) ? "admin" : member,
    };

    private string? Authorization(string caller, bool isOdd)
    {
        string? token = caller switch
        {
            "nobody" => null,
            "stranger" => "Bearer a.b.c",
            "admin" => $"Bearer {adminToken}",
            _ => $"Bearer {tokens[caller]}",
        };
        return isOdd && Chance(20) && token is not null
            ? random.Next(6) switch
            {
                0 => token[..random.Next(token.Length)],
                1 => token + ".",
                2 => token.Replace("Bearer", "Basic", StringComparison.Ordinal),
                3 => $"Bearer {new string('a', random.Next(5_000))}.{new string('b', 3_000)}.c",
                4 => "Bearer \u00ff\u00fe",
                _ => token.ToUpperInvariant(),
            }
            : token;
    }

    private string? Key(bool isOdd)
    {
        if (isOdd && Chance(4))
        {
            string[] odd = ["", "\"", "\"\"", "a b", "\u00e9", new string('k', 256), "\"k", "\"k\";x=1", "k,k", "\t"];
            return odd[random.Next(odd.Length)];
        }

        if (Chance(3))
        {
            return keys[random.Next(keys.Count)];
        }

        keys.Add($"k{keys.Count}");
        return keys[^1];
    }

    private string Target(string path, JsonObject operation, string member, bool isOdd)
    {
        var target = new StringBuilder(path);
        var query = new List<string>();
        foreach (JsonNode? parameter in operation["parameters"]?.AsArray() ?? [])
        {
            string name = (string)parameter!["name"]!;
            switch ((string)parameter["in"]!)
            {
                case "path":
                    target.Replace($"{{{name}}}", isOdd && Chance(7) ? Segments[random.Next(Segments.Length)] : Segment(name, member));
                    break;
                case "query" when Chance(3):
                    query.Add($"{name}={QueryValue(name)}");
                    break;
            }
        }

        while (isOdd && Chance(5))
        {
            query.Add(Queries[random.Next(Queries.Length)]);
        }

        if (isOdd && Chance(15))
        {
            switch (random.Next(7))
            {
                case 0: target.Append('/'); break;
                case 1: target.Insert(0, '/'); break;
                case 2: target.Replace('e', 'E'); break;
                case 3: target.Append(".json"); break;
                case 4: target.Insert(0, "/.."); break;
                case 5: target.Append('/').Append('x', random.Next(1, 9_000)); break;
                default: target.Insert(0, "http://other.example"); break;
            }
        }

        return query.Count == 0 ? target.ToString() : $"{target}?{string.Join('&', query)}";
    }

    private string Segment(string name, string member) => name switch
    {
        "memberId" or "userId" => Chance(10) ? Members[random.Next(Members.Length)] : member,
        "code" => ProblemAnswer.NameOf((RefusalCode)random.Next(Enum.GetValues<RefusalCode>().Length)),
        "orderId" or "paymentId" when !Chance(5) && Known.Any($"{name} of {member}", random) is { } own => own,
        _ => Known.Any(name, random) ?? (name is "orderId" or "paymentId" ? Guid.Empty.ToString() : "1"),
    };

    private string QueryValue(string name) => name switch
    {
        "limit" => $"{random.Next(1, 101)}",
        "days" => $"{random.Next(1, 31)}",
        "cursor" => Known.Any("next", random) ?? "",
        "memberId" => Members[random.Next(Members.Length)],
        "status" => random.Next(2) == 0 ? "completed" : "held",
        "state" => "delivered",
        _ => "a",
    };
}
