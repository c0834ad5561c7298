namespace DataPlatform;

/// <summary>Every loop, queue and buffer of the platform has a bound, and it is named here.</summary>
internal static class Bounds
{
    /// <summary>Largest body of a request, in bytes.</summary>
    public const int BodyBytes = 4 * 1024 * 1024;

    /// <summary>Bodies that are read at once. One more is answered 503 at once.</summary>
    public const int Bodies = 16;

    /// <summary>How long a body may take to come, in seconds.</summary>
    public const int BodySeconds = 10;

    /// <summary>Most events of one request.</summary>
    public const int RequestEvents = 10_000;

    /// <summary>Most that all prices and quantities may come to: no sum of them, nor a difference of two, leaves 64 bits.</summary>
    public const long LargestSum = long.MaxValue / 2;

    /// <summary>Deepest nesting of an event.</summary>
    public const int JsonDepth = 16;

    /// <summary>Signatures of one request that are compared; a sender names one a secret.</summary>
    public const int Signatures = 16;

    /// <summary>How far a request's timestamp may be off this machine's clock, in seconds.</summary>
    public const int TimestampSeconds = 300;

    /// <summary>Deliveries that may wait to be stored. One more is answered 503 at once.</summary>
    public const int WaitingDeliveries = 256;

    /// <summary>Events from which on a transaction takes no further delivery.</summary>
    public const int BatchEvents = 2_000;

    /// <summary>Messages that the broker hands over before the first of them is stored.</summary>
    public const ushort PrefetchedMessages = 2_000;

    /// <summary>How long to wait before the broker is tried again, in milliseconds.</summary>
    public const int ReconnectMilliseconds = 1_000;

    /// <summary>Events that are read at once to complete the files.</summary>
    public const int AppendedEvents = 2_000;

    /// <summary>How often the files are made durable, in milliseconds: after a crash so much of them is written again.</summary>
    public const int FlushMilliseconds = 1_000;

    /// <summary>Most events of one page of the list.</summary>
    public const int PageEvents = 10_000;

    /// <summary>Longest range of a question about sales, in days.</summary>
    public const int SalesDays = 31;

    /// <summary>Most rows of an answer about sales. For more, the range has to be narrower.</summary>
    public const int SalesRows = 100_000;

    /// <summary>Most days of an answer about revenue.</summary>
    public const int RevenueDays = 3_660;

    /// <summary>Most buyers of an answer.</summary>
    public const int Buyers = 1_000;
}
