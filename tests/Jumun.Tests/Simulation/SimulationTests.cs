using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Jumun.Orders;

namespace Jumun.Tests.Simulation;

/// <summary>
/// Seeded stories of a shop in which everything fails now and then, and a naive shop that judges every answer. The store
/// is real SQLite, the executor, the decisions and the sweeps are the server's own; delivery, time, the platform and the
/// failures are simulated. A seed always tells the same story.
/// </summary>
[Once]
public sealed class SimulationTests
{
    // 300 here; a longer run sets JUMUN_TEST_SEEDS, and a run of one seed JUMUN_TEST_SEED.
    private static readonly int Seeds = Number("JUMUN_TEST_SEEDS") ?? 300;
    private static readonly int First = Number("JUMUN_TEST_FIRST_SEED") ?? 1;

    [Fact]
    public async Task Every_answer_is_what_a_naive_shop_would_give_whatever_fails()
    {
        int[] seeds = Number("JUMUN_TEST_SEED") is { } seed ? [seed] : [.. Enumerable.Range(First, Seeds)];
        var failed = new ConcurrentBag<int>();
        await PlayAsync(seeds.TakeWhile(_ => failed.IsEmpty), (seed, played) =>
        {
            if (played.Complaint is not null)
            {
                failed.Add(seed);
            }
        });
        if (!failed.IsEmpty)
        {
            Assert.Fail(await ExplainAsync(failed.Min()));
        }
    }

    [Fact]
    public async Task A_seed_tells_the_same_story_and_gets_the_same_answers()
    {
        for (int seed = 1; seed <= 5; seed++)
        {
            Assert.Equal(Story.Of(Storyteller.Tell(seed)), Story.Of(Storyteller.Tell(seed)));
            Performance first = await Stage.PlayAsync(Storyteller.Tell(seed));
            Assert.Equal(first, await Stage.PlayAsync(Storyteller.Tell(seed)));
            Assert.Contains("\n     → 2", first.Transcript, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Stories_tell_of_every_command_every_fault_and_every_mood_of_the_platform()
    {
        Step[] steps = [.. Enumerable.Range(1, 100).SelectMany(Storyteller.Tell)];
        Command[] commands = [.. steps.OfType<Submit>().SelectMany(submit => submit.Calls).Select(call => call.Command)];

        // The sweeps and the relay submit these.
        Type[] own =
        [
            typeof(ForgetIdempotencyKeys), typeof(DataPlatform.RecordDelivery), typeof(DataPlatform.RecordFailures),
            typeof(DataPlatform.ForgetDeliveredEvents),
        ];
        Assert.Equal(
            typeof(Command).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Command))).Select(type => type.Name).Order(),
            commands.Select(command => command.GetType()).Concat(own).Distinct().Select(type => type.Name).Order());
        Assert.Equal(Enum.GetValues<Fault>(), steps.OfType<Submit>().Select(submit => submit.Fault).Distinct().Order());
        Assert.Equal(Enum.GetValues<Mood>(), steps.OfType<Relaying>().Select(relaying => relaying.Mood).Distinct().Order());
        Assert.Equal(
            typeof(Step).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Step))).Select(type => type.Name).Order(),
            steps.Select(step => step.GetType().Name).Distinct().Order());
    }

    [Fact]
    public async Task Stories_meet_every_refusal_of_a_command()
    {
        var transcripts = new ConcurrentBag<string>();
        await PlayAsync(Enumerable.Range(1, 100), (_, played) => transcripts.Add(played.Transcript));
        string told = string.Concat(transcripts);

        // These are the edge's own, or take five seconds of real time, or would be bugs.
        RefusalCode[] elsewhere =
        [
            RefusalCode.Unauthenticated, RefusalCode.Forbidden, RefusalCode.PayloadTooLarge, RefusalCode.UnsupportedMediaType,
            RefusalCode.MethodNotAllowed, RefusalCode.NotFound, RefusalCode.RateLimited, RefusalCode.IdempotencyKeyInUse, RefusalCode.InternalError,
        ];
        string[] words =
        [
            .. Enum.GetValues<RefusalCode>().Except(elsewhere).Select(code => $"\"Code\":\"{code}\""),
            .. Enum.GetValues<CouponNotUsableReason>().Select(reason => $"\"Reason\":\"{reason}\""),
            .. Enum.GetValues<RequestOutcome>().Select(outcome => $"\"Outcome\":\"{outcome}\""),
            .. Enum.GetValues<OrderStatus>().Where(status => status != OrderStatus.PendingPayment && status != OrderStatus.Completed)
                .Select(status => $"\"Status\":\"{status}\""),
            ", again",
        ];
        Assert.All(words, word => Assert.True(told.Contains(word, StringComparison.Ordinal), $"No story meets {word}."));
    }

    [Fact]
    public async Task A_story_that_fails_is_told_in_short()
    {
        // Fails as soon as somebody charges after a sweep.
        static Task<bool> Fails(IReadOnlyList<Step> steps) => Task.FromResult(
            steps.SkipWhile(step => step is not SweepOrders).OfType<Submit>()
                .Any(submit => submit.Calls.Any(call => call.Command is Points.ChargePoints)));

        List<Step> story = Storyteller.Tell(1);
        for (int seed = 2; !await Fails(story); seed++)
        {
            story = Storyteller.Tell(seed);
        }

        IReadOnlyList<Step> shortest = await Shrinking.ShrinkAsync(story, Fails);
        Assert.Equal(2, shortest.Count);
        Assert.Equal(Fault.None, Assert.IsType<SweepOrders>(shortest[0]).Fault);
        Call call = Assert.Single(Assert.IsType<Submit>(shortest[1]).Calls);
        Assert.Null(call.Key);
    }

    /// <summary>Plays stories, as many at once as there are processors: each holds a thread now and then.</summary>
    private static Task PlayAsync(IEnumerable<int> seeds, Action<int, Performance> played) => Parallel.ForEachAsync(
        seeds, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
        async (seed, stop) => played(seed, await Stage.PlayAsync(Storyteller.Tell(seed))));

    private static async Task<string> ExplainAsync(int seed)
    {
        Performance shortest = new(null, "It went well when it was played again: it depends on more than its seed.");
        await Shrinking.ShrinkAsync(Storyteller.Tell(seed), async steps =>
        {
            Performance played = await Stage.PlayAsync(steps);
            shortest = played.Complaint is null ? shortest : played;
            return played.Complaint is not null;
        });
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Seed {seed} fails. Alone: JUMUN_TEST_SEED={seed} ./test -class {typeof(SimulationTests).FullName}\n");
        text.Append(CultureInfo.InvariantCulture, $"In short, {shortest.Complaint}\n\n{shortest.Transcript}");
        return text.ToString();
    }

    private static int? Number(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
