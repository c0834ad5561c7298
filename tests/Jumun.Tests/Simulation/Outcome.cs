using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;
using Jumun.Server.Api;
using Jumun.Server.Execution;

namespace Jumun.Tests.Simulation;

/// <summary>What a request was answered: an answer as it goes over the wire, or a refusal.</summary>
/// <param name="Text">All that the caller is told.</param>
/// <param name="IsReplayed">Whether it is an earlier answer.</param>
/// <param name="Unavailable">When the shop could not say: what is known.</param>
internal sealed record Outcome(string Text, bool IsReplayed = false, RequestOutcome? Unavailable = null)
{
    private static readonly JsonSerializerOptions Short = new()
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter() },
    };

    public static Outcome Of(Refusal refusal) => new(JsonSerializer.Serialize(refusal, Short), Unavailable: refusal.Outcome);

    public static Outcome Of(Command command, Answer answer) => Of(Reply(command)(answer), isReplayed: false);

    public static Outcome Of(Command command, Settlement settlement) =>
        settlement.Refusal is { } refusal ? Of(refusal)
        : settlement.Stored is { } stored ? Of(stored, settlement.Replayed)
        : Of(command, settlement.Answer!);

    /// <summary>How the route of this command writes its answer.</summary>
    public static Func<Answer, StoredAnswer> Reply(Command command) => command switch
    {
        ChargePoints => new Reply<PointsCharged>(200, ApiJson.Default.PointsCharged).Render,
        CreateProduct => new Reply<ProductView>(201, ApiJson.Default.ProductView, product => $"/products/{product.ProductId}").Render,
        ChangeProduct or ChangeStock or QueryProduct => new Reply<ProductView>(200, ApiJson.Default.ProductView).Render,
        CreateCoupon => new Reply<CouponView>(201, ApiJson.Default.CouponView, coupon => $"/coupons/{coupon.CouponId}").Render,
        ChangeCoupon => new Reply<CouponView>(200, ApiJson.Default.CouponView).Render,
        IssueCoupon => new Reply<IssuedCouponView>(201, ApiJson.Default.IssuedCouponView).Render,
        PlaceOrder => new Reply<OrderView>(
            201, ApiJson.Default.OrderView, order => $"/members/{order.MemberId}/orders/{order.OrderId}").Render,
        CancelOrder or ExpireOrder => new Reply<OrderView>(200, ApiJson.Default.OrderView).Render,
        PayOrder => new Reply<PaymentCompleted>(200, ApiJson.Default.PaymentCompleted).Render,
        ReplayEvents => new Reply<EventsReplayed>(200, ApiJson.Default.EventsReplayed).Render,
        _ => static _ => new StoredAnswer(204, null, []),
    };

    /// <summary>A value as the API writes it.</summary>
    public static string Json<T>(T value, JsonTypeInfo<T> json) => Encoding.UTF8.GetString(Server.Api.Json.Write(value, json));

    public override string ToString() => IsReplayed ? $"{Text}, again" : Text;

    private static Outcome Of(StoredAnswer answer, bool isReplayed) => new(
        $"{answer.Status} {answer.Location} {Encoding.UTF8.GetString(answer.Body)}", isReplayed);
}
