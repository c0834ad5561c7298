namespace Jumun.Server.Problems;

/// <summary>A text for people, in the two languages of the shop.</summary>
internal readonly record struct Text(string English, string Korean)
{
    /// <summary>The text in a language.</summary>
    public string In(Language language) => language switch
    {
        Language.English => English,
        Language.Korean => Korean,
    };
}

/// <summary>The languages of texts for people.</summary>
internal enum Language
{
    /// <summary><c>en</c></summary>
    English,

    /// <summary><c>ko</c></summary>
    Korean,
}

/// <summary>How a refusal looks over HTTP.</summary>
/// <param name="Status">The status code.</param>
/// <param name="Title">What it is, in a few words: the same for every occurrence.</param>
/// <param name="Detail">What happened and what to do next.</param>
internal sealed record ProblemText(int Status, Text Title, Text Detail)
{
    /// <summary>
    /// The problem of each refusal. The list of refusals is closed and the compiler checks that all are here.
    /// </summary>
    public static ProblemText Of(RefusalCode code) => code switch
    {
        RefusalCode.Unauthenticated => new(401,
            new("Not signed in", "로그인되지 않음"),
            new("The request carries no valid bearer token. Send 'Authorization: Bearer <token>' "
                + "with a token that is signed, not expired and meant for this shop.",
                "유효한 베어러 토큰이 없습니다. 이 상점을 위해 서명되고 만료되지 않은 토큰을 'Authorization: Bearer <토큰>'으로 보내세요.")),
        RefusalCode.Forbidden => new(403,
            new("Not allowed", "권한 없음"),
            new("The token belongs to somebody else, or this needs an administrator. Use the token of the member in the path.",
                "다른 회원의 토큰이거나 관리자 권한이 필요합니다. 경로에 있는 회원의 토큰을 사용하세요.")),
        RefusalCode.InvalidRequest => new(400,
            new("Invalid request", "잘못된 요청"),
            new("The request cannot be understood. 'errors' names each field and what it must be.",
                "요청을 이해할 수 없습니다. 'errors'에 각 필드와 지켜야 할 규칙이 있습니다.")),
        RefusalCode.ProductNotFound => new(404,
            new("No such product", "상품 없음"),
            new("There is no product with this number. GET /products lists what is on sale.",
                "이 번호의 상품이 없습니다. GET /products에서 판매 중인 상품을 확인하세요.")),
        RefusalCode.CouponNotFound => new(404,
            new("No such coupon", "쿠폰 없음"),
            new("There is no coupon with this number. GET /coupons lists all.",
                "이 번호의 쿠폰이 없습니다. GET /coupons에서 전체 쿠폰을 확인하세요.")),
        RefusalCode.OrderNotFound => new(404,
            new("No such order", "주문 없음"),
            new("The member has no order with this id.", "이 회원에게 해당 주문이 없습니다.")),
        RefusalCode.PaymentNotFound => new(404,
            new("No such payment", "결제 없음"),
            new("The member has no payment with this id. The order's answer names its payment.",
                "이 회원에게 해당 결제가 없습니다. 결제 식별자는 주문 응답에 있습니다.")),
        RefusalCode.ProductNotOnSale => new(409,
            new("Product not on sale", "판매 중이 아닌 상품"),
            new("The products in 'productIds' are not on sale. Leave them out.",
                "'productIds'의 상품은 판매 중이 아닙니다. 해당 상품을 빼고 다시 시도하세요.")),
        RefusalCode.OutOfStock => new(409,
            new("Out of stock", "재고 부족"),
            new("Fewer pieces are left than asked for; nothing was taken. 'shortages' says how many there are.",
                "요청한 수량보다 재고가 적어 아무것도 차감하지 않았습니다. 'shortages'에 남은 수량이 있습니다.")),
        RefusalCode.PriceChanged => new(409,
            new("Price changed", "가격 변경됨"),
            new("The total is not the expected one; nothing was ordered. 'total' is the total now: ask the buyer, and order again with it.",
                "총액이 예상과 달라 주문하지 않았습니다. 현재 총액은 'total'에 있습니다. 구매자에게 확인한 뒤 다시 주문하세요.")),
        RefusalCode.CouponSoldOut => new(409,
            new("Coupon sold out", "쿠폰 소진"),
            new("All coupons of this kind have been issued.", "이 쿠폰은 모두 발급되었습니다.")),
        RefusalCode.CouponAlreadyIssued => new(409,
            new("Coupon already issued", "이미 발급된 쿠폰"),
            new("The member has this coupon already; there is one for each.", "이미 발급받은 쿠폰입니다. 회원마다 한 장만 발급됩니다.")),
        RefusalCode.CouponNotOpen => new(409,
            new("Coupon not open yet", "발급 시작 전"),
            new("The coupon is issued from 'issueFrom' on. Try again then.", "'issueFrom'부터 발급됩니다. 그때 다시 시도하세요.")),
        RefusalCode.CouponClosed => new(409,
            new("Coupon closed", "발급 종료"),
            new("The coupon's issue window is over.", "쿠폰 발급 기간이 끝났습니다.")),
        RefusalCode.CouponNotUsable => new(409,
            new("Coupon not usable", "사용할 수 없는 쿠폰"),
            new("This order cannot use the coupon; 'reason' says why. Order without it, or with another.",
                "이 주문에 쿠폰을 사용할 수 없습니다. 이유는 'reason'에 있습니다. 쿠폰 없이 또는 다른 쿠폰으로 주문하세요.")),
        RefusalCode.InsufficientBalance => new(409,
            new("Balance too small", "잔액 부족"),
            new("The balance is below what the payment takes; nothing was deducted. Charge points and pay again while the order can be paid.",
                "잔액이 결제 금액보다 적어 차감하지 않았습니다. 결제 기한 안에 포인트를 충전하고 다시 결제하세요.")),
        RefusalCode.BalanceLimit => new(409,
            new("Balance at its limit", "잔액 한도 초과"),
            new("The credit would push the balance over its limit; nothing was added. Spend points first.",
                "잔액 한도를 넘게 되어 추가하지 않았습니다. 먼저 포인트를 사용하세요.")),
        RefusalCode.PaymentAlreadyCompleted => new(409,
            new("Already paid", "이미 결제됨"),
            new("The order was paid already; nothing was deducted again.", "이미 결제된 주문입니다. 다시 차감하지 않았습니다.")),
        RefusalCode.OrderExpired => new(409,
            new("Order expired", "주문 만료"),
            new("The payment window is over, and what the order held is given back. Order again.",
                "결제 기한이 지나 주문이 잡고 있던 재고와 쿠폰이 반환되었습니다. 다시 주문하세요.")),
        RefusalCode.OrderCancelled => new(409,
            new("Order cancelled", "취소된 주문"),
            new("The order was cancelled and cannot be paid. Order again.", "취소된 주문은 결제할 수 없습니다. 다시 주문하세요.")),
        RefusalCode.OrderNotCancellable => new(409,
            new("Order not cancellable", "취소할 수 없는 주문"),
            new("The order has ended, or its refund window is over; 'orderStatus' says what it is.",
                "이미 끝난 주문이거나 환불 기한이 지났습니다. 현재 상태는 'orderStatus'에 있습니다.")),
        RefusalCode.IdempotencyKeyReused => new(422,
            new("Idempotency key reused", "멱등 키 재사용"),
            new("Another request was made under this Idempotency-Key; nothing was done. Use a new key for a new request.",
                "이 Idempotency-Key로 다른 요청이 처리되었습니다. 새 요청에는 새 키를 사용하세요.")),
        RefusalCode.IdempotencyKeyInUse => new(409,
            new("Idempotency key in use", "처리 중인 멱등 키"),
            new("The first request under this Idempotency-Key is still being settled. Send the same request again in a moment.",
                "이 Idempotency-Key의 첫 요청이 아직 처리 중입니다. 잠시 후 같은 요청을 다시 보내세요.")),
        RefusalCode.PayloadTooLarge => new(413,
            new("Body too large", "본문이 너무 큼"),
            new("A body may have 64 KiB.", "본문은 64 KiB까지 허용됩니다.")),
        RefusalCode.UnsupportedMediaType => new(415,
            new("Not JSON", "JSON이 아님"),
            new("Send the body as 'Content-Type: application/json' in UTF-8, without a content encoding.",
                "본문을 UTF-8 'Content-Type: application/json'으로, 콘텐츠 인코딩 없이 보내세요.")),
        RefusalCode.MethodNotAllowed => new(405,
            new("Method not allowed", "허용되지 않는 메서드"),
            new("The path exists, but not for this method. The Allow header names those that it has.",
                "이 경로에서 지원하지 않는 메서드입니다. Allow 헤더를 확인하세요.")),
        RefusalCode.NotFound => new(404,
            new("No such path", "경로 없음"),
            new("There is nothing at this path. /docs shows the API.", "이 경로에는 아무것도 없습니다. API는 /docs에 있습니다.")),
        RefusalCode.RateLimited => new(429,
            new("Too many requests", "요청이 너무 많음"),
            new("Nothing was done. Try again after the seconds in the Retry-After header.",
                "처리하지 않았습니다. Retry-After 헤더의 초만큼 기다린 뒤 다시 시도하세요.")),
        RefusalCode.Unavailable => new(503,
            new("Temporarily unavailable", "일시적으로 사용 불가"),
            new("With outcome 'none' this attempt did nothing; with 'unknown' it may have. Try again after the seconds in Retry-After, under the "
                + "same Idempotency-Key: an earlier attempt that had no clear answer may have been carried out.",
                "'none'이면 이번 시도는 처리되지 않았습니다. 결과를 모르는 시도는 처리되었을 수 있으니 Retry-After 초 뒤에 같은 Idempotency-Key로 다시 시도하세요.")),
        RefusalCode.InternalError => new(500,
            new("Internal error", "내부 오류"),
            new("Something is wrong on our side. Tell the operators the traceId.", "서버에 문제가 있습니다. 운영자에게 traceId를 알려 주세요.")),
    };

    /// <summary>What a rule of a field says.</summary>
    public static Text Of(FieldError error) => error.Rule switch
    {
        FieldRule.Required => new("is required", "필수입니다"),
        FieldRule.WrongType => new("has the wrong type", "형식이 잘못되었습니다"),
        FieldRule.Unknown => new("is not known here", "알 수 없는 필드입니다"),
        FieldRule.Duplicate => new("stands there twice", "중복되었습니다"),
        FieldRule.Range => new(
            $"must be a whole number from {error.Minimum} to {error.Maximum}", $"{error.Minimum}에서 {error.Maximum} 사이의 정수여야 합니다"),
        FieldRule.Length => new(
            $"must have {error.Minimum} to {error.Maximum} characters, not all spaces, and no control characters",
            $"{error.Minimum}~{error.Maximum}자여야 하며 공백만 있거나 제어 문자가 있으면 안 됩니다"),
        FieldRule.Count => new(
            $"must have {error.Minimum} to {error.Maximum} items", $"항목이 {error.Minimum}~{error.Maximum}개여야 합니다"),
        FieldRule.NotZero => new("must not be zero", "0이 아니어야 합니다"),
        FieldRule.OneOf => new("must be one of the words in the documentation", "문서에 있는 값 중 하나여야 합니다"),
        FieldRule.Uuid => new("must be a UUID", "UUID여야 합니다"),
        FieldRule.Time => new(
            "must be a time with its offset, such as 2030-01-31T09:00:00Z", "2030-01-31T09:00:00Z처럼 오프셋이 있는 시각이어야 합니다"),
        FieldRule.Order => new(
            "is out of order: issueFrom < issueUntil ≤ usableUntil, from < to", "순서가 맞지 않습니다: issueFrom < issueUntil ≤ usableUntil, from < to"),
        FieldRule.PercentOnly => new("goes only with a percent discount", "정률 할인에만 쓸 수 있습니다"),
        FieldRule.AtLeastIssued => new(
            $"must not be below the {error.Minimum} already issued", $"이미 발급된 {error.Minimum}장보다 적을 수 없습니다"),
        FieldRule.CartFull => new($"does not fit: the cart has {error.Maximum} lines", $"장바구니가 {error.Maximum}줄로 가득 찼습니다"),
        FieldRule.Cursor => new("was not issued for this list", "이 목록에서 발급한 커서가 아닙니다"),
        FieldRule.IdempotencyKey => new("must have 1 to 255 visible ASCII characters", "보이는 ASCII 문자 1~255자여야 합니다"),
        FieldRule.MemberId => new(
            "must have 1 to 64 characters of A-Z a-z 0-9 . _ ~ @ | : -", "A-Z a-z 0-9 . _ ~ @ | : - 문자 1~64자여야 합니다"),
        FieldRule.Json => new("must be one JSON object in UTF-8", "UTF-8로 된 JSON 객체 하나여야 합니다"),
        FieldRule.Form => new("must be a form as browsers send it", "브라우저가 보내는 형식의 폼이어야 합니다"),
        FieldRule.InTime => new("did not come in time", "제때 오지 않았습니다"),
        FieldRule.Either => new("give from and to, or eventIds, and not both", "from과 to, 또는 eventIds 중 하나만 보내세요"),
    };
}
