using System.Security.Claims;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Jumun.Server.Verbs;

/// <summary>Prints a bearer token for the configured signing key.</summary>
internal static class TokenVerb
{
    private const int MostHours = 8760;

    public static int Run(string member, bool isAdministrator, int hours)
    {
        if (!Ids.IsMemberId(member))
        {
            throw new SetupException($"--member is '{member}'. It must have 1 to {Ids.MemberIdMaximumLength} characters of A-Z a-z 0-9 . _ ~ @ | : -");
        }

        if (hours is < 1 or > MostHours)
        {
            throw new SetupException($"--hours is {hours}. It must be from 1 to {MostHours}.");
        }

        Settings settings = Surroundings.SettingsWithKey(Surroundings.Builder());
        if (settings.Auth.SigningKey is null)
        {
            throw new SetupException("Tokens come from Jumun__Auth__Authority. Ask that issuer for one.");
        }

        Console.WriteLine(Issue(settings.Auth, member, isAdministrator, hours, TimeProvider.System));
        return 0;
    }

    /// <summary>Makes a token.</summary>
    public static string Issue(AuthSettings settings, string member, bool isAdministrator, int hours, TimeProvider clock)
    {
        DateTime now = clock.GetUtcNow().UtcDateTime;
        var claims = new List<Claim> { new("sub", member) };
        if (isAdministrator)
        {
            claims.Add(new Claim("role", "admin"));
        }

        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = settings.Issuer,
            Audience = settings.Audience,
            IssuedAt = now,
            NotBefore = now,
            Expires = now.AddHours(hours),
            Subject = new ClaimsIdentity(claims),
            SigningCredentials = new SigningCredentials(Auth.KeyOf(settings), SecurityAlgorithms.HmacSha256),
        });
    }
}
