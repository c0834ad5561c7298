using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>One server for all tests of a class; each test has members, products and coupons of its own.</summary>
public sealed class ShopFixture : IAsyncLifetime
{
    internal TestShop Shop { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Shop = await TestShop.StartAsync();

    public ValueTask DisposeAsync() => Shop.DisposeAsync();
}

/// <summary>Callers whose tokens outlive any clock, and short words for what most tests ask of an answer.</summary>
internal static class HttpTesting
{
    private static int last;

    /// <summary>A member that no other test has.</summary>
    public static TestCaller Somebody(this TestShop shop) => shop.Member($"member-{Interlocked.Increment(ref last)}");

    /// <summary>A member by name.</summary>
    public static TestCaller Member(this TestShop shop, string member) => new(shop, member, Jwt.Of(member));

    /// <summary>An administrator.</summary>
    public static TestCaller Administrator(this TestShop shop) => new(shop, "admin", Jwt.Of("admin", isAdministrator: true));

    /// <summary>A member with a completed order.</summary>
    public static async Task<(TestCaller Member, TestAnswer Order)> BuyerAsync(this TestShop shop, long productId, long quantity = 1)
    {
        TestCaller buyer = shop.Somebody();
        await buyer.ChargeAsync(1_000_000);
        TestAnswer order = (await buyer.OrderAsync(productId, quantity)).Is(201);
        (await buyer.PayAsync(order)).Is(200);
        return (buyer, order);
    }

    /// <summary>A problem that names this field.</summary>
    public static TestAnswer IsInvalid(this TestAnswer answer, string field)
    {
        answer.IsProblem(400, "invalid_request");
        Assert.True(answer["errors"]!.AsObject().ContainsKey(field), $"Expected an error of '{field}': {answer.Text}");
        return answer;
    }

    /// <summary>The body has these members.</summary>
    public static TestAnswer Has(this TestAnswer answer, params string[] names)
    {
        answer.Json.Has(names);
        return answer;
    }

    /// <summary>The object has these members.</summary>
    public static JsonObject Has(this JsonObject json, params string[] names)
    {
        Assert.All(names, name => Assert.True(json.ContainsKey(name), $"No {name}: {json.ToJsonString()}"));
        return json;
    }

    /// <summary>The object has exactly these members.</summary>
    public static void HasOnly(this JsonObject json, params string[] names) =>
        Assert.Equal(names.Order(StringComparer.Ordinal), json.Select(member => member.Key).Order(StringComparer.Ordinal));

    /// <summary>The items of a list, each by one of its members.</summary>
    public static List<string> Items(this TestAnswer list, string member) =>
        [.. list.Is(200)["items"]!.AsArray().Select(item => item![member]!.ToString())];

    /// <summary>A member of the body that is a number.</summary>
    public static long Number(this TestAnswer answer, string name) => (long)answer[name]!;

    /// <summary>A member of the body that is a text.</summary>
    public static string Word(this TestAnswer answer, string name) => (string)answer[name]!;

    /// <summary>The problem without what differs by occurrence.</summary>
    public static string WithoutTrace(this TestAnswer answer)
    {
        JsonObject json = answer.Json;
        json.Remove("traceId");
        return json.ToJsonString();
    }

    /// <summary>A time of an answer: RFC 3339, in UTC.</summary>
    public static DateTimeOffset Time(this JsonNode? node)
    {
        string text = (string)node!;
        Assert.Matches(@"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$", text);
        return DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
    }
}
