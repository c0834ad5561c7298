using Jumun.Server.Stores;

namespace Jumun.Server.DataPlatform;

/// <summary>Where events go. A sink may take an event twice, and must not lose one that it took.</summary>
internal interface ISink
{
    /// <summary>Hands events over, in order. When it returns, the data platform has them; when it throws, it may have some.</summary>
    ValueTask DeliverAsync(IReadOnlyList<PendingEvent> events, CancellationToken cancellation);
}
