using Jumun.Coupons;
using Jumun.Server.Execution;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Tests.Execution;

/// <summary>Which moment a batch goes by.</summary>
public sealed partial class ExecutorTests
{
    /// <summary>On PostgreSQL a batch may wait for seconds for rows that another process holds.</summary>
    [Fact]
    public async Task A_window_that_ends_while_a_batch_waits_for_its_rows_is_over_for_it()
    {
        DateTimeOffset until = clock.GetUtcNow().AddMinutes(1);
        var coupon = (CouponView)(await executor.SubmitAsync(new CreateCoupon(
            "coupon", new Discount(DiscountKind.Amount, 100, null), MinimumOrderAmount: 0, Quantity: 10, until.AddDays(-1), until, until))).Answer!;
        store.Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.Load)
            {
                clock.Advance(TimeSpan.FromMinutes(1));
            }
        };
        Settlement claim = await executor.SubmitAsync(new IssueCoupon("m", coupon.CouponId));
        store.Fault = null;
        Assert.Equal(RefusalCode.CouponClosed, claim.Refusal?.Code);
    }
}
