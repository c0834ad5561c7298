using System.Text;

namespace Jumun.Server.Api;

/// <summary>Collects what is wrong with a request, so that one answer names every field.</summary>
internal struct Check
{
    private List<FieldError>? errors;

    /// <summary>The refusal, when anything was wrong.</summary>
    public readonly Refusal? Refusal => errors is null ? null : Jumun.Refusal.Invalid(errors);

    public void Range(string field, long? value, long minimum, long maximum)
    {
        if (value is { } number && (number < minimum || number > maximum))
        {
            Add(field, FieldRule.Range, minimum, maximum);
        }
    }

    /// <summary>A text of 1 to <see cref="Limits.NameLength"/> characters for people.</summary>
    public void Text(string field, string? value)
    {
        if (value is null)
        {
            return;
        }

        int length = 0;
        bool blank = true;
        foreach (Rune rune in value.EnumerateRunes())
        {
            length += 1;
            blank &= Rune.IsWhiteSpace(rune);
            if (Rune.IsControl(rune))
            {
                length = Limits.NameLength + 1;
                break;
            }
        }

        if (blank || length > Limits.NameLength)
        {
            Add(field, FieldRule.Length, 1, Limits.NameLength);
        }
    }

    public void That(bool holds, string field, FieldRule rule, long minimum = 0, long maximum = 0)
    {
        if (!holds)
        {
            Add(field, rule, minimum, maximum);
        }
    }

    private void Add(string field, FieldRule rule, long minimum = 0, long maximum = 0) =>
        (errors ??= []).Add(new FieldError(field, rule, minimum, maximum));
}
