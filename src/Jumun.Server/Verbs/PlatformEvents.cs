using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Jumun.Server.Verbs;

/// <summary>An event as the data platform lists it.</summary>
internal sealed record PlatformEvent(Guid EventId, string Type, Guid OrderId, string MemberId, long Sequence, long Total);

/// <summary>A page of that list, ascending by event id.</summary>
internal sealed record PlatformPage(IReadOnlyList<PlatformEvent> Items, Guid? Next);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PlatformPage))]
internal sealed partial class PlatformJson : JsonSerializerContext;

/// <summary>The data platform's own list of what it has: <c>GET /events?after=…&amp;limit=…</c>.</summary>
internal sealed class PlatformEvents : IDisposable
{
    private readonly Uri address;
    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
    {
        Timeout = TimeSpan.FromSeconds(Bounds.ReconcileSeconds),
        MaxResponseContentBufferSize = Bounds.ReconcileBytes,
    };

    /// <param name="address">Where the platform is.</param>
    /// <param name="token">What it asks its readers for; null for nothing.</param>
    /// <exception cref="SetupException">That is no address.</exception>
    public PlatformEvents(string address, string? token)
    {
        if (!Uri.TryCreate($"{address.TrimEnd('/')}/", UriKind.Absolute, out Uri? url) || url.Scheme is not ("http" or "https"))
        {
            throw new SetupException($"--platform is '{address}'. It must be the address of the data platform, such as http://localhost:5090.");
        }

        this.address = url;
        if (token is not null)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    /// <summary>Events after this one.</summary>
    /// <exception cref="SetupException">The platform cannot be asked, or does not answer as it should.</exception>
    public async Task<PlatformPage> ReadAsync(Guid after, int limit, CancellationToken stop)
    {
        try
        {
            var url = new Uri(address, string.Create(CultureInfo.InvariantCulture, $"events?after={after}&limit={limit}"));
            using HttpResponseMessage answer = await http.GetAsync(url, stop).ConfigureAwait(false);
            if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            {
                throw new SetupException($"The data platform at {address} does not let us read. Set Jumun__DataPlatform__ReadToken to its token.");
            }

            answer.EnsureSuccessStatusCode();
            PlatformPage page = await answer.Content.ReadFromJsonAsync(PlatformJson.Default.PlatformPage, stop).ConfigureAwait(false)
                ?? throw new JsonException("null");
            foreach (PlatformEvent one in page.Items)
            {
                after = one.EventId.CompareTo(after) > 0 ? one.EventId : throw new JsonException($"{one.EventId} comes after {after}");
            }

            return page.Items.Count > 0 || page.Next is null ? page : throw new JsonException("a page has no events and says that there are more");
        }
        catch (Exception error) when (error is HttpRequestException or JsonException or TaskCanceledException && !stop.IsCancellationRequested)
        {
            throw new SetupException($"The data platform at {address} cannot be asked for its events: {error.Message}", error);
        }
    }

    public void Dispose() => http.Dispose();
}
