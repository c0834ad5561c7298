using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;

namespace Jumun.Tests.Http;

/// <summary>Requests are read strictly.</summary>
public sealed class RequestTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private const int MaximumBody = 64 * 1024;

    private readonly TestShop shop = fixture.Shop;

    [Theory]
    [InlineData("""{"name":"x","price":1,"stock":1,"rating":5}""", "rating", "is not known here")]
    [InlineData("""{"name":"x","price":1,"stock":1,"productId":5}""", "productId", "is not known here")]
    [InlineData("""{"Name":"x","price":1,"stock":1}""", "Name", "is not known here")]
    [InlineData("""{"name":"x","price":1,"stock":1,"price":1}""", "price", "stands there twice")]
    [InlineData("""{"name":"x","price":1,"stock":1,"\u0070rice":1}""", "price", "stands there twice")]
    [InlineData("""{"name":"x","price":1}""", "stock", "is required")]
    [InlineData("""{"name":null,"price":1,"stock":1}""", "name", "is required")]
    [InlineData("""{"name":"x","price":null,"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":"100","stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":1.5,"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":1.0,"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":1e3,"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":true,"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":[1],"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":{"won":1},"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":"x","price":9223372036854775808,"stock":1}""", "price", "has the wrong type")]
    [InlineData("""{"name":5,"price":1,"stock":1}""", "name", "has the wrong type")]
    [InlineData("""{"name":"x","price":1000000001,"stock":1}""", "price", "must be a whole number from 0 to 1000000000")]
    [InlineData("{}", "name", "is required")]
    [InlineData("{}", "price", "is required")]
    [InlineData("{}", "stock", "is required")]
    public async Task A_wrong_member_is_named_with_what_is_wrong(string body, string field, string text)
    {
        TestAnswer refused = (await shop.Administrator().PostAsync("/admin/products", body)).IsInvalid(field);
        Assert.Equal([text], refused["errors"]![field]!.AsArray().Select(error => (string)error!));
    }

    [Fact]
    public async Task What_a_client_calls_a_member_makes_no_other_refusal_of_it()
    {
        TestAnswer refused = await shop.Administrator().PostAsync("/admin/products", """{"missing required properties":1}""");
        refused.IsProblem(400, "invalid_request");
        (string name, System.Text.Json.Nodes.JsonNode? errors) = Assert.Single(refused["errors"]!.AsObject());
        Assert.Contains("missing required properties", name, StringComparison.Ordinal);
        Assert.Equal("is not known here", (string)errors![0]!);
    }

    [Fact]
    public async Task Each_member_that_is_missing_is_named()
    {
        TestAnswer refused = (await shop.Administrator().PostAsync("/admin/coupons", "{}")).IsProblem(400, "invalid_request");
        Assert.Equal(
            ["discount", "issueFrom", "issueUntil", "name", "quantity", "usableUntil"], refused["errors"]!.AsObject().Select(error => error.Key).Order());
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("{")]
    [InlineData("""{"amount":5""")]
    [InlineData("""{"amount":5,}""")]
    [InlineData("""{"amount":05}""")]
    [InlineData("""{"amount":+5}""")]
    [InlineData("""{"amount":NaN}""")]
    [InlineData("""{amount:5}""")]
    [InlineData("""{'amount':5}""")]
    [InlineData("""{"amount":5}x""")]
    [InlineData("""{"amount":5}{"amount":5}""")]
    [InlineData("""{"amount":5}/* more */""")]
    [InlineData("// before\n{\"amount\":5}")]
    [InlineData("null")]
    [InlineData("5")]
    [InlineData("\"amount\"")]
    [InlineData("[]")]
    [InlineData("""[{"amount":5}]""")]
    public async Task A_body_that_is_not_one_JSON_object_is_an_invalid_request(string body)
    {
        TestCaller member = shop.Somebody();
        (await member.PostAsync($"/members/{member.Member}/points/charge", body)).IsInvalid("");
        Assert.Equal(0, await member.BalanceAsync());
    }

    [Theory]
    [InlineData("""{"items":[null]}""", "items[0]")]
    [InlineData("""{"items":[{"productId":1}]}""", "items[0].quantity")]
    [InlineData("""{"items":[{"productId":1,"quantity":1},{"productId":1,"quantity":"1"}]}""", "items[1].quantity")]
    [InlineData("""{"items":[{"productId":1,"quantity":1,"price":1}]}""", "items[0].price")]
    [InlineData("""{"items":[{"productId":1,"quantity":1,"quantity":1}]}""", "items[0].quantity")]
    [InlineData("""{"items":{"productId":1,"quantity":1}}""", "items")]
    [InlineData("""{"items":null}""", "items")]
    [InlineData("""{}""", "items")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"couponId":"1"}""", "couponId")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"expectedTotal":1.5}""", "expectedTotal")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"status":"completed"}""", "status")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"memberId":"other"}""", "memberId")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"total":0}""", "total")]
    public async Task A_wrong_member_of_an_order_is_named_with_its_place(string body, string field)
    {
        TestCaller member = shop.Somebody();
        (await member.PostAsync($"/order/{member.Member}", body)).IsInvalid(field);
    }

    [Fact]
    public async Task An_optional_member_may_be_absent_or_null()
    {
        TestCaller member = shop.Somebody();
        long product = await shop.Administrator().CreateProductAsync();
        (await member.PostAsync(
            $"/order/{member.Member}", $$"""{"items":[{"productId":{{product}},"quantity":1}],"couponId":null,"expectedTotal":null}""")).Is(201);
    }

    [Theory]
    [InlineData("""{"amount":5}""", 200)]
    [InlineData(" \r\n\t{ \"amount\" : 5 } \r\n", 200)]
    [InlineData("""{"\u0061mount":5}""", 200)]
    public async Task White_space_and_escapes_are_JSON(string body, int status)
    {
        TestCaller member = shop.Somebody();
        (await member.PostAsync($"/members/{member.Member}/points/charge", body)).Is(status);
    }

    [Fact]
    public async Task A_byte_order_mark_is_an_invalid_request() => (await ChargeAsync([0xEF, 0xBB, 0xBF, .. "{\"amount\":5}"u8])).IsInvalid("");

    [Fact]
    public async Task Bytes_that_are_not_UTF_8_are_an_invalid_request()
    {
        TestCaller admin = shop.Administrator();
        (await ChargeAsync(Encoding.Unicode.GetBytes("{\"amount\":5}"))).IsInvalid("");
        (await SendAsync(admin, "/admin/products", [.. "{\"name\":\""u8, 0xFF, 0xFE, .. "\",\"price\":1,\"stock\":1}"u8])).IsProblem(400, "invalid_request");
        (await SendAsync(admin, "/admin/products", [.. "{\"name\":\"x\",\"price\":1,\"stock\":1,\""u8, 0xC3, .. "\":1}"u8])).IsProblem(400, "invalid_request");
    }

    [Theory]
    [InlineData("\\ud83d")]
    [InlineData("\\ude00")]
    [InlineData("a\\ud83db")]
    [InlineData("\\ude00\\ud83d")]
    public async Task Half_a_surrogate_pair_is_an_invalid_request(string name) => (await shop.Administrator().PostAsync(
        "/admin/products", $$"""{"name":"{{name}}","price":1,"stock":1}""")).IsProblem(400, "invalid_request");

    [Fact]
    public async Task A_whole_surrogate_pair_is_a_character()
    {
        TestAnswer created = (await shop.Administrator().PostAsync("/admin/products", """{"name":"\ud83d\ude00","price":1,"stock":1}""")).Is(201);
        Assert.Equal("😀", created.Word("name"));
    }

    [Theory]
    [InlineData("a\\u0000b")]
    [InlineData("a\\nb")]
    [InlineData("\\u001b[31m")]
    [InlineData("a\\u007f")]
    [InlineData("a\\u0085")]
    public async Task A_control_character_in_a_name_is_an_invalid_request(string name)
    {
        TestCaller admin = shop.Administrator();
        (await admin.PostAsync("/admin/products", $$"""{"name":"{{name}}","price":1,"stock":1}""")).IsInvalid("name");
        long product = await admin.CreateProductAsync();
        (await admin.PostAsync($"/admin/products/{product}/stock", $$"""{"change":1,"reason":"{{name}}"}""")).IsInvalid("reason");
    }

    [Fact]
    public async Task A_body_nested_deeper_than_allowed_is_an_invalid_request()
    {
        TestCaller member = shop.Somebody();
        string deep = new string('[', 1_000) + new string(']', 1_000);
        (await member.PostAsync($"/order/{member.Member}", $$"""{"items":{{deep}}}""")).IsProblem(400, "invalid_request");
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("application/json; charset=\"UTF-8\"")]
    [InlineData("APPLICATION/JSON")]
    public async Task JSON_in_UTF_8_is_the_media_type(string type) => (await ChargeAsync("{\"amount\":5}"u8.ToArray(), type)).Is(200);

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("text/json")]
    [InlineData("application/xml")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData("application/json; charset=iso-8859-1")]
    [InlineData("application/jsonp")]
    [InlineData("nonsense")]
    public async Task Another_media_type_is_unsupported_media_type(string? type) =>
        (await ChargeAsync("{\"amount\":5}"u8.ToArray(), type)).IsProblem(415, "unsupported_media_type");

    [Theory]
    [InlineData("/admin/products", "POST")]
    [InlineData("/admin/products/1", "PATCH")]
    [InlineData("/admin/products/1/stock", "POST")]
    [InlineData("/admin/coupons", "POST")]
    [InlineData("/admin/coupons/1", "PATCH")]
    [InlineData("/admin/events/replay", "POST")]
    [InlineData("/members/admin/points/charge", "POST")]
    [InlineData("/members/admin/cart/items/1", "PUT")]
    [InlineData("/order/admin", "POST")]
    public async Task Every_route_with_a_body_refuses_one_that_is_not_JSON_or_is_malformed_or_is_too_large(string path, string method)
    {
        TestCaller admin = shop.Administrator();
        (await SendAsync(admin, path, "{}"u8.ToArray(), "text/plain", method)).IsProblem(415, "unsupported_media_type");
        (await SendAsync(admin, path, "{"u8.ToArray(), method: method)).IsProblem(400, "invalid_request");
        (await SendAsync(admin, path, "{\"nothing\":1}"u8.ToArray(), method: method)).IsInvalid("nothing");
        (await SendAsync(admin, path, new byte[MaximumBody + 1], method: method)).IsProblem(413, "payload_too_large");
    }

    [Fact]
    public async Task A_compressed_body_is_unsupported_media_type()
    {
        TestCaller member = shop.Somebody();
        using var compressed = new MemoryStream();
        await using (var gzip = new GZipStream(compressed, CompressionMode.Compress, leaveOpen: true))
        {
            gzip.Write("{\"amount\":5}"u8);
        }

        var content = new ByteArrayContent(compressed.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add("gzip");
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/members/{member.Member}/points/charge") { Content = content };
        TestAnswer answer = await member.SendAsync(request);
        answer.IsProblem(415, "unsupported_media_type");
    }

    [Fact]
    public async Task A_body_of_64_KiB_is_read_and_one_byte_more_is_payload_too_large()
    {
        (await ChargeAsync(Padded(MaximumBody))).Is(200);
        (await ChargeAsync(Padded(MaximumBody + 1))).IsProblem(413, "payload_too_large");
    }

    [Fact]
    public async Task A_body_of_unknown_length_is_counted_while_it_is_read()
    {
        TestCaller member = shop.Somebody();
        foreach ((int length, int status) in new[] { (MaximumBody - 1024, 200), (MaximumBody + 1, 413) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/members/{member.Member}/points/charge")
            {
                Content = new ByteArrayContent(Padded(length)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
            };
            request.Headers.TransferEncodingChunked = true;
            TestAnswer answer = await member.SendAsync(request);
            answer.Is(status);
        }
    }

    [Fact]
    public async Task A_body_on_a_route_without_one_is_ignored()
    {
        TestCaller member = shop.Somebody();
        (await SendAsync(member, $"/members/{member.Member}/points", "{"u8.ToArray(), "text/plain", "GET")).Is(200);
        (await SendAsync(member, $"/members/{member.Member}/cart", "{"u8.ToArray(), "text/plain", "DELETE")).Is(204);
        (await SendAsync(member, "/coupons/999999999", "{"u8.ToArray(), "text/plain")).IsProblem(404, "coupon_not_found");
    }

    [Fact]
    public async Task An_answer_leaves_an_absent_value_out()
    {
        TestCaller member = shop.Somebody();
        TestAnswer order = (await member.OrderAsync(await shop.Administrator().CreateProductAsync())).Is(201);
        Assert.DoesNotContain("null", order.Text, StringComparison.Ordinal);
        Assert.Equal("application/json", order.ContentHeaders.ContentType!.MediaType);
    }

    [Fact]
    public async Task Members_of_a_query_that_are_not_known_are_passed_over() =>
        (await shop.AsNobody().GetAsync("/products/top?nothing=1")).Is(200);

    private static byte[] Padded(int length) => Encoding.UTF8.GetBytes("{\"amount\":5" + new string(' ', length - 12) + "}");

    private Task<TestAnswer> ChargeAsync(byte[] body, string? type = "application/json")
    {
        TestCaller member = shop.Somebody();
        return SendAsync(member, $"/members/{member.Member}/points/charge", body, type);
    }

    private static async Task<TestAnswer> SendAsync(
        TestCaller caller, string path, byte[] body, string? type = "application/json", string method = "POST")
    {
        var content = new ByteArrayContent(body);
        if (type is not null)
        {
            content.Headers.TryAddWithoutValidation("Content-Type", type);
        }

        return await caller.SendAsync(new HttpRequestMessage(new HttpMethod(method), path) { Content = content });
    }
}
