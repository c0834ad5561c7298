namespace Jumun.Tests.Processes;

/// <summary>
/// Answers of a calm system: those that are definite. A 503 is honest when it says that nothing was done; then the client
/// may simply ask again, and does. Any other 5xx is the shop's mistake.
/// </summary>
internal sealed class Honest
{
    private int refused;

    /// <summary>How many answers were an honest 503.</summary>
    public int Refused => Volatile.Read(ref refused);

    public async Task<TestAnswer> AskAsync(Func<Task<TestAnswer>> ask)
    {
        var patience = new Patience();
        while (true)
        {
            TestAnswer answer = await ask();
            if (answer.Status < 500)
            {
                return answer;
            }

            answer.IsProblem(503, "unavailable");
            Assert.Equal("none", (string?)answer["outcome"]);
            Assert.NotNull(answer.Headers.RetryAfter);
            Interlocked.Increment(ref refused);
            patience.MayGoOn("A request", answer.Text);
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }
}
