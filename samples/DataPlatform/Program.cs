using DataPlatform;

WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Logging.ClearProviders();
builder.Logging.AddSimpleConsole(options =>
{
    options.SingleLine = true;
    options.TimestampFormat = "HH:mm:ss ";
    options.UseUtcTimestamp = true;
});
builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
builder.Configuration.AddKeyPerFile("/run/secrets", optional: true);
if (string.IsNullOrEmpty(builder.Configuration["URLS"]) && string.IsNullOrEmpty(builder.Configuration["HTTP_PORTS"]))
{
    builder.WebHost.UseUrls(PlatformSettings.DefaultUrl);
}

builder.WebHost.ConfigureKestrel(options =>
{
    options.AddServerHeader = false;
    options.Limits.MaxRequestBodySize = Bounds.BodyBytes;
});
builder.Services.ConfigureHttpJsonOptions(options => options.SerializerOptions.Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
builder.Services.AddProblemDetails();
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddSingleton<EventStore>();
builder.Services.AddSingleton<Analytics>();
builder.Services.AddSingleton<Intake>();
builder.Services.AddSingleton<AmqpIntake>();
builder.Services.AddHostedService(services => services.GetRequiredService<Intake>());
builder.Services.AddHostedService(services => services.GetRequiredService<AmqpIntake>());

try
{
    var settings = PlatformSettings.Read(builder.Configuration);
    builder.Services.AddSingleton(settings);
    await using WebApplication app = builder.Build();
    await app.Services.GetRequiredService<Intake>().OpenAsync();
    app.UseExceptionHandler();
    app.Use(Access.AddHeadersAsync);
    Api.Map(app);
    await app.StartAsync();
    Console.WriteLine($"""
        The data platform keeps {(settings.IsPostgres ? "its events in PostgreSQL" : settings.Database)}
          page     {app.Urls.First()}
          events   {app.Urls.First()}/events{(settings.Secrets.Count > 0 ? ", signed" : ": no secret is set, so from this machine alone")}
          files    {settings.Files}

        Press Ctrl+C to stop.
        """);
    await app.WaitForShutdownAsync();
    return 0;
}
catch (Exception error) when (error is SetupException or System.Data.Common.DbException or IOException or UnauthorizedAccessException)
{
    await Console.Error.WriteLineAsync(error.Message);
    return 1;
}
