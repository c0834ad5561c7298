using System.CommandLine;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;
using Verb = System.CommandLine.Command;

namespace Jumun.Server.Verbs;

/// <summary>The verbs of the program. Without one it serves.</summary>
internal static class CommandLine
{
    private const int Failed = 1;

    /// <summary>Of a verb that compares, and ends with 1 when something differs: it could not look.</summary>
    private const int CouldNotLook = 2;

    /// <summary>What shells say of a program that was interrupted.</summary>
    private const int Interrupted = 130;

    /// <summary>Whether the server is meant, with or without its verb.</summary>
    public static bool IsServe(ParseResult result) => result.CommandResult.Command is RootCommand or { Name: "serve" };

    public static RootCommand Root()
    {
        var root = new RootCommand("Jumun: points, exact stock, coupons, orders and payments for the moment when everyone presses the button at once.");
        var serve = new Verb("serve", "Serve the shop (also without a verb). Migrates a SQLite file itself, and PostgreSQL never.");
        Serves(serve);
        root.Subcommands.Add(serve);
        root.Subcommands.Add(MigrateCommand());
        root.Subcommands.Add(Named("seed", "Fill an empty shop with a demo catalogue.", StoreVerbs.SeedAsync));
        root.Subcommands.Add(TokenCommand());
        root.Subcommands.Add(Named(
            "audit", "Check every invariant that the store can show. Exit code 1 and a line for each that fails, 2 when it could not look.",
            StoreVerbs.AuditAsync, CouldNotLook));
        root.Subcommands.Add(Named("doctor", "Report versions, durability settings, connectivity and the clock.", StoreVerbs.DoctorAsync));
        root.Subcommands.Add(BackupCommand());
        root.Subcommands.Add(CopyCommand());
        root.Subcommands.Add(ReconcileCommand());
        Serves(root);
        return root;
    }

    /// <summary>Serves, with settings on the command line as any ASP.NET Core server takes them.</summary>
    private static void Serves(Verb command)
    {
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((result, stop) => ServeVerb.RunAsync(result.UnmatchedTokens, stop).Guarded());
    }

    private static Verb Named(string name, string description, Func<CancellationToken, Task<int>> run, int failed = Failed)
    {
        var command = new Verb(name, description);
        command.SetAction((_, stop) => run(stop).Guarded(failed));
        return command;
    }

    private static Verb MigrateCommand()
    {
        var distributed = new Option<bool>("--distributed") { Description = "Divide the tables among the nodes of a Citus cluster, too; once." };
        var command = new Verb("migrate", "Bring the schema up to date.") { distributed };
        command.SetAction((result, _) => StoreVerbs.MigrateAsync(result.GetValue(distributed)).Guarded());
        return command;
    }

    private static Verb TokenCommand()
    {
        var member = new Option<string>("--member") { Description = "The member: the token's subject.", Required = true };
        var admin = new Option<bool>("--admin") { Description = "Give the role admin." };
        var hours = new Option<int>("--hours") { Description = "How long it counts, 1 to 8760.", DefaultValueFactory = _ => 24 };
        var command = new Verb("token", "Print a bearer token for the configured signing key.") { member, admin, hours };
        command.SetAction(result => Guarded(() => TokenVerb.Run(result.GetRequiredValue(member), result.GetValue(admin), result.GetValue(hours))));
        return command;
    }

    private static Verb BackupCommand()
    {
        var file = new Argument<string>("file") { Description = "The new file." };
        var command = new Verb("backup", "Copy a SQLite shop to a new file, while it is served.") { file };
        command.SetAction(result => Guarded(() => StoreVerbs.Backup(result.GetRequiredValue(file))));
        return command;
    }

    private static Verb CopyCommand()
    {
        var file = new Argument<string>("file") { Description = "The shop's file. Its server must be stopped." };
        var command = new Verb("copy", "Copy a SQLite shop into the PostgreSQL of the settings, migrated and without a shop.") { file };
        command.SetAction((result, stop) => CopyVerb.RunAsync(result.GetRequiredValue(file), stop).Guarded());
        return command;
    }

    private static Verb ReconcileCommand()
    {
        var platform = new Option<string>("--platform") { Description = "Where the data platform is, such as http://localhost:5090.", Required = true };
        var token = new Option<string>("--token")
        {
            Description = "What it asks its readers for, where Jumun__DataPlatform__ReadToken does not say it: others on this machine can read it here.",
        };
        var command = new Verb(
            "reconcile",
            "Compare every payment and refund with what the data platform holds. Exit code 1 and lines for what differs, 2 when it could not look.")
        {
            platform, token,
        };
        command.SetAction((result, stop) =>
            ReconcileVerb.RunAsync(result.GetRequiredValue(platform), result.GetValue(token), stop).Guarded(CouldNotLook));
        return command;
    }

    /// <summary>Tells the operator what to mend instead of where the program stood.</summary>
    private static async Task<int> Guarded(this Task<int> run, int failed = Failed)
    {
        try
        {
            return await run.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("Stopped.").ConfigureAwait(false);
            return Interrupted;
        }
        catch (Exception error) when (AdviceOn(error) is { } advice)
        {
            await Console.Error.WriteLineAsync(advice).ConfigureAwait(false);
            return failed;
        }
    }

    private static int Guarded(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (Exception error) when (AdviceOn(error) is { } advice)
        {
            Console.Error.WriteLine(advice);
            return Failed;
        }
    }

    /// <summary>What happened and what to do about it; null for what is a bug.</summary>
    private static string? AdviceOn(Exception error) => error switch
    {
        SetupException => error.Message,
        SqliteException => $"{error.Message}. Check that the disk has room and that the file is whole: 'doctor' looks at it.",
        UnauthorizedAccessException => $"{error.Message} Give the user the right to it, or name another place.",
        IOException => $"{error.Message} Check that the disk has room and that the place is one for a file.",
        _ when error is StoreUnavailableException || PostgresErrors.IsOfDatabase(error) =>
            $"{error.Message} Check that the database can be reached and has room, and try again: 'doctor' looks at both.",
        _ => null,
    };
}
