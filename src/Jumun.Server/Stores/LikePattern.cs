namespace Jumun.Server.Stores;

/// <summary>Patterns for <c>LIKE … ESCAPE '\'</c>.</summary>
internal static class LikePattern
{
    /// <summary>Matches what contains the text, each character of which stands for itself.</summary>
    public static string Containing(string text) =>
        $"%{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal)}%";
}
