namespace Jumun.Server.Operators;

/// <summary>A line of a chart.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Values">Its figures, oldest first; null where there is none.</param>
public sealed record Line(string Name, IReadOnlyList<double?> Values);
