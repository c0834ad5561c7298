using Xunit.v3;

namespace Jumun.Tests;

/// <summary>
/// Tests that need not run on each store: those of one store's own, and those that bring their own. <c>./test</c> runs
/// them in its first round only.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class OnceAttribute : Attribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Runs", "once")];
}
