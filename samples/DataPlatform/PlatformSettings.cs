using System.Text;

namespace DataPlatform;

/// <summary>The platform cannot do what it was asked to, for a reason that its operator can mend. The message says how.</summary>
internal sealed class SetupException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>What an operator can set, checked once at the start. Names are those of the environment, <c>__</c> written as <c>:</c>.</summary>
internal sealed record PlatformSettings
{
    /// <summary>Where the platform listens when nothing is said.</summary>
    public const string DefaultUrl = "http://localhost:5090";

    /// <summary>Whether the events are kept in PostgreSQL; otherwise in a SQLite file.</summary>
    public required bool IsPostgres { get; init; }

    /// <summary>SQLite's file, or PostgreSQL's connection string.</summary>
    public required string Database { get; init; }

    /// <summary>The folder of the daily files.</summary>
    public required string Files { get; init; }

    /// <summary>Any of these may sign what comes in; without one, only this machine may send.</summary>
    public required IReadOnlyList<byte[]> Secrets { get; init; }

    /// <summary>What readers must bring; null when this machine alone may read.</summary>
    public required string? ReadToken { get; init; }

    /// <summary>The broker; null when events come by HTTP alone.</summary>
    public required Uri? Amqp { get; init; }

    /// <summary>Reads and checks the settings.</summary>
    /// <exception cref="SetupException">One is missing or makes no sense. The message names it.</exception>
    public static PlatformSettings Read(IConfiguration configuration)
    {
        IConfigurationSection section = configuration.GetSection("DataPlatform");
        string store = Text(section, "Store") ?? "sqlite";
        if (store is not ("sqlite" or "postgres"))
        {
            throw new SetupException($"DataPlatform__Store is '{store}'. It must be 'sqlite' or 'postgres'.");
        }

        bool isPostgres = store == "postgres";
        string? database = Text(section, "Database");
        if (isPostgres && database is null)
        {
            throw new SetupException(
                "DataPlatform__Store is 'postgres', and DataPlatform__Database does not say where: 'Host=localhost;Database=platform;Username=…;Password=…'.");
        }

        string? amqp = Text(section, "Amqp");
        if (amqp is not null && !(Uri.TryCreate(amqp, UriKind.Absolute, out Uri? url) && url.Scheme is "amqp" or "amqps"))
        {
            throw new SetupException("DataPlatform__Amqp is no address of a broker. It reads like amqp://name:password@localhost:5672/.");
        }

        return new PlatformSettings
        {
            IsPostgres = isPostgres,
            Database = isPostgres ? database! : Path.GetFullPath(database ?? Path.Combine("data", "platform.db")),
            Files = Path.GetFullPath(Text(section, "Files") ?? Path.Combine("data", "platform-events")),
            Secrets = [.. (Text(section, "Secret") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(SecretOf)],
            ReadToken = Text(section, "ReadToken"),
            Amqp = amqp is null ? null : new Uri(amqp),
        };
    }

    private static string? Text(IConfigurationSection section, string name) => section[name] is { Length: > 0 } text ? text : null;

    /// <summary>A secret as Standard Webhooks write it, or any other text as it stands.</summary>
    private static byte[] SecretOf(string text)
    {
        const string prefix = "whsec_";
        if (!text.StartsWith(prefix, StringComparison.Ordinal))
        {
            return Encoding.UTF8.GetBytes(text);
        }

        try
        {
            // An empty one would be everybody's.
            return Convert.FromBase64String(text[prefix.Length..]) is { Length: > 0 } secret ? secret : throw new FormatException();
        }
        catch (FormatException)
        {
            throw new SetupException("DataPlatform__Secret begins with 'whsec_', and what follows is not base64.");
        }
    }
}
