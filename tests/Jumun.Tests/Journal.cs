using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Jumun.Tests;

/// <summary>Keeps what a server logs.</summary>
internal sealed class Journal : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<(int Number, string Text)> lines = new();

    /// <summary>All lines of a number, in order.</summary>
    public List<string> Lines(int number) => [.. lines.Where(line => line.Number == number).Select(line => line.Text)];

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        lines.Enqueue((eventId.Id, formatter(state, exception)));

    public void Dispose()
    {
    }
}
