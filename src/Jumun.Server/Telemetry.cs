using System.Diagnostics.Metrics;
using Jumun.Server.DataPlatform;
using Jumun.Server.Execution;
using Jumun.Server.Live;
using Jumun.Server.Stores;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Jumun.Server;

/// <summary>
/// The shop's figures, for whoever listens to the meter <c>Jumun</c>. They are read when asked for: counting costs nothing.
/// What is measured by each command or batch is in <see cref="ExecutorInstruments"/>.
/// </summary>
internal sealed class Metrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Jumun";

    /// <summary>The attribute that names a command's kind.</summary>
    public const string Kind = "jumun.command.kind";

    /// <summary>The attribute that names a command's outcome: <c>done</c>, or the code of the refusal.</summary>
    public const string Outcome = "jumun.command.outcome";

    // From a few milliseconds to the three days after which an event is given up.
    private static readonly double[] DelayBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400, 259_200];

    private readonly Meter meter = new(MeterName);
    private readonly Executor executor;
    private readonly Pulse pulse;

    public Metrics(Executor executor, Pulse pulse, Relay relay, LiveHub live)
    {
        this.executor = executor;
        this.pulse = pulse;
        meter.CreateObservableCounter("jumun.commands", Commands, "{command}", "Commands settled, by kind and outcome.");
        meter.CreateObservableCounter("jumun.batches", () => executor.Counters.Batches, "{batch}", "Batches settled.");
        meter.CreateObservableCounter("jumun.commits", () => executor.Counters.Commits, "{commit}", "Commits: one fsync each.");
        meter.CreateObservableCounter(
            "jumun.batch.races", () => executor.Counters.Races, "{race}", "Batches settled anew because another writer was first.");
        meter.CreateObservableUpDownCounter("jumun.queue.length", () => executor.QueueLength, "{command}", "Commands that wait.");
        meter.CreateObservableCounter(
            "jumun.queue.rejections", () => executor.Counters.Rejections, "{command}", "Commands not taken: the queue was full, or the server drained.");
        meter.CreateObservableGauge(
            "jumun.store.available", () => executor.Outage.Lasts ? 0 : 1, "{store}", "1 while the store can be used, 0 in an outage.");
        meter.CreateObservableGauge("jumun.outbox.pending", () => Backlog(backlog => backlog.Pending), "{event}", "Events to be delivered.");
        meter.CreateObservableGauge("jumun.outbox.dead", () => Backlog(backlog => backlog.Dead), "{event}", "Events given up.");
        meter.CreateObservableGauge(
            "jumun.outbox.lag", () => Backlog(backlog => backlog.LagAt(pulse.Now).TotalSeconds), "s", "Age of the oldest event to be delivered.");
        AddDelivery(relay.Figures);
        meter.CreateObservableGauge("jumun.live.streams", () => live.Streams, "{stream}", "Live streams that are open.");
        meter.CreateObservableCounter("jumun.live.reads", () => live.Reads, "{read}", "Reads for live streams: one for all who watch a row.");
    }

    public void Dispose() => meter.Dispose();

    private void AddDelivery(DeliveryFigures delivery)
    {
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

    private static IEnumerable<Measurement<long>> Deliveries(DeliveryFigures delivery) => Enum.GetValues<Verdict>().Select(
        verdict => new Measurement<long>(delivery.Deliveries(verdict), new KeyValuePair<string, object?>("outcome", verdict.ToString())));

    private IEnumerable<Measurement<long>> Commands()
    {
        foreach (CommandCounter kind in executor.Counters.Kinds)
        {
            yield return new Measurement<long>(kind.Done, new(Kind, kind.Name), new(Outcome, CommandCounter.OutcomeOf(null)));
            foreach (RefusalCode code in Enum.GetValues<RefusalCode>())
            {
                if (kind.RefusedWith(code) is > 0 and long refused)
                {
                    yield return new Measurement<long>(refused, new(Kind, kind.Name), new(Outcome, Problems.ProblemAnswer.NameOf(code)));
                }
            }
        }
    }

    /// <summary>What the outbox holds: read by the pulse, once somebody has asked.</summary>
    private IEnumerable<Measurement<T>> Backlog<T>(Func<OutboxBacklog, T> figure)
        where T : struct => pulse.AskBacklog() is { } backlog ? [new Measurement<T>(figure(backlog))] : [];
}

/// <summary>
/// Sends metrics and traces to an OpenTelemetry collector, when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one. The
/// exporter and the sampler read the other variables of the standard themselves.
/// </summary>
internal sealed class Telemetry : IDisposable
{
    /// <summary>Meters that are sent: ours, and those of the framework and the driver.</summary>
    public static readonly string[] MeterNames =
        [Metrics.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql"];

    /// <summary>Sources of spans that are sent: requests, batches, statements.</summary>
    public static readonly string[] SourceNames = ["Microsoft.AspNetCore", Executor.SourceName, "Npgsql"];

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
            .AddMeter(MeterNames)
            .AddOtlpExporter()
            .Build();
        traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .AddSource(SourceNames)
            .AddOtlpExporter()
            .Build();
    }

    public void Dispose()
    {
        meters?.Dispose();
        traces?.Dispose();
    }
}
