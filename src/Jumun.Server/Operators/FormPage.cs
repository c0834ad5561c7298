using System.Globalization;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Microsoft.AspNetCore.Components;

namespace Jumun.Server.Operators;

/// <summary>
/// What the console's forms share. They hold what was typed; what is no number or time at all is said here, in the words of
/// the API, and everything else by its own checks and decisions.
/// </summary>
public abstract class FormPage : ConsolePage
{
    private readonly List<FieldError> unreadable = [];

    /// <summary>Told what was done, in a sentence.</summary>
    [Parameter]
    public EventCallback<string> Done { get; set; }

    /// <summary>Why nothing was done.</summary>
    private protected Refusal? Refused { get; private set; }

    /// <summary>A whole number that was typed, or 0 and an error.</summary>
    private protected long Whole(string field, string typed) => WholeOrNull(field, typed) ?? Missing(field, typed);

    /// <summary>A whole number that was typed; null for none.</summary>
    private protected long? WholeOrNull(string field, string typed)
    {
        string digits = typed.Replace(",", "", StringComparison.Ordinal).Trim();
        if (digits.Length == 0)
        {
            return null;
        }

        if (long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number))
        {
            return number;
        }

        unreadable.Add(new FieldError(field, FieldRule.WrongType));
        return null;
    }

    /// <summary>A time that was chosen, in UTC; null for none.</summary>
    private protected DateTimeOffset? MomentOrNull(string field, string typed)
    {
        if (typed.Length == 0)
        {
            return null;
        }

        if (UtcTimeConverter.TryParse(typed.Length == 16 ? $"{typed}:00Z" : $"{typed}Z", out DateTimeOffset time))
        {
            return time;
        }

        unreadable.Add(new FieldError(field, FieldRule.Time));
        return null;
    }

    /// <summary>A time that was chosen, or an error.</summary>
    private protected DateTimeOffset Moment(string field, string typed)
    {
        if (MomentOrNull(field, typed) is { } time)
        {
            return time;
        }

        Missing(field, typed);
        return default;
    }

    /// <summary>Settles what the form asks for, and tells what became of it.</summary>
    /// <param name="request">Reads what was typed, and checks it.</param>
    /// <param name="sentence">What to say of the answer.</param>
    private protected async Task SendAsync<T>(Func<Checked> request, Func<T, string> sentence)
        where T : Answer
    {
        unreadable.Clear();
        Checked wanted = request();
        if (unreadable.Count > 0)
        {
            // A field that could not be read was checked as if it were empty: one complaint about it is enough.
            IEnumerable<FieldError> others = (wanted.Refusal?.Errors ?? []).Where(error => !unreadable.Exists(one => one.Field == error.Field));
            Refused = Refusal.Invalid([.. unreadable, .. others]);
            return;
        }

        Settlement settlement = await SettleAsync(wanted);
        Refused = settlement.Refusal;
        if (settlement.Answer is T answer)
        {
            await Done.InvokeAsync(sentence(answer));
        }
    }

    /// <summary>As an input of a time takes it, to the millisecond.</summary>
    private protected static string Input(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFF", CultureInfo.InvariantCulture);

    private long Missing(string field, string typed)
    {
        if (typed.Trim().Length == 0)
        {
            unreadable.Add(new FieldError(field, FieldRule.Required));
        }

        return 0;
    }
}
