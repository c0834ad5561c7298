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

    private static readonly HttpClient IssuerClient = new() { Timeout = TimeSpan.FromSeconds(Bounds.IssuerKeysSeconds) };

    private readonly JsonWebTokenHandler handler = new() { MapInboundClaims = false };
    private readonly TimeProvider clock;
    private readonly ILogger<Auth> log;
    private readonly AuthSettings settings;
    private readonly ConfigurationManager<OpenIdConnectConfiguration>? issuer;
    private readonly Lock reaching = new();
    private Task<OpenIdConnectConfiguration?>? attempt;
    private long failedAt;
    private volatile bool isReached;
    private Keys keys;

    public Auth(AuthSettings settings, TimeProvider clock, ILogger<Auth> log)
    {
        this.settings = settings;
        this.clock = clock;
        this.log = log;
        keys = new Keys("", Parameters());
        if (settings.Authority is { } authority)
        {
            issuer = new ConfigurationManager<OpenIdConnectConfiguration>(
                authority.TrimEnd('/') + "/.well-known/openid-configuration",
                new OpenIdConnectConfigurationRetriever(),
                new HttpDocumentRetriever(IssuerClient) { RequireHttps = !new Uri(authority).IsLoopback })
            {
                AutomaticRefreshInterval = TimeSpan.FromSeconds(Bounds.IssuerAgeSeconds),
                RefreshInterval = TimeSpan.FromSeconds(Bounds.IssuerAskedSeconds),
            };
        }
        else
        {
            keys.Parameters.ValidAlgorithms = KeyAlgorithms;
            keys.Parameters.IssuerSigningKey = KeyOf(settings);
        }
    }

    /// <summary>The key of a symmetric setting.</summary>
    public static SymmetricSecurityKey KeyOf(AuthSettings settings) =>
        new(Encoding.UTF8.GetBytes(settings.SigningKey ?? throw new SetupException("No signing key is configured.")));

    /// <summary>Whether tokens can be checked: not before their issuer was reached for the first time.</summary>
    public bool CanCheck => issuer is null || isReached;

    /// <summary>What the issuer says of itself; null when tokens have no issuer, or it cannot be reached.</summary>
    public async ValueTask<OpenIdConnectConfiguration?> IssuerAsync(CancellationToken cancellation) =>
        issuer is null ? null : await ConfigurationAsync().AsTask().WaitAsync(cancellation).ConfigureAwait(false);

    /// <summary>Who the value of an <c>Authorization</c> header names; null when it names nobody.</summary>
    public ValueTask<Caller?> AuthenticateAsync(string? authorization)
    {
        if (authorization is null || authorization.Length > Bounds.TokenLength
            || !authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return default;
        }

        if (issuer is not null)
        {
            return AuthenticateByIssuerAsync(authorization);
        }

        TokenHash hash = TokenHash.Of(TokenOf(authorization));
        return keys.Remembered(hash, clock.GetUtcNow()) is { } caller
            ? new ValueTask<Caller?>(caller)
            : ValidateAsync(TokenOf(authorization).ToString(), hash, keys);
    }

    /// <summary>The token of a header, which is copied only where it has to be checked.</summary>
    private static ReadOnlySpan<char> TokenOf(string authorization) => authorization.AsSpan("Bearer ".Length).Trim();

    private async ValueTask<Caller?> AuthenticateByIssuerAsync(string authorization)
    {
        if (await ConfigurationAsync().ConfigureAwait(false) is not { } configuration)
        {
            return null;
        }

        Keys current = Volatile.Read(ref keys);
        if (!ReferenceEquals(configuration, current.Configuration))
        {
            current = KeysOf(configuration, current);
            Volatile.Write(ref keys, current);
        }

        TokenHash hash = TokenHash.Of(TokenOf(authorization));
        return current.Remembered(hash, clock.GetUtcNow()) ?? await ValidateAsync(TokenOf(authorization).ToString(), hash, current).ConfigureAwait(false);
    }

    /// <summary>
    /// The keys of what was read anew: those that were known, with all that was remembered, when nothing has changed, since strangers can
    /// have it read. Otherwise a key may have been withdrawn, and nothing that was remembered counts any longer.
    /// </summary>
    private Keys KeysOf(OpenIdConnectConfiguration configuration, Keys known)
    {
        IEnumerable<string> all = (configuration.JsonWebKeySet?.Keys ?? []).Select(key =>
            $"{key.Kid} {key.Kty} {key.Use} {key.Alg} {key.N} {key.E} {key.Crv} {key.X} {key.Y} {string.Join(',', key.X5c)}");
        string names = $"{configuration.Issuer}\n{string.Join('\n', all.Order(StringComparer.Ordinal))}";
        if (names == known.Names)
        {
            known.Configuration = configuration;
            return known;
        }

        TokenValidationParameters parameters = Parameters();
        parameters.ValidIssuer = settings.Issuer ?? configuration.Issuer;
        parameters.ValidAlgorithms = IssuerAlgorithms;
        parameters.IssuerSigningKeys = configuration.SigningKeys;
        return new Keys(names, parameters) { Configuration = configuration };
    }

    /// <summary>
    /// What the issuer says of itself, kept in memory, and read again from time to time and when an unknown key turns up. Until it was
    /// reached for the first time, all who come wait for the same attempt, and after one that failed nobody does for a while.
    /// </summary>
    private ValueTask<OpenIdConnectConfiguration?> ConfigurationAsync()
    {
        if (isReached)
        {
            return AskAsync();
        }

        lock (reaching)
        {
            if (attempt is null || (attempt.IsCompleted && !isReached
                && clock.GetElapsedTime(failedAt) >= TimeSpan.FromSeconds(Bounds.IssuerPauseSeconds)))
            {
                attempt = AskAsync().AsTask();
            }

            return new ValueTask<OpenIdConnectConfiguration?>(attempt);
        }
    }

    private async ValueTask<OpenIdConnectConfiguration?> AskAsync()
    {
        try
        {
            OpenIdConnectConfiguration configuration = await issuer!.GetConfigurationAsync(CancellationToken.None).ConfigureAwait(false);
            isReached = true;
            return configuration;
        }
        catch (InvalidOperationException error)
        {
            Log.IssuerUnavailable(log, error);
            failedAt = clock.GetTimestamp();
            return null;
        }
    }

    private async ValueTask<Caller?> ValidateAsync(string token, TokenHash hash, Keys current)
    {
        TokenValidationResult result = await handler.ValidateTokenAsync(token, current.Parameters).ConfigureAwait(false);
        if (!result.IsValid)
        {
            if (result.Exception is SecurityTokenSignatureKeyNotFoundException)
            {
                issuer?.RequestRefresh();
            }

            return null;
        }

        var jwt = (JsonWebToken)result.SecurityToken;
        if (!Ids.IsMemberId(jwt.Subject) || jwt.TryGetHeaderValue("crit", out object? _))
        {
            // A token may say that whoever does not know an extension must refuse it (RFC 7515, crit): we know none.
            return null;
        }

        bool isAdministrator = jwt.Claims.Any(claim => claim is { Type: "role", Value: "admin" });

        // A token that never ends may come with the last moment of all, to which nothing can be added.
        var end = new DateTimeOffset(jwt.ValidTo, TimeSpan.Zero);
        DateTimeOffset expiresAt = end < DateTimeOffset.MaxValue - ClockSkew ? end + ClockSkew : DateTimeOffset.MaxValue;
        var caller = new Caller(jwt.Subject, isAdministrator, expiresAt);
        current.Remember(hash, caller);
        return caller;
    }

    private TokenValidationParameters Parameters() => new()
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

    private bool IsCurrent(DateTime? notBefore, DateTime? expires, SecurityToken token, TokenValidationParameters how)
    {
        DateTime now = clock.GetUtcNow().UtcDateTime;

        // A missing beginning may come as the first moment of all, from which nothing can be subtracted.
        return expires is { } end && now - ClockSkew < end && (notBefore is not { } start || now + ClockSkew >= start);
    }

    /// <summary>
    /// The keys that count now, and the tokens that were found good under them. Tokens are kept in two generations: when
    /// the young one is full it becomes the old one, and what is not used again is forgotten with it.
    /// </summary>
    private sealed class Keys(string names, TokenValidationParameters parameters)
    {
        private ConcurrentDictionary<TokenHash, Caller> young = new();
        private ConcurrentDictionary<TokenHash, Caller> old = new();
        private int remembered;

        /// <summary>The issuer and each of its keys; nothing where there is no issuer.</summary>
        public string Names { get; } = names;

        /// <summary>Where the issuer said so last.</summary>
        public OpenIdConnectConfiguration? Configuration { get; set; }

        public TokenValidationParameters Parameters { get; } = parameters;

        public Caller? Remembered(TokenHash hash, DateTimeOffset now)
        {
            if (!young.TryGetValue(hash, out Caller? caller))
            {
                if (!old.TryGetValue(hash, out caller))
                {
                    return null;
                }

                Remember(hash, caller);
            }

            return now < caller.ExpiresAt ? caller : null;
        }

        public void Remember(TokenHash hash, Caller caller)
        {
            if (Interlocked.Increment(ref remembered) >= Bounds.RememberedTokens)
            {
                Volatile.Write(ref remembered, 0);
                old = young;
                young = new();
            }

            young[hash] = caller;
        }
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
