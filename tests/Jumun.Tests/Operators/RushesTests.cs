using Jumun.Server;
using Jumun.Server.Live;

namespace Jumun.Tests.Operators;

/// <summary>What the console remembers of rushes that are over.</summary>
public sealed class RushesTests
{
    [Fact]
    public async Task A_rush_is_remembered_a_moment_a_second_from_what_there_was_before_it_and_only_so_far_back()
    {
        await using TestShop shop = await TestShop.StartAsync();
        long coupon = await shop.AsAdmin().CreateCouponAsync(quantity: 1_000);

        // A batch is told of after it was answered, and before the next one is: with this answer the coupon is over and done with.
        await shop.AsAdmin().CreateProductAsync();
        var rushes = new Rushes(shop.Shop.Executor);
        (await shop.As("member-1").PostAsync($"/coupons/{coupon}")).Is(201);
        await TestShop.UntilAsync(() => Task.FromResult(rushes.Of(isCoupon: true, coupon).Count == 2));
        Assert.Equal([1_000, 999], rushes.Of(isCoupon: true, coupon).Select(moment => moment.Left));

        for (int member = 2; member <= Bounds.RushSeconds + 10; member++)
        {
            shop.Clock.Advance(TimeSpan.FromSeconds(1));
            (await shop.As($"member-{member}").PostAsync($"/coupons/{coupon}")).Is(201);
        }

        long left = 1_000 - Bounds.RushSeconds - 10;
        await TestShop.UntilAsync(() => Task.FromResult(rushes.Of(isCoupon: true, coupon)[^1].Left == left));
        IReadOnlyList<RushMoment> moments = rushes.Of(isCoupon: true, coupon);
        Assert.Equal(Bounds.RushSeconds, moments.Count);
        Assert.Equal(moments.Count, moments.Select(moment => moment.At.ToUnixTimeSeconds()).Distinct().Count());
        Assert.All(moments.Zip(moments.Skip(1)), pair => Assert.True(pair.First.Left > pair.Second.Left));
    }

    [Fact]
    public async Task The_one_that_changed_longest_ago_makes_room()
    {
        await using TestShop shop = await TestShop.StartAsync();
        var rushes = new Rushes(shop.Shop.Executor);
        long first = await shop.AsAdmin().CreateProductAsync("first");
        long second = await shop.AsAdmin().CreateProductAsync("second");
        (await shop.As("alice").OrderAsync(first)).Is(201);
        for (int i = 2; i < Bounds.Rushes; i++)
        {
            await shop.AsAdmin().CreateProductAsync($"product {i}");
        }

        Assert.NotEmpty(rushes.Of(isCoupon: false, second));
        long last = await shop.AsAdmin().CreateProductAsync("last");
        await TestShop.UntilAsync(() => Task.FromResult(rushes.Of(isCoupon: false, last).Count > 0));
        Assert.NotEmpty(rushes.Of(isCoupon: false, first));
        Assert.Empty(rushes.Of(isCoupon: false, second));
    }
}
