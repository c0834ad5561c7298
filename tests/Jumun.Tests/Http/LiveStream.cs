using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>A live stream as a client reads it: events, and the comments between them.</summary>
internal sealed class LiveStream : IDisposable
{
    private readonly HttpResponseMessage response;
    private readonly StreamReader reader;

    private LiveStream(HttpResponseMessage response, Stream body)
    {
        this.response = response;
        reader = new StreamReader(body);
    }

    /// <summary>Its status; where it is not 200 there are no events.</summary>
    public HttpStatusCode Status => response.StatusCode;

    public HttpResponseHeaders Headers => response.Headers;

    public HttpContentHeaders ContentHeaders => response.Content.Headers;

    public static async Task<LiveStream> OpenAsync(HttpClient http, string path, string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return new LiveStream(response, await response.Content.ReadAsStreamAsync());
    }

    /// <summary>The next event or comment; null at the end of the stream.</summary>
    public async Task<string?> NextAsync(double seconds = 10)
    {
        var lines = new List<string>();
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (await reader.ReadLineAsync(late.Token) is { } line)
        {
            if (line.Length == 0)
            {
                return string.Join('\n', lines);
            }

            lines.Add(line);
        }

        Assert.Empty(lines);
        return null;
    }

    /// <summary>The next event; comments are passed over.</summary>
    public async Task<JsonObject> EventAsync(double seconds = 10)
    {
        while (true)
        {
            string? next = await NextAsync(seconds);
            Assert.NotNull(next);
            if (!next.StartsWith(':'))
            {
                Assert.StartsWith("data: ", next, StringComparison.Ordinal);
                return JsonNode.Parse(next["data: ".Length..])!.AsObject();
            }
        }
    }

    /// <summary>Events until one is as expected; that one.</summary>
    public async Task<JsonObject> UntilAsync(Func<JsonObject, bool> isExpected, double seconds = 10)
    {
        while (true)
        {
            JsonObject next = await EventAsync(seconds);
            if (isExpected(next))
            {
                return next;
            }
        }
    }

    public void Dispose()
    {
        reader.Dispose();
        response.Dispose();
    }
}
