using System.Diagnostics;
using System.Threading.RateLimiting;

namespace Jumun.Server.Api;

/// <summary>Refuses a member's requests beyond the rate that the operator set, and any beyond what is worked on at once.</summary>
internal sealed class RateLimits : IDisposable
{
    private readonly RequestDelegate next;
    private readonly PartitionedRateLimiter<string>? perMember;
    private readonly ConcurrencyLimiter? inWork;
    private readonly Lock gate = new();
    private Task pause = Task.CompletedTask;
    private long pausedAt;

    public RateLimits(RequestDelegate next, RateLimitSettings settings)
    {
        this.next = next;
        perMember = settings.PerMember is { } rate
            ? PartitionedRateLimiter.Create<string, string>(memberId =>
                RateLimitPartition.GetTokenBucketLimiter(memberId, _ => new TokenBucketRateLimiterOptions
                {
                    TokenLimit = rate.Burst,
                    TokensPerPeriod = rate.PermitsPerSecond,
                    ReplenishmentPeriod = TimeSpan.FromSeconds(1),
                    QueueLimit = 0,
                }))
            : null;
        inWork = settings.Concurrency is { } concurrency
            ? new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = concurrency, QueueLimit = 0 })
            : null;
    }

    public async Task InvokeAsync(HttpContext http)
    {
        // Only requests of members count: health and documentation stay open.
        if (http.Features.Get<Caller>() is not { } caller)
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        using RateLimitLease? ofMember = perMember?.AttemptAcquire(caller.MemberId);
        if (ofMember is { IsAcquired: false })
        {
            TimeSpan wait = ofMember.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan told) ? told : TimeSpan.Zero;
            await http.RefuseAsync(Refusal.RateLimited(Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)))).ConfigureAwait(false);
            return;
        }

        // A stream is no work that ends: how many there may be is a bound of its own.
        RouteInfo? route = http.GetEndpoint()?.Metadata.GetMetadata<RouteInfo>();
        if (inWork is null || route?.IsStream == true)
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        if (route?.Takes is not null || http.Request.Headers.ContainsKey("Idempotency-Key"))
        {
            // What a client has still to send is its own work: a few who send slowly would hold the places of everybody.
            await http.AwaitBodyAsync().ConfigureAwait(false);
        }

        using RateLimitLease place = inWork.AttemptAcquire();
        if (place.IsAcquired)
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        // Too much is in work. Whoever is refused at once is back at once, and then refusing takes the cores that the work needs.
        await Pause().ConfigureAwait(false);
        await http.RefuseAsync(Refusal.RateLimited(1)).ConfigureAwait(false);
    }

    public void Dispose()
    {
        perMember?.Dispose();
        inWork?.Dispose();
    }

    /// <summary>One timer for all that come within a short while: a crowd that is refused would have thousands of them.</summary>
    private Task Pause()
    {
        lock (gate)
        {
            if (Stopwatch.GetElapsedTime(pausedAt).TotalMilliseconds >= Bounds.SharedPauseMilliseconds)
            {
                pausedAt = Stopwatch.GetTimestamp();
                pause = Task.Delay(Bounds.RefusalMilliseconds);
            }

            return pause;
        }
    }
}
