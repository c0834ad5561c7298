namespace Jumun;

/// <summary>Changes nothing: that it is answered shows that commands are settled. Never refused.</summary>
public sealed record DoNothing : Command
{
    /// <inheritdoc/>
    public override void Declare(Keys keys)
    {
    }

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows) => Done.Instance;
}
