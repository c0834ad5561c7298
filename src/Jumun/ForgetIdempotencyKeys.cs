namespace Jumun;

/// <summary>Forgets idempotency keys that are older than they need to be kept. Never refused.</summary>
/// <param name="Retention">How long a key is kept.</param>
public sealed record ForgetIdempotencyKeys(TimeSpan Retention) : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        // Must succeed from here on.
        rows.ForgetKeysBefore = rows.Now - Retention;
        return Done.Instance;
    }
}
