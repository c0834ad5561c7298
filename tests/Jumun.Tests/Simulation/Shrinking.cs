using System.Diagnostics;

namespace Jumun.Tests.Simulation;

/// <summary>Makes a failing story short: leaves out what it fails without.</summary>
internal static class Shrinking
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <param name="story">A story that fails.</param>
    /// <param name="fails">Whether a story fails.</param>
    public static async Task<IReadOnlyList<Step>> ShrinkAsync(IReadOnlyList<Step> story, Func<IReadOnlyList<Step>, Task<bool>> fails)
    {
        var watch = Stopwatch.StartNew();
        List<Step> steps = [.. story];
        int before;
        do
        {
            before = Size(steps);
            steps = await LeaveOutAsync(steps, Try);
            for (int i = 0; i < steps.Count; i++)
            {
                foreach (Step simpler in Simpler(steps[i]))
                {
                    List<Step> shorter = [.. steps[..i], simpler, .. steps[(i + 1)..]];
                    if (await Try(shorter))
                    {
                        steps = shorter;
                        i -= 1;
                        break;
                    }
                }
            }
        }
        while (Size(steps) < before);

        return steps;

        async Task<bool> Try(List<Step> shorter) => watch.Elapsed < Patience && await fails(shorter);
    }

    /// <summary>Leaves out halves, quarters, eighths … of the story, from its end.</summary>
    private static async Task<List<Step>> LeaveOutAsync(List<Step> steps, Func<List<Step>, Task<bool>> fails)
    {
        for (int length = steps.Count / 2; length > 0; length /= 2)
        {
            for (int first = steps.Count - length; first >= 0; first -= length)
            {
                List<Step> shorter = [.. steps[..first], .. steps[(first + length)..]];
                if (await fails(shorter))
                {
                    steps = shorter;
                    first = Math.Min(first, steps.Count);
                }
            }
        }

        return steps;
    }

    private static IEnumerable<Step> Simpler(Step step)
    {
        switch (step)
        {
            case Submit submit:
                for (int i = submit.Calls.Count - 1; i >= 0 && submit.Calls.Count > 1; i--)
                {
                    yield return submit with { Calls = [.. submit.Calls.Where((_, place) => place != i)] };
                }

                if (submit.Fault != Fault.None)
                {
                    yield return submit with { Fault = Fault.None };
                }

                for (int i = 0; i < submit.Calls.Count; i++)
                {
                    if (submit.Calls[i].Key is not null)
                    {
                        yield return submit with { Calls = [.. submit.Calls.Select((call, place) => place == i ? call with { Key = null } : call)] };
                    }
                }

                break;
            case SweepOrders { Fault: not Fault.None }:
                yield return new SweepOrders(Fault.None);
                break;
            case SweepKeys { Fault: not Fault.None }:
                yield return new SweepKeys(Fault.None);
                break;
            case Relaying { Fault: not Fault.None } relaying:
                yield return relaying with { Fault = Fault.None };
                break;
            case Relaying { Mood: not Mood.Takes }:
                yield return new Relaying(Mood.Takes, Fault.None, null);
                break;
            case Kill:
                yield return new Restart();
                break;
        }
    }

    private static int Size(List<Step> steps) => steps.Sum(step => step switch
    {
        Submit submit => 1 + submit.Calls.Sum(call => call.Key is null ? 1 : 2) + (submit.Fault == Fault.None ? 0 : 1),
        SweepOrders { Fault: not Fault.None } or SweepKeys { Fault: not Fault.None } or Kill => 2,
        Relaying relaying => 1 + (relaying.Fault == Fault.None ? 0 : 1) + (relaying.Mood == Mood.Takes ? 0 : 1),
        _ => 1,
    });
}
