using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Jumun.Server.Problems;

namespace Jumun.Tests.Hostile;

/// <summary>
/// Whatever is sent, the shop answers: never by a 5xx, always by a problem of the contract when it refuses, and a refusal
/// leaves everything as it was. The seed is printed with a failure: <c>JUMUN_TEST_FUZZ_SEED</c> repeats it.
/// </summary>
public sealed class FuzzTests
{
    private static readonly int Seed = Number("JUMUN_TEST_FUZZ_SEED", otherwise: 20_261_124);

    private static readonly HashSet<string> Codes = [.. Enum.GetValues<RefusalCode>().Select(ProblemAnswer.NameOf)];

    private readonly ConcurrentDictionary<string, int> answers = new();
    private readonly ConcurrentDictionary<string, bool> reached = new();

    [Fact]
    public async Task Whatever_is_sent_is_answered_and_a_refusal_changes_nothing()
    {
        int requests = Number("JUMUN_TEST_FUZZ_REQUESTS", otherwise: 2_000);
        await using TestShop shop = await TestShop.StartAsync();
        await using var fuzz = await FuzzClient.StartAsync(shop, Seed);
        Dictionary<string, string> before = await shop.ContentsAsync();
        for (int i = 0; i < requests; i++)
        {
            (RawRequest request, RawAnswer? answer) = await fuzz.AskAsync();
            Judge(request, answer, fuzz);
            Dictionary<string, string> after = await shop.ContentsAsync();
            if (answer is not { Status: < 300 } || request.Method is "GET" or "HEAD")
            {
                string changed = string.Join(", ", after.Where(table => table.Value != before[table.Key]).Select(table => table.Key));
                Assert.True(changed.Length == 0, $"{request} was answered {answer?.Status}, and changed {changed}. Seed {Seed}.");
            }

            before = after;
        }

        await EndAsync(shop, fuzz);
    }

    [Fact]
    public async Task Whatever_is_sent_by_many_at_once_is_answered_and_the_books_hold()
    {
        const int Clients = 16;
        int requests = Number("JUMUN_TEST_FUZZ_REQUESTS", otherwise: 6_000);
        await using TestShop shop = await TestShop.StartAsync();
        var known = new Known();
        FuzzClient[] clients = await Task.WhenAll(Enumerable.Range(1, Clients).Select(i => FuzzClient.StartAsync(shop, unchecked(Seed + i), known)));
        await Task.WhenAll(clients.Select(fuzz => Task.Run(async () =>
        {
            for (int i = 0; i < requests / Clients; i++)
            {
                (RawRequest request, RawAnswer? answer) = await fuzz.AskAsync();
                Judge(request, answer, fuzz);
            }
        })));
        await EndAsync(shop, clients[0]);
        foreach (FuzzClient client in clients)
        {
            await client.DisposeAsync();
        }
    }

    private static int Number(string variable, int otherwise) =>
        int.Parse(Environment.GetEnvironmentVariable(variable) ?? $"{otherwise}", CultureInfo.InvariantCulture);

    /// <summary>The books hold, and nothing was left out: every operation was reached, and every kind of answer came.</summary>
    private async Task EndAsync(TestShop shop, FuzzClient fuzz)
    {
        // What a member has at a moment is chance: an operation that had no luck is given more of it.
        for (int more = 0; more < 5_000 && Unreached().Length > 0; more++)
        {
            (RawRequest request, RawAnswer? answer) = await fuzz.AskAsync();
            Judge(request, answer, fuzz);
        }

        await shop.AuditAsync();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"seed {Seed}; {string.Join(", ", answers.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => $"{one.Key}: {one.Value}"))}");
        Assert.True(Unreached().Length == 0, $"Never successful: {string.Join(", ", Unreached())}. Seed {Seed}.");
        Assert.All(
            new[] { 400, 401, 403, 404, 405, 409, 413, 415, 422 },
            status => Assert.Contains(answers.Keys, answer => answer.StartsWith($"{status} ", StringComparison.Ordinal)));

        string[] Unreached() => [.. fuzz.Operations.Where(operation => !reached.ContainsKey(operation))];
    }

    private void Judge(RawRequest request, RawAnswer? answer, FuzzClient fuzz)
    {
        string context = $"{request} was answered {answer?.Status.ToString(CultureInfo.InvariantCulture) ?? "by nothing"}: {answer?.Text}\nSeed {Seed}.";
        if (answer is null && request.Body?.Length > Server.Bounds.BodyBytes)
        {
            // Too large a body may be cut off while it is sent.
            return;
        }

        Assert.True(answer is { Status: >= 200 and < 500 }, context);
        answers.AddOrUpdate($"{answer.Status} {answer.Code}", 1, (_, count) => count + 1);
        if (answer.Status < 300)
        {
            reached[fuzz.Operation] = true;
        }

        Assert.DoesNotContain("Exception", answer.Text, StringComparison.Ordinal);
        Assert.True(fuzz.LastTook < TimeSpan.FromSeconds(10), $"It took {fuzz.LastTook}: {context}");
        if (answer.Status < 400)
        {
            Assert.True(answer.Headers.GetValueOrDefault("content-type") != "application/json" || request.Method == "HEAD" || IsJson(answer.Body), context);
            return;
        }

        // What is not HTTP is refused by the web server itself, before there is a path or a language to answer in.
        if (answer is { Status: 400 or 411 or 413 or 414 or 431, IsLast: true, Body.Length: 0 } && request.IsHardlyHttp)
        {
            return;
        }

        Assert.True(answer.Headers.GetValueOrDefault("content-type") == "application/problem+json", context);
        if (request.Method != "HEAD")
        {
            JsonObject problem = JsonNode.Parse(answer.Body)!.AsObject();
            Assert.True((int?)problem["status"] == answer.Status && Codes.Contains((string?)problem["code"] ?? ""), context);
            Assert.True((string?)problem["type"] == $"/problems/{problem["code"]}" && problem["title"] is not null && problem["detail"] is not null, context);
        }
    }

    private static bool IsJson(byte[] body)
    {
        try
        {
            return JsonNode.Parse(body) is not null;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}

/// <summary>Sends what <see cref="FuzzRequests"/> makes, one request after the other, on a connection that is kept while the server keeps it.</summary>
internal sealed class FuzzClient : IAsyncDisposable
{
    private readonly Uri address;
    private readonly FuzzRequests requests;
    private RawConnection? connection;

    private FuzzClient(Uri address, FuzzRequests requests)
    {
        this.address = address;
        this.requests = requests;
    }

    public IEnumerable<string> Operations => requests.Operations;

    public string Operation => requests.Operation;

    public TimeSpan LastTook { get; private set; }

    public static async Task<FuzzClient> StartAsync(TestShop shop, int seed, Known? known = null) => new(
        shop.Http.BaseAddress!, new FuzzRequests((await shop.AsNobody().GetAsync("/openapi/v1.json")).Is(200).Json, seed, known ?? new Known()));

    public async Task<(RawRequest Request, RawAnswer? Answer)> AskAsync()
    {
        RawRequest request = requests.Next();
        long begun = Stopwatch.GetTimestamp();
        connection ??= await RawConnection.OpenAsync(address);
        RawAnswer? answer;
        try
        {
            await connection.SendAsync(request.Bytes());
        }
        catch (System.Net.Sockets.SocketException)
        {
            // It was refused before it was whole: the answer is there all the same.
        }

        answer = await connection.ReadAsync(isHead: request.Method == "HEAD");
        LastTook = Stopwatch.GetElapsedTime(begun);
        if (answer is null or { IsLast: true })
        {
            connection.Dispose();
            connection = null;
        }

        if (answer is { Status: < 300 } && answer.Headers.GetValueOrDefault("content-type") == "application/json" && answer.Body.Length > 0)
        {
            requests.Known.Learn(JsonNode.Parse(answer.Body));
        }

        return (request, answer);
    }

    public ValueTask DisposeAsync()
    {
        connection?.Dispose();
        return ValueTask.CompletedTask;
    }
}
