using System.Globalization;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Points;
using Jumun.Coupons;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Problems;
using Jumun.Server.Stores;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Jumun.Server.Operators;

/// <summary>Who looks at the console, in which language, and whether the session is over.</summary>
internal sealed record Visit(string Member, Language Language, Func<bool> IsOver);

/// <summary>What every page of the console needs: words in the operator's language, the shop, and care for a store that is away.</summary>
public abstract class ConsolePage : ComponentBase
{
    private Func<ElementReference>? focused;

    [Inject]
    private protected Shop Shop { get; set; } = null!;

    [Inject]
    private protected ILogger<ConsolePage> Journal { get; set; } = null!;

    [CascadingParameter]
    private protected Visit Visit { get; set; } = null!;

    /// <summary>Why what the page shows could not be read; null when it could.</summary>
    private protected Refusal? Failure { get; private set; }

    /// <summary>A text in the operator's language.</summary>
    private protected string Say(string english, string korean) => new Text(english, korean).In(Visit.Language);

    /// <summary>Gives the focus, when the page is drawn, to what takes the place of the element that had it.</summary>
    private protected void Focus(Func<ElementReference> element) => focused = element;

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (focused is not { } element)
        {
            return;
        }

        focused = null;
        try
        {
            await element().FocusAsync();
        }
        catch (Exception error) when (error is JSException or JSDisconnectedException)
        {
            // The operator has gone on to another page meanwhile.
        }
    }

    /// <summary>Reads what the page shows; a store that is away is told in the page, and ends nothing.</summary>
    private protected async Task ReadAsync(Func<Task> read)
    {
        try
        {
            await read();
            Failure = null;
        }
        catch (StoreUnavailableException error)
        {
            Shop.Executor.Outage.Refused(error, requests: 1);
            Failure = Refusal.Unavailable(error.Outcome, retryAfterSeconds: 1);
        }
    }

    /// <summary>Settles what an operator asked for, by the one write path. A session that is over settles nothing.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="keyed">The key under which it is asked for; null for none.</param>
    private protected async Task<Settlement> SettleAsync(Checked request, KeyedRequest? keyed = null)
    {
        if (Visit.IsOver())
        {
            return Settlement.Of(new Refusal(RefusalCode.Unauthenticated));
        }

        if (request.Command is not { } command)
        {
            return Settlement.Of(request.Refusal!);
        }

        Log.OperatorDid(Journal, Visit.Member, command, "in the console");
        return await Shop.Executor.SubmitAsync(command, keyed);
    }

    private protected static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A rate or a duration: with a decimal where it is small.</summary>
    private protected static string Figure(double? figure) =>
        figure is { } value ? value.ToString(Math.Abs(value) is > 0 and < 10 ? "0.0" : "N0", CultureInfo.InvariantCulture) : "–";

    /// <summary>Money, as the shop writes it.</summary>
    private protected string Won(long amount) => (amount < 0 ? "−" : "") + Say($"₩{Number(Math.Abs(amount))}", $"{Number(Math.Abs(amount))}원");

    private protected static string Time(DateTimeOffset? time) =>
        time?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "–";

    private protected string Name(OrderStatus status) => status switch
    {
        OrderStatus.PendingPayment => Say("to be paid", "결제 대기"),
        OrderStatus.Completed => Say("paid", "결제 완료"),
        OrderStatus.Expired => Say("expired", "기한 만료"),
        OrderStatus.Cancelled => Say("cancelled", "취소됨"),
        OrderStatus.Refunded => Say("refunded", "환불됨"),
    };

    private protected static string BadgeOf(OrderStatus status) => status switch
    {
        OrderStatus.PendingPayment => "badge warn",
        OrderStatus.Completed => "badge good",
        OrderStatus.Expired or OrderStatus.Cancelled or OrderStatus.Refunded => "badge",
    };

    /// <summary>What an order has of the stock.</summary>
    private protected string HoldOf(OrderStatus status) => status switch
    {
        OrderStatus.PendingPayment => Say(
            "It holds its pieces until it is paid, cancelled or its window ends.", "결제, 취소 또는 기한 만료까지 수량을 잡고 있습니다."),
        OrderStatus.Completed => Say("Its pieces are sold.", "수량이 판매되었습니다."),
        OrderStatus.Expired or OrderStatus.Cancelled or OrderStatus.Refunded => Say(
            "What it held is given back.", "잡고 있던 것을 모두 반환했습니다."),
    };

    private protected string Name(OutboxState state) => state switch
    {
        OutboxState.Pending => Say("pending", "대기"),
        OutboxState.Delivered => Say("delivered", "전달됨"),
        OutboxState.Dead => Say("dead", "중단됨"),
    };

    private protected static string BadgeOf(OutboxState state) => state switch
    {
        OutboxState.Pending => "badge warn",
        OutboxState.Delivered => "badge good",
        OutboxState.Dead => "badge bad",
    };

    private protected string Name(OrderEventType type) => type switch
    {
        OrderEventType.Completed => Say("order completed", "주문 완료"),
        OrderEventType.Refunded => Say("order refunded", "주문 환불"),
    };

    private protected string Name(LedgerKind kind) => kind switch
    {
        LedgerKind.Charge => Say("charge", "충전"),
        LedgerKind.Payment => Say("payment", "결제"),
        LedgerKind.Refund => Say("refund", "환불"),
    };

    private protected string Name(IssuedCouponStatus status) => status switch
    {
        IssuedCouponStatus.Available => Say("available", "사용 가능"),
        IssuedCouponStatus.Held => Say("held by an order", "주문이 보유"),
        IssuedCouponStatus.Used => Say("used", "사용됨"),
        IssuedCouponStatus.Expired => Say("expired", "만료"),
    };

    private protected string Name(Discount discount) => discount.Kind switch
    {
        DiscountKind.Amount => Say($"{Won(discount.Value)} off", $"{Won(discount.Value)} 할인"),
        DiscountKind.Percent when discount.Maximum is { } most =>
            Say($"{discount.Value}% off, {Won(most)} at most", $"{discount.Value}% 할인, 최대 {Won(most)}"),
        DiscountKind.Percent => Say($"{discount.Value}% off", $"{discount.Value}% 할인"),
    };

    /// <summary>The address of a member's page below the console's.</summary>
    private protected static string MemberPath(string member) => $"members/{Uri.EscapeDataString(member)}";

    /// <summary>The address of an order's page below the console's.</summary>
    private protected static string OrderPath(string member, Guid order) => $"orders/{Uri.EscapeDataString(member)}/{order}";
}
