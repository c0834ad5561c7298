using Jumun.Points;

namespace Jumun.Server.Api;

/// <summary>Prepaid points (seed: balance charge and balance query diagrams).</summary>
internal sealed class PointsApi(Shop shop)
{
    private static readonly Reply<PointsCharged> Charged = new(StatusCodes.Status200OK, ApiJson.Default.PointsCharged);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/members/{memberId}/points/charge", ChargeAsync).Is(
            new(Access.Owner, "chargePoints", "Charges points: the balance grows and the history records it.")
            {
                Tag = "points",
                Takes = typeof(ChargeRequest),
                Gives = typeof(PointsCharged),
                Refuses = [RefusalCode.BalanceLimit],
            });
        routes.MapGet("/members/{memberId}/points", PointsAsync).Is(
            new(Access.Owner, "getPoints", "The balance, exact at the moment of the query.") { Tag = "points", Gives = typeof(PointsView) });
        routes.MapGet("/members/{memberId}/points/history", HistoryAsync).Is(
            new(Access.Owner, "listPointsHistory", "The ledger, newest first.")
            {
                Tag = "points",
                Gives = typeof(Page<LedgerEntry>),
                Query = QueryParameter.Paging,
            });
    }

    private async Task ChargeAsync(HttpContext http)
    {
        Body<ChargeRequest> body = await http.ReadAsync<ChargeRequest>().ConfigureAwait(false);
        if (body.Value is not { } request)
        {
            await http.RefuseAsync(body.Refusal!).ConfigureAwait(false);
            return;
        }

        var check = new Check();
        check.Range("amount", request.Amount, 1, Limits.Charge);
        if (check.Refusal is { } refusal)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        var command = new ChargePoints(http.PathText("memberId"), request.Amount);
        await http.SettleAsync(shop, command, Charged, body.Bytes).ConfigureAwait(false);
    }

    private async Task PointsAsync(HttpContext http)
    {
        PointsView points = await shop.Store.PointsAsync(http.PathText("memberId")).ConfigureAwait(false);
        await http.AnswerAsync(StatusCodes.Status200OK, points, ApiJson.Default.PointsView).ConfigureAwait(false);
    }

    private async Task HistoryAsync(HttpContext http)
    {
        string memberId = http.PathText("memberId");
        (PageRequest page, Refusal? refusal) = http.Page($"history of {memberId}");
        if (refusal is not null)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        List<LedgerEntry> entries = await shop.Store.HistoryAsync(memberId, page.After?.First, page.Fetch).ConfigureAwait(false);
        await page.AnswerAsync(http, entries, entry => (entry.EntryId, 0), entry => entry, ApiJson.Default.PageLedgerEntry).ConfigureAwait(false);
    }
}
