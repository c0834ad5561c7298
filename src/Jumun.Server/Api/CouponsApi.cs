using Jumun.Coupons;

namespace Jumun.Server.Api;

/// <summary>Coupons, first come, first served (seed: coupon issue and coupon query diagrams).</summary>
internal sealed class CouponsApi(Shop shop)
{
    private static readonly Reply<IssuedCouponView> Issued = new(StatusCodes.Status201Created, ApiJson.Default.IssuedCouponView);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/coupons/{couponId}", IssueAsync).Is(
            new(Access.Member, "issueCoupon", "Takes one coupon for the token's member, if one is left.")
            {
                Tag = "coupons",
                Gives = typeof(IssuedCouponView),
                Status = StatusCodes.Status201Created,
                Refuses =
                [
                    RefusalCode.CouponNotFound, RefusalCode.CouponNotOpen, RefusalCode.CouponClosed, RefusalCode.CouponAlreadyIssued,
                    RefusalCode.CouponSoldOut,
                ],
            });
        routes.MapGet("/coupons/{couponId}", CouponAsync).Is(
            new(Access.Member, "getCoupon", "A coupon and how many are left; with none left, 409 that carries it.")
            {
                Tag = "coupons",
                Gives = typeof(CouponView),
                Refuses = [RefusalCode.CouponNotFound, RefusalCode.CouponSoldOut],
            });
        routes.MapGet("/coupons", CouponsAsync).Is(
            new(Access.Member, "listCoupons", "All coupons, newest first.")
            {
                Tag = "coupons",
                Gives = typeof(Page<CouponView>),
                Query = QueryParameter.Paging,
            });
        routes.MapGet("/members/{memberId}/coupons", IssuedCouponsAsync).Is(
            new(Access.Owner, "listMemberCoupons", "The coupons that the member holds, newest first.")
            {
                Tag = "coupons",
                Gives = typeof(Page<IssuedCouponView>),
                Query = [new("status", "available, held, used or expired"), .. QueryParameter.Paging],
            });
    }

    private Task IssueAsync(HttpContext http)
    {
        long couponId = http.PathNumber("couponId");
        return couponId == 0
            ? http.RefuseAsync(NoNumber())
            : http.SettleAsync(shop, new IssueCoupon(http.Caller().MemberId, couponId), Issued);
    }

    private async Task CouponAsync(HttpContext http)
    {
        long couponId = http.PathNumber("couponId");
        if (couponId == 0)
        {
            await http.RefuseAsync(NoNumber()).ConfigureAwait(false);
            return;
        }

        CouponView? coupon = await shop.Store.CouponAsync(couponId).ConfigureAwait(false);
        await (coupon is { Remaining: 0 }
            ? http.RefuseAsync(Refusal.SoldOut(coupon))
            : http.AnswerAsync(coupon, ApiJson.Default.CouponView, RefusalCode.CouponNotFound)).ConfigureAwait(false);
    }

    private async Task CouponsAsync(HttpContext http)
    {
        (PageRequest page, Refusal? refusal) = http.Page("coupons");
        if (refusal is not null)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        List<CouponView> coupons = await shop.Store.CouponsAsync(page.After?.First, page.Fetch).ConfigureAwait(false);
        await page.AnswerAsync(http, coupons, coupon => (coupon.CouponId, 0), coupon => coupon, ApiJson.Default.PageCouponView).ConfigureAwait(false);
    }

    private async Task IssuedCouponsAsync(HttpContext http)
    {
        string memberId = http.PathText("memberId");
        var check = new Check();
        IssuedCouponStatus? status = http.Word<IssuedCouponStatus>("status", ref check);
        (PageRequest page, Refusal? refusal) = http.Page($"coupons of {memberId}, {status}");
        if ((check.Refusal ?? refusal) is { } wrong)
        {
            await http.RefuseAsync(wrong).ConfigureAwait(false);
            return;
        }

        // Anybody can reckon the checksum of a place that is no time.
        (DateTimeOffset, long)? after = page.After is { } place
            ? (DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(place.First, 0, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())), place.Second)
            : null;
        List<IssuedCouponView> coupons =
            await shop.Store.IssuedCouponsAsync(memberId, status, after, shop.Now, page.Fetch).ConfigureAwait(false);
        await page.AnswerAsync(
            http, coupons, coupon => (coupon.IssuedAt.ToUnixTimeMilliseconds(), coupon.CouponId), coupon => coupon,
            ApiJson.Default.PageIssuedCouponView).ConfigureAwait(false);
    }

    private static Refusal NoNumber() => Refusal.Invalid("couponId", FieldRule.Range, 1, long.MaxValue);
}
