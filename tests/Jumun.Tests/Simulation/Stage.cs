using System.Text;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Products;
using Jumun.Ranking;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Stores;

namespace Jumun.Tests.Simulation;

/// <summary>How a story went.</summary>
/// <param name="Complaint">What was wrong, and null when nothing was.</param>
/// <param name="Transcript">What was answered, step by step.</param>
internal sealed record Performance(string? Complaint, string Transcript);

/// <summary>Plays a story on the real parts of a server, and holds against it what the naive shop knows.</summary>
internal sealed class Stage : IAsyncDisposable
{
    private const int MostWorlds = 8;

    // A story is small; others may have what is there, too.
    private const long MemoryBytes = 64 << 20;

    private readonly StillClock clock = new();
    private readonly Worlds worlds = new();
    private readonly Platform platform = new();
    private readonly Dictionary<Guid, OrderStatus> seen = [];
    private readonly HashSet<Guid> checkedEvents = [];
    private readonly StringBuilder transcript = new();
    private readonly SimulatedServer server;
    private readonly string[] members;

    private Stage(string folder, IReadOnlyList<Step> story)
    {
        server = new SimulatedServer(folder, clock);
        members = [.. story.OfType<Submit>().SelectMany(submit => submit.Calls).Select(call => call.Subject).Distinct().Order(StringComparer.Ordinal)];
    }

    private DateTimeOffset Now => clock.Now;

    private IStore Store => server.Store;

    public static async Task<Performance> PlayAsync(IReadOnlyList<Step> story)
    {
        // Syncs cost nothing in memory, and what they are for is shown elsewhere.
        var memory = new DriveInfo("/dev/shm");
        string parent = memory.IsReady && memory.AvailableFreeSpace > MemoryBytes ? memory.Name : Path.GetTempPath();
        string folder = Path.Combine(parent, $"jumun-story-{Guid.NewGuid():n}");
        Directory.CreateDirectory(folder);
        try
        {
            await using var stage = new Stage(folder, story);
            return await stage.RunAsync(story);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private async Task<Performance> RunAsync(IReadOnlyList<Step> story)
    {
        await server.StartAsync();
        int number = 0;
        try
        {
            foreach (Step step in story)
            {
                number += 1;
                server.Torn = number * 37 % 100;
                transcript.Append(System.Globalization.CultureInfo.InvariantCulture, $"{number,3}. {step}\n");
                await PlayAsync(step);
                await RecoverAsync();
                if (worlds.Count > MostWorlds)
                {
                    await LookAroundAsync();
                }
            }

            number = 0;
            await EndAsync();
            return new Performance(null, transcript.ToString());
        }
        catch (Contradiction wrong)
        {
            string where = number == 0 ? "at the end" : $"at step {number}";
            return new Performance($"{where}: {wrong.Message}", transcript.ToString());
        }
    }

    private async Task PlayAsync(Step step)
    {
        switch (step)
        {
            case Submit submit:
                await SubmitAsync(submit);
                break;
            case Pass pass:
                clock.Pass(pass.Time);
                break;
            case SweepOrders sweep:
                await SeeOverdueAsync();
                await server.SweepOrdersAsync(sweep.Fault);
                Happened(sweep.Fault, world => world.SweepOrders(Now));
                break;
            case SweepKeys sweep:
                await server.SweepKeysAsync(sweep.Fault);
                Happened(sweep.Fault, world => world.SweepKeys(Now));
                break;
            case Relaying relaying:
                await RelayAsync(relaying);
                break;
            case Restart:
                await server.RestartAsync();
                break;
            case Kill:
                server.Kill();
                break;
            case LookAround:
                await LookAroundAsync();
                break;
        }
    }

    private async ValueTask RecoverAsync()
    {
        if (server.IsDead)
        {
            await server.RecoverAsync();
        }
    }

    private async Task SubmitAsync(Submit submit)
    {
        DateTimeOffset now = Now;
        Settlement[] settled = await server.TogetherAsync(
            () => Task.WhenAll(submit.Calls.Select(call => server.Executor.SubmitAsync(call.Command, Keyed(call)).AsTask())), submit.Fault);
        Outcome[] outcomes = [.. settled.Zip(submit.Calls, (settlement, call) => Outcome.Of(call.Command, settlement))];
        foreach (Outcome outcome in outcomes)
        {
            transcript.Append("     → ").Append(outcome).Append('\n');
        }

        RequestOutcome?[] kinds = [.. outcomes.Select(outcome => outcome.Unavailable).Distinct()];
        if (kinds.Length > 1 || !MayBe(submit.Fault).Contains(kinds[0]))
        {
            string told = string.Join(" and ", outcomes.Select(outcome => outcome.Text));
            throw new Contradiction($"the store: {Story.Words(submit.Fault)}; the callers were told {told}");
        }

        worlds.Settle(submit.Calls, outcomes, now);
        await RecoverAsync();
        await LookAtAsync(submit.Calls);
    }

    /// <summary>What callers may be told when the store does this: null is an answer. A batch that writes nothing never gets to its commit.</summary>
    private static RequestOutcome?[] MayBe(Fault fault) => fault switch
    {
        Fault.None or Fault.Race or Fault.CommitLookedUp => [null],
        Fault.Load => [RequestOutcome.None],
        Fault.Write or Fault.BeforeCommit or Fault.RacesWithoutEnd => [null, RequestOutcome.None],
        Fault.UnknownAndDone or Fault.UnknownAndUndone or Fault.DiesBeforeCommit or Fault.DiesAfterCommit or Fault.DiesInCommit =>
            [null, RequestOutcome.Unknown],
    };

    /// <summary>Work of the server's own, whose outcome nobody is told.</summary>
    private void Happened(Fault fault, Action<World> change)
    {
        if (fault is Fault.None or Fault.Race or Fault.CommitLookedUp)
        {
            worlds.Surely(change);
        }
        else
        {
            worlds.Perhaps(change);
        }
    }

    private static KeyedRequest? Keyed(Call call) => call.Key is null
        ? null
        : new KeyedRequest(new IdempotencyKey(call.Subject, call.Key), Encoding.UTF8.GetBytes(call.Fingerprint), Outcome.Reply(call.Command));

    private async Task RelayAsync(Relaying step)
    {
        await SeeEventsAsync(OutboxState.Pending);
        if (worlds.Any.Events(OutboxState.Pending).Count == 0)
        {
            return;
        }

        platform.Expect(step.Mood);
        await server.RelayAsync(platform, step.Fault, async () =>
        {
            if (step.Mood == Mood.Hangs)
            {
                clock.Pass(TimeSpan.FromSeconds(30));
                await (step.During is { } during ? SubmitAsync(during) : Task.CompletedTask);
            }
        });
        if (platform.Complaint is { } complaint)
        {
            throw new Contradiction($"the platform: {complaint}");
        }

        SeeTaken();
        if (step.Mood is Mood.Takes or Mood.Hangs)
        {
            HashSet<Guid> delivered = [.. platform.Handed.Select(one => one.EventId)];
            Happened(step.Fault, world => world.RecordDelivery(delivered));
        }

        await RecoverAsync();
        await SeeEventsAsync(OutboxState.Pending);
    }

    /// <summary>Everything that the platform has was committed, and says what it must.</summary>
    private void SeeTaken()
    {
        foreach ((Guid id, PendingEvent one) in platform.Taken)
        {
            if (checkedEvents.Add(id))
            {
                worlds.See($"event {id}", Platform.Canonical(JsonNode.Parse(one.Body)), world => Platform.Canonical(world.Event(id)));
            }
        }
    }

    /// <summary>Whatever is still to be done is done: then everything is read, and the platform has every event.</summary>
    private async Task EndAsync()
    {
        await PlayAsync(new SweepOrders(Fault.None));
        await PlayAsync(new Relaying(Mood.Takes, Fault.None, null));
        await PlayAsync(new Restart());
        await LookAroundAsync();
        worlds.See(
            "the platform", string.Join(", ", platform.Taken.Keys.Order()),
            world => string.Join(", ", world.Events(null).Select(told => told.EventId).Order()));
    }

    /// <summary>What the requests were about is as they left it.</summary>
    private async Task LookAtAsync(IReadOnlyList<Call> calls)
    {
        foreach (string member in calls.Select(call => call.Subject).Distinct())
        {
            await SeePointsAsync(member);
        }

        foreach (Command command in calls.Select(call => call.Command))
        {
            switch (command)
            {
                case PlaceOrder c:
                    await SeeOrderAsync(c.MemberId, c.OrderId);
                    foreach (OrderItem item in c.Items)
                    {
                        await SeeProductAsync(item.ProductId);
                    }

                    break;
                case Payments.PayOrder c:
                    await SeeOrderAsync(c.MemberId, c.OrderId);
                    break;
                case CancelOrder c:
                    await SeeOrderAsync(c.MemberId, c.OrderId);
                    break;
                case ChangeStock c:
                    await SeeProductAsync(c.ProductId);
                    break;
                case ChangeProduct c:
                    await SeeProductAsync(c.ProductId);
                    break;
                case IssueCoupon c:
                    await SeeCouponAsync(c.CouponId);
                    break;
                case ChangeCoupon c:
                    await SeeCouponAsync(c.CouponId);
                    break;
            }
        }
    }

    private async Task LookAroundAsync()
    {
        foreach (string member in members)
        {
            await SeeMemberAsync(member);
        }

        foreach ((string member, Guid order) in worlds.Any.Orders)
        {
            await SeeOrderAsync(member, order);
        }

        await SeeCatalogueAsync();
        foreach (OrderStatus status in Enum.GetValues<OrderStatus>())
        {
            await SeeOrdersAsync(null, status);
        }

        foreach (int days in (int[])[1, 3, 30])
        {
            long end = (long)(Now - DateTimeOffset.UnixEpoch).TotalHours + 1;
            await SeeListAsync(
                $"top products of {days} days", Store.TopProductsAsync(new SalesWindow(end - (24 * days), end), 3), world => world.Top(days, 3, Now));
        }

        await SeeEventsAsync(null);
        await SeeEventsAsync(OutboxState.Pending);
        await SeeEventsAsync(OutboxState.Delivered);
        await SeeOverdueAsync();
        await SeeAsync("keys of a week ago", Store.HasKeysBeforeAsync(Now.AddDays(-7)), world => world.HasKeysBefore(Now.AddDays(-7)));
        foreach (InvariantReport report in await Store.AuditAsync())
        {
            if (!report.Holds)
            {
                throw new Contradiction($"the audit: {report.Id}, {report.Name}, does not hold: {string.Join("; ", report.Offenders)}");
            }
        }
    }

    private async Task SeeMemberAsync(string member)
    {
        await SeePointsAsync(member);
        await SeeListAsync(
            $"history of {member}", Store.HistoryAsync(member, null, Server.Bounds.PageItems), world => world.HistoryOf(member).Take(Server.Bounds.PageItems));
        string cart = Text(await Store.CartAsync(member), ApiJson.Default.CartView);
        worlds.See($"cart of {member}", cart, world => Text(world.Cart(member), ApiJson.Default.CartView));
        await SeeOrdersAsync(member, null);
        foreach (IssuedCouponStatus? status in (IssuedCouponStatus?[])[null, .. Enum.GetValues<IssuedCouponStatus>()])
        {
            await SeeListAsync(
                $"coupons of {member}, {status}", Store.IssuedCouponsAsync(member, status, null, Now, Server.Bounds.PageItems),
                world => world.CouponsOf(member, status, Now));
        }
    }

    private async Task SeePointsAsync(string member)
    {
        string points = Text(await Store.PointsAsync(member), ApiJson.Default.PointsView);
        worlds.See($"points of {member}", points, world => Text(world.Points(member), ApiJson.Default.PointsView));
    }

    private async Task SeeCatalogueAsync()
    {
        for (long id = 1; worlds.Any.Product(id - 1) is not null || id == 1; id++)
        {
            await SeeProductAsync(id);
        }

        for (long id = 1; worlds.Any.Coupon(id - 1) is not null || id == 1; id++)
        {
            await SeeCouponAsync(id);
        }

        await SeeListAsync("products", Store.ProductsAsync(null, null, Server.Bounds.PageItems), world => world.OnSale);
        await SeeListAsync("coupons", Store.CouponsAsync(null, Server.Bounds.PageItems), world => world.Coupons);
    }

    private Task SeeProductAsync(long id) =>
        SeeAsync($"product {id}", Store.ProductAsync(id), world => world.Product(id), ApiJson.Default.ProductView);

    private Task SeeCouponAsync(long id) =>
        SeeAsync($"coupon {id}", Store.CouponAsync(id), world => world.Coupon(id), ApiJson.Default.CouponView);

    private async Task SeeOrderAsync(string member, Guid id)
    {
        OrderView? order = await Store.OrderAsync(member, id, Now);
        worlds.See(
            $"order {Story.Name(id)} of {member}", Text(order, ApiJson.Default.OrderView),
            world => Text(world.Order(member, id, Now), ApiJson.Default.OrderView));
        await SeeAsync(
            $"payment of {Story.Name(id)} of {member}", Store.PaymentAsync(member, id, Now), world => world.Payment(member, id, Now),
            ApiJson.Default.PaymentView);

        // Whatever the naive shop thinks: an ended order is never anything else again, but a completed one may be refunded.
        if (order is not null)
        {
            if (seen.TryGetValue(id, out OrderStatus before) && before != order.Status && before != OrderStatus.PendingPayment
                && (before, order.Status) is not (OrderStatus.Completed, OrderStatus.Refunded))
            {
                throw new Contradiction($"order {Story.Name(id)} was {before} and is {order.Status}");
            }

            seen[id] = order.Status;
        }
    }

    private async Task SeeOrdersAsync(string? member, OrderStatus? status) => await SeeListAsync(
        $"orders of {member ?? "all"}, {status}", OrdersAsync(member, status), world => world.OrdersOf(member, status, Now).Take(Server.Bounds.PageItems)
            .Select(order => Text(order, ApiJson.Default.OrderView)));

    private async ValueTask<List<string>> OrdersAsync(string? member, OrderStatus? status) =>
        (await Store.OrdersAsync(member, status, null, Now, Server.Bounds.PageItems)).ConvertAll(row => Text(row.Order, ApiJson.Default.OrderView));

    private async Task SeeEventsAsync(OutboxState? state) => await SeeListAsync(
        $"events, {state}", EventsAsync(state), world => world.Events(state).Take(Server.Bounds.PageItems));

    private async ValueTask<List<OutboxEventView>> EventsAsync(OutboxState? state) =>
        (await Store.EventsAsync(state, null, Server.Bounds.PageItems)).ConvertAll(row => row.Event);

    private async Task SeeOverdueAsync() => await SeeListAsync(
        "overdue orders", OverdueAsync(),
        world => world.Overdue(Now).Select(order => $"{order.Member} {Story.Name(order.Order)}").Order(StringComparer.Ordinal));

    private async ValueTask<List<string>> OverdueAsync() => [.. (await Store.ExpiredOrdersAsync(Now, Server.Bounds.ExpiredOrders))
        .Select(order => $"{order.MemberId} {Story.Name(order.OrderId)}").Order(StringComparer.Ordinal)];

    private async Task SeeAsync<T>(string what, ValueTask<T?> read, Func<World, T?> expected, JsonTypeInfo<T> json)
        where T : class
    {
        string text = Text(await read, json);
        worlds.See(what, text, world => Text(expected(world), json));
    }

    private async Task SeeAsync<T>(string what, ValueTask<T> read, Func<World, T> expected)
        where T : struct
    {
        string text = $"{await read}";
        worlds.See(what, text, world => $"{expected(world)}");
    }

    private async Task SeeListAsync<T>(string what, ValueTask<List<T>> read, Func<World, IEnumerable<T>> expected)
    {
        string text = string.Join("; ", await read);
        worlds.See(what, text, world => string.Join("; ", expected(world)));
    }

    private static string Text<T>(T? value, JsonTypeInfo<T> json)
        where T : class =>
        value is null ? "nothing" : Outcome.Json(value, json);
}
