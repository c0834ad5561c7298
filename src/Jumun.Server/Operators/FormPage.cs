using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Microsoft.AspNetCore.Components;

namespace Jumun.Server.Operators;

/// <summary>
/// What the console's forms share. They hold what was typed; what is no number or time at all is said here, in the words of
/// the API, and everything else by its own checks and decisions.
/// </summary>
public abstract partial class FormPage : ConsolePage
{
    /// <summary>How a stored answer is read again: what it has no value for was left out of it.</summary>
    private static readonly ApiJson Stored = new(
        new JsonSerializerOptions(ApiJson.Default.Options) { RespectRequiredConstructorParameters = false, TypeInfoResolver = null });

    private readonly List<FieldError> unreadable = [];

    /// <summary>The keys of what was asked for and whose outcome is not known: few, since an operator pressed for each.</summary>
    private readonly Dictionary<Command, string> keys = [];
    private bool isSending;

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
        string digits = typed.Trim();
        if (digits.Length == 0)
        {
            return null;
        }

        // "12,500" is what is shown; "2,5" is two and a half to some, and no whole number.
        digits = Grouped().IsMatch(digits) ? digits.Replace(",", "", StringComparison.Ordinal) : digits;
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

    /// <summary>A number or time that was typed, where it is not what was loaded: another's change of the same thing stays.</summary>
    private protected static T? Changed<T>(T? typed, T loaded)
        where T : struct => typed is { } value && !value.Equals(loaded) ? value : null;

    /// <summary>A text that was typed, where it is not what was loaded.</summary>
    private protected static string? Changed(string typed, string loaded) => typed != loaded ? typed : null;

    /// <summary>
    /// Settles what the form asks for, once however often it is pressed, and tells what became of it. While the outcome is not
    /// known, the same is asked for under the same key.
    /// </summary>
    /// <param name="request">Reads what was typed, and checks it.</param>
    /// <param name="sentence">What to say of the answer.</param>
    private protected async Task SendAsync<T>(Func<Checked> request, Func<T, string> sentence)
        where T : Answer
    {
        if (isSending)
        {
            return;
        }

        unreadable.Clear();
        Checked wanted = request();
        if (unreadable.Count > 0)
        {
            // A field that could not be read was checked as if it were empty: one complaint about it is enough.
            IEnumerable<FieldError> others = (wanted.Refusal?.Errors ?? []).Where(error => !unreadable.Exists(one => one.Field == error.Field));
            Refused = Refusal.Invalid([.. unreadable, .. others]);
            return;
        }

        Settlement settlement;
        isSending = true;
        try
        {
            settlement = await SettleAsync(wanted, wanted.Command is null ? null : Keyed<T>(wanted.Command));
        }
        finally
        {
            isSending = false;
        }

        Refused = settlement.Refusal;
        if (wanted.Command is not null && IsKnown(settlement.Refusal))
        {
            keys.Remove(wanted.Command);
        }

        if (settlement.Stored is { } stored)
        {
            await Done.InvokeAsync(sentence(JsonSerializer.Deserialize(stored.Body, (JsonTypeInfo<T>)Stored.Options.GetTypeInfo(typeof(T)))!));
        }
    }

    /// <summary>As an input of a time takes it, to the millisecond.</summary>
    private protected static string Input(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFF", CultureInfo.InvariantCulture);

    [GeneratedRegex("^[+-]?[0-9]{1,3}(,[0-9]{3})+$")]
    private static partial Regex Grouped();

    private KeyedRequest Keyed<T>(Command command)
        where T : Answer
    {
        if (!keys.TryGetValue(command, out string? key))
        {
            keys[command] = key = RandomNumberGenerator.GetHexString(32);
        }

        return new KeyedRequest(
            new IdempotencyKey(Visit.Member, key),
            SHA256.HashData(Encoding.UTF8.GetBytes($"{command}")),
            new Reply<T>(StatusCodes.Status200OK, (JsonTypeInfo<T>)Stored.Options.GetTypeInfo(typeof(T))).Render);
    }

    /// <summary>Whether it is known that the command was carried out, or was not and is over.</summary>
    private static bool IsKnown(Refusal? refusal) => refusal?.Code is not (
        RefusalCode.Unavailable or RefusalCode.IdempotencyKeyInUse or RefusalCode.InternalError or RefusalCode.Unauthenticated);

    private long Missing(string field, string typed)
    {
        if (typed.Trim().Length == 0)
        {
            unreadable.Add(new FieldError(field, FieldRule.Required));
        }

        return 0;
    }
}
