namespace DataPlatform;

/// <summary>The words of the page in one language.</summary>
internal sealed record Texts
{
    public required string Language { get; init; }

    public required string Title { get; init; }

    public required string Subtitle { get; init; }

    public required string Revenue { get; init; }

    public required string RevenueNote { get; init; }

    public required string Orders { get; init; }

    public required string Refunds { get; init; }

    public required string Discounts { get; init; }

    public required string DiscountsByDay { get; init; }

    public required string Events { get; init; }

    public required string Duplicates { get; init; }

    public required string Lag { get; init; }

    public required string LagNote { get; init; }

    public required string RevenueByHour { get; init; }

    public required string TopProducts { get; init; }

    public required string TopNote { get; init; }

    public required string RepeatBuyers { get; init; }

    /// <summary>Repeat buyers and all buyers.</summary>
    public required string RepeatNote { get; init; }

    public required string Member { get; init; }

    public required string Spent { get; init; }

    /// <summary>Around a number of pieces.</summary>
    public required string Pieces { get; init; }

    public required string Nothing { get; init; }

    /// <summary>The moment of the page.</summary>
    public required string AsOf { get; init; }

    /// <summary>Around an amount of money.</summary>
    public required string Money { get; init; }

    private static readonly Texts English = new()
    {
        Language = "en",
        Title = "Data platform",
        Subtitle = "What the shop told, as it happens",
        Revenue = "Net revenue",
        RevenueNote = "paid less given back",
        Orders = "Orders",
        Refunds = "Refunds",
        Discounts = "Discounts given",
        DiscountsByDay = "Discounts by day",
        Events = "Events received",
        Duplicates = "Duplicates ignored",
        Lag = "Latest lag",
        LagNote = "from commit to here",
        RevenueByHour = "Revenue by hour",
        TopProducts = "Top products",
        TopNote = "last 24 hours, refunds taken off",
        RepeatBuyers = "Repeat buyers",
        RepeatNote = "{0} of {1} buyers came back",
        Member = "Member",
        Spent = "Spent",
        Pieces = "{0} pieces",
        Nothing = "Nothing yet. It appears here a moment after the first payment.",
        AsOf = "As of {0} UTC. All times are UTC; the page renews itself.",
        Money = "₩{0}",
    };

    private static readonly Texts Korean = new()
    {
        Language = "ko",
        Title = "데이터 플랫폼",
        Subtitle = "상점에서 일어난 일을 실시간으로 봅니다",
        Revenue = "순매출",
        RevenueNote = "결제 금액에서 환불을 뺀 금액",
        Orders = "주문",
        Refunds = "환불",
        Discounts = "할인 금액",
        DiscountsByDay = "일별 할인 금액",
        Events = "받은 이벤트",
        Duplicates = "무시한 중복",
        Lag = "최근 지연",
        LagNote = "커밋부터 도착까지",
        RevenueByHour = "시간대별 매출",
        TopProducts = "인기 상품",
        TopNote = "최근 24시간, 환불 제외",
        RepeatBuyers = "재구매 회원",
        RepeatNote = "구매 회원 {1}명 중 {0}명이 다시 구매했습니다",
        Member = "회원",
        Spent = "구매 금액",
        Pieces = "{0}개",
        Nothing = "아직 없습니다. 첫 결제가 끝나면 곧 여기에 나타납니다.",
        AsOf = "{0} UTC 기준. 모든 시각은 UTC이며 화면은 저절로 새로 고쳐집니다.",
        Money = "{0}원",
    };

    /// <summary>The language that the reader likes best of those that there are.</summary>
    public static Texts For(HttpRequest request)
    {
        IEnumerable<string> wanted = request.GetTypedHeaders().AcceptLanguage
            .OrderByDescending(language => language.Quality ?? 1)
            .Select(language => language.Value.ToString().Split('-')[0].ToLowerInvariant());
        return wanted.FirstOrDefault(language => language is "en" or "ko") == "ko" ? Korean : English;
    }
}
