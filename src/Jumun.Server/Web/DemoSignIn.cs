using System.Text.RegularExpressions;
using Jumun.Server.Api;
using Jumun.Server.Verbs;

namespace Jumun.Server.Web;

/// <summary>Asks for a token of a demo member.</summary>
internal sealed record DemoSignInRequest(string MemberId);

/// <summary>A token of a demo member.</summary>
/// <param name="MemberId">The member.</param>
/// <param name="Token">The bearer token.</param>
/// <param name="ExpiresAt">When it stops to count.</param>
internal sealed record DemoToken(string MemberId, string Token, DateTimeOffset ExpiresAt);

/// <summary>
/// Lets a developer look at the storefront without a token at hand. It is there in Development alone, and where the server
/// holds the signing key itself; elsewhere the route does not exist. It knows a few members by name and a crowd by number, and
/// never makes an administrator.
/// </summary>
internal static partial class DemoSignIn
{
    private const int Hours = 8;

    private static readonly string[] Names = ["alice", "bob", "carol", "dave"];

    /// <summary>Whom one may sign in as: nobody where it is not offered.</summary>
    public static IReadOnlyList<string> MembersOf(Settings settings) =>
        settings is { IsDevelopment: true, Auth.SigningKey: not null } ? Names : [];

    /// <summary>Adds the route, where it is offered.</summary>
    public static void MapDemoSignIn(this IEndpointRouteBuilder routes, Shop shop)
    {
        if (MembersOf(shop.Settings).Count == 0)
        {
            return;
        }

        routes.MapPost("/shop/demo-sign-in", http => SignInAsync(http, shop)).Is(
            new(
                Access.Anyone, "signInAsDemoMember",
                "A token of a demo member: alice, bob, carol, dave, crowd-1 to crowd-9999. On a developer's machine alone.")
            {
                Tag = "demo",
                Takes = typeof(DemoSignInRequest),
                Gives = typeof(DemoToken),
            });
    }

    private static async Task SignInAsync(HttpContext http, Shop shop)
    {
        Body<DemoSignInRequest> body = await http.ReadAsync<DemoSignInRequest>().ConfigureAwait(false);
        var check = new Check();
        check.That(body.Value is null || IsDemoMember(body.Value.MemberId), "memberId", FieldRule.OneOf);
        if ((body.Refusal ?? check.Refusal) is { } refusal)
        {
            await http.RefuseAsync(refusal).ConfigureAwait(false);
            return;
        }

        string memberId = body.Value!.MemberId;
        string token = TokenVerb.Issue(shop.Settings.Auth, memberId, isAdministrator: false, Hours, shop.Clock);
        await http.AnswerAsync(
            StatusCodes.Status200OK, new DemoToken(memberId, token, shop.Now.AddHours(Hours)), ApiJson.Default.DemoToken).ConfigureAwait(false);
    }

    private static bool IsDemoMember(string memberId) => Names.Contains(memberId) || Crowd().IsMatch(memberId);

    [GeneratedRegex("^crowd-[1-9][0-9]{0,3}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Crowd();
}
