using System.Globalization;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Hostile;

/// <summary>What a shop has told: ids and cursors by which later requests reach further than the first refusal.</summary>
internal sealed class Known
{
    private const int Kept = 200;

    private readonly Dictionary<string, List<string>> told = [];

    /// <summary>Takes the ids out of an answer.</summary>
    public void Learn(JsonNode? answer)
    {
        switch (answer)
        {
            case JsonObject members:
                foreach ((string name, JsonNode? value) in members)
                {
                    if (name is "productId" or "couponId" or "orderId" or "paymentId" or "eventId" or "next" && value is JsonValue)
                    {
                        Add(name, value.ToString());
                        Add($"{name} of {members["memberId"]}", value.ToString());
                    }

                    Learn(value);
                }

                break;
            case JsonArray items:
                foreach (JsonNode? item in items)
                {
                    Learn(item);
                }

                break;
        }
    }

    /// <summary>Something that was told under this name; null when nothing was.</summary>
    public string? Any(string name, Random random)
    {
        lock (told)
        {
            return told.TryGetValue(name, out List<string>? values) ? values[random.Next(values.Count)] : null;
        }
    }

    /// <summary>A number that makes sense under this name.</summary>
    public long Number(string name, Random random) => name switch
    {
        "productId" or "couponId" => long.Parse(Any(name, random) ?? "1", CultureInfo.InvariantCulture),
        "change" => random.Next(-3, 50),
        "amount" => random.Next(1, 5_000),
        "price" => random.Next(2_000),
        "value" => random.Next(1, 101),
        "expectedTotal" => random.Next(3) == 0 ? random.Next(5_000) : 0,
        "stock" => random.Next(100),
        _ => random.Next(1, 6),
    };

    /// <summary>A text that makes sense under this name.</summary>
    public string Text(string name, string? format, Random random) => format switch
    {
        "date-time" => name switch
        {
            "issueFrom" or "from" => "2020-01-01T00:00:00Z",
            "issueUntil" => random.Next(3) == 0 ? "2021-01-01T00:00:00Z" : "2090-01-01T00:00:00.5+09:00",
            _ => "2099-01-01T00:00:00Z",
        },
        "uuid" => Any("eventId", random) ?? Any("orderId", random) ?? Guid.Empty.ToString(),
        _ => $"{name} {random.Next(100)}",
    };

    private void Add(string name, string value)
    {
        lock (told)
        {
            if (!told.TryGetValue(name, out List<string>? values))
            {
                told.Add(name, values = []);
            }

            if (values.Count == Kept)
            {
                values.RemoveAt(0);
            }

            values.Add(value);
        }
    }
}
