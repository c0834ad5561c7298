using Jumun.Points;

namespace Jumun.Tests.Decisions;

public sealed class ChargePointsTests
{
    [Fact]
    public void A_first_charge_opens_the_wallet_and_is_entry_number_one()
    {
        var scene = new Scene();

        PointsCharged answer = scene.Done<PointsCharged>(new ChargePoints("alice", 500));

        Assert.Equal(new PointsCharged("alice", 500, new LedgerEntry(1, LedgerKind.Charge, 500, 500, null, Scene.Noon)), answer);
        Assert.Equal([new NewLedgerEntry("alice", answer.Entry, 0)], scene.Ledger);
        Assert.Equal((500L, 1L, 0L), (scene.Wallets["alice"].Balance, scene.Wallets["alice"].Entries, scene.Wallets["alice"].Events));
    }

    [Fact]
    public void A_first_charge_is_inserted_and_a_later_one_updates()
    {
        var scene = new Scene();

        Assert.Equal(RowState.Added, Assert.Single(scene.Settle(new ChargePoints("alice", 1)).Rows.Wallets.Written).State);
        Assert.Equal(RowState.Changed, Assert.Single(scene.Settle(new ChargePoints("alice", 1)).Rows.Wallets.Written).State);
    }

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(0, Limits.Charge, Limits.Charge)]
    [InlineData(250, 750, 1_000)]
    [InlineData(Limits.Balance - Limits.Charge, Limits.Charge, Limits.Balance)]
    [InlineData(Limits.Balance - 1, 1, Limits.Balance)]
    public void The_balance_grows_by_the_amount_up_to_the_cap(long balance, long amount, long after)
    {
        Scene scene = new Scene().WithWallet("alice", balance, entries: 7, events: 3);

        PointsCharged answer = scene.Done<PointsCharged>(new ChargePoints("alice", amount));

        Assert.Equal(after, answer.Balance);
        Assert.Equal(new LedgerEntry(8, LedgerKind.Charge, amount, after, null, Scene.Noon), answer.Entry);
        Assert.Equal(3, scene.Wallets["alice"].Events);
    }

    [Theory]
    [InlineData(Limits.Balance, 1)]
    [InlineData(Limits.Balance - 1, 2)]
    [InlineData(Limits.Balance - Limits.Charge + 1, Limits.Charge)]
    public void A_charge_above_the_cap_is_refused(long balance, long amount)
    {
        Scene scene = new Scene().WithWallet("alice", balance);

        Assert.Equal(RefusalCode.BalanceLimit, scene.Refused(new ChargePoints("alice", amount)).Code);
    }

    [Fact]
    public void Charges_of_one_batch_add_up_and_only_those_above_the_cap_are_refused()
    {
        Scene scene = new Scene().WithWallet("alice", Limits.Balance - 10, entries: 4);

        Batch batch = scene.Settle(new ChargePoints("alice", 6), new ChargePoints("alice", 5), new ChargePoints("alice", 4));

        Assert.Equal(5, batch.Answer<PointsCharged>(0).Entry.EntryId);
        Assert.Equal(RefusalCode.BalanceLimit, batch.Refusal(1).Code);
        Assert.Equal(6, batch.Answer<PointsCharged>(2).Entry.EntryId);
        Assert.Equal(Limits.Balance, scene.Wallets["alice"].Balance);
    }

    [Fact]
    public void Two_first_charges_of_one_batch_open_one_wallet()
    {
        var scene = new Scene();

        Batch batch = scene.Settle(new ChargePoints("alice", 6), new ChargePoints("alice", 5));

        Wallet wallet = Assert.Single(batch.Rows.Wallets.Written);
        Assert.Equal((RowState.Added, 11L, 2L), (wallet.State, wallet.Balance, wallet.Entries));
    }

    [Fact]
    public void A_charge_touches_nobody_else()
    {
        Scene scene = new Scene().WithWallet("alice", 1).WithWallet("bob", 2);

        scene.Done<PointsCharged>(new ChargePoints("alice", 10));

        Assert.Equal((11L, 2L), (scene.Wallets["alice"].Balance, scene.Wallets["bob"].Balance));
    }
}
