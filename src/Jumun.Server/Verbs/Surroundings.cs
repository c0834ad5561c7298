namespace Jumun.Server.Verbs;

/// <summary>Configuration as ASP.NET Core layers it, for every verb alike.</summary>
internal static class Surroundings
{
    /// <summary>A builder whose configuration is that of the server.</summary>
    public static WebApplicationBuilder Builder()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            // The program's own folder, so that settings do not depend on where it was started.
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(options =>
        {
            options.SingleLine = true;
            options.TimestampFormat = "HH:mm:ss ";
            options.UseUtcTimestamp = true;
        });
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
