using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>Coupons, and members' copies of them: on Citus by other statements than on PostgreSQL itself.</summary>
internal sealed partial class PostgresLoad
{
    private readonly PostgresStatement coupons = new(
        $"SELECT {PostgresRows.CouponColumns} FROM coupons WHERE coupon_id = ANY($1) ORDER BY coupon_id FOR NO KEY UPDATE",
        map.Coupons.Count);

    // A hot coupon: Citus keeps the plan of a statement that names one key by its value, and makes others anew for each batch.
    private readonly PostgresUpsert.Values oneCoupon = new($"SELECT {PostgresRows.CouponColumns} FROM coupons WHERE coupon_id = $1 FOR NO KEY UPDATE");

    private readonly PostgresStatement issuedCoupons = new($"""
        SELECT {PostgresRows.IssuedCouponColumns} FROM unnest($1, $2) AS k(member_id, coupon_id) CROSS JOIN LATERAL (
          SELECT * FROM issued_coupons WHERE member_id = k.member_id AND coupon_id = k.coupon_id
          OFFSET 0) i
        """);

    // An order's coupon lies with its coupon on Citus: it is asked for by its key there, once the order has told it.
    private readonly PostgresStatement lockedIssuedCoupons = new($"""
        SELECT {PostgresRows.IssuedCouponColumns} FROM unnest($1, $2) AS k(member_id, coupon_id) CROSS JOIN LATERAL (
          SELECT * FROM issued_coupons WHERE member_id = k.member_id AND coupon_id = k.coupon_id{map.Within("coupon_id", "$2")}
          OFFSET 0 FOR NO KEY UPDATE) i
        """, map.IssuedCoupons.Count);

    private readonly PostgresStatement issuedCouponsOfOrders = new($"""
        SELECT {PostgresRows.IssuedCouponColumns} FROM unnest($1, $2) AS k(member_id, order_id) CROSS JOIN LATERAL (
          SELECT * FROM issued_coupons WHERE member_id = k.member_id AND order_id = k.order_id AND order_id IS NOT NULL
          OFFSET 0) i
        """);

    private bool hasOneCoupon;

    /// <summary>What orders hold, and whatever else is asked for of its kind, in a round trip of its own: none when no order has a coupon.</summary>
    private async ValueTask LoadIssuedCouponsAsync(WorkingSet rows)
    {
        lockedIssuedCoupons.Clear();
        FillIssuedCoupons(rows);
        lockedIssuedCoupons.AddTo(after);
        await using NpgsqlDataReader reader = await after.ExecuteReaderAsync().ConfigureAwait(false);
        await ReadIssuedCouponsAsync(reader, lockedIssuedCoupons, rows).ConfigureAwait(false);
    }

    private void FillCoupons(WorkingSet rows)
    {
        hasOneCoupon = map.IsDivided && rows.Coupons.Count == 1;
        if (hasOneCoupon)
        {
            oneCoupon.Begin();
            oneCoupon.Add(rows.Coupons.Keys.Single());
        }
        else
        {
            FillNumbers(coupons, rows.Coupons.Keys, map.Coupons);
        }
    }

    private void FillIssuedCoupons(WorkingSet rows)
    {
        if (!map.IsDivided)
        {
            foreach ((string memberId, long couponId) in rows.IssuedCoupons.Keys)
            {
                issuedCoupons.Row().Add(memberId).Add(couponId);
            }

            return;
        }

        foreach ((string memberId, long couponId) in
            rows.IssuedCoupons.Keys.OrderBy(static key => key.CouponId).ThenBy(static key => key.MemberId, StringComparer.Ordinal))
        {
            lockedIssuedCoupons.Row(map.IssuedCoupons.Of(couponId)).Add(memberId).Add(couponId);
        }
    }

    private void AddCoupons()
    {
        coupons.AddTo(load);
        if (hasOneCoupon)
        {
            load.BatchCommands.Add(oneCoupon.Command);
        }
    }

    private async ValueTask ReadCouponsAsync(NpgsqlDataReader reader, WorkingSet rows)
    {
        while (await NextAsync(reader, coupons).ConfigureAwait(false))
        {
            rows.Coupons.Load(reader.GetInt64(0), PostgresRows.CouponRow(reader));
        }

        if (hasOneCoupon)
        {
            if (await reader.ReadAsync().ConfigureAwait(false))
            {
                rows.Coupons.Load(reader.GetInt64(0), PostgresRows.CouponRow(reader));
            }

            await reader.NextResultAsync().ConfigureAwait(false);
        }
    }

    private static async ValueTask ReadIssuedCouponsAsync(NpgsqlDataReader reader, PostgresStatement statement, WorkingSet rows)
    {
        while (await NextAsync(reader, statement).ConfigureAwait(false))
        {
            rows.IssuedCoupons.Load((reader.GetString(0), reader.GetInt64(1)), PostgresRows.IssuedCouponRow(reader));
        }
    }
}
