namespace Jumun.Tests.Execution;

public sealed partial class ExecutorTests
{
    [Fact]
    public async Task Old_idempotency_keys_are_forgotten_a_bounded_number_at_a_time()
    {
        await Charge("m", 1, "old");
        clock.Advance(TimeSpan.FromDays(8));
        await Charge("m", 1, "new");
        Assert.True(await store.HasKeysBeforeAsync(clock.GetUtcNow().AddDays(-7)));
        await executor.SubmitAsync(new ForgetIdempotencyKeys(TimeSpan.FromDays(7)));
        Assert.False(await store.HasKeysBeforeAsync(clock.GetUtcNow().AddDays(-7)));
        Assert.True((await Charge("m", 1, "new")).Replayed);
        Assert.False((await Charge("m", 1, "old")).Replayed);
    }

    [Fact]
    public async Task A_key_of_a_clock_that_was_ahead_keeps_no_older_one_and_is_forgotten_like_any_other()
    {
        clock.Advance(TimeSpan.FromDays(3_650));
        await Charge("m", 1, "ahead");
        clock.Advance(TimeSpan.FromDays(-3_650));
        await Charge("m", 1, "old");
        clock.Advance(TimeSpan.FromDays(8));
        await Charge("m", 1, "new");
        await ForgetAsync();
        Assert.True((await Charge("m", 1, "ahead")).Replayed);
        Assert.False((await Charge("m", 1, "old")).Replayed);
        clock.Advance(TimeSpan.FromDays(8));
        await ForgetAsync();
        Assert.False((await Charge("m", 1, "ahead")).Replayed);

        async Task ForgetAsync()
        {
            Assert.True(await store.HasKeysBeforeAsync(clock.GetUtcNow().AddDays(-7)));
            await executor.SubmitAsync(new ForgetIdempotencyKeys(TimeSpan.FromDays(7)));
            Assert.False(await store.HasKeysBeforeAsync(clock.GetUtcNow().AddDays(-7)));
        }
    }
}
