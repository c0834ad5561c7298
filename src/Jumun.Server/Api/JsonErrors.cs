using System.Text.Json;

namespace Jumun.Server.Api;

/// <summary>
/// Says which field of a body is wrong and how. The serializer tells it in words only; the tests hold every one of
/// them, so that a new version that speaks differently is noticed.
/// </summary>
internal static class JsonErrors
{
    public static Refusal Explain(JsonException error)
    {
        string message = error.Message;
        string field = FieldOf(error.Path);
        if (message.StartsWith("JSON deserialization for type", StringComparison.Ordinal)
            && message.Contains("missing required properties", StringComparison.Ordinal))
        {
            // By its beginning: what a client wrote may stand further on in other messages.
            // … was missing required properties including: 'price', 'stock'.
            string names = message[(message.IndexOf("including:", StringComparison.Ordinal) + "including:".Length)..];
            return Refusal.Invalid(
                [.. names.Split('\'').Where((_, i) => i % 2 == 1).Select(name => new FieldError(Join(field, name), FieldRule.Required))]);
        }

        if (message.Contains("could not be mapped to any .NET member", StringComparison.Ordinal))
        {
            return Refusal.Invalid(field, FieldRule.Unknown);
        }

        if (message.Contains("Duplicate property", StringComparison.Ordinal))
        {
            return Refusal.Invalid(field, FieldRule.Duplicate);
        }

        if (message.Contains("doesn't allow setting null values", StringComparison.Ordinal)
            || message.Contains("doesn't allow null values", StringComparison.Ordinal))
        {
            return Refusal.Invalid(field, FieldRule.Required);
        }

        if (message.StartsWith(UtcTimeConverter.BadTime, StringComparison.Ordinal))
        {
            return Refusal.Invalid(field, FieldRule.Time);
        }

        if (message.Contains(nameof(Coupons.DiscountKind), StringComparison.Ordinal))
        {
            return Refusal.Invalid(field, FieldRule.OneOf);
        }

        if (message.Contains("System.Guid", StringComparison.Ordinal))
        {
            return Refusal.Invalid(field, FieldRule.Uuid);
        }

        return message.Contains("could not be converted", StringComparison.Ordinal)
            ? Refusal.Invalid(field, field.Length == 0 ? FieldRule.Json : FieldRule.WrongType)
            : Refusal.Invalid("", FieldRule.Json);
    }

    /// <summary>The field of a path such as <c>$.items[0].quantity</c>.</summary>
    private static string FieldOf(string? path) =>
        path is null ? "" : path.StartsWith("$.", StringComparison.Ordinal) ? path[2..] : path.TrimStart('$');

    private static string Join(string field, string name) => field.Length == 0 ? name : $"{field}.{name}";
}
