using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;

namespace Jumun.Tests.Http;

/// <summary>The files of the pages: out of the program, to anyone, kept by browsers and never stale.</summary>
public sealed class WebFilesTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task A_file_has_its_type_and_a_policy_that_allows_what_comes_from_here_alone()
    {
        TestAnswer css = (await shop.AsNobody().GetAsync("/jumun.css")).Is(200);
        Assert.Equal("text/css; charset=utf-8", css.ContentHeaders.ContentType!.ToString());
        Assert.Contains("--accent:", css.Text, StringComparison.Ordinal);
        Assert.Equal(["nosniff"], css.Headers.GetValues("X-Content-Type-Options"));
        string policy = Assert.Single(css.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_browser_keeps_it_and_asks_whether_it_is_still_the_same()
    {
        TestAnswer first = (await shop.AsNobody().GetAsync("/jumun.css")).Is(200);
        Assert.True(first.Headers.CacheControl!.NoCache);
        EntityTagHeaderValue tag = first.Headers.ETag!;
        TestAnswer second = (await AskAsync("/jumun.css", request => request.Headers.IfNoneMatch.Add(tag))).Is(304);
        Assert.Empty(second.Bytes);
        Assert.Equal(tag, second.Headers.ETag);
        (await AskAsync("/jumun.css", request => request.Headers.IfNoneMatch.Add(new EntityTagHeaderValue("\"another\"", isWeak: true)))).Is(200);
    }

    [Fact]
    public async Task It_comes_compressed_to_whoever_takes_it_so()
    {
        TestAnswer plain = (await shop.AsNobody().GetAsync("/jumun.css")).Is(200);
        TestAnswer small = (await AskAsync("/jumun.css", request => request.Headers.AcceptEncoding.ParseAdd("gzip"))).Is(200);
        Assert.Equal(["gzip"], small.ContentHeaders.ContentEncoding);
        Assert.True(small.Bytes.Length < plain.Bytes.Length / 2);
        using var reader = new StreamReader(new GZipStream(new MemoryStream(small.Bytes), CompressionMode.Decompress), Encoding.UTF8);
        Assert.Equal(plain.Text, await reader.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task It_comes_plain_to_whoever_refuses_it_compressed() => Assert.Empty(
        (await AskAsync("/jumun.css", request => request.Headers.AcceptEncoding.ParseAdd("identity, gzip;q=0"))).Is(200).ContentHeaders.ContentEncoding);

    [Theory]
    [InlineData("GET", "/Jumun.css", 404)]
    [InlineData("GET", "/jumun.css/", 404)]
    [InlineData("GET", "/Web/jumun.css", 404)]
    [InlineData("POST", "/jumun.css", 404)]
    [InlineData("HEAD", "/jumun.css", 200)]
    public async Task Nothing_else_is_a_file(string method, string path, int status) =>
        (await shop.AsNobody().SendAsync(new HttpMethod(method), path)).Is(status);

    [Theory]
    [InlineData("GET", "text/html,application/xhtml+xml,*/*;q=0.8", 302)]
    [InlineData("HEAD", "text/html", 302)]
    [InlineData("GET", "application/json", 404)]
    [InlineData("GET", "*/*", 404)]
    [InlineData("POST", "text/html", 404)]
    public async Task A_person_at_the_bare_address_is_led_to_the_shop_and_a_program_is_not(string method, string accept, int status)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), "/");
        request.Headers.Accept.ParseAdd(accept);
        TestAnswer answer = (await shop.AsNobody().SendAsync(request)).Is(status);
        Assert.Equal(status == 302 ? "/shop" : null, answer.Headers.Location?.ToString());
    }

    private async Task<TestAnswer> AskAsync(string path, Action<HttpRequestMessage> with)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        with(request);
        return await shop.AsNobody().SendAsync(request);
    }
}
