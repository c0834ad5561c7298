using Npgsql;

namespace Jumun.Server.Stores.Postgres;

/// <summary>What an error of PostgreSQL means for a batch.</summary>
internal static class PostgresErrors
{
    /// <summary>
    /// Rows that no lock keeps another process from inserting after a batch was loaded: first ones of their kind, and the
    /// ledger's next, which guards a wallet that was read without its lock.
    /// </summary>
    private static readonly string[] RacedKeys = ["wallets_pkey", "idempotency_keys_pkey", "products_pkey", "coupons_pkey", "ledger_pkey"];

    /// <summary>Whether the statement failed and the session lives: its transaction cannot commit any more.</summary>
    public static bool IsStatementError(Exception error) => error is PostgresException { InvariantSeverity: "ERROR" };

    /// <summary>Whether the database or the way to it failed, not the program.</summary>
    public static bool IsOfDatabase(Exception error) =>
        error is NpgsqlException or TimeoutException or IOException or System.Net.Sockets.SocketException;

    /// <summary>Whether a statement that was to stay in one shard needed several: the map by which its rows were divided is old.</summary>
    public static bool IsOfOldMap(PostgresException error) => error.SqlState == PostgresErrorCodes.FeatureNotSupported;

    /// <summary>The exception for a statement that failed, after its transaction was rolled back.</summary>
    /// <param name="error">How it failed.</param>
    /// <param name="isDivided">Whether the database is divided.</param>
    public static Exception OfStatement(PostgresException error, bool isDivided) =>
        IsRace(error) || (isDivided && IsDividedRace(error)) ? new StoreRaceException(error)
        : IsRefusal(error) || (isDivided && IsViolation(error)) ? new StoreRejectedException(error)
        : new StoreUnavailableException(RequestOutcome.None, error.SqlState == PostgresErrorCodes.DiskFull ? Full(error) : error)
        {
            // The session lives and tells of another node of the cluster.
            IsOfPart = isDivided && error.SqlState == PostgresErrorCodes.ConnectionFailure,
        };

    /// <summary>Says in the log what the operator can do.</summary>
    private static IOException Full(PostgresException error) =>
        new($"PostgreSQL's disk is full: make room there, then all goes on without a restart. {error.Message}", error);

    /// <summary>The database cannot be opened: says what the operator can do.</summary>
    public static SetupException CannotOpen(NpgsqlDataSource source, Exception error)
    {
        var settings = new NpgsqlConnectionStringBuilder(source.ConnectionString);
        string where = $"the database '{settings.Database}' at {settings.Host}";
        return (error as PostgresException)?.SqlState switch
        {
            PostgresErrorCodes.InvalidCatalogName => new SetupException($"There is no {where[4..]}. Create it, then run 'migrate'.", error),
            PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
                new SetupException($"The user or password of ConnectionStrings__Jumun is refused by {where}: {error.Message}", error),
            PostgresErrorCodes.LockNotAvailable => new SetupException(
                $"Something else is using a table of {where}, a dump or an audit perhaps. Nothing was changed: try again when it is done.", error),
            PostgresErrorCodes.InsufficientPrivilege =>
                new SetupException($"The user '{settings.Username}' may not do this in {where}: {error.Message}", error),
            _ => new SetupException($"Cannot use {where}: {error.Message} Check ConnectionStrings__Jumun and whether the server runs.", error),
        };
    }

    private static bool IsRace(PostgresException error) => error.SqlState switch
    {
        PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.LockNotAvailable => true,
        PostgresErrorCodes.UniqueViolation => Array.Exists(
            RacedKeys, name => error.ConstraintName?.StartsWith(name, StringComparison.Ordinal) is true),
        _ => false,
    };

    /// <summary>
    /// What is a race on Citus alone. It passes on what another node says without the constraint's name, which has the shard's
    /// number at its end and stands in the message; and after an insert of many rows without its code, also that of a lock.
    /// </summary>
    private static bool IsDividedRace(PostgresException error) => IsOfOldMap(error) || (
        error.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.InternalError
        && (Array.Exists(RacedKeys, name => error.MessageText.Contains(name, StringComparison.Ordinal))
            || (error.SqlState == PostgresErrorCodes.InternalError && !IsViolation(error))));

    /// <summary>Whether a constraint of another node was violated: it is passed on in words.</summary>
    private static bool IsViolation(PostgresException error) =>
        error.SqlState == PostgresErrorCodes.InternalError && error.MessageText.Contains(" violates ", StringComparison.Ordinal);

    /// <summary>Whether the values were refused (classes 21, 22, 23 and 54): the same batch would be refused again.</summary>
    private static bool IsRefusal(PostgresException error) => error.SqlState[..2] is "21" or "22" or "23" or "54";
}
