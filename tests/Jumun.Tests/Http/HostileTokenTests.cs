using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>Tokens as attackers make them (RFC 8725): each is refused, on every kind of route, and never with more than a 401.</summary>
public sealed class HostileTokenTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private readonly TestShop shop = fixture.Shop;

    /// <summary>Headers beside an otherwise good token that is signed with the shop's own key.</summary>
    public static TheoryData<string, bool> Headers => new()
    {
        { """{"alg":"HS256","typ":"JWT"}""", true },
        { """{"typ":"JWT","alg":"HS256"}""", true },
        { """{"alg":"HS256","typ":"JWT","kid":"../../../../dev/null"}""", true },
        { """{"alg":"HS256","typ":"JWT","kid":"' OR 1=1 --"}""", true },
        { """{"alg":"HS256","typ":"JWT","jku":"http://127.0.0.1:1/keys"}""", true },
        { """{"alg":"HS256","typ":"JWT","x5u":"http://127.0.0.1:1/cert"}""", true },
        { """{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"AAAA"}}""", true },
        { """{"alg":"hs256","typ":"JWT"}""", false },
        { """{"alg":"HS256 ","typ":"JWT"}""", false },
        { """{"alg":["HS256"],"typ":"JWT"}""", false },
        { """{"alg":null,"typ":"JWT"}""", false },
        { """{"alg":"","typ":"JWT"}""", false },
        { """{"typ":"JWT"}""", false },
        { """{"alg":"RS256","typ":"JWT"}""", false },
        { """{"alg":"PS256","typ":"JWT"}""", false },
        { """{"alg":"ES256","typ":"JWT"}""", false },
        { """{"alg":"EdDSA","typ":"JWT"}""", false },
        { """{"alg":"dir","enc":"A256GCM","typ":"JWT"}""", false },
        { """{"alg":"none","typ":"JWT"}""", false },
        { """{"alg":"HS256","typ":["JWT"]}""", false },
        { """{"alg":"HS256","typ":"JWT","crit":["exp"]}""", false },
        { """{"alg":"HS256","typ":"JWT","crit":["x"],"x":1}""", false },
        { """{"alg":"HS256","typ":"JWT","b64":false,"crit":["b64"]}""", false },
        { """{"alg":"HS256","typ":"JWT","cty":"JWT"}""", true },
        { """{"alg":"HS256","typ":"JWT","zip":"DEF"}""", true },
        { "[]", false },
        { "\"HS256\"", false },
        { "{", false },
        { "", false },
    };

    /// <summary>Claims in place of good ones, as JSON.</summary>
    public static TheoryData<string, string> Claims => new()
    {
        { "exp", "0" }, { "exp", "-1" }, { "exp", "1" }, { "exp", "null" }, { "exp", "true" }, { "exp", "[4070908800]" },
        { "exp", "{}" }, { "exp", "1e400" }, { "exp", "\"never\"" },
        { "nbf", "4070908800" }, { "nbf", "9223372036854775807" },
        { "iss", "null" }, { "iss", "\"\"" }, { "iss", "\"Jumun\"" }, { "iss", "\"jumun \"" }, { "iss", "[\"jumun\"]" }, { "iss", "{}" }, { "iss", "1" },
        { "aud", "null" }, { "aud", "\"\"" }, { "aud", "\"JUMUN\"" }, { "aud", "[]" }, { "aud", "[\"\"]" }, { "aud", "{}" }, { "aud", "1" },
        { "aud", "\"jumun,x\"" },
        { "sub", "null" }, { "sub", "\"\"" }, { "sub", "true" }, { "sub", "{}" }, { "sub", "[]" }, { "sub", "[\"alice\",\"bob\"]" },
        { "sub", "\"alice\\u0000\"" }, { "sub", "\"alice\\n\"" }, { "sub", "\" alice\"" }, { "sub", "\"ali%63e\"" }, { "sub", "\"../alice\"" },
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task A_header_that_names_another_way_to_check_is_not_followed(string header, bool isAccepted)
    {
        string content = $"{Jwt.Base64(header)}.{Jwt.Base64(Jwt.Claims("alice").ToJsonString())}";
        await IsAsync(isAccepted, Sign(content));
    }

    [Theory]
    [MemberData(nameof(Claims))]
    public async Task A_claim_of_another_shape_counts_for_nothing(string claim, string value)
    {
        JsonObject good = Jwt.Claims("alice");
        good.Remove(claim);
        string claims = good.ToJsonString()[..^1] + $",\"{claim}\":{value}}}";
        await IsAsync(false, Sign($"{Jwt.Base64("""{"alg":"HS256","typ":"JWT"}""")}.{Jwt.Base64(claims)}"));
    }

    [Theory]
    [InlineData("sub", "\"alice\"", "\"bob\"")]
    [InlineData("exp", "4070908800", "1")]
    [InlineData("role", "\"buyer\"", "\"admin\"")]
    public async Task A_claim_that_stands_there_twice_gives_nobody_more_than_one_of_the_two(string claim, string first, string second)
    {
        JsonObject good = Jwt.Claims("alice");
        good.Remove(claim);
        string claims = good.ToJsonString()[..^1] + $",\"{claim}\":{first},\"{claim}\":{second}}}";
        string token = Sign($"{Jwt.Base64("""{"alg":"HS256","typ":"JWT"}""")}.{Jwt.Base64(claims)}");
        Assert.True((await GetAsync(token, "/members/alice/points")).Status is 200 or 401 or 403);
        Assert.True((await GetAsync(token, "/members/bob/points")).Status is 200 or 401 or 403);
        Assert.False(
            (await GetAsync(token, "/members/alice/points")).Status == 200 && (await GetAsync(token, "/members/bob/points")).Status == 200
            && (await GetAsync(token, "/admin/orders")).Status != 200, "Both counted.");
    }

    /// <summary>The shop's key is no public one; but whoever knows a key of an issuer must not sign with it as if it were shared.</summary>
    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("\u0000")]
    [InlineData("secret")]
    [InlineData("the-signing-key-of-the-tests-which-is-long-enoug")]
    [InlineData("the-signing-key-of-the-tests-which-is-long-enough\n")]
    public async Task A_token_that_is_signed_with_nearly_the_key_or_an_empty_one_is_refused(string key) =>
        await IsAsync(false, Sign($"{Jwt.Base64("""{"alg":"HS256","typ":"JWT"}""")}.{Jwt.Base64(Jwt.Claims("alice").ToJsonString())}", key));

    [Fact]
    public async Task A_token_within_a_token_an_encrypted_one_and_a_huge_one_are_refused()
    {
        string good = Jwt.Of("alice");
        await IsAsync(false, Sign($"{Jwt.Base64("""{"alg":"HS256","typ":"JWT","cty":"JWT"}""")}.{Jwt.Base64(good)}"));
        await IsAsync(false, Sign($"{Jwt.Base64("""{"alg":"HS256","typ":"JWT","cty":"JWT"}""")}.{good.Split('.')[1]}").Split('.')[0] + "." + good);
        await IsAsync(false, $"{good}.{good}");
        await IsAsync(false, $"{Jwt.Base64("""{"alg":"dir","enc":"A256GCM"}""")}..{Jwt.Base64("iv")}.{Jwt.Base64("text")}.{Jwt.Base64("tag")}");
        JsonObject huge = Jwt.Claims("alice");
        huge["more"] = new string('x', 9_000);
        await IsAsync(false, Jwt.Signed(huge));
        JsonObject many = Jwt.Claims("alice");
        many["role"] = new JsonArray([.. Enumerable.Range(0, 600).Select(i => (JsonNode)$"r{i}")]);
        await IsAsync(true, Jwt.Signed(many));
    }

    [Fact]
    public async Task A_signature_in_another_spelling_of_the_same_bytes_gives_no_more_than_the_token_itself()
    {
        string good = Jwt.Of("alice");
        string padded = good.Replace('-', '+').Replace('_', '/') + "=";
        foreach (string other in new[] { $"{good}=", $"{good}==", padded, $" {good}", $"{good} ", $"{good}\t", $"{good}A" })
        {
            TestAnswer answer = await GetAsync(other, "/admin/orders");
            Assert.True(answer.Status is 401 or 403, $"{answer.Status}");
        }
    }

    private static string Sign(string content, string key = TestShop.SigningKey) =>
        $"{content}.{Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.ASCII.GetBytes(content)))}";

    private async Task IsAsync(bool isAccepted, string token)
    {
        foreach (string path in new[] { "/members/alice/points", "/products", "/admin/orders" })
        {
            TestAnswer answer = await GetAsync(token, path);
            int accepted = path.StartsWith("/admin", StringComparison.Ordinal) ? 403 : 200;
            Assert.True(answer.Status == (isAccepted ? accepted : 401), $"{path} was answered {answer.Status}: {token}");
            if (!isAccepted)
            {
                answer.IsProblem(401, "unauthenticated");
            }
        }
    }

    private Task<TestAnswer> GetAsync(string token, string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        return shop.AsNobody().SendAsync(request);
    }
}
