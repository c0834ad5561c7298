using System.Text.Json.Nodes;
using Jumun.Server.Api;
using Microsoft.AspNetCore.Routing;

namespace Jumun.Tests.Http;

/// <summary>The description of the API. A change of the contract shows in the committed document.</summary>
public sealed class OpenApiTests(ShopFixture fixture) : IClassFixture<ShopFixture>
{
    private const string Renew = "JUMUN_RENEW_OPENAPI";

    private static readonly string[] Contract =
    [
        "POST /members/{memberId}/points/charge",
        "GET /members/{memberId}/points",
        "GET /members/{memberId}/points/history",
        "GET /products/{productId}",
        "POST /products/{productId}",
        "GET /products",
        "GET /products/top",
        "POST /coupons/{couponId}",
        "GET /coupons/{couponId}",
        "GET /coupons",
        "GET /members/{memberId}/coupons",
        "GET /products/{productId}/live",
        "GET /coupons/{couponId}/live",
        "GET /members/{memberId}/cart",
        "PUT /members/{memberId}/cart/items/{productId}",
        "DELETE /members/{memberId}/cart/items/{productId}",
        "DELETE /members/{memberId}/cart",
        "POST /order/{userId}",
        "GET /members/{memberId}/orders",
        "GET /members/{memberId}/orders/{orderId}",
        "POST /members/{memberId}/orders/{orderId}/cancel",
        "POST /payment/{paymentId}",
        "GET /payment/{paymentId}",
        "POST /admin/products",
        "PATCH /admin/products/{productId}",
        "POST /admin/products/{productId}/stock",
        "POST /admin/coupons",
        "PATCH /admin/coupons/{couponId}",
        "GET /admin/orders",
        "GET /admin/events",
        "POST /admin/events/replay",
        "GET /admin/audit",
        "GET /health/live",
        "GET /health/ready",
        "GET /problems/{code}",
    ];

    private readonly TestShop shop = fixture.Shop;

    [Fact]
    public async Task The_document_is_the_committed_one()
    {
        TestAnswer answer = (await shop.AsNobody().GetAsync("/openapi/v1.json")).Is(200);
        string now = answer.Text.ReplaceLineEndings("\n").TrimEnd() + "\n";
        string path = Path.Combine(Root(), "tests", "Jumun.Tests", "Http", "openapi.json");
        if (Environment.GetEnvironmentVariable(Renew) is "1")
        {
            await File.WriteAllTextAsync(path, now, TestContext.Current.CancellationToken);
        }

        string committed = File.Exists(path) ? await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken) : "";
        Assert.True(
            committed == now,
            $"The API is not the committed one, from here on: {Difference(committed, now)}\n"
            + $"If that is meant, run the tests with {Renew}=1 and commit Http/openapi.json.");
    }

    [Fact]
    public async Task Every_route_of_the_contract_is_in_it_and_nothing_else()
    {
        JsonObject paths = (await DocumentAsync())["paths"]!.AsObject();
        Assert.Equal(
            Contract.Order(StringComparer.Ordinal),
            paths.SelectMany(path => path.Value!.AsObject().Select(operation => $"{operation.Key.ToUpperInvariant()} {path.Key}"))
                .Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task It_is_OpenAPI_3_1_of_Jumun_and_names_no_server()
    {
        JsonObject document = await DocumentAsync();
        Assert.StartsWith("3.1.", (string)document["openapi"]!, StringComparison.Ordinal);
        Assert.Equal("Jumun", (string)document["info"]!["title"]!);
        Assert.True(document["servers"] is null or JsonArray { Count: 0 });
    }

    [Fact]
    public async Task Every_operation_has_an_id_a_summary_and_the_answers_of_its_route()
    {
        JsonObject paths = (await DocumentAsync())["paths"]!.AsObject();
        var ids = new HashSet<string>();
        foreach (RouteEndpoint route in shop.Routes.Where(route => paths.ContainsKey(route.RoutePattern.RawText!)))
        {
            RouteInfo info = route.Metadata.GetMetadata<RouteInfo>()!;
            foreach (string method in route.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods)
            {
                JsonObject operation = paths[route.RoutePattern.RawText!]![method.ToLowerInvariant()]!.AsObject();
                Assert.True(ids.Add((string)operation["operationId"]!));
                Assert.Equal(info.Summary, (string)operation["summary"]!);
                Assert.Equal(info.Takes is not null, operation.ContainsKey("requestBody"));
                JsonObject responses = operation["responses"]!.AsObject();
                responses.Has($"{info.Status}");
                responses.Has([.. info.Refuses.Select(code => $"{Server.Problems.ProblemText.Of(code).Status}")]);
                Assert.Equal(info.Access != Access.Anyone, responses.ContainsKey("401"));
                Assert.Equal(info.Access != Access.Anyone, operation.ContainsKey("security"));
            }
        }
    }

    [Fact]
    public async Task The_document_is_one_whatever_is_asked_of_it()
    {
        TestAnswer plain = (await shop.AsNobody().GetAsync("/openapi/v1.json")).Is(200);
        TestAnswer asked = (await shop.AsNobody().GetAsync("/openapi/v1.json?documentName=x")).Is(200);
        Assert.Equal(plain.Bytes, asked.Bytes);
        Assert.Equal("application/json", asked.ContentHeaders.ContentType!.MediaType);
    }

    [Fact]
    public async Task The_docs_page_is_served_with_its_scripts_from_here()
    {
        TestAnswer page = (await shop.AsNobody().GetAsync("/docs")).Is(200);
        Assert.Equal("text/html", page.ContentHeaders.ContentType!.MediaType);
        Assert.DoesNotContain("//cdn", page.Text, StringComparison.Ordinal);
        (await shop.AsNobody().GetAsync("/docs/swagger-ui-bundle.js")).Is(200);
    }

    private async Task<JsonObject> DocumentAsync() => (await shop.AsNobody().GetAsync("/openapi/v1.json")).Is(200).Json;

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Jumun.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests do not run inside their repository.");
    }

    private static string Difference(string committed, string now)
    {
        string[] before = committed.Split('\n');
        string[] after = now.Split('\n');
        int line = before.Zip(after).TakeWhile(pair => pair.First == pair.Second).Count();
        return $"line {line + 1}: '{before.ElementAtOrDefault(line)}' is now '{after.ElementAtOrDefault(line)}'";
    }
}
