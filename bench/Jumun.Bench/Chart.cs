using System.Text;

namespace Jumun.Bench;

/// <summary>A line of a chart.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Points">Its points, from left to right.</param>
internal sealed record ChartLine(string Name, List<(double X, double Y)> Points);

/// <summary>Draws lines as SVG: no script, no other host.</summary>
internal static class Chart
{
    private const double Width = 560;
    private const double Height = 300;
    private const double Left = 64;
    private const double Bottom = 40;
    private static readonly string[] Colours = ["var(--one)", "var(--two)", "var(--three)", "var(--four)", "#db2777", "#7c3aed", "#0891b2"];

    public static string Draw(string title, string across, string up, List<ChartLine> lines, bool logarithmic = false)
    {
        lines = [.. lines.Where(line => line.Points.Count > 0)];
        double most = Round(lines.Max(line => line.Points.Max(point => point.Y)));
        double first = lines.Min(line => line.Points.Min(point => point.X));
        double last = lines.Max(line => line.Points.Max(point => point.X));
        double Place(double x) => logarithmic ? Math.Log(x / first) / Math.Max(Math.Log(last / first), 1e-9) : (x - first) / Math.Max(last - first, 1e-9);
        double X(double x) => Left + (Place(x) * (Width - Left - 16));
        double Y(double y) => 16 + ((1 - (y / most)) * (Height - Bottom - 16));

        var svg = new StringBuilder();
        void Add(FormattableString text) => svg.Append(FormattableString.Invariant(text));
        Add($"<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {Width} {Height + 24}\" role=\"img\" aria-label=\"{title}\">");
        for (int i = 0; i <= 4; i++)
        {
            double value = most * i / 4;
            Add($"<line x1=\"{Left}\" x2=\"{Width - 16}\" y1=\"{Y(value):F1}\" y2=\"{Y(value):F1}\" stroke=\"var(--line)\"/>");
            Add($"<text x=\"{Left - 6}\" y=\"{Y(value) + 4:F1}\" text-anchor=\"end\">{value:#,0.##}</text>");
        }

        List<double> marks = [.. lines.SelectMany(line => line.Points).Select(point => point.X).Distinct().Order()];
        foreach (double x in marks.Count <= 12 ? marks : [first, (first + last) / 2, last])
        {
            Add($"<text x=\"{X(x):F1}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{x:#,0.##}</text>");
        }

        Add($"<text x=\"{Width - 16}\" y=\"{Height - 6}\" text-anchor=\"end\">{across}</text><text x=\"4\" y=\"10\">{up}</text>");
        for (int i = 0; i < lines.Count; i++)
        {
            string colour = Colours[i % Colours.Length];
            double name = Left + (i * 72);
            Add($"<polyline fill=\"none\" stroke-width=\"2\" stroke=\"{colour}\" points=\"");
            foreach ((double x, double y) in lines[i].Points)
            {
                Add($"{X(x):F1},{Y(y):F1} ");
            }

            Add($"\"/><rect x=\"{name}\" y=\"{Height + 6}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>");
            Add($"<text x=\"{name + 14}\" y=\"{Height + 15}\">{lines[i].Name}</text>");
        }

        return svg.Append("</svg></figure>").ToString();
    }

    /// <summary>The next larger round number.</summary>
    private static double Round(double value)
    {
        double unit = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(value, 1e-9))));
        return new[] { 1, 1.5, 2, 3, 4, 5, 6, 8, 10 }.Select(step => step * unit).First(step => step >= value);
    }
}
