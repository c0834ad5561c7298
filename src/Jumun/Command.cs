namespace Jumun;

/// <summary>
/// One intention to change the shop: its data, the rows it needs, and its decision. Commands that arrive together are
/// settled in one batch: their rows are loaded at once, each is decided in order of arrival, and all changes commit
/// together. A command is pure: ids come in with it and time is <see cref="WorkingSet.Now"/>.
/// </summary>
public abstract record Command
{
    /// <summary>Names every row that <see cref="Decide"/> may read or change.</summary>
    public abstract void Declare(Keys keys);

    /// <summary>
    /// Answers or refuses. All refusals are returned first, in a fixed order; after the must-succeed line nothing may
    /// fail, and only then is the working set changed. A refused command changes nothing.
    /// </summary>
    public abstract Decision Decide(WorkingSet rows);
}

/// <summary>A command about what one member owns.</summary>
public interface IOfMember
{
    /// <summary>The member.</summary>
    string MemberId { get; }
}

/// <summary>
/// A command that locks nothing but rows of its member: none that many want at once, as products and coupons are. (What a payment adds to a
/// product's sales goes to a slot of its lane's own.) Stores may settle such commands beside all others.
/// </summary>
public interface IOfMemberAlone : IOfMember;

/// <summary>What a command that was carried out tells its caller.</summary>
public abstract record Answer;

/// <summary>The outcome of a command: an answer or a refusal, never both.</summary>
public readonly struct Decision
{
    private Decision(Answer? answer, Refusal? refusal)
    {
        Answer = answer;
        Refusal = refusal;
    }

    /// <summary>The answer, when the command was carried out.</summary>
    public Answer? Answer { get; }

    /// <summary>The refusal, when it was not.</summary>
    public Refusal? Refusal { get; }

    /// <summary>The command was carried out.</summary>
    public static implicit operator Decision(Answer answer) => new(answer, null);

    /// <summary>The command was refused and changed nothing.</summary>
    public static implicit operator Decision(Refusal refusal) => new(null, refusal);
}

/// <summary>The answer of commands that have nothing to tell.</summary>
public sealed record Done : Answer
{
    private Done()
    {
    }

    /// <summary>The only instance.</summary>
    public static Done Instance { get; } = new();
}
