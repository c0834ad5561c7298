using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Jumun.Server;

/// <summary>Who makes a request, as a valid token says.</summary>
/// <param name="MemberId">The token's subject.</param>
/// <param name="IsAdministrator">Whether it carries the role <c>admin</c>.</param>
/// <param name="ExpiresAt">When the token stops to count, clock skew included.</param>
internal sealed record Caller(string MemberId, bool IsAdministrator, DateTimeOffset ExpiresAt);

/// <summary>
/// Checks bearer tokens (RFC 8725): one algorithm family, issuer, audience, expiry, type and a bounded subject. A token
/// costs a signature check once; then its SHA-256 is remembered until it expires or the issuer's keys change. The
/// tokens themselves are not kept.
/// </summary>
internal sealed class Auth
{
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);
    private static readonly string[] Types = ["JWT", "at+jwt", "application/at+jwt"];
    private static readonly string[] KeyAlgorithms = [SecurityAlgorithms.HmacSha256];
    private static readonly string[] IssuerAlgorithms =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
        SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
    ];

    private readonly JsonWebTokenHandler handler = new() { MapInboundClaims = false };
    private readonly TimeProvider clock;
    private readonly ILogger<Auth> log;
    private readonly TokenValidationParameters parameters;
    private readonly ConfigurationManager<OpenIdConnectConfiguration>? issuer;
    private OpenIdConnectConfiguration? issuerConfiguration;
    private ConcurrentDictionary<TokenHash, Caller> young = new();
    private ConcurrentDictionary<TokenHash, Caller> old = new();

    public Auth(AuthSettings settings, TimeProvider clock, ILogger<Auth> log)
    {
        this.clock = clock;
        this.log = log;
        parameters = new TokenValidationParameters
        {
            ValidIssuer = settings.Issuer,
            ValidAudience = settings.Audience,
            ValidTypes = Types,
            ClockSkew = ClockSkew,
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ValidateIssuerSigningKey = true,
            LifetimeValidator = IsCurrent,
        };
        if (settings.Authority is { } authority)
        {
            issuer = new ConfigurationManager<OpenIdConnectConfiguration>(
                authority.TrimEnd('/') + "/.well-known/openid-configuration",
                new OpenIdConnectConfigurationRetriever(),
                new HttpDocumentRetriever { RequireHttps = !new Uri(authority).IsLoopback });
            parameters.ValidAlgorithms = IssuerAlgorithms;
        }
        else
        {
            parameters.ValidAlgorithms = KeyAlgorithms;
            parameters.IssuerSigningKey = KeyOf(settings);
        }
    }

    /// <summary>The key of a symmetric setting.</summary>
    public static SymmetricSecurityKey KeyOf(AuthSettings settings) =>
        new(Encoding.UTF8.GetBytes(settings.SigningKey ?? throw new SetupException("No signing key is configured.")));

    /// <summary>Who the value of an <c>Authorization</c> header names; null when it names nobody.</summary>
    public ValueTask<Caller?> AuthenticateAsync(string? authorization)
    {
        if (authorization is null || authorization.Length > Bounds.TokenLength
            || !authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return default;
        }

        ReadOnlySpan<char> token = authorization.AsSpan("Bearer ".Length).Trim();
        if (issuer is null)
        {
            TokenHash hash = TokenHash.Of(token);
            return Remembered(hash) is { } caller ? new ValueTask<Caller?>(caller) : ValidateAsync(token.ToString(), hash);
        }

        return AuthenticateByIssuerAsync(token.ToString());
    }

    private async ValueTask<Caller?> AuthenticateByIssuerAsync(string token)
    {
        try
        {
            // Kept in memory, and read again from time to time and when an unknown key turns up.
            OpenIdConnectConfiguration configuration = await issuer!.GetConfigurationAsync(CancellationToken.None).ConfigureAwait(false);
            if (!ReferenceEquals(configuration, issuerConfiguration))
            {
                // A key may have been withdrawn: every token is checked anew.
                young = new();
                old = new();
                issuerConfiguration = configuration;
                parameters.ValidIssuer = configuration.Issuer;
            }

            TokenHash hash = TokenHash.Of(token);
            return Remembered(hash) ?? await ValidateAsync(token, hash, configuration).ConfigureAwait(false);
        }
        catch (InvalidOperationException error)
        {
            Log.IssuerUnavailable(log, error);
            return null;
        }
    }

    private Caller? Remembered(TokenHash hash)
    {
        if (!young.TryGetValue(hash, out Caller? caller))
        {
            if (!old.TryGetValue(hash, out caller))
            {
                return null;
            }

            Remember(hash, caller);
        }

        return clock.GetUtcNow() < caller.ExpiresAt ? caller : null;
    }

    private void Remember(TokenHash hash, Caller caller)
    {
        if (young.Count >= Bounds.RememberedTokens)
        {
            old = young;
            young = new();
        }

        young[hash] = caller;
    }

    private async ValueTask<Caller?> ValidateAsync(string token, TokenHash hash, OpenIdConnectConfiguration? configuration = null)
    {
        TokenValidationParameters how = parameters;
        if (configuration is not null)
        {
            how = parameters.Clone();
            how.IssuerSigningKeys = configuration.SigningKeys;
        }

        TokenValidationResult result = await handler.ValidateTokenAsync(token, how).ConfigureAwait(false);
        if (!result.IsValid)
        {
            if (result.Exception is SecurityTokenSignatureKeyNotFoundException)
            {
                issuer?.RequestRefresh();
            }

            return null;
        }

        var jwt = (JsonWebToken)result.SecurityToken;
        if (!Ids.IsMemberId(jwt.Subject))
        {
            return null;
        }

        bool isAdministrator = jwt.Claims.Any(claim => claim is { Type: "role", Value: "admin" });
        var caller = new Caller(jwt.Subject, isAdministrator, new DateTimeOffset(jwt.ValidTo, TimeSpan.Zero) + ClockSkew);
        Remember(hash, caller);
        return caller;
    }

    private bool IsCurrent(DateTime? notBefore, DateTime? expires, SecurityToken token, TokenValidationParameters how)
    {
        DateTime now = clock.GetUtcNow().UtcDateTime;

        // A missing beginning may come as the first moment of all, from which nothing can be subtracted.
        return expires is { } end && now < end + ClockSkew && (notBefore is not { } start || now + ClockSkew >= start);
    }

    /// <summary>The SHA-256 of a token.</summary>
    private readonly record struct TokenHash(UInt128 High, UInt128 Low)
    {
        public static TokenHash Of(ReadOnlySpan<char> token)
        {
            Span<byte> bytes = stackalloc byte[token.Length];
            int length = Encoding.Latin1.GetBytes(token, bytes);
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            SHA256.HashData(bytes[..length], hash);
            return new TokenHash(
                System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash),
                System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash[16..]));
        }

        // Its bits are as random as a hash can be.
        public override int GetHashCode() => unchecked((int)(uint)Low);
    }
}
