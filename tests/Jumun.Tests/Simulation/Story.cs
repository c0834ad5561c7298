using System.Globalization;
using System.Text;
using Jumun.Cart;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;
using Jumun.Products;

namespace Jumun.Tests.Simulation;

/// <summary>What a store does to the next batch.</summary>
internal enum Fault
{
    None,

    /// <summary>It cannot be read: nothing happened, and that is known.</summary>
    Load,

    /// <summary>It fails before anything is written.</summary>
    Write,

    /// <summary>It fails when everything is written and nothing committed.</summary>
    BeforeCommit,

    /// <summary>The commit is reported as failed, and is found when it is looked up.</summary>
    CommitLookedUp,

    /// <summary>It committed, and nobody can be asked whether it did.</summary>
    UnknownAndDone,

    /// <summary>It did not commit, and nobody can be asked whether it did.</summary>
    UnknownAndUndone,

    /// <summary>Another process was first, once.</summary>
    Race,

    /// <summary>Other processes are always first.</summary>
    RacesWithoutEnd,

    /// <summary>The process dies before the commit.</summary>
    DiesBeforeCommit,

    /// <summary>The process dies between the commit and its answers.</summary>
    DiesAfterCommit,

    /// <summary>The process dies in the middle of the commit: a part of it is in the log.</summary>
    DiesInCommit,
}

/// <summary>What the data platform does with the next delivery.</summary>
internal enum Mood
{
    Takes,

    /// <summary>It is not there.</summary>
    Refuses,

    /// <summary>It takes the first half, then fails.</summary>
    TakesHalf,

    /// <summary>It takes all, and its answer is lost.</summary>
    TakesAndFails,

    /// <summary>It takes its time, and everybody else goes on.</summary>
    Hangs,
}

/// <summary>One thing that happens in a simulated shop. A story is a list of these, and nothing in it is left to chance.</summary>
internal abstract record Step;

/// <summary>Requests that arrive together, and are settled in one batch in this order.</summary>
internal sealed record Submit(IReadOnlyList<Call> Calls, Fault Fault) : Step
{
    public override string ToString() => Story.With(Fault, string.Join("\n     ", Calls));
}

/// <summary>Time passes.</summary>
internal sealed record Pass(TimeSpan Time) : Step
{
    public override string ToString() => $"{Time.ToString("c", CultureInfo.InvariantCulture)} passes";
}

/// <summary>A round of the sweep that ends orders whose payment window is over.</summary>
internal sealed record SweepOrders(Fault Fault) : Step
{
    public override string ToString() => Story.With(Fault, "the sweep ends orders");
}

/// <summary>A round of the sweep that forgets old idempotency keys.</summary>
internal sealed record SweepKeys(Fault Fault) : Step
{
    public override string ToString() => Story.With(Fault, "the sweep forgets old keys");
}

/// <summary>A round of the relay.</summary>
/// <param name="Mood">What the data platform does with it.</param>
/// <param name="Fault">What the store does when the delivery is recorded.</param>
/// <param name="During">What is settled while the platform hangs.</param>
internal sealed record Relaying(Mood Mood, Fault Fault, Submit? During) : Step
{
    public override string ToString() =>
        Story.With(Fault, $"the relay delivers, the platform {Story.Words(Mood)}") + (During is null ? "" : $"; meanwhile\n     {During}");
}

/// <summary>The server stops as an operator wants it, and starts again.</summary>
internal sealed record Restart : Step
{
    public override string ToString() => "the server is restarted";
}

/// <summary>The process is killed while nothing is being settled.</summary>
internal sealed record Kill : Step
{
    public override string ToString() => "the server is killed";
}

/// <summary>Everything that can be read is read.</summary>
internal sealed record LookAround : Step
{
    public override string ToString() => "everything is read";
}

/// <summary>A request.</summary>
/// <param name="Subject">Who makes it.</param>
/// <param name="Command">What it asks for.</param>
/// <param name="Key">Its idempotency key.</param>
internal sealed record Call(string Subject, Command Command, string? Key = null)
{
    /// <summary>What request it is: the same again has the same, though the server gives a retried order another id.</summary>
    public string Fingerprint => Story.Tell(Command, named: false);

    public override string ToString() => $"{Subject} {Story.Tell(Command, named: true)}{(Key is null ? "" : $"  [{Key}]")}";
}

/// <summary>Stories in words.</summary>
internal static class Story
{
    /// <summary>The id of an order that a story calls by its number.</summary>
    public static Guid Order(int number) => new($"01957c00-0000-7000-8000-{number * 4:x12}");

    /// <summary>An order's number.</summary>
    public static string Name(Guid orderId) =>
        $"#{long.Parse(orderId.ToString()[24..], NumberStyles.HexNumber, CultureInfo.InvariantCulture) / 4}";

    public static string Of(IEnumerable<Step> steps)
    {
        var text = new StringBuilder();
        int number = 0;
        foreach (Step step in steps)
        {
            text.Append(CultureInfo.InvariantCulture, $"{++number,3}. {step}\n");
        }

        return text.ToString();
    }

    public static string Words<T>(T value)
        where T : struct, Enum
    {
        var text = new StringBuilder();
        foreach (char letter in value.ToString())
        {
            text.Append(char.IsUpper(letter) && text.Length > 0 ? " " : "").Append(char.ToLowerInvariant(letter));
        }

        return text.ToString();
    }

    public static string With(Fault fault, string what) => fault == Fault.None ? what : $"{what}\n     — the store: {Words(fault)}";

    /// <param name="command">A command.</param>
    /// <param name="named">Whether a new order is called by its number, which no request contains.</param>
    public static string Tell(Command command, bool named) => command switch
    {
        ChargePoints c => $"charges {c.Amount} to {c.MemberId}",
        CreateProduct c => $"makes a product '{c.Name}' of {c.Price} won, {c.Stock} pieces",
        ChangeProduct c => $"changes product {c.ProductId}:{Maybe(" name ", c.Name)}{Maybe(" price ", c.Price)}{Maybe(" on sale ", c.OnSale)}",
        ChangeStock c => $"changes the stock of product {c.ProductId} by {c.Change} ({c.Reason})",
        QueryProduct c => $"asks for product {c.ProductId}",
        IssueCoupon c => $"claims coupon {c.CouponId} for {c.MemberId}",
        CreateCoupon c => $"makes a coupon '{c.Name}' of {Tell(c.Discount)} from {c.MinimumOrderAmount} won, {c.Quantity} pieces,"
            + $" issued from {Tell(c.IssueFrom)} until {Tell(c.IssueUntil)}, usable until {Tell(c.UsableUntil)}",
        ChangeCoupon c => $"changes coupon {c.CouponId}:{Maybe(" name ", c.Name)}{Maybe(" quantity ", c.Quantity)}"
            + $"{Maybe(" issued from ", Tell(c.IssueFrom))}{Maybe(" until ", Tell(c.IssueUntil))}{Maybe(" usable until ", Tell(c.UsableUntil))}",
        PutCartLine c => $"puts {c.Quantity} of product {c.ProductId} into the cart of {c.MemberId}",
        RemoveCartLine c => c.ProductId is { } product ? $"takes product {product} from the cart of {c.MemberId}" : $"empties the cart of {c.MemberId}",
        PlaceOrder c => $"orders{(named ? $" {Name(c.OrderId)}" : "")} for {c.MemberId}: "
            + string.Join(", ", c.Items.Select(item => $"{item.Quantity} of product {item.ProductId}"))
            + $"{Maybe(", coupon ", c.CouponId)}{Maybe(", expecting ", c.ExpectedTotal)}",
        PayOrder c => $"pays {Name(c.OrderId)} of {c.MemberId}",
        CancelOrder c => $"cancels {Name(c.OrderId)} of {c.MemberId}{(c.ByAdministrator ? ", as administrator" : "")}",
        ExpireOrder c => $"expires {Name(c.OrderId)} of {c.MemberId}",
        RecordDelivery c => $"records {c.Events.Count} deliveries",
        ReplayEvents c => $"replays {string.Join(", ", c.EventIds)}",
        ForgetIdempotencyKeys => "forgets old keys",
        ForgetDeliveredEvents c => $"forgets {c.EventIds.Count} delivered events",
        DoNothing => "does nothing",
        _ => throw new InvalidOperationException($"Say how {command.GetType().Name} is told."),
    };

    private static string Tell(Discount discount) =>
        $"{discount.Value}{(discount.Kind == DiscountKind.Percent ? "%" : " won")}{Maybe(", at most ", discount.Maximum)}";

    private static string? Tell(DateTimeOffset? time) => time?.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture);

    private static string Maybe(string before, object? value) =>
        value is null ? "" : before + Convert.ToString(value, CultureInfo.InvariantCulture);
}
