namespace Jumun.Server.Verbs;

/// <summary>What <c>doctor</c> says, a line each.</summary>
internal sealed class DoctorReport
{
    /// <summary>Whether nothing has to be mended.</summary>
    public bool IsFine { get; private set; } = true;

    /// <summary>Something to know.</summary>
    public void Fact(string name, string value) => Line("ok", name, value);

    /// <summary>Something that has to be mended when it is not as it should be.</summary>
    public void Check(bool isFine, string name, string value)
    {
        IsFine &= isFine;
        Line(isFine ? "ok" : "WARN", name, value);
    }

    /// <summary>Something that could be better, and is the operator's to decide.</summary>
    public void Advice(bool isFine, string name, string value) => Line(isFine ? "ok" : "note", name, value);

    private static void Line(string mark, string name, string value) => Console.WriteLine($"{mark,-4} {name,-29} {value}");
}
