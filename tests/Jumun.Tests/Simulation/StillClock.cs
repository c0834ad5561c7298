namespace Jumun.Tests.Simulation;

/// <summary>A clock that stands still until time is let pass.</summary>
internal sealed class StillClock : TimeProvider
{
    private long ticks = Start.Ticks;

    /// <summary>When every story begins.</summary>
    public static DateTimeOffset Start { get; } = new(2026, 3, 2, 11, 58, 30, TimeSpan.Zero);

    public DateTimeOffset Now => new(Volatile.Read(ref ticks), TimeSpan.Zero);

    public void Pass(TimeSpan time) => Interlocked.Add(ref ticks, time.Ticks);

    public override DateTimeOffset GetUtcNow() => Now;
}
