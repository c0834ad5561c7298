using System.Threading.RateLimiting;

namespace Jumun.Server.Api;

/// <summary>Refuses a member's requests beyond the rate that the operator set, and any beyond what is worked on at once.</summary>
internal sealed class RateLimits : IDisposable
{
    private readonly RequestDelegate next;
    private readonly PartitionedRateLimiter<HttpContext> perMember;
    private readonly PartitionedRateLimiter<HttpContext> limiter;

    public RateLimits(RequestDelegate next, RateLimitSettings settings)
    {
        this.next = next;
        perMember = PartitionedRateLimiter.Create<HttpContext, string>(http =>
            RateLimitPartition.GetTokenBucketLimiter(http.Features.Get<Caller>()?.MemberId ?? "", _ => new TokenBucketRateLimiterOptions
            {
                TokenLimit = settings.Burst,
                TokensPerPeriod = settings.PermitsPerSecond,
                ReplenishmentPeriod = TimeSpan.FromSeconds(1),
                QueueLimit = 0,
            }));
        limiter = settings.Concurrency is { } concurrency
            ? PartitionedRateLimiter.CreateChained(
                perMember,
                PartitionedRateLimiter.Create<HttpContext, int>(_ => RateLimitPartition.GetConcurrencyLimiter(
                    0, _ => new ConcurrencyLimiterOptions { PermitLimit = concurrency, QueueLimit = 0 })))
            : perMember;
    }

    public async Task InvokeAsync(HttpContext http)
    {
        // Only requests of members count: health and documentation stay open.
        if (http.Features.Get<Caller>() is null)
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        // A stream is no work that ends: how many there may be is a bound of its own.
        bool isStream = http.GetEndpoint()?.Metadata.GetMetadata<RouteInfo>()?.IsStream == true;
        using RateLimitLease lease = (isStream ? perMember : limiter).AttemptAcquire(http);
        if (lease.IsAcquired)
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        int seconds = 1;
        if (lease.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan wait))
        {
            seconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds));
        }
        else
        {
            // Too much is in work. Whoever is refused at once is back at once, and then refusing takes the cores that the work needs.
            await Task.Delay(TimeSpan.FromMilliseconds(Bounds.RefusalMilliseconds), http.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await http.RefuseAsync(Refusal.RateLimited(seconds)).ConfigureAwait(false);
    }

    public void Dispose()
    {
        limiter.Dispose();
        perMember.Dispose();
    }
}
