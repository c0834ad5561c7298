using System.Diagnostics;
using System.Threading.Channels;

namespace Jumun.Server.Execution;

/// <summary>What waits in a lane.</summary>
internal sealed partial class Executor
{
    /// <summary>Batches that follow one another.</summary>
    private sealed class Lane(int number, int queueLength)
    {
        /// <summary>Its place among the store's.</summary>
        public int Number { get; } = number;

        public Channel<Submission> Queue { get; } =
            Channel.CreateBounded<Submission>(new BoundedChannelOptions(queueLength) { SingleReader = true });

        public Batch Batch { get; } = new() { Lane = number };

        /// <summary>Ends when the queue has ended.</summary>
        public Task Work { get; set; } = Task.CompletedTask;
    }

    /// <summary>A command that waits for its answer. Callers go on elsewhere: the lane only signals them.</summary>
    private class Submission(Command command, KeyedRequest? keyed)
        : TaskCompletionSource<Settlement>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        // The outcome in its parts: the moment of submission fits beside them without making the object larger.
        private Answer? answer;
        private StoredAnswer? stored;
        private Refusal? refusal;
        private readonly uint submittedAt = Microseconds(Stopwatch.GetTimestamp());
        private bool replayed;

        public Command Command { get; } = command;

        public KeyedRequest? Keyed { get; } = keyed;

        public Settlement Outcome
        {
            get => new(answer, stored, refusal, replayed);
            set => (answer, stored, refusal, replayed) = value;
        }

        /// <summary>How long ago it was submitted; wrong after an hour, which no command waits.</summary>
        public uint MicrosecondsUntil(long timestamp) => unchecked(Microseconds(timestamp) - submittedAt);

        private static uint Microseconds(long timestamp) => unchecked((uint)(timestamp / (Stopwatch.Frequency / 1_000_000)));
    }
}
