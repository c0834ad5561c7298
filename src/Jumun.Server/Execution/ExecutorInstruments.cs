using System.Diagnostics.Metrics;

namespace Jumun.Server.Execution;

/// <summary>
/// How long commands and batches take, and how large batches are, for whoever listens to the meter. Without a listener
/// each costs the lane the reading of a field.
/// </summary>
internal static class ExecutorInstruments
{
    private static readonly Meter Meter = new(Metrics.MeterName);

    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    private static readonly Histogram<double> CommandDuration = Meter.CreateHistogram(
        "jumun.command.duration", "s", "From the submission of a command to its answer.", tags: null, Seconds);

    private static readonly Histogram<double> BatchDuration = Meter.CreateHistogram(
        "jumun.batch.duration", "s", "From the declaration of a batch's rows to its commit.", tags: null, Seconds);

    private static readonly Histogram<int> BatchSize = Meter.CreateHistogram(
        "jumun.batch.size", "{command}", "Commands of a batch.", tags: null,
        new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] });

    /// <summary>A command was settled.</summary>
    public static void Settled(CommandCounter kind, Refusal? refusal, uint microseconds)
    {
        if (CommandDuration.Enabled)
        {
            CommandDuration.Record(
                microseconds / 1_000_000.0,
                new(Metrics.Kind, kind.Name), new(Metrics.Outcome, CommandCounter.OutcomeOf(refusal)));
        }
    }

    /// <summary>A batch was settled.</summary>
    public static void Settled(int commands, TimeSpan duration)
    {
        if (BatchSize.Enabled)
        {
            BatchSize.Record(commands);
            BatchDuration.Record(duration.TotalSeconds);
        }
    }
}
