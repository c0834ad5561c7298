using System.Diagnostics;

namespace Jumun.Server.Execution;

/// <summary>
/// The spans of a batch. A batch settles the requests of many callers: its span is a child of the first of them that is
/// recorded, so that one trace leads from a request to its SQL, and it links to the others, as they do to it. When nobody
/// listens to the source nothing is kept of any request.
/// </summary>
internal sealed partial class Executor
{
    /// <summary>The name of the source.</summary>
    public const string SourceName = "Jumun";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>The request that submits, when its span is recorded.</summary>
    private static Activity? Requester() => Source.HasListeners() && Activity.Current is { Recorded: true } request ? request : null;

    /// <summary>Begins the span of a batch, when one of its requests is recorded.</summary>
    private static Activity? BeginSpan(List<Submission> submissions)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var requests = new List<Activity>();
        foreach (Submission submission in submissions)
        {
            if (submission is TracedSubmission traced && requests.Count < Bounds.BatchLinks)
            {
                requests.Add(traced.Request);
            }
        }

        if (requests.Count == 0)
        {
            return null;
        }

        Activity? span = Source.StartActivity(
            "settle batch", ActivityKind.Internal, requests[0].Context, tags: [new("jumun.batch.size", submissions.Count)],
            links: requests.Skip(1).Select(request => new ActivityLink(request.Context)));
        if (span is not null)
        {
            foreach (Activity request in requests.Skip(1))
            {
                request.AddLink(new ActivityLink(span.Context));
            }
        }

        return span;
    }

    /// <summary>Begins the span of a step, inside a batch that has one.</summary>
    private static Activity? StepSpan(string name) =>
        Source.HasListeners() && Activity.Current is not null ? Source.StartActivity(name) : null;

    /// <summary>A command of a request whose span is recorded.</summary>
    private sealed class TracedSubmission(Command command, KeyedRequest? keyed, Activity request) : Submission(command, keyed)
    {
        public Activity Request { get; } = request;
    }
}
