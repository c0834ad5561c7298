using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Primitives;

namespace Jumun.Server.Api;

/// <summary>Which page of a list is asked for.</summary>
/// <param name="List">The list with its filters: a cursor belongs to it alone.</param>
/// <param name="Limit">Items a page.</param>
/// <param name="After">Where the page begins; null for the first.</param>
internal readonly record struct PageRequest(string List, int Limit, (long First, long Second)? After)
{
    /// <summary>One more than the page has, to see whether there is a next one.</summary>
    public int Fetch => Limit + 1;

    /// <summary>Answers with the page, cut from what was fetched.</summary>
    /// <param name="http">The request.</param>
    /// <param name="fetched">Up to <see cref="Fetch"/> items.</param>
    /// <param name="place">The place of an item: the next page begins after it.</param>
    /// <param name="view">The item as it is shown.</param>
    /// <param name="json">How the page is written.</param>
    public Task AnswerAsync<TRow, T>(
        HttpContext http, List<TRow> fetched, Func<TRow, (long First, long Second)> place, Func<TRow, T> view, JsonTypeInfo<Page<T>> json)
    {
        string? next = null;
        if (fetched.Count > Limit)
        {
            fetched.RemoveRange(Limit, fetched.Count - Limit);
            (long first, long second) = place(fetched[^1]);
            next = Cursor.Write(List, first, second);
        }

        return http.AnswerAsync(StatusCodes.Status200OK, new Page<T>(fetched.ConvertAll(row => view(row)), next), json);
    }
}

/// <summary>Reads query strings.</summary>
internal static class Query
{
    /// <summary>Which page is asked for, or a refusal.</summary>
    public static (PageRequest Page, Refusal? Refusal) Page(this HttpContext http, string list)
    {
        var check = new Check();
        long limit = http.Number("limit", Bounds.DefaultPageItems, 1, Bounds.PageItems, ref check);
        (long, long)? after = null;
        if (http.Text("cursor", ref check) is { } cursor)
        {
            after = Cursor.Read(list, cursor);
            check.That(after is not null, "cursor", FieldRule.Cursor);
        }

        return (new PageRequest(list, (int)limit, after), check.Refusal);
    }

    /// <summary>A whole number of the query string.</summary>
    public static long Number(this HttpContext http, string name, long otherwise, long minimum, long maximum, ref Check check)
    {
        StringValues values = http.Request.Query[name];
        if (values.Count == 0)
        {
            return otherwise;
        }

        // The framework reads a number also when NULs follow it.
        if (values is [{ } text] && !text.EndsWith('\0') && long.TryParse(text, System.Globalization.NumberStyles.None, null, out long number)
            && number >= minimum && number <= maximum)
        {
            return number;
        }

        check.That(false, name, FieldRule.Range, minimum, maximum);
        return otherwise;
    }

    /// <summary>A text of the query string; null when there is none.</summary>
    public static string? Text(this HttpContext http, string name, ref Check check)
    {
        StringValues values = http.Request.Query[name];
        if (values.Count > 1)
        {
            check.That(false, name, FieldRule.Duplicate);
        }

        return values.Count == 1 ? values[0] : null;
    }

    /// <summary>A word of an enumeration in the query string; null when there is none.</summary>
    public static T? Word<T>(this HttpContext http, string name, ref Check check)
        where T : struct, Enum
    {
        if (http.Text(name, ref check) is not { } text)
        {
            return null;
        }

        foreach (T value in Enum.GetValues<T>())
        {
            if (JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()) == text)
            {
                return value;
            }
        }

        check.That(false, name, FieldRule.OneOf);
        return null;
    }
}
