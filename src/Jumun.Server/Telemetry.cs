using System.Diagnostics.Metrics;
using Jumun.Server.DataPlatform;
using Jumun.Server.Execution;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Jumun.Server;

/// <summary>
/// The figures of the executor and of delivery, for whoever listens to the meter <c>Jumun</c>. They are read when asked for:
/// counting costs nothing.
/// </summary>
internal sealed class Metrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Jumun";

    // From a few milliseconds to the three days after which an event is given up.
    private static readonly double[] DelayBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400, 259_200];

    private readonly Meter meter = new(MeterName);

    public Metrics(Executor executor, Relay relay)
    {
        DeliveryFigures delivery = relay.Figures;
        meter.CreateObservableCounter("jumun.commands", () => executor.Counters.Commands, "{command}", "Commands settled.");
        meter.CreateObservableCounter("jumun.batches", () => executor.Counters.Batches, "{batch}", "Batches settled.");
        meter.CreateObservableCounter("jumun.commits", () => executor.Counters.Commits, "{commit}", "Commits: one fsync each.");
        meter.CreateObservableGauge("jumun.queue.length", () => executor.QueueLength, "{command}", "Commands that wait.");
        meter.CreateObservableCounter("jumun.events.delivered", () => delivery.DeliveredEvents, "{event}", "Events that the data platform took.");
        meter.CreateObservableCounter("jumun.events.dead", () => delivery.DeadEvents, "{event}", "Events that were given up.");
        meter.CreateObservableCounter("jumun.deliveries", () => Deliveries(delivery), "{delivery}", "Deliveries, by what became of them.");
        meter.CreateObservableGauge(
            "jumun.events.lag", () => delivery.Lag.TotalSeconds, "s", "Since when something was always left to deliver.");
        meter.CreateObservableGauge(
            "jumun.events.held", () => delivery.Held, "{member}", "Members whose events wait behind one that was not taken.");
        meter.CreateObservableGauge(
            "jumun.platform.state", () => (int)delivery.Circuit, null, "The data platform: 0 takes events, 1 takes none, 2 wants none (410).");
        delivery.Delay = meter.CreateHistogram(
            "jumun.events.delay", "s", "From an event's commit until the data platform had taken it.", tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = DelayBoundaries });
    }

    public void Dispose() => meter.Dispose();

    private static IEnumerable<Measurement<long>> Deliveries(DeliveryFigures delivery) => Enum.GetValues<Verdict>().Select(
        verdict => new Measurement<long>(delivery.Deliveries(verdict), new KeyValuePair<string, object?>("outcome", verdict.ToString())));
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
