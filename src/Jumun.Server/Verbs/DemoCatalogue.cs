using Jumun.Coupons;
using Jumun.Products;
using Jumun.Server.Api;
using Jumun.Server.Execution;

namespace Jumun.Server.Verbs;

/// <summary>A small catalogue to try the shop with.</summary>
internal static class DemoCatalogue
{
    private static readonly (string Name, long Price, long Stock)[] Products =
    [
        ("한정판 스니커즈 · Limited sneakers", 129_000, 500),
        ("콘서트 티켓 R석 · Concert ticket, R seat", 154_000, 1_000),
        ("핸드드립 커피 원두 200g · Hand-drip coffee beans 200 g", 18_000, 10_000),
        ("도자기 머그컵 · Ceramic mug", 12_000, 3_000),
        ("기계식 키보드 · Mechanical keyboard", 89_000, 300),
        ("작가 사인 에디션 도서 · Signed edition book", 24_000, 100),
        ("아트 포스터 · Art print", 35_000, 50),
        ("스티커 세트 · Sticker set", 3_000, 100_000),
    ];

    /// <summary>Fills a shop in which there is nothing but what this made before it was cut; tells whether it had to.</summary>
    public static async ValueTask<bool> FillAsync(Shop shop)
    {
        CreateCoupon[] coupons = Coupons(shop.Now);
        Command[] commands = [.. Products.Select(product => new CreateProduct(product.Name, product.Price, product.Stock)), .. coupons];
        if (await MadeAsync(shop, coupons).ConfigureAwait(false) is not { } made || made == commands.Length)
        {
            return false;
        }

        foreach (Command command in commands.Skip(made))
        {
            // One after the other, so that the numbers are those in the documentation.
            Settlement settlement = await shop.Executor.SubmitAsync(command).ConfigureAwait(false);
            if (settlement.Refusal is { } refusal)
            {
                throw new SetupException($"The demo catalogue was refused: {refusal.Code}. The log says why; the next time it goes on from there.");
            }
        }

        return true;
    }

    /// <summary>How much of it is there, from the first on; null when there is anything else.</summary>
    private static async ValueTask<int?> MadeAsync(Shop shop, CreateCoupon[] catalogue)
    {
        List<ProductView> products = await shop.Store.AllProductsAsync(null, Products.Length + 1).ConfigureAwait(false);
        List<CouponView> coupons = await shop.Store.CouponsAsync(null, catalogue.Length + 1).ConfigureAwait(false);

        // Coupons are listed from the newest on.
        coupons.Reverse();
        bool isOwn = products.Select(product => (product.Name, product.Price))
                .SequenceEqual(Products.Take(products.Count).Select(product => (product.Name, product.Price)))
            && coupons.Select(coupon => (coupon.Name, coupon.Discount))
                .SequenceEqual(catalogue.Take(coupons.Count).Select(coupon => (coupon.Name, coupon.Discount)))
            && (coupons.Count == 0 || products.Count == Products.Length);
        return isOwn ? products.Count + coupons.Count : null;
    }

    private static CreateCoupon[] Coupons(DateTimeOffset now)
    {
        DateTimeOffset end = now.AddDays(30);
        return
        [
            new CreateCoupon("선착순 10% 할인 · 10% off, first come", new Discount(DiscountKind.Percent, 10, 20_000), 10_000, 100, now, end, end),
            new CreateCoupon("5,000원 할인 · 5,000 won off", new Discount(DiscountKind.Amount, 5_000, null), 20_000, 1_000, now, end, end),
            new CreateCoupon("내일의 드롭 · Tomorrow's drop", new Discount(DiscountKind.Percent, 50, 50_000), 0, 50, now.AddDays(1), end, end),

            // Soon enough to wait for it at /shop, and the newest: it stands on top there.
            new CreateCoupon("곧 열리는 드롭 · The drop that opens soon", new Discount(DiscountKind.Percent, 30, 50_000), 0, 30, now.AddMinutes(1), end, end),
        ];
    }
}
