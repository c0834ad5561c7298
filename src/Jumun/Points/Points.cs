namespace Jumun.Points;

/// <summary>Why a balance moved.</summary>
public enum LedgerKind
{
    /// <summary>The member put points in.</summary>
    Charge = 0,

    /// <summary>An order was paid.</summary>
    Payment = 1,

    /// <summary>A paid order was given back.</summary>
    Refund = 2,
}

/// <summary>
/// A member's prepaid points. The balance is the sum of the member's ledger, always: every change writes an entry.
/// The wallet also numbers the member's events: an event and the ledger entry that follows it commit together, and of two
/// with the same number the ledger's key refuses one.
/// </summary>
public sealed class Wallet(string memberId, long balance, long entries, long events) : Row
{
    /// <summary>The member.</summary>
    public string MemberId { get; } = memberId;

    /// <summary>The balance in won, 0 to <see cref="Limits.Balance"/>.</summary>
    public long Balance { get; private set; } = balance;

    /// <summary>How many ledger entries there are: the number of the last one.</summary>
    public long Entries { get; private set; } = entries;

    /// <summary>How many events there are: the number of the last one.</summary>
    public long Events { get; private set; } = events;

    /// <summary>Whether the balance has room for a credit of this amount.</summary>
    public bool HasRoomFor(long amount) => amount <= Limits.Balance - Balance;

    internal LedgerEntry Post(WorkingSet rows, LedgerKind kind, long amount, Guid? orderId)
    {
        Balance += amount;
        Entries += 1;
        Change();
        var entry = new LedgerEntry(Entries, kind, amount, Balance, orderId, rows.Now);
        rows.Ledger.Add(new NewLedgerEntry(MemberId, entry, Events));
        return entry;
    }

    /// <summary>Numbers an event. The entry of the same command is posted after it, and records it.</summary>
    internal long NextEvent()
    {
        Events += 1;
        Change();
        return Events;
    }
}

/// <summary>One movement of a balance. Entries are never changed.</summary>
/// <param name="EntryId">Its place in the member's ledger, from 1, without gaps.</param>
/// <param name="Kind">Why the balance moved.</param>
/// <param name="Amount">By how much, in won; negative for a payment.</param>
/// <param name="Balance">The balance after it, in won.</param>
/// <param name="OrderId">The order, for a payment or a refund.</param>
/// <param name="CreatedAt">When.</param>
public sealed record LedgerEntry(long EntryId, LedgerKind Kind, long Amount, long Balance, Guid? OrderId, DateTimeOffset CreatedAt);

/// <summary>A ledger entry to be written.</summary>
/// <param name="MemberId">Whose ledger.</param>
/// <param name="Entry">The entry.</param>
/// <param name="Events">The number of the member's last event: with its last entry a ledger tells all that a wallet holds.</param>
public readonly record struct NewLedgerEntry(string MemberId, LedgerEntry Entry, long Events);

/// <summary>A member's balance.</summary>
/// <param name="MemberId">The member.</param>
/// <param name="Balance">The balance in won; 0 for a member that was never seen.</param>
public sealed record PointsView(string MemberId, long Balance) : Answer;

/// <summary>The answer to <see cref="ChargePoints"/>.</summary>
/// <param name="MemberId">The member.</param>
/// <param name="Balance">The balance after the charge, in won.</param>
/// <param name="Entry">The entry in the history.</param>
public sealed record PointsCharged(string MemberId, long Balance, LedgerEntry Entry) : Answer;

/// <summary>
/// Charges points: the balance grows and the history records it (seed: balance charge diagram).
/// Refused: <see cref="RefusalCode.BalanceLimit"/>.
/// </summary>
/// <param name="MemberId">The member.</param>
/// <param name="Amount">How much, in won: 1 to <see cref="Limits.Charge"/>.</param>
public sealed record ChargePoints(string MemberId, long Amount) : Command, IOfMemberAlone
{
    private static readonly Refusal NoRoom = new(RefusalCode.BalanceLimit);

    /// <inheritdoc/>
    public override void Declare(Keys keys) => keys.Wallet(MemberId);

    /// <inheritdoc/>
    public override Decision Decide(WorkingSet rows)
    {
        if (rows.Wallets.Find(MemberId) is { } existing && !existing.HasRoomFor(Amount))
        {
            return NoRoom;
        }

        // Must succeed from here on.
        Wallet wallet = rows.WalletOf(MemberId);
        LedgerEntry entry = wallet.Post(rows, LedgerKind.Charge, Amount, orderId: null);
        return new PointsCharged(MemberId, wallet.Balance, entry);
    }
}
