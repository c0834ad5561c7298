using System.Data.Common;
using System.Globalization;
using System.Text;
using Jumun.Server.DataPlatform;
using Jumun.Server.Stores.Sqlite;
using Npgsql;

namespace Jumun.Server;

/// <summary>What an operator can set, checked once at the start. Names are those of the environment, <c>__</c> written as <c>:</c>.</summary>
internal sealed record Settings
{
    /// <summary>Where the server listens when nothing is said.</summary>
    public const string DefaultUrl = "http://localhost:5080";

    /// <summary>Where the shop is kept.</summary>
    public required StoreSettings Store { get; init; }

    /// <summary>Into how many shards <c>migrate --distributed</c> divides.</summary>
    public required ShardSettings Shards { get; init; }

    /// <summary>How bearer tokens are checked.</summary>
    public required AuthSettings Auth { get; init; }

    /// <summary>How long an order can be paid.</summary>
    public required TimeSpan PaymentWindow { get; init; }

    /// <summary>How long after its payment an owner may give an order back.</summary>
    public required TimeSpan RefundWindow { get; init; }

    /// <summary>Where events go.</summary>
    public required DataPlatformSettings DataPlatform { get; init; }

    /// <summary>The rate limits; null when off.</summary>
    public required RateLimitSettings? RateLimit { get; init; }

    /// <summary>How operators sign in to the console by the issuer; null when they paste a token.</summary>
    public required SignInSettings? SignIn { get; init; }

    /// <summary>Whether this is a developer's machine.</summary>
    public required bool IsDevelopment { get; init; }

    /// <summary>Reads and checks the settings.</summary>
    /// <exception cref="SetupException">One is missing or makes no sense. The message names it.</exception>
    public static Settings Read(IConfiguration configuration, IHostEnvironment environment)
    {
        StoreSettings store = StoreSettings.Read(configuration["Jumun:Store"], configuration.GetConnectionString("Jumun")) with
        {
            HasLanePerNode = configuration["Jumun:Shards:Lanes"] switch
            {
                null or "" or "nodes" => true,
                "coordinator" => false,
                string other => throw new SetupException($"Jumun__Shards__Lanes is '{other}'. It must be 'nodes' or 'coordinator'."),
            },
            SecondLaneFrom = configuration["Jumun:SecondLaneFrom"] switch
            {
                null or "" => Bounds.CommandsForTwoLanes,
                string text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0 => value,
                string text => throw new SetupException($"Jumun__SecondLaneFrom is '{text}'. It must be a whole number from 1 to {int.MaxValue}."),
            },
        };
        return new Settings
        {
            Store = store,
            Shards = ShardSettings.Read(configuration.GetSection("Jumun:Shards")),
            Auth = AuthSettings.Read(configuration.GetSection("Jumun:Auth")),
            PaymentWindow = Duration(configuration, "Jumun:Orders:PaymentWindow", TimeSpan.FromMinutes(10)),
            RefundWindow = Duration(
                configuration, "Jumun:Orders:RefundWindow", TimeSpan.Zero, TimeSpan.FromDays(365),
                "00:00:00 (owners get no refunds) to 365.00:00:00, such as 7.00:00:00") ?? TimeSpan.FromDays(7),
            DataPlatform = DataPlatformSettings.Read(configuration.GetSection("Jumun:DataPlatform"), store.Folder, environment.IsDevelopment()) with
            {
                DeadAfter = Duration(configuration, "Jumun:DataPlatform:DeadAfter", TimeSpan.FromDays(3)),
                KeepDelivered = Duration(
                    configuration, "Jumun:DataPlatform:KeepDelivered", TimeSpan.FromDays(1), TimeSpan.FromDays(3650),
                    "1.00:00:00 to 3650.00:00:00, such as 90.00:00:00"),
            },
            RateLimit = RateLimitSettings.Read(configuration.GetSection("Jumun:RateLimit")),
            SignIn = SignInSettings.Read(configuration.GetSection("Jumun:Console"), configuration["Jumun:Auth:Authority"]),
            IsDevelopment = environment.IsDevelopment(),
        };
    }

    private static TimeSpan Duration(IConfiguration configuration, string name, TimeSpan otherwise) => Duration(
        configuration, name, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(365), "00:00:00.001 to 365.00:00:00, such as 00:10:00") ?? otherwise;

    private static TimeSpan? Duration(IConfiguration configuration, string name, TimeSpan least, TimeSpan most, string range)
    {
        if (configuration[name] is not { Length: > 0 } text)
        {
            return null;
        }

        // Not any format: 24:00:00 would be 24 days, and so would 24 alone be.
        return text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out TimeSpan value)
            && value >= least && value <= most
            ? value
            : throw new SetupException($"{name.Replace(":", "__", StringComparison.Ordinal)} is '{text}'. It must be a time from {range}.");
    }
}

/// <summary>The databases that can keep a shop.</summary>
internal enum StoreKind
{
    /// <summary>A file, written by one process.</summary>
    Sqlite,

    /// <summary>A server, shared by any number of processes.</summary>
    Postgres,
}

/// <summary>Where the shop is kept.</summary>
/// <param name="Kind">Which database.</param>
/// <param name="Address">SQLite's file; PostgreSQL's connection string, which may hold a password and is not shown.</param>
internal sealed record StoreSettings(StoreKind Kind, string Address)
{
    /// <summary>Whether a cluster's batches go straight to the nodes of their members; otherwise by way of the coordinator.</summary>
    public bool HasLanePerNode { get; init; } = true;

    /// <summary>From how many commands in the last batches on a PostgreSQL of its own is written to by two lanes; 1 for always.</summary>
    public int SecondLaneFrom { get; init; } = Bounds.CommandsForTwoLanes;

    private const string PostgresExample = "'Host=localhost;Database=jumun;Username=jumun;Password=…'";

    /// <summary>The folder of what the server itself keeps: beside SQLite's file, or <c>data/</c> where it was started.</summary>
    public string Folder => Kind switch
    {
        StoreKind.Sqlite => Path.GetDirectoryName(Address)!,
        StoreKind.Postgres => Path.GetFullPath("data"),
    };

    /// <summary>The file of a developer's own signing key.</summary>
    public string KeyPath => Kind switch
    {
        StoreKind.Sqlite => Path.ChangeExtension(Address, ".signing-key"),
        StoreKind.Postgres => Path.Combine(Folder, "jumun.signing-key"),
    };

    /// <summary>What people are told: the file, or the database and its server.</summary>
    public string Name
    {
        get
        {
            if (Kind == StoreKind.Sqlite)
            {
                return Address;
            }

            var server = new NpgsqlConnectionStringBuilder(Address);
            return string.Create(CultureInfo.InvariantCulture, $"{server.Database} at {server.Host}:{server.Port}");
        }
    }

    /// <summary>The database's own name, with the version that the program brings along.</summary>
    public string Software => Kind switch
    {
        StoreKind.Sqlite => $"SQLite {SqliteConnection.LibraryVersion}",
        StoreKind.Postgres => "PostgreSQL",
    };

    /// <summary>Reads and checks which store is meant.</summary>
    /// <param name="store">The name of the kind; null for SQLite.</param>
    /// <param name="connectionString">Where it is; null for SQLite's default.</param>
    /// <exception cref="SetupException">There is no such store, or the connection string is none of its.</exception>
    public static StoreSettings Read(string? store, string? connectionString) => store switch
    {
        null or "" or "sqlite" when NamesServer(connectionString) => throw new SetupException(
            "ConnectionStrings__Jumun names a server, and Jumun__Store is 'sqlite', which is a file. Set Jumun__Store to 'postgres'."),
        null or "" or "sqlite" => new StoreSettings(
            StoreKind.Sqlite, SqliteFile.PathOf(connectionString is { Length: > 0 } file ? file : "Data Source=data/jumun.db")),
        "postgres" => new StoreSettings(StoreKind.Postgres, Server(connectionString)),
        _ => throw new SetupException($"Jumun__Store is '{store}'. It must be 'sqlite' or 'postgres'."),
    };

    /// <summary>Without the password.</summary>
    public override string ToString() => Name;

    private static bool NamesServer(string? connectionString)
    {
        try
        {
            var parts = new DbConnectionStringBuilder { ConnectionString = connectionString ?? "" };
            return parts.ContainsKey("Host") || parts.ContainsKey("Server");
        }
        catch (ArgumentException)
        {
            // An address such as postgres://host/database.
            return connectionString!.StartsWith("postgres", StringComparison.Ordinal);
        }
    }

    private static string Server(string? connectionString)
    {
        if (string.IsNullOrEmpty(connectionString))
        {
            throw new SetupException(
                $"Jumun__Store is 'postgres', and ConnectionStrings__Jumun, which must say where that is, is not set. It reads like {PostgresExample}.");
        }

        try
        {
            if (new NpgsqlConnectionStringBuilder(connectionString) is { Host.Length: > 0, Database.Length: > 0 })
            {
                return connectionString;
            }
        }
        catch (Exception error) when (error is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            // Said below, without what was read: a password may be in it.
        }

        throw new SetupException(
            $"ConnectionStrings__Jumun does not say which PostgreSQL database is meant. It must have a Host and a Database, and read like {PostgresExample}.");
    }
}

/// <summary>Into how many shards a cluster's tables are divided, once; null for what the number of its workers suggests.</summary>
/// <param name="Members">What members own: two a worker.</param>
/// <param name="Products">Products, with their stock and sales: one a worker.</param>
/// <param name="Coupons">Coupons: one a worker.</param>
internal sealed record ShardSettings(int? Members, int? Products, int? Coupons)
{
    private const int Most = 1_024;

    public static ShardSettings Read(IConfiguration section) =>
        new(Number(section, "Members"), Number(section, "Products"), Number(section, "Coupons"));

    private static int? Number(IConfiguration section, string name) => section[name] switch
    {
        null or "" => null,
        string text when int.TryParse(text, CultureInfo.InvariantCulture, out int value) && value is > 0 and <= Most => value,
        string text => throw new SetupException($"Jumun__Shards__{name} is '{text}'. It must be a whole number from 1 to {Most}."),
    };
}

/// <summary>How bearer tokens are checked: by a key that is shared with their issuer, or by an OpenID Connect issuer's own keys.</summary>
internal sealed record AuthSettings(string? SigningKey, string? Authority, string? Issuer, string Audience)
{
    private const int KeyBytes = 32;

    public static AuthSettings Read(IConfiguration section)
    {
        string? key = section["SigningKey"] is { Length: > 0 } signingKey ? signingKey : null;
        string? authority = section["Authority"] is { Length: > 0 } issuerUrl ? issuerUrl : null;
        if (key is not null && authority is not null)
        {
            throw new SetupException("Jumun__Auth__SigningKey and Jumun__Auth__Authority are both set. Tokens have one issuer: set one of them.");
        }

        if (key is not null && Encoding.UTF8.GetByteCount(key) < KeyBytes)
        {
            throw new SetupException($"Jumun__Auth__SigningKey is too short. HS256 needs {KeyBytes} bytes or more: openssl rand -base64 48");
        }

        if (authority is not null && !(Uri.TryCreate(authority, UriKind.Absolute, out Uri? url) && (url.Scheme == "https" || url.IsLoopback)))
        {
            throw new SetupException($"Jumun__Auth__Authority is '{authority}'. It must be the https address of an OpenID Connect issuer.");
        }

        return new AuthSettings(
            key,
            authority,
            section["Issuer"] is { Length: > 0 } issuer ? issuer : authority is null ? "jumun" : null,
            section["Audience"] is { Length: > 0 } audience ? audience : "jumun");
    }

    /// <summary>
    /// These settings with a way to check tokens. Where none is set, a developer's machine gets a random key of
    /// its own; anything else is refused.
    /// </summary>
    /// <param name="path">The file of such a key.</param>
    /// <param name="isDevelopment">Whether this is a developer's machine.</param>
    /// <param name="made">Told the path of a key that was made.</param>
    /// <exception cref="SetupException">No key, no authority, and no developer's machine; or the file holds no key, or its lock cannot be had.</exception>
    public AuthSettings WithKey(string path, bool isDevelopment, Action<string> made)
    {
        if (SigningKey is not null || Authority is not null)
        {
            return this;
        }

        if (!isDevelopment)
        {
            throw new SetupException(
                "Nothing says how tokens are checked. Set Jumun__Auth__SigningKey (HS256, 32 bytes or more: openssl rand -base64 48) "
                + "or Jumun__Auth__Authority (an OpenID Connect issuer).");
        }

        if (!File.Exists(path) && SigningKeyFile.Make(path))
        {
            made(path);
        }

        string key = File.ReadAllText(path).Trim();
        return Encoding.UTF8.GetByteCount(key) >= KeyBytes
            ? this with { SigningKey = key }
            : throw new SetupException($"{path} holds no signing key of {KeyBytes} bytes or more. Delete it, and another is made.");
    }
}

/// <summary>The ways in which events reach the data platform.</summary>
internal enum SinkKind
{
    /// <summary>Lines of a file.</summary>
    File,

    /// <summary>Posts to a receiver.</summary>
    Http,

    /// <summary>Messages to RabbitMQ.</summary>
    Amqp,
}

/// <summary>Where events go.</summary>
/// <param name="Sink">Which way.</param>
/// <param name="Path">The file to which the <c>file</c> sink appends.</param>
/// <param name="Url">The receiver or the broker; it may hold a password and is not shown. Null for a file.</param>
/// <param name="Secrets">What the <c>http</c> sink signs with.</param>
/// <param name="DeadAfter">How long an event may fail before it is given up.</param>
internal sealed record DataPlatformSettings(SinkKind Sink, string Path, Uri? Url, IReadOnlyList<byte[]> Secrets, TimeSpan DeadAfter)
{
    /// <summary>How long after its commit a delivered event is kept; null for ever.</summary>
    public TimeSpan? KeepDelivered { get; init; }

    /// <summary>What the platform asks its readers for, of whom <c>reconcile</c> is one; null for nothing.</summary>
    public string? ReadToken { get; init; }

    /// <summary>Members who are held back at most. Tests have fewer.</summary>
    public int HeldMembers { get; init; } = Bounds.HeldMembers;

    /// <summary>Settings that are there and that this sink makes no use of, by their names.</summary>
    public IReadOnlyList<string> Unused { get; init; } = [];

    /// <summary>What people are told: the file, or the receiver or broker without its password.</summary>
    public string Name => Url is null ? Path : $"{Url.Scheme}://{Url.Authority}{Url.AbsolutePath}";

    /// <summary>Reads and checks where events go.</summary>
    /// <param name="section">The settings.</param>
    /// <param name="folder">Where the file is when nothing is said.</param>
    /// <param name="isDevelopment">Whether this is a developer's machine: there, deliveries need not be signed.</param>
    /// <exception cref="SetupException">Something is missing or makes no sense. The message names it, and shows no secret.</exception>
    public static DataPlatformSettings Read(IConfigurationSection section, string folder, bool isDevelopment)
    {
        SinkKind sink = section["Sink"] switch
        {
            null or "" or "file" => SinkKind.File,
            "http" => SinkKind.Http,
            "amqp" => SinkKind.Amqp,
            string other => throw new SetupException($"Jumun__DataPlatform__Sink is '{other}'. It must be 'file', 'http' or 'amqp'."),
        };
        string path = section["Path"] is { Length: > 0 } file ? file : System.IO.Path.Combine(folder, "events.ndjson");
        Uri? url = sink switch
        {
            SinkKind.File => null,
            SinkKind.Http => ReadUrl(section["Url"], "http", "https", "https://platform.example/events"),
            SinkKind.Amqp => ReadUrl(section["Url"], "amqp", "amqps", "amqp://jumun:…@rabbitmq.example:5672/"),
        };
        return new DataPlatformSettings(
            sink, System.IO.Path.GetFullPath(path), url, sink == SinkKind.Http ? ReadSecrets(section["Secret"], isDevelopment) : [], TimeSpan.Zero)
        {
            ReadToken = section["ReadToken"] is { Length: > 0 } token ? token : null,
            Unused = [.. from name in (string[])(sink == SinkKind.File ? ["Url", "Secret"] : sink == SinkKind.Amqp ? ["Secret"] : [])
                         where section[name] is { Length: > 0 }
                         select $"Jumun__DataPlatform__{name}"],
        };
    }

    /// <summary>Without passwords and secrets.</summary>
    public override string ToString() => Name;

    private static Uri ReadUrl(string? text, string scheme, string secure, string example)
    {
        if (string.IsNullOrEmpty(text))
        {
            throw new SetupException($"Jumun__DataPlatform__Sink is '{scheme}', and Jumun__DataPlatform__Url is not set. It reads like {example}.");
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? url) || (url.Scheme != scheme && url.Scheme != secure) || url.Host.Length == 0)
        {
            throw new SetupException($"Jumun__DataPlatform__Url is no {scheme} or {secure} address. It reads like {example}.");
        }

        return scheme != "http" || url.UserInfo.Length == 0
            ? url
            : throw new SetupException(
                "Jumun__DataPlatform__Url has a user name or a password in it, which the http sink does not send. Take it out: deliveries are signed.");
    }

    private static IReadOnlyList<byte[]> ReadSecrets(string? text, bool isDevelopment)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return isDevelopment ? [] : throw new SetupException(
                "Jumun__DataPlatform__Sink is 'http', and Jumun__DataPlatform__Secret, with which deliveries are signed, is not set. "
                + "Set it here and at the receiver: echo whsec_$(openssl rand -base64 32)");
        }

        try
        {
            return WebhookSignature.ReadSecrets(text);
        }
        catch (FormatException)
        {
            throw new SetupException(
                "Jumun__DataPlatform__Secret has something after whsec_ that is no Base64. Set one or more secrets, separated by spaces, each like "
                + "the output of: echo whsec_$(openssl rand -base64 32)");
        }
    }
}

/// <summary>How many requests one member, and all together, may make.</summary>
/// <param name="PerMember">Requests a second that a member may make for long, and at once; null for no bound.</param>
/// <param name="Concurrency">Requests that are worked on at once, of all members; null for no bound.</param>
internal sealed record RateLimitSettings((int PermitsPerSecond, int Burst)? PerMember, int? Concurrency)
{
    public static RateLimitSettings? Read(IConfiguration section)
    {
        int? permits = Number(section, "PermitsPerSecond");
        int? burst = Number(section, "Burst");
        int? concurrency = Number(section, "Concurrency");
        (int, int)? perMember = (permits ?? burst) is { } rate ? (rate, burst ?? rate) : null;
        return perMember is null && concurrency is null ? null : new RateLimitSettings(perMember, concurrency);
    }

    private static int? Number(IConfiguration section, string name)
    {
        if (section[name] is not { Length: > 0 } text)
        {
            return null;
        }

        return int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int value) && value > 0
            ? value
            : throw new SetupException($"Jumun__RateLimit__{name} is '{text}'. It must be a whole number above 0.");
    }
}

/// <summary>What the issuer knows the console as.</summary>
/// <param name="ClientId">The client's name there.</param>
/// <param name="ClientSecret">Its secret; null for a public client, which PKCE is enough for.</param>
/// <param name="Scope">What is asked for.</param>
internal sealed record SignInSettings(string ClientId, string? ClientSecret, string Scope)
{
    public static SignInSettings? Read(IConfiguration section, string? authority)
    {
        if (section["ClientId"] is not { Length: > 0 } client)
        {
            return null;
        }

        return string.IsNullOrEmpty(authority)
            ? throw new SetupException(
                "Jumun__Console__ClientId is set, and Jumun__Auth__Authority, which must say where operators sign in, is not.")
            : new SignInSettings(
                client, section["ClientSecret"] is { Length: > 0 } secret ? secret : null, section["Scope"] is { Length: > 0 } scope ? scope : "openid");
    }

    /// <summary>Without the secret.</summary>
    public override string ToString() => ClientId;
}
