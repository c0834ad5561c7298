namespace Jumun.Server.Verbs;

/// <summary>Configuration as ASP.NET Core layers it, for every verb alike.</summary>
internal static class Surroundings
{
    /// <summary>A builder whose configuration is that of the server.</summary>
    /// <param name="settings">Settings of the command line, such as <c>--urls=http://localhost:8080</c>; they win over the environment.</param>
    public static WebApplicationBuilder Builder(params string[] settings)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            Args = settings,
            // The program's own folder, so that settings do not depend on where it was started.
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Logging.ClearProviders();
        AddConsole(builder.Logging, builder.Configuration["Jumun:Log:Format"]);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);

        // An activity for each request costs as much as a small one; tracing turns this on when somebody listens.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
        // Secrets may come as files, one a setting, as orchestrators mount them.
        builder.Configuration.AddKeyPerFile("/run/secrets", optional: true);
        if (Array.TrueForAll(["URLS", "HTTP_PORTS", "HTTPS_PORTS"], name => string.IsNullOrEmpty(builder.Configuration[name])))
        {
            builder.WebHost.UseUrls(Server.Settings.DefaultUrl);
        }

        return builder;
    }

    /// <summary>Logs for a verb that settles commands: why the store refused them stands there.</summary>
    public static ILoggerFactory Logs(IConfiguration configuration) =>
        LoggerFactory.Create(logging => AddConsole(logging, configuration["Jumun:Log:Format"]));

    /// <summary>Where log lines go: as people read them, or as JSON for what collects them.</summary>
    private static void AddConsole(ILoggingBuilder logging, string? format)
    {
        switch (format)
        {
            case null or "" or "text":
                logging.AddSimpleConsole(options =>
                {
                    options.SingleLine = true;
                    options.TimestampFormat = "HH:mm:ss ";
                    options.UseUtcTimestamp = true;
                });
                break;
            case "json":
                // With scopes, which carry the trace and the span of the request.
                logging.AddJsonConsole(options =>
                {
                    options.IncludeScopes = true;
                    options.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
                    options.UseUtcTimestamp = true;
                });
                break;
            default:
                throw new SetupException($"Jumun__Log__Format is '{format}'. It must be 'text' or 'json'.");
        }
    }

    /// <summary>The settings of a builder, with a way to check tokens.</summary>
    public static Settings SettingsWithKey(WebApplicationBuilder builder)
    {
        Settings settings = Server.Settings.Read(builder.Configuration, builder.Environment);
        return settings with
        {
            Auth = settings.Auth.WithKey(
                settings.Store.KeyPath, settings.IsDevelopment,
                path => Console.Error.WriteLine($"No signing key is set: made a random one for development in {path}")),
        };
    }

    /// <summary>The settings, without asking for a way to check tokens.</summary>
    public static Settings Settings()
    {
        WebApplicationBuilder builder = Builder();
        return Server.Settings.Read(builder.Configuration, builder.Environment);
    }
}
