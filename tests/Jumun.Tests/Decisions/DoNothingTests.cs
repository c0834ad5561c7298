namespace Jumun.Tests.Decisions;

public sealed class DoNothingTests
{
    [Fact]
    public void It_is_answered_and_changes_nothing()
    {
        var rows = new WorkingSet();
        var command = new DoNothing();
        command.Declare(rows.Keys);
        Assert.Same(Done.Instance, command.Decide(rows).Answer);
        Assert.False(rows.HasChanges);
    }
}
