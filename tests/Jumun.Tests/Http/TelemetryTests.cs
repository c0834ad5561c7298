using System.Collections.Concurrent;
using System.Text;
using Jumun.Tests.Crashes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Jumun.Tests.Http;

/// <summary>A collector for real hears of the server when the standard's variable names it.</summary>
public sealed class TelemetryTests
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
        });
        await server.StartAsync(cancellation);
        await TestShop.UntilAsync(
            () => Task.FromResult(
                received.GetValueOrDefault("/v1/metrics")?.Contains("jumun.commands", StringComparison.Ordinal) == true
                && received.GetValueOrDefault("/v1/metrics")?.Contains("jumun.platform.state", StringComparison.Ordinal) == true
                && received.GetValueOrDefault("/v1/traces")?.Contains("/health/ready", StringComparison.Ordinal) == true),
            seconds: 30);
    }
}
