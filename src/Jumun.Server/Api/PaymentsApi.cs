using Jumun.Orders;
using Jumun.Payments;

namespace Jumun.Server.Api;

/// <summary>Payments from the balance (seed: payment diagram). They are their owner's alone: no administrator pays for a member.</summary>
internal sealed class PaymentsApi(Shop shop)
{
    private static readonly Reply<PaymentCompleted> Paid = new(StatusCodes.Status200OK, ApiJson.Default.PaymentCompleted);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/payment/{paymentId}", PayAsync).Is(
            new(Access.Member, "pay", "Pays an order from the balance and completes it.")
            {
                Tag = "payments",
                Gives = typeof(PaymentCompleted),
                Refuses =
                [
                    RefusalCode.PaymentNotFound, RefusalCode.PaymentAlreadyCompleted, RefusalCode.OrderCancelled, RefusalCode.OrderExpired,
                    RefusalCode.InsufficientBalance,
                ],
            });
        routes.MapGet("/payment/{paymentId}", PaymentAsync).Is(
            new(Access.Member, "getPayment", "One payment.")
            {
                Tag = "payments",
                Gives = typeof(PaymentView),
                Refuses = [RefusalCode.PaymentNotFound],
            });
    }

    private Task PayAsync(HttpContext http)
    {
        return OrderIdOf(http, out Refusal? refusal) is { } orderId
            ? http.SettleAsync(shop, new PayOrder(http.Caller().MemberId, orderId), Paid)
            : http.RefuseAsync(refusal!);
    }

    private async Task PaymentAsync(HttpContext http)
    {
        if (OrderIdOf(http, out Refusal? refusal) is not { } orderId)
        {
            await http.RefuseAsync(refusal!).ConfigureAwait(false);
            return;
        }

        string memberId = http.Caller().MemberId;
        PaymentView? payment = await shop.Store.PaymentAsync(memberId, orderId, shop.Now).ConfigureAwait(false);
        if (payment is { Status: PaymentStatus.Expired })
        {
            (OrderView? order, refusal) = await shop.OrderAsync(memberId, orderId).ConfigureAwait(false);
            if (refusal is not null)
            {
                await http.RefuseAsync(refusal).ConfigureAwait(false);
                return;
            }

            if (order is not { Status: OrderStatus.Expired })
            {
                payment = await shop.Store.PaymentAsync(memberId, orderId, shop.Now).ConfigureAwait(false);
            }
        }

        await http.AnswerAsync(payment, ApiJson.Default.PaymentView, RefusalCode.PaymentNotFound).ConfigureAwait(false);
    }

    /// <summary>The order of the payment in the path.</summary>
    private static Guid? OrderIdOf(HttpContext http, out Refusal? refusal)
    {
        refusal = null;
        if (http.PathGuid("paymentId") is not { } paymentId)
        {
            refusal = Refusal.Invalid("paymentId", FieldRule.Uuid);
            return null;
        }

        if (!Ids.TryOrderOfPayment(paymentId, out Guid orderId))
        {
            refusal = new Refusal(RefusalCode.PaymentNotFound);
            return null;
        }

        return orderId;
    }
}
