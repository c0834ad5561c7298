using System.Diagnostics;
using Jumun.DataPlatform;
using Jumun.Server.Stores;

namespace Jumun.Server.Api;

/// <summary>What an operator looks at: health, the audit, and the events for the data platform.</summary>
internal sealed class OperationsApi(Shop shop, IHostApplicationLifetime lifetime)
{
    private static readonly Reply<EventsReplayed> Replayed = new(StatusCodes.Status200OK, ApiJson.Default.EventsReplayed);

    private static readonly SemaphoreSlim Audits = new(1, 1);

    private readonly Lock gate = new();
    private Task<string?> probe = Task.FromResult<string?>(null);
    private long probedAt;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", LiveAsync).Is(
            new(Access.Anyone, "live", "Whether the process answers.") { Tag = "operations", Gives = typeof(HealthAnswer) });
        routes.MapGet("/health/ready", ReadyAsync).Is(
            new(Access.Anyone, "ready", "Whether the shop can settle commands; 503 when it cannot.")
            {
                Tag = "operations",
                Gives = typeof(HealthAnswer),
                GivesUnready = typeof(HealthAnswer),
            });
        routes.MapGet("/admin/audit", AuditAsync).Is(
            new(Access.Administrator, "audit", "Every invariant that the store can show.") { Tag = "admin", Gives = typeof(AuditAnswer) });
        routes.MapGet("/admin/events", EventsAsync).Is(
            new(Access.Administrator, "listEvents", "Events for the data platform, newest first.")
            {
                Tag = "admin",
                Gives = typeof(Page<OutboxEventView>),
                Query = [new("state", "pending, delivered or dead"), .. QueryParameter.Paging],
            });
        routes.MapPost("/admin/events/replay", ReplayAsync).Is(
            new(Access.Administrator, "replayEvents", "Sends events again: those committed in a time range, or those named.")
            {
                Tag = "admin",
                Takes = typeof(ReplayRequest),
                Gives = typeof(EventsReplayed),
            });
    }

    private static Task LiveAsync(HttpContext http) =>
        http.AnswerAsync(StatusCodes.Status200OK, new HealthAnswer("ok"), ApiJson.Default.HealthAnswer);

    private async Task ReadyAsync(HttpContext http)
    {
        string? problem = lifetime.ApplicationStopping.IsCancellationRequested
            ? "draining"
            : await ProbeAsync().ConfigureAwait(false);
        await http.AnswerAsync(
            problem is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable,
            new HealthAnswer(problem ?? "ok"), ApiJson.Default.HealthAnswer).ConfigureAwait(false);
    }

    /// <summary>Null when the store can be used. Who asks will not wait as long as a batch may: a store that is slow is not ready.</summary>
    private async ValueTask<string?> ProbeAsync()
    {
        try
        {
            return await SharedProbe().WaitAsync(TimeSpan.FromSeconds(Bounds.ReadySeconds)).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return "the store does not answer in time";
        }
    }

    /// <summary>
    /// One question to the store for all who ask meanwhile: nobody needs a token to ask, and members' reads need the connections.
    /// A question that is not answered in time keeps the next one from nothing.
    /// </summary>
    private Task<string?> SharedProbe()
    {
        lock (gate)
        {
            if (probe.IsCompleted || Stopwatch.GetElapsedTime(probedAt).TotalSeconds >= Bounds.ReadySeconds)
            {
                probedAt = Stopwatch.GetTimestamp();
                probe = Task.Run(AskAsync);
            }

            return probe;
        }

        async Task<string?> AskAsync() =>
            await shop.Store.ProbeAsync().ConfigureAwait(false) is { } lost ? await ReopenAsync(lost).ConfigureAwait(false) : null;
    }

    /// <summary>A store that was lost is opened again by the next batch: without other work, this is it. Then it is asked once more.</summary>
    private async ValueTask<string?> ReopenAsync(string problem) =>
        await shop.Executor.TouchAsync().ConfigureAwait(false) ? await shop.Store.ProbeAsync().ConfigureAwait(false) : problem;

    private async Task AuditAsync(HttpContext http)
    {
        var answer = new AuditAnswer(await AuditAsync(shop.Store, http.RequestAborted).ConfigureAwait(false));
        await http.AnswerAsync(StatusCodes.Status200OK, answer, ApiJson.Default.AuditAnswer).ConfigureAwait(false);
    }

    /// <summary>Audits one after the other: each reads everything, on one of the few connections that reads have.</summary>
    internal static async Task<List<InvariantReport>> AuditAsync(IStore store, CancellationToken cancellation)
    {
        await Audits.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await store.AuditAsync().ConfigureAwait(false);
        }
        finally
        {
            Audits.Release();
        }
    }

    private async Task EventsAsync(HttpContext http)
    {
        var check = new Check();
        OutboxState? state = http.Word<OutboxState>("state", ref check);
        (PageRequest page, Refusal? refusal) = http.Page($"events, {state}");
        if ((check.Refusal ?? refusal) is { } wrong)
        {
            await http.RefuseAsync(wrong).ConfigureAwait(false);
            return;
        }

        List<((long First, long Second) Place, OutboxEventView Event)> events =
            await shop.Store.EventsAsync(state, page.After, page.Fetch).ConfigureAwait(false);
        await page.AnswerAsync(http, events, row => row.Place, row => row.Event, ApiJson.Default.PageOutboxEventView).ConfigureAwait(false);
    }

    private async Task ReplayAsync(HttpContext http)
    {
        Body<ReplayRequest> body = await http.ReadAsync<ReplayRequest>().ConfigureAwait(false);
        Checked request = body.Value is { } value ? await ReplayOfAsync(shop, value).ConfigureAwait(false) : new Checked(null, body.Refusal);
        await (request.Command is { } command
            ? http.SettleAsync(shop, command, Replayed, body.Bytes)
            : http.RefuseAsync(request.Refusal!)).ConfigureAwait(false);
    }

    /// <summary>The events that are meant; a range of more than one commit takes is cut, and says where to go on.</summary>
    public static async ValueTask<Checked> ReplayOfAsync(Shop shop, ReplayRequest request)
    {
        var check = new Check();
        check.That(
            request.EventIds is null ? request.From is not null && request.To is not null : request.From is null && request.To is null,
            "eventIds", FieldRule.Either);
        check.That(request.EventIds is null or { Count: >= 1 and <= Bounds.ReplayedEvents }, "eventIds", FieldRule.Count, 1, Bounds.ReplayedEvents);
        check.That(!(request.From >= request.To), "to", FieldRule.Order);
        if (check.Refusal is { } refusal)
        {
            return new Checked(null, refusal);
        }

        if (request.EventIds is { } named)
        {
            return new Checked(new ReplayEvents(named, Next: null), null);
        }

        List<(Guid EventId, DateTimeOffset CreatedAt)> events =
            await shop.Store.EventIdsAsync(request.From!.Value, request.To!.Value, Bounds.ReplayedEvents + 1).ConfigureAwait(false);
        if (events.Count <= Bounds.ReplayedEvents)
        {
            return new Checked(new ReplayEvents([.. events.Select(row => row.EventId)], Next: null), null);
        }

        // The range is cut between two moments, so that whoever goes on there meets each event once.
        DateTimeOffset next = events[^1].CreatedAt;
        if (next == events[0].CreatedAt)
        {
            // Batches of several processes, or a clock that stood: what happened in one moment is taken whole.
            next = next.AddMilliseconds(1);
            events = await shop.Store.EventIdsAsync(events[0].CreatedAt, next, int.MaxValue).ConfigureAwait(false);
        }

        return new Checked(new ReplayEvents([.. events.TakeWhile(row => row.CreatedAt < next).Select(row => row.EventId)], next), null);
    }
}
