using System.Text.Json;
using Jumun.Coupons;
using Jumun.Orders;
using Microsoft.Net.Http.Headers;

namespace Jumun.Server.Problems;

/// <summary>A refusal as it goes over the wire (RFC 9457), with the members that belong to its code.</summary>
internal sealed record ProblemAnswer(string Type, string Title, int Status, string Detail, string Code, string TraceId)
{
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    public IReadOnlyList<Shortage>? Shortages { get; init; }

    public IReadOnlyList<long>? ProductIds { get; init; }

    public long? Total { get; init; }

    public CouponView? Coupon { get; init; }

    public CouponNotUsableReason? Reason { get; init; }

    public long? Balance { get; init; }

    public long? Required { get; init; }

    // Not 'status': in a problem that is the HTTP status.
    public OrderStatus? OrderStatus { get; init; }

    public RequestOutcome? Outcome { get; init; }

    /// <summary>The content type of problems.</summary>
    public const string ContentType = "application/problem+json";

    /// <summary>A code as clients see it.</summary>
    public static string NameOf(RefusalCode code) => Names[(int)code];

    private static readonly string[] Names =
        [.. Enum.GetNames<RefusalCode>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName)];

    public static ProblemAnswer Of(Refusal refusal, Language language, string traceId)
    {
        ProblemText text = ProblemText.Of(refusal.Code);
        string code = NameOf(refusal.Code);
        return new ProblemAnswer($"/problems/{code}", text.Title.In(language), text.Status, text.Detail.In(language), code, traceId)
        {
            Errors = refusal.Errors?.GroupBy(error => error.Field).ToDictionary(
                group => group.Key, group => group.Select(error => ProblemText.Of(error).In(language)).ToArray()),
            Shortages = refusal.Shortages,
            ProductIds = refusal.ProductIds,
            Total = refusal.Total,
            Coupon = refusal.Coupon,
            Reason = refusal.Reason,
            Balance = refusal.Balance,
            Required = refusal.Required,
            OrderStatus = refusal.Status,
            Outcome = refusal.Outcome,
        };
    }

    /// <summary>The language that a request prefers among those that the shop speaks.</summary>
    public static Language LanguageOf(HttpRequest request)
    {
        if (request.Headers.AcceptLanguage.Count == 0)
        {
            return Language.English;
        }

        StringWithQualityHeaderValue? best = request.GetTypedHeaders().AcceptLanguage
            .Where(language => language.Quality is not 0 && (Speaks(language, "ko") || Speaks(language, "en")))
            .MaxBy(language => language.Quality ?? 1);
        return best is not null && Speaks(best, "ko") ? Language.Korean : Language.English;
    }

    private static bool Speaks(StringWithQualityHeaderValue header, string language) =>
        header.Value.StartsWith(language, StringComparison.OrdinalIgnoreCase)
        && (header.Value.Length == language.Length || header.Value.Value![language.Length] == '-');
}
