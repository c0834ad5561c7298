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

    [LoggerMessage(4, LogLevel.Error, "A bug: the request {Method} {Path} failed")]
    public static partial void RequestFailed(ILogger log, Exception error, string method, string path);

    [LoggerMessage(5, LogLevel.Error, "The data platform did not take {Events} events; trying again in {Delay}")]
    public static partial void DeliveryFailed(ILogger log, Exception error, int events, TimeSpan delay);

    [LoggerMessage(6, LogLevel.Error, "A round of '{Loop}' failed; the next one follows")]
    public static partial void LoopFailed(ILogger log, Exception error, string loop);

    [LoggerMessage(9, LogLevel.Information, "Draining: no new commands are taken, those that wait are settled")]
    public static partial void Draining(ILogger log);

    [LoggerMessage(7, LogLevel.Error, "The delivery of {Events} events cannot be recorded ({Code}); trying again. Nothing else is delivered meanwhile")]
    public static partial void DeliveryNotRecorded(ILogger log, int events, RefusalCode code);

    [LoggerMessage(10, LogLevel.Warning, "The issuer's keys cannot be read; tokens are refused until they can")]
    public static partial void IssuerUnavailable(ILogger log, Exception error);

    [LoggerMessage(30, LogLevel.Information, "{Member} signed in to the console")]
    public static partial void SignedIn(ILogger log, string member);

    [LoggerMessage(31, LogLevel.Warning, "A sign-in to the console was refused: {Reason}")]
    public static partial void SignInRefused(ILogger log, string reason);

    [LoggerMessage(32, LogLevel.Information, "{Member} did {Command} in the console")]
    public static partial void OperatorDid(ILogger log, string member, Command command);
}
