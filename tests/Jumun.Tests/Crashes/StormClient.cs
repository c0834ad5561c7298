using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Crashes;

/// <summary>An answer that a client has: the shop is held to it.</summary>
internal sealed record Acknowledged(string Token, string Path, string? Request, string Key, HttpStatusCode Status, string Body)
{
    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

    public Task<HttpResponseMessage> RepeatAsync(HttpClient http, CancellationToken cancellation)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, Path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        request.Headers.Add("Idempotency-Key", Key);
        request.Content = Request is null ? null : new StringContent(Request, Encoding.UTF8, "application/json");
        return http.SendAsync(request, cancellation);
    }
}

/// <summary>A member of a <see cref="Storm"/>.</summary>
internal sealed class StormClient(Storm storm, string name, bool admin = false)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly string token = TestShop.Token(name, admin);

    public string Name => name;

    /// <summary>What a query answers. It must succeed.</summary>
    public async Task<JsonObject> GetAsync(string path, CancellationToken cancellation)
    {
        (HttpResponseMessage response, string body) = await QueryAsync(path, cancellation);
        Assert.True(response.IsSuccessStatusCode, body);
        return JsonNode.Parse(body)!.AsObject();
    }

    /// <summary>Creates something, and says its number.</summary>
    public async Task<long> MakeAsync(string path, string json, string number, CancellationToken cancellation) =>
        (long)(await SendAsync(path, json, cancellation))![number]!;

    /// <summary>Where the server must answer, asks until the store does; and that is what this member knows.</summary>
    public async Task HasAsync(string path, string field, JsonNode value)
    {
        var patience = new Patience();
        while (storm.ServerStays)
        {
            (HttpResponseMessage response, string body) = await QueryAsync(path, CancellationToken.None);
            if (response.IsSuccessStatusCode)
            {
                storm.Queried();
                Assert.True(JsonNode.DeepEquals(value, JsonNode.Parse(body)![field]), $"{path}: {field} must be {value}: {body}");
                return;
            }

            Assert.Equal("none", Outcome(response, body));
            patience.MayGoOn(path, body);
            await Task.Delay(Pause);
        }
    }

    /// <summary>Posts under a fresh key until the answer is definite; null when it is a refusal.</summary>
    public async Task<JsonObject?> SendAsync(string path, string? json, CancellationToken cancellation = default)
    {
        string key = Guid.NewGuid().ToString();
        bool hadNoEffect = true;
        var patience = new Patience();
        string last;
        while (true)
        {
            try
            {
                var attempt = new Acknowledged(token, path, json, key, default, "");
                long sent = Stopwatch.GetTimestamp();
                using HttpResponseMessage response = await attempt.RepeatAsync(storm.Http, cancellation);
                string body = await response.Content.ReadAsStringAsync(cancellation);
                if (response.IsSuccessStatusCode)
                {
                    Assert.False(hadNoEffect && response.Headers.Contains("Idempotency-Replayed"), $"{path}: what had no effect had happened: {body}");
                    storm.Log.Add(attempt with { Status = response.StatusCode, Body = body });
                    storm.Succeeded(sent);
                    return JsonNode.Parse(body)!.AsObject();
                }

                if (response.StatusCode != HttpStatusCode.ServiceUnavailable)
                {
                    string? code = JsonNode.Parse(body)!["code"]?.GetValue<string>();
                    Assert.True(code is "coupon_sold_out" or "out_of_stock", $"{path}: {body}");
                    return null;
                }

                hadNoEffect &= Outcome(response, body) == "none";
                last = body;
            }
            catch (Exception error) when (!storm.ServerStays && (error is HttpRequestException or IOException or TaskCanceledException))
            {
                // The server is gone in the middle: what became of it, only the key can tell.
                hadNoEffect = false;
                last = error.Message;
            }

            patience.MayGoOn(path, last);
            await Task.Delay(Pause, cancellation);
        }
    }

    /// <summary>The outcome of a request that the store could not carry out, which must be answered as it is promised.</summary>
    private string Outcome(HttpResponseMessage response, string body)
    {
        Assert.True(response.StatusCode == HttpStatusCode.ServiceUnavailable, body);
        JsonNode problem = JsonNode.Parse(body)!;
        Assert.Equal("unavailable", (string?)problem["code"]);
        Assert.True(response.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1), "503 came without Retry-After.");
        string outcome = (string)problem["outcome"]!;
        Assert.True(outcome is "none" or "unknown", body);
        storm.Refused(outcome == "unknown");
        return outcome;
    }

    private async Task<(HttpResponseMessage Response, string Body)> QueryAsync(string path, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        HttpResponseMessage response = await storm.Http.SendAsync(request, cancellation);
        return (response, await response.Content.ReadAsStringAsync(cancellation));
    }
}
