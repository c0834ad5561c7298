using System.Buffers.Binary;
using System.Globalization;
using Jumun.DataPlatform;
using Jumun.Server.DataPlatform;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;

namespace Jumun.Server.Verbs;

/// <summary>Compares every payment and refund of the ledger with what the data platform holds.</summary>
internal static class ReconcileVerb
{
    /// <param name="address">Where the platform is.</param>
    /// <param name="token">What it asks its readers for; null for what the settings say.</param>
    /// <param name="stop">Ends it early.</param>
    /// <returns>0 when nothing differs, otherwise 1.</returns>
    public static async Task<int> RunAsync(string address, string? token, CancellationToken stop)
    {
        Settings all = Surroundings.Settings();
        StoreSettings settings = all.Store;
        using var platform = new PlatformEvents(address, token ?? all.DataPlatform.ReadToken);
        if (settings.Kind == StoreKind.Sqlite)
        {
            using SqliteConnection db = SqliteStore.OpenReadOnly(settings.Address);
            var books = new Reconciliation(
                (after, limit) => new(SqliteLedgerEvents.Read(db, after, limit)), one => new(SqliteLedgerEvents.IsKept(db, one)), platform);
            return await RunAsync(books, stop).ConfigureAwait(false);
        }

        await using PostgresStore store = await PostgresStore.OpenForReadingAsync(settings.Address).ConfigureAwait(false);
        return await RunAsync(new Reconciliation(store.LedgerPageAsync, store.IsEventKeptAsync, platform), stop).ConfigureAwait(false);
    }

    private static async Task<int> RunAsync(Reconciliation books, CancellationToken stop)
    {
        await books.RunAsync(stop).ConfigureAwait(false);
        Print("", "shop", "platform");
        Print("completed", Text(books.Shop.Completed), Text(books.Platform.Completed));
        Print("refunded", Text(books.Shop.Refunded), Text(books.Platform.Refunded));
        Print("revenue", Text(books.Shop.Revenue), Text(books.Platform.Revenue));
        Print("on their way", Text(books.OnTheirWay.Completed + books.OnTheirWay.Refunded), "");
        Print("their revenue", Text(books.OnTheirWay.Revenue), "");
        Print("difference", Text(books.Shop.Revenue - books.OnTheirWay.Revenue - books.Platform.Revenue), "");
        Console.WriteLine();
        if (books.Different == 0)
        {
            Console.WriteLine("Nothing differs.");
            return 0;
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{books.Different} differ: {books.Missing} missing there, {books.Unknown} unknown here, {books.Other} told otherwise."));
        if (books.Forgotten > 0)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{books.Forgotten} of those missing there were delivered and are forgotten here: they cannot be replayed."));
        }

        foreach (string offender in books.Offenders)
        {
            Console.WriteLine($"  {offender}");
        }

        return 1;
    }

    private static void Print(string name, string shop, string platform) => Console.WriteLine($"{name,-14}{shop,20}{platform,20}".TrimEnd());

    private static string Text(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}

/// <summary>Payments and refunds, counted and added up.</summary>
internal sealed class Books
{
    public long Completed { get; private set; }

    public long Refunded { get; private set; }

    /// <summary>What was paid less what was given back.</summary>
    public long Revenue { get; private set; }

    public void Add(bool isRefund, long amount)
    {
        Completed += isRefund ? 0 : 1;
        Refunded += isRefund ? 1 : 0;
        Revenue += isRefund ? -amount : amount;
    }
}

/// <summary>
/// Two streams in the order of the events' ids, merged, a page of each in memory. Both sides go on while they are
/// compared: a part of the shop is read first and then the same part of the platform, which has then whatever the shop
/// has as delivered. What the platform has beyond that is asked for at the shop once more.
/// </summary>
internal sealed class Reconciliation(ReadLedgerPage readShop, IsEventKept isKept, PlatformEvents platform)
{
    private const int LookedUpOrders = 3;

    public Books Shop { get; } = new();

    public Books Platform { get; } = new();

    /// <summary>Events of the shop that are still to be delivered.</summary>
    public Books OnTheirWay { get; } = new();

    /// <summary>Events that the platform should have and has not.</summary>
    public long Missing { get; private set; }

    /// <summary>Those of the missing events that the shop has forgotten, and cannot send again.</summary>
    public long Forgotten { get; private set; }

    /// <summary>Events that the platform has and the shop never made.</summary>
    public long Unknown { get; private set; }

    /// <summary>Events of both with another amount, order or member.</summary>
    public long Other { get; private set; }

    public long Different => Missing + Unknown + Other;

    /// <summary>The first that differ, in words.</summary>
    public List<string> Offenders { get; } = [];

    public async Task RunAsync(CancellationToken stop)
    {
        Guid? order = Guid.Empty;
        Guid place = Guid.Empty;
        while (order is { } after)
        {
            LedgerPage page = await readShop(after, Bounds.ReconciledOrders).ConfigureAwait(false);
            Guid until = page.Next is { } last ? Ids.RefundedEventOf(last) : Guid.AllBitsSet;
            await CompareAsync(page.Events, place, until, stop).ConfigureAwait(false);
            place = until;
            order = page.Next;
        }
    }

    /// <summary>Compares a page of the shop with all that the platform has in its range.</summary>
    private async Task CompareAsync(List<LedgerEvent> events, Guid place, Guid until, CancellationToken stop)
    {
        int next = 0;
        bool isMore = true;
        while (isMore)
        {
            PlatformPage page = await platform.ReadAsync(place, Bounds.ReconciledOrders, stop).ConfigureAwait(false);
            isMore = page.Next is not null;
            foreach (PlatformEvent there in page.Items)
            {
                if (there.EventId.CompareTo(until) > 0)
                {
                    isMore = false;
                    break;
                }

                place = there.EventId;
                while (next < events.Count && events[next].EventId.CompareTo(there.EventId) < 0)
                {
                    await MissAsync(events[next++]).ConfigureAwait(false);
                }

                bool isHere = next < events.Count && events[next].EventId == there.EventId;
                Match(isHere ? events[next++] : await LookUpAsync(there.EventId).ConfigureAwait(false), there);
            }
        }

        while (next < events.Count)
        {
            await MissAsync(events[next++]).ConfigureAwait(false);
        }
    }

    /// <summary>An event that the shop made after its page was read.</summary>
    private async ValueTask<LedgerEvent?> LookUpAsync(Guid eventId)
    {
        LedgerPage page = await readShop(Before(Ids.ToOrderId(eventId)), LookedUpOrders).ConfigureAwait(false);
        return page.Events.Find(one => one.EventId == eventId);
    }

    private async ValueTask MissAsync(LedgerEvent here)
    {
        Shop.Add(here.Type == OrderEventType.Refunded, here.Amount);
        if (here.IsPending)
        {
            OnTheirWay.Add(here.Type == OrderEventType.Refunded, here.Amount);
            return;
        }

        bool isForgotten = !await isKept(here).ConfigureAwait(false);
        Missing += 1;
        Forgotten += isForgotten ? 1 : 0;
        Offend("missing there", isForgotten ? $"{Text(here)}; forgotten here" : Text(here));
    }

    private void Match(LedgerEvent? here, PlatformEvent there)
    {
        Platform.Add(there.Type == OrderEventJson.TypeName(OrderEventType.Refunded), there.Total);
        if (here is null)
        {
            Unknown += 1;
            Offend("unknown here", Text(there));
            return;
        }

        Shop.Add(here.Type == OrderEventType.Refunded, here.Amount);
        if (here.Amount != there.Total || here.OrderId != there.OrderId || here.MemberId != there.MemberId
            || OrderEventJson.TypeName(here.Type) != there.Type)
        {
            Other += 1;
            Offend("told otherwise", $"{Text(here)}; there {Text(there)}");
        }
    }

    private void Offend(string how, string what)
    {
        if (Offenders.Count < Bounds.AuditOffenders)
        {
            Offenders.Add($"{how,-15} {what}");
        }
    }

    private static string Text(LedgerEvent one) => Text(one.EventId, OrderEventJson.TypeName(one.Type), one.OrderId, one.MemberId, one.Amount);

    private static string Text(PlatformEvent one) => Text(one.EventId, one.Type, one.OrderId, one.MemberId, one.Total);

    private static string Text(Guid eventId, string type, Guid orderId, string memberId, long amount) =>
        string.Create(CultureInfo.InvariantCulture, $"{eventId} {type}, order {orderId} of member {memberId}, {amount}");

    /// <summary>The id before an order's: what comes after it begins with the order.</summary>
    private static Guid Before(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        UInt128 number = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        BinaryPrimitives.WriteUInt128BigEndian(bytes, number == 0 ? 0 : number - 1);
        return new Guid(bytes, bigEndian: true);
    }
}
