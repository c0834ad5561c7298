using System.Diagnostics.Metrics;
using Jumun.Server.Execution;
using Jumun.Server.Live;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Jumun.Server;

/// <summary>
/// The figures of the executor and of the live streams, for whoever listens to the meter <c>Jumun</c>. They are read when
/// asked for: counting costs nothing.
/// </summary>
internal sealed class Metrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Jumun";

    private readonly Meter meter = new(MeterName);

    public Metrics(Executor executor, LiveHub live)
    {
        meter.CreateObservableCounter("jumun.commands", () => executor.Counters.Commands, "{command}", "Commands settled.");
        meter.CreateObservableCounter("jumun.batches", () => executor.Counters.Batches, "{batch}", "Batches settled.");
        meter.CreateObservableCounter("jumun.commits", () => executor.Counters.Commits, "{commit}", "Commits: one fsync each.");
        meter.CreateObservableGauge("jumun.queue.length", () => executor.QueueLength, "{command}", "Commands that wait.");
        meter.CreateObservableGauge("jumun.live.streams", () => live.Streams, "{stream}", "Live streams that are open.");
        meter.CreateObservableCounter("jumun.live.reads", () => live.Reads, "{read}", "Reads for live streams: one for all who watch a row.");
    }

    public void Dispose() => meter.Dispose();
}

/// <summary>
/// Sends metrics and traces to an OpenTelemetry collector, when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one. The
/// exporter reads the other variables of the standard itself.
/// </summary>
internal sealed class Telemetry : IDisposable
{
    private readonly MeterProvider? meters;
    private readonly TracerProvider? traces;

    public Telemetry(IConfiguration configuration)
    {
        if (string.IsNullOrEmpty(configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
        {
            return;
        }

        // Spans of requests carry their route, method and status, as the standard's conventions name them.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", false);
        ResourceBuilder resource = ResourceBuilder.CreateDefault()
            .AddService("jumun", serviceVersion: typeof(Telemetry).Assembly.GetName().Version?.ToString(3));
        meters = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter(Metrics.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
            .AddOtlpExporter()
            .Build();
        traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .AddSource("Microsoft.AspNetCore")
            .AddOtlpExporter()
            .Build();
    }

    public void Dispose()
    {
        meters?.Dispose();
        traces?.Dispose();
    }
}
