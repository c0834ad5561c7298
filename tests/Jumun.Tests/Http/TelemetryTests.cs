using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Jumun.Server;
using Jumun.Tests.Crashes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Jumun.Tests.Http;

/// <summary>What machines hear of the shop.</summary>
public sealed partial class TelemetryTests
{
    [Fact]
    public async Task Metrics_and_traces_go_to_the_collector_that_OTEL_EXPORTER_OTLP_ENDPOINT_names()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        var received = new ConcurrentDictionary<string, string>();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using WebApplication collector = builder.Build();
        collector.Run(async http =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
            received.AddOrUpdate(
                http.Request.Path, Encoding.Latin1.GetString(body.ToArray()), (_, before) => before + Encoding.Latin1.GetString(body.ToArray()));
        });
        await collector.StartAsync(cancellation);

        await using TestData data = await TestData.CreateAsync();
        using var server = new ServerProcess(data, new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Urls.First(),
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "300",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "300",
            ["Jumun:Log:Format"] = "json",
            ["Logging:LogLevel:Default"] = "Information",
        });
        await server.StartAsync(cancellation);
        using var http = new HttpClient { BaseAddress = server.Address };
        await new TestCaller(http, "alice", TestShop.Token("alice")).ChargeAsync(5);
        string[] metrics =
        [
            "jumun.commands", "jumun.command.duration", "jumun.batches", "jumun.batch.size", "jumun.batch.duration", "jumun.batch.races", "jumun.commits",
            "jumun.queue.length", "jumun.queue.rejections", "jumun.store.available", "jumun.outbox.pending", "jumun.outbox.dead", "jumun.outbox.lag",
            "jumun.platform.state",
        ];
        string[] spans = ["/health/ready", "settle batch", "commit"];
        await TestShop.UntilAsync(
            () => Task.FromResult(
                Array.TrueForAll(metrics, name => Has("/v1/metrics", name)) && Has("/v1/metrics", "charge_points")
                && Array.TrueForAll(spans, name => Has("/v1/traces", name))),
            seconds: 30);
        Assert.Equal(0, await server.TerminateAsync(cancellation));
        string[] lines = [.. server.Said.Where(line => line.StartsWith('{'))];
        Assert.Contains(lines, line => JsonDocument.Parse(line).RootElement is var entry
            && entry.GetProperty("EventId").GetInt32() == 9 && entry.GetProperty("LogLevel").GetString() == "Information");

        bool Has(string path, string name) => received.GetValueOrDefault(path)?.Contains(name, StringComparison.Ordinal) == true;
    }

    [Fact]
    public async Task One_trace_leads_from_a_request_to_its_SQL()
    {
        await using TestShop shop = await TestShop.StartAsync();
        var spans = new ConcurrentQueue<Activity>();
        var trace = ActivityTraceId.CreateRandom();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => Telemetry.SourceNames.Contains(source.Name),
            Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                options.Parent.TraceId == trace ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = span =>
            {
                if (span.TraceId == trace)
                {
                    spans.Enqueue(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        var request = new HttpRequestMessage(HttpMethod.Post, "/members/alice/points/charge")
        {
            Content = new StringContent("""{"amount":5}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.TryAddWithoutValidation("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01");
        (await shop.As("alice").SendAsync(request)).Is(200);

        await TestShop.UntilAsync(() => Task.FromResult(Named("settle batch") is not null && FromServer() is not null));
        Activity batch = Named("settle batch")!;
        Assert.Equal(FromServer()!.SpanId, batch.ParentSpanId);
        Assert.Equal(batch.SpanId, Named("load")!.ParentSpanId);
        Assert.Equal(batch.SpanId, Named("commit")!.ParentSpanId);
        if (TestData.Kind == StoreKind.Postgres)
        {
            Assert.Contains(spans, span => span.Source.Name == "Npgsql" && span.ParentSpanId == Named("commit")!.SpanId);
        }

        Activity? Named(string name) => spans.FirstOrDefault(span => span.OperationName == name);
        Activity? FromServer() => spans.FirstOrDefault(span => span.Source.Name == "Microsoft.AspNetCore");
    }

    [Fact]
    public async Task Every_metric_of_the_dashboard_is_measured()
    {
        await using TestShop shop = await TestShop.StartAsync();
        await shop.As("alice").ChargeAsync(5);
        HashSet<string> measured = [.. Instruments().SelectMany(PrometheusNames)];
        using JsonDocument dashboard = JsonDocument.Parse(await File.ReadAllTextAsync(Document("dashboard.json"), TestContext.Current.CancellationToken));
        JsonElement[] targets =
            [.. dashboard.RootElement.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray())];
        string[] queries = [.. targets.Select(target => target.GetProperty("expr").GetString()!)];
        string[] labels = ["jumun_command_kind", "jumun_command_outcome", "http_route"];
        string[] asked = [.. queries.SelectMany(query => Metric().Matches(query)).Select(match => match.Value).Except(labels)];
        Assert.True(asked.Length > 10);
        Assert.All(asked, name => Assert.True(measured.Contains(name), $"{name} is not measured; measured are {string.Join(' ', measured.Order())}"));

        // For Prometheus the instance is the collector, whichever process a figure is of.
        Assert.All(targets, target => Assert.DoesNotContain("{{instance}}", target.GetProperty("legendFormat").GetString(), StringComparison.Ordinal));
    }

    [Fact]
    public void Every_part_of_the_collectors_pipelines_is_configured()
    {
        string[] lines = File.ReadAllLines(Document("collector.yaml"));
        string section = "";
        var parts = new HashSet<string>();
        foreach (string line in lines)
        {
            section = TopLevel().Match(line) is { Success: true } top ? top.Groups[1].Value : section;
            if (Part().Match(line) is { Success: true } part)
            {
                parts.Add($"{section}/{part.Groups[1].Value}");
            }
        }

        string[] used = [.. lines.Select(line => Used().Match(line)).Where(match => match.Success)
            .SelectMany(match => match.Groups[2].Value.Split(", ").Select(name => $"{match.Groups[1].Value}/{name}"))];
        Assert.Equal(8, used.Length);
        Assert.All(used, one => Assert.Contains(one, parts));
    }

    /// <summary>Every instrument of the meters that are sent, as far as one was made in this process.</summary>
    private static List<Instrument> Instruments()
    {
        List<Instrument> instruments = [];
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (Telemetry.MeterNames.Contains(instrument.Meter.Name))
            {
                lock (instruments)
                {
                    instruments.Add(instrument);
                }
            }
        };
        listener.Start();
        return instruments;
    }

    /// <summary>What Prometheus calls an instrument, as the collector's exporter translates names.</summary>
    private static IEnumerable<string> PrometheusNames(Instrument instrument)
    {
        string name = instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "");
        string kind = instrument.GetType().Name;
        return kind.Contains("Histogram", StringComparison.Ordinal) ? [$"{name}_bucket", $"{name}_sum", $"{name}_count"]
            : kind.Contains("Counter", StringComparison.Ordinal) && !kind.Contains("UpDown", StringComparison.Ordinal) ? [$"{name}_total"]
            : [name];
    }

    private static string Document(string name)
    {
        DirectoryInfo folder = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Jumun.slnx")))
        {
            folder = folder.Parent!;
        }

        return Path.Combine(folder.FullName, "docs", "observability", name);
    }

    [GeneratedRegex("(jumun|http|kestrel|dotnet|db)_[a-z_]+")]
    private static partial Regex Metric();

    [GeneratedRegex("^([a-z]+):")]
    private static partial Regex TopLevel();

    [GeneratedRegex("^  ([a-z_/]+):")]
    private static partial Regex Part();

    [GeneratedRegex(@"^      (receivers|processors|exporters): \[(.*)\]")]
    private static partial Regex Used();
}
