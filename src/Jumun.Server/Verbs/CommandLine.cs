using System.CommandLine;
using Verb = System.CommandLine.Command;

namespace Jumun.Server.Verbs;

/// <summary>The verbs of the program. Without one it serves.</summary>
internal static class CommandLine
{
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
            "audit", "Check every invariant that the store can show. Exit code 1 and a line for each that fails.", StoreVerbs.AuditAsync));
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

    private static Verb Named(string name, string description, Func<CancellationToken, Task<int>> run)
    {
        var command = new Verb(name, description);
        command.SetAction((_, stop) => run(stop).Guarded());
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
        var token = new Option<string>("--token") { Description = "What it asks its readers for." };
        var command = new Verb(
            "reconcile", "Compare every payment and refund with what the data platform holds. Exit code 1 and lines for what differs.")
        {
            platform, token,
        };
        command.SetAction((result, stop) => ReconcileVerb.RunAsync(result.GetRequiredValue(platform), result.GetValue(token), stop).Guarded());
        return command;
    }

    /// <summary>Tells the operator what to mend instead of where the program stood.</summary>
    private static async Task<int> Guarded(this Task<int> run)
    {
        try
        {
            return await run.ConfigureAwait(false);
        }
        catch (SetupException error)
        {
            await Console.Error.WriteLineAsync(error.Message).ConfigureAwait(false);
            return 1;
        }
    }

    private static int Guarded(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (SetupException error)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }
}
