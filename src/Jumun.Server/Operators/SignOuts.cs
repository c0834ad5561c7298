namespace Jumun.Server.Operators;

/// <summary>
/// Who signed out on this process, for pages of it that are open still: they have a connection and send no request that could be
/// refused. Pages that are loaded later, or connect again, show that they have a session by its cookie, which the sign-out deleted in
/// the browser. Other processes are not told: a page that is open there goes on until then, or until its session ends by itself
/// (<see cref="Session.EndOf"/>). A token that was copied before counts until it expires, here as well: this is no list of revoked tokens.
/// </summary>
internal sealed class SignOuts
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, DateTimeOffset> last = [];

    /// <summary>A session was ended by its operator.</summary>
    public void Add(string session, DateTimeOffset now)
    {
        lock (gate)
        {
            last[session] = now;
            if (last.Count > Bounds.SignOuts)
            {
                last.Remove(last.MinBy(one => one.Value).Key);
            }
        }
    }

    /// <summary>Whether a session was ended since a page of it was loaded.</summary>
    public bool Has(string session, DateTimeOffset loadedAt)
    {
        lock (gate)
        {
            return last.TryGetValue(session, out DateTimeOffset at) && at >= loadedAt;
        }
    }
}
