using System.Text.Json;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Processes;

/// <summary>An event as it stands in a file.</summary>
internal sealed record DeliveredEvent(string File, string Id, string Type, string OrderId, string MemberId, long Sequence, string Line);

/// <summary>What the processes have told the data platform, each in its file.</summary>
internal static class EventFiles
{
    /// <summary>All lines of all files, those of a file in their order. A line that a kill tore is passed over.</summary>
    public static async Task<List<DeliveredEvent>> ReadAsync(Servers servers)
    {
        var events = new List<DeliveredEvent>();
        foreach (string file in servers.EventFiles.Where(File.Exists))
        {
            foreach (string line in await File.ReadAllLinesAsync(file, TestContext.Current.CancellationToken))
            {
                try
                {
                    JsonNode read = JsonNode.Parse(line)!;
                    events.Add(new DeliveredEvent(
                        file, (string)read["id"]!, (string)read["type"]!, (string)read["subject"]!, (string)read["partitionkey"]!,
                        (long)read["sequence"]!, line));
                }
                catch (JsonException)
                {
                    // Its event comes again.
                }
            }
        }

        return events;
    }

    /// <summary>Each paid order was told of, once.</summary>
    public static void AreExactly(IEnumerable<string> paidOrders, IReadOnlyCollection<DeliveredEvent> events)
    {
        Assert.Equal(paidOrders.Order(StringComparer.Ordinal), events.Select(one => one.OrderId).Order(StringComparer.Ordinal));
        Assert.Equal(events.Count, events.Select(one => one.Id).Distinct().Count());
    }

    /// <summary>Each paid order was told of, under one id; what was told twice was told in the same words.</summary>
    public static void AreAtLeast(IEnumerable<string> paidOrders, IReadOnlyCollection<DeliveredEvent> events)
    {
        Assert.Equal(paidOrders.Order(StringComparer.Ordinal), events.Select(one => one.OrderId).Distinct().Order(StringComparer.Ordinal));
        int ids = events.Select(one => one.Id).Distinct().Count();
        Assert.Equal(ids, events.Select(one => one.Line).Distinct().Count());
        Assert.Equal(ids, events.Select(one => (one.Type, one.OrderId)).Distinct().Count());
    }
}
