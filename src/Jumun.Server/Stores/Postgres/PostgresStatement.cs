using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>
/// A statement of the lane over columns of values: each parameter is an array, filled anew for each batch. The command,
/// its parameters and its lists are kept, so that a batch allocates little. On a divided database it has a command a slice,
/// all with the same text; they go into the batch in the order of the slices.
/// </summary>
internal sealed class PostgresStatement
{
    private readonly Slice[] slices;
    private Slice current;

    /// <param name="text">The statement.</param>
    /// <param name="count">Into how many slices its rows are divided.</param>
    public PostgresStatement(string text, int count = 1)
    {
        slices = new Slice[count];
        for (int slice = 0; slice < count; slice++)
        {
            slices[slice] = new Slice(text);
        }

        current = slices[0];
    }

    /// <summary>How many rows were added.</summary>
    public int Rows { get; private set; }

    /// <summary>Results that are still to be read: one a command that went into the batch.</summary>
    public int Unread { get; set; }

    /// <summary>Begins a row. Its values follow in the order of the parameters, always of the same types.</summary>
    /// <param name="slice">Where the row lies.</param>
    public PostgresStatement Row(int slice = 0)
    {
        current = slices[slice];
        current.Begin();
        Rows += 1;
        return this;
    }

    public PostgresStatement Add<T>(T value)
    {
        current.Add(value);
        return this;
    }

    public PostgresStatement Add(DateTimeOffset value) => Add(value.ToUnixTimeMilliseconds());

    public PostgresStatement Add(DateTimeOffset? value) => Add(value?.ToUnixTimeMilliseconds());

    /// <summary>Puts the statement into the batch when it has rows.</summary>
    public void AddTo(NpgsqlBatch batch)
    {
        if (Rows == 0)
        {
            return;
        }

        foreach (Slice slice in slices)
        {
            Unread += slice.AddTo(batch) ? 1 : 0;
        }
    }

    /// <summary>Empties the statement for the next batch.</summary>
    public void Clear()
    {
        Rows = 0;
        Unread = 0;
        foreach (Slice slice in slices)
        {
            slice.Clear();
        }
    }

    /// <summary>A command with the rows that lie together.</summary>
    private sealed class Slice(string text)
    {
        private readonly NpgsqlBatchCommand command = new(text);
        private readonly List<Column> columns = [];
        private int next;
        private bool hasRows;

        public void Begin()
        {
            next = 0;
            hasRows = true;
        }

        public void Add<T>(T value)
        {
            if (next == columns.Count)
            {
                var added = new Column<T>();
                columns.Add(added);
                command.Parameters.Add(added.Parameter);
            }

            ((Column<T>)columns[next++]).Values.Add(value);
        }

        public bool AddTo(NpgsqlBatch batch)
        {
            if (!hasRows)
            {
                return false;
            }

            foreach (Column column in columns)
            {
                column.Bind();
            }

            batch.BatchCommands.Add(command);
            return true;
        }

        public void Clear()
        {
            hasRows = false;
            foreach (Column column in columns)
            {
                column.Clear();
            }
        }
    }

    private abstract class Column
    {
        public abstract void Bind();

        public abstract void Clear();
    }

    private sealed class Column<T> : Column
    {
        public List<T> Values { get; } = [];

        public NpgsqlParameter<List<T>> Parameter { get; } = new();

        // Set anew, because a parameter remembers the size of what it was bound to.
        public override void Bind() => Parameter.TypedValue = Values;

        public override void Clear() => Values.Clear();
    }
}

/// <summary>
/// A statement with a few rows of <c>VALUES</c>, in texts of 1, 4, 16 and 64 rows: for <c>ON CONFLICT</c>, which a
/// divided database does not run over arrays.
/// </summary>
/// <param name="before">The text before the rows.</param>
/// <param name="columns">Values a row.</param>
/// <param name="after">The text after the rows.</param>
internal sealed class PostgresUpsert(string before, int columns, string after)
{
    private static readonly int[] Sizes = [64, 16, 4, 1];

    private readonly List<Values>[] kept = [[], [], [], []];
    private readonly int[] used = new int[Sizes.Length];

    /// <summary>Puts rows into the batch, in as few commands as they fill.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="write">Adds the values of a row, in the order of the columns.</param>
    public void AddTo<TRow>(NpgsqlBatch batch, List<TRow> rows, Action<Values, TRow> write)
    {
        int row = 0;
        for (int size = 0; size < Sizes.Length; size++)
        {
            while (rows.Count - row >= Sizes[size])
            {
                Values values = Take(size);
                for (int i = 0; i < Sizes[size]; i++)
                {
                    write(values, rows[row++]);
                }

                batch.BatchCommands.Add(values.Command);
            }
        }
    }

    /// <summary>Frees the commands for the next batch.</summary>
    public void Clear() => Array.Clear(used);

    private Values Take(int size)
    {
        if (used[size] == kept[size].Count)
        {
            kept[size].Add(new Values(Text(Sizes[size])));
        }

        Values values = kept[size][used[size]++];
        values.Begin();
        return values;
    }

    private string Text(int rows)
    {
        var parameters = Enumerable.Range(0, rows).Select(row =>
            $"({string.Join(", ", Enumerable.Range((row * columns) + 1, columns).Select(number => $"${number}"))})");
        return $"{before} VALUES {string.Join(", ", parameters)} {after}";
    }

    /// <summary>A command and its values.</summary>
    internal sealed class Values(string text)
    {
        private int next;

        public NpgsqlBatchCommand Command { get; } = new(text);

        public void Begin() => next = 0;

        public Values Add<T>(T value)
        {
            if (next == Command.Parameters.Count)
            {
                Command.Parameters.Add(new NpgsqlParameter<T>());
            }

            ((NpgsqlParameter<T>)Command.Parameters[next++]).TypedValue = value;
            return this;
        }
    }
}
