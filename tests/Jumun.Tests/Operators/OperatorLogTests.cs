namespace Jumun.Tests.Operators;

/// <summary>What the log tells of operators, and of those who would like to be.</summary>
[Once]
public sealed class OperatorLogTests
{
    private const int SignInRefused = 31;
    private const int OperatorDid = 32;

    [Fact]
    public async Task What_administrators_do_over_the_API_is_told_with_their_names_and_what_members_do_for_themselves_is_not()
    {
        var journal = new Journal();
        await using TestShop shop = await TestShop.StartAsync(journal: journal);
        long product = await shop.AsAdmin().CreateProductAsync(stock: 10);
        TestCaller root = shop.AsAdmin("root");
        (await root.PatchAsync($"/admin/products/{product}", """{"price":2000}""")).Is(200);
        (await root.PostAsync("/members/bob/points/charge", """{"amount":5000}""")).Is(200);
        Assert.Equal(2, Of("root").Count);
        Assert.Contains("ChangeProduct", Of("root")[0], StringComparison.Ordinal);
        Assert.Contains("bob", Of("root")[1], StringComparison.Ordinal);

        (await root.PutAsync($"/members/bob/cart/items/{product}", """{"quantity":1}""")).Is(200);
        (await root.DeleteAsync($"/members/bob/cart/items/{product}")).Is(204);
        Assert.Equal(4, Of("root").Count);

        // Reading is no deed, and what they do for themselves is a member's.
        (await root.GetAsync("/members/bob/points")).Is(200);
        await root.ChargeAsync(1_000);
        TestCaller alice = shop.As("alice");
        await alice.ChargeAsync(5_000);
        (await alice.PayAsync((await alice.OrderAsync(product)).Is(201))).Is(200);
        Assert.Equal(4, Of("root").Count);
        Assert.Equal(5, journal.Lines(OperatorDid).Count);

        List<string> Of(string member) => journal.Lines(OperatorDid).FindAll(line => line.StartsWith($"{member} did ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Strangers_who_try_the_consoles_door_again_and_again_do_not_fill_the_log()
    {
        var journal = new Journal();
        await using TestShop shop = await TestShop.StartAsync(journal: journal);
        for (int crowd = 0; crowd < 50; crowd++)
        {
            await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
                (await shop.AsNobody().GetAsync("/console/sign-in/callback?state=x&code=y")).Is(403)));
        }

        Assert.Contains("It was not begun in this browser", Assert.Single(journal.Lines(SignInRefused)), StringComparison.OrdinalIgnoreCase);
        shop.Clock.Advance(TimeSpan.FromSeconds(31));
        await shop.AsNobody().GetAsync("/console/sign-in/callback");
        Assert.Equal(2, journal.Lines(SignInRefused).Count);
        Assert.Contains("999 others", journal.Lines(SignInRefused)[1], StringComparison.Ordinal);
    }
}
