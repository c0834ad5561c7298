namespace Jumun.Server;

/// <summary>Every line that the server logs: its number, level and words.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "The store is unavailable; requests are answered 503 (the first with outcome: {Outcome})")]
    public static partial void StoreUnavailable(ILogger log, Exception error, RequestOutcome outcome);

    [LoggerMessage(11, LogLevel.Warning,
        "The store is unavailable for {Duration} now; answered 503 so far: {None} with outcome none, {Unknown} with outcome unknown. {Reason}")]
    public static partial void StoreStillUnavailable(ILogger log, TimeSpan duration, long none, long unknown, string reason);

    [LoggerMessage(12, LogLevel.Warning,
        "The store is available again; it was not for {Duration}. Answered 503: {None} with outcome none, {Unknown} with outcome unknown")]
    public static partial void StoreAvailable(ILogger log, TimeSpan duration, long none, long unknown);

    [LoggerMessage(2, LogLevel.Error, "A bug: {Command} failed and was answered 500. Nothing of it was written")]
    public static partial void CommandFailed(ILogger log, Exception error, string command);

    [LoggerMessage(3, LogLevel.Error, "A bug: a batch of {Commands} commands failed. Nothing of it was written; its halves are tried apart")]
    public static partial void BatchFailed(ILogger log, Exception error, int commands);

    [LoggerMessage(17, LogLevel.Error,
        "A bug: something beside a batch failed that must not. {Commands} commands were answered 503 with outcome unknown; the next batch follows")]
    public static partial void LaneFailed(ILogger log, Exception error, int commands);

    [LoggerMessage(4, LogLevel.Error, "A bug: the request {Method} {Path} failed")]
    public static partial void RequestFailed(ILogger log, Exception error, string method, string path);

    [LoggerMessage(5, LogLevel.Error, "The data platform takes no events: {Reason}. One is tried again in {Delay}; orders go on, and events wait")]
    public static partial void DeliveryFailed(ILogger log, string? reason, TimeSpan delay);

    [LoggerMessage(13, LogLevel.Warning, "The data platform takes events again; it did not for {Duration}")]
    public static partial void DeliveryResumed(ILogger log, TimeSpan duration);

    [LoggerMessage(14, LogLevel.Error,
        "Delivery is paused, because the data platform wants no more events: {Reason}. Events wait, and none is given up. "
        + "One is tried in {Delay}, or when the server is started anew")]
    public static partial void DeliveryPaused(ILogger log, string? reason, TimeSpan delay);

    [LoggerMessage(15, LogLevel.Warning,
        "The data platform refuses event {EventId}: {Reason}. Later events of its member wait until it is taken or given up, which will be at {GivenUpAt}")]
    public static partial void EventRefused(ILogger log, Guid eventId, string? reason, DateTimeOffset givenUpAt);

    [LoggerMessage(16, LogLevel.Error,
        "Event {EventId} is dead: it was not taken for {Duration} ({Reason}). It is kept, and POST /admin/events/replay sends it again")]
    public static partial void EventDead(ILogger log, Guid eventId, TimeSpan duration, string? reason);

    [LoggerMessage(6, LogLevel.Error, "A round of '{Loop}' failed; the next one follows")]
    public static partial void LoopFailed(ILogger log, Exception error, string loop);

    [LoggerMessage(9, LogLevel.Information, "Draining: no new commands are taken, those that wait are settled")]
    public static partial void Draining(ILogger log);

    [LoggerMessage(7, LogLevel.Error, "The delivery of {Events} events cannot be recorded ({Code}); trying again. Nothing else is delivered meanwhile")]
    public static partial void DeliveryNotRecorded(ILogger log, int events, RefusalCode code);

    [LoggerMessage(18, LogLevel.Warning, "The clock was set back by {Back}: new orders, payments and coupons go by it as it is now. Keep it with NTP")]
    public static partial void ClockSetBack(ILogger log, TimeSpan back);

    [LoggerMessage(19, LogLevel.Error,
        "This machine's clock is more than a second off the database's: until it is right this process is not ready, delivers no events and ends no orders. "
        + "Others do so meanwhile. Keep it with NTP")]
    public static partial void ClockOff(ILogger log);

    [LoggerMessage(40, LogLevel.Critical, "{Text}")]
    public static partial void FileUnsynced(ILogger log, string text);

    [LoggerMessage(41, LogLevel.Error,
        "The write-ahead log cannot be copied into the database file: {Reason}. Orders go on, and the log grows until the disk is full: "
        + "see to the disk, and to who may write there")]
    public static partial void LogNotCopied(ILogger log, string reason);

    [LoggerMessage(42, LogLevel.Warning, "The write-ahead log is copied into the database file again")]
    public static partial void LogCopied(ILogger log);

    [LoggerMessage(10, LogLevel.Warning, "The issuer's keys cannot be read; tokens are refused until they can")]
    public static partial void IssuerUnavailable(ILogger log, Exception error);

    [LoggerMessage(30, LogLevel.Information, "{Member} signed in to the console")]
    public static partial void SignedIn(ILogger log, string member);

    [LoggerMessage(31, LogLevel.Warning, "A sign-in to the console was refused: {Reason}. Since the last such line {Others} others were")]
    public static partial void SignInRefused(ILogger log, string reason, long others);

    [LoggerMessage(32, LogLevel.Information, "{Member} did {Command} {Where}")]
    public static partial void OperatorDid(ILogger log, string member, Command command, string where);
}
