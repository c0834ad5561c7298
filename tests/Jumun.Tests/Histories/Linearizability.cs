namespace Jumun.Tests.Histories;

/// <summary>
/// Judges whether a history can be: whether there is an order of its operations, each at one moment between its call and
/// its return, in which every answer is right. The search is that of Wing and Gong with the memory of Lowe: what was tried
/// once, the same operations done and the same number left, is not tried again.
/// </summary>
internal static class Linearizability
{
    /// <summary>Whether a history of one number is linearizable.</summary>
    /// <param name="start">The number before the first call.</param>
    /// <param name="history">The calls, in any order.</param>
    public static bool Holds(long start, IReadOnlyList<Operation> history)
    {
        Moment head = Moments(history);
        var done = new Done(history.Count);
        var tried = new HashSet<(Done Done, long Number)>();
        var choices = new Stack<(Moment Call, long Before)>();
        int definite = history.Count(operation => !operation.Effect.IsUnknown);
        long number = start;
        Moment? moment = head.Next;
        while (definite > 0)
        {
            if (moment!.Return is { } ending)
            {
                // A call: perhaps it took effect here, before every other call that is still open.
                if (history[moment.Operation].Effect.On(number) is { } after && tried.Add((done.With(moment.Operation), after)))
                {
                    choices.Push((moment, number));
                    done = done.With(moment.Operation);
                    definite -= history[moment.Operation].Effect.IsUnknown ? 0 : 1;
                    number = after;
                    moment.Leave();
                    ending.Leave();
                    moment = head.Next;
                }
                else
                {
                    moment = moment.Next;
                }

                continue;
            }

            // A return whose call has found no place before it: the last choice was wrong.
            if (!choices.TryPop(out (Moment Call, long Before) last))
            {
                return false;
            }

            done = done.Without(last.Call.Operation);
            definite += history[last.Call.Operation].Effect.IsUnknown ? 0 : 1;
            number = last.Before;
            last.Call.Return!.Come();
            last.Call.Come();
            moment = last.Call.Next;
        }

        return true;
    }

    /// <summary>Calls and returns in the order of their times; an unknown call never returns, so its return is the last of all.</summary>
    private static Moment Moments(IReadOnlyList<Operation> history)
    {
        var moments = new List<(long Time, bool IsReturn, Moment Moment)>();
        for (int i = 0; i < history.Count; i++)
        {
            var ending = new Moment(i, null);
            moments.Add((history[i].Called, false, new Moment(i, ending)));
            moments.Add((history[i].Effect.IsUnknown ? long.MaxValue : history[i].Returned, true, ending));
        }

        // At the same moment calls come first: they may overlap.
        var head = new Moment(-1, null);
        Moment last = head;
        foreach ((_, _, Moment moment) in moments.OrderBy(one => one.Time).ThenBy(one => one.IsReturn))
        {
            (last.Next, moment.Previous) = (moment, last);
            last = moment;
        }

        return head;
    }

    /// <summary>A call, with its return, or a return: in a list that it can leave and come back to.</summary>
    private sealed class Moment(int operation, Moment? ending)
    {
        public int Operation => operation;

        public Moment? Return => ending;

        public Moment? Next { get; set; }

        public Moment? Previous { get; set; }

        public void Leave()
        {
            Previous!.Next = Next;
            if (Next is not null)
            {
                Next.Previous = Previous;
            }
        }

        public void Come()
        {
            Previous!.Next = this;
            if (Next is not null)
            {
                Next.Previous = this;
            }
        }
    }

    /// <summary>Which operations took effect.</summary>
    private sealed class Done : IEquatable<Done>
    {
        private readonly ulong[] bits;
        private readonly int hash;

        public Done(int operations)
            : this(new ulong[(operations + 63) / 64])
        {
        }

        private Done(ulong[] bits)
        {
            this.bits = bits;
            var code = default(HashCode);
            code.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(bits.AsSpan()));
            hash = code.ToHashCode();
        }

        public Done With(int operation) => Changed(operation, done: true);

        public Done Without(int operation) => Changed(operation, done: false);

        public bool Equals(Done? other) => other is not null && bits.AsSpan().SequenceEqual(other.bits);

        public override bool Equals(object? obj) => Equals(obj as Done);

        public override int GetHashCode() => hash;

        private Done Changed(int operation, bool done)
        {
            ulong[] changed = [.. bits];
            ulong bit = 1UL << (operation % 64);
            changed[operation / 64] = done ? changed[operation / 64] | bit : changed[operation / 64] & ~bit;
            return new Done(changed);
        }
    }
}
