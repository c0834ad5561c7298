using Jumun.Server.Api;
using Jumun.Server.DataPlatform;
using Jumun.Server.Execution;
using Jumun.Server.Live;
using Jumun.Server.Operators;
using Jumun.Server.Stores;
using Jumun.Server.Stores.Postgres;
using Jumun.Server.Stores.Sqlite;
using Jumun.Server.Web;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Jumun.Server;

/// <summary>A running server: the web application and, under it, the executor and the store, started and stopped in order.</summary>
internal sealed class ShopHost : IAsyncDisposable
{
    private readonly WebApplication app;

    private ShopHost(WebApplication app, Shop shop)
    {
        this.app = app;
        Shop = shop;
        Live = app.Services.GetRequiredService<LiveHub>();
    }

    /// <summary>What the handlers use.</summary>
    public Shop Shop { get; }

    /// <summary>Who watches what.</summary>
    public LiveHub Live { get; }

    /// <summary>The addresses at which it listens.</summary>
    public IReadOnlyCollection<string> Urls => [.. app.Urls];

    /// <summary>Opens the store and starts to serve.</summary>
    /// <param name="builder">A builder with the configuration.</param>
    /// <param name="settings">The settings, read from that configuration.</param>
    /// <exception cref="SetupException">Something that the operator can mend.</exception>
    public static async Task<ShopHost> StartAsync(WebApplicationBuilder builder, Settings settings)
    {
        WebApplication? app = null;

        // The web application is made meanwhile: of a start most of the time is the compiler's, for both.
        Task<IStore> opening = Task.Run(() => OpenAsync(settings.Store));
        try
        {
            Register(builder.Services, settings, opening);
            builder.WebHost.ConfigureKestrel(ConfigureKestrel);
            app = builder.Build();
            if (await opening.ConfigureAwait(false) is SqliteStore file)
            {
                file.Logger = app.Services.GetRequiredService<ILogger<SqliteStore>>();
            }

            // From here on the container owns the store: it ends after the executor, which ends after the server.
            var shop = app.Services.GetRequiredService<Shop>();
            app.Services.GetRequiredService<Rushes>();
            app.Services.GetRequiredService<Metrics>();
            app.Services.GetRequiredService<Telemetry>();
            Map(app, shop);
            await app.StartAsync().ConfigureAwait(false);
            return new ShopHost(app, shop);
        }
        catch (Exception error)
        {
            if (app is not null)
            {
                // What runs already ends before the store that it uses.
                await app.StopAsync().ConfigureAwait(false);
                await app.DisposeAsync().ConfigureAwait(false);
            }
            else
            {
                // Told at once, also while a database is waited for that does not answer.
                _ = CloseAsync(opening);
            }

            if (error is IOException { InnerException: Microsoft.AspNetCore.Connections.AddressInUseException })
            {
                throw new SetupException($"{error.Message} Stop what listens there, or set ASPNETCORE_URLS to another address.", error);
            }

            throw;
        }
    }

    /// <summary>Opens a store to write to it: SQLite's file is made and its schema brought up to date; PostgreSQL's schema must be.</summary>
    /// <exception cref="SetupException">Something that the operator can mend.</exception>
    public static async Task<IStore> OpenAsync(StoreSettings store) => store.Kind switch
    {
        StoreKind.Sqlite => SqliteStore.Open(store.Address),
        StoreKind.Postgres => await PostgresStore.OpenAsync(store.Address, processName: null, store.HasLanePerNode, store.SecondLaneFrom).ConfigureAwait(false),
    };

    /// <summary>Closes a store that nobody uses, once it is open.</summary>
    private static async Task CloseAsync(Task<IStore> opening)
    {
        try
        {
            await (await opening.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch
        {
            // What went wrong first is told.
        }
    }

    private static ISink OpenSink(DataPlatformSettings settings, TimeProvider clock) => settings.Sink switch
    {
        SinkKind.File => new FileSink(settings.Path),
        SinkKind.Http => new HttpSink(settings.Url!, settings.Secrets, clock),
        SinkKind.Amqp => new AmqpSink(settings.Url!),
    };

    /// <summary>Serves until the process is told to stop.</summary>
    public Task WaitForShutdownAsync(CancellationToken stop) => app.WaitForShutdownAsync(stop);

    /// <summary>Stops to listen, settles what waits, and closes the store.</summary>
    public async ValueTask DisposeAsync()
    {
        await app.StopAsync().ConfigureAwait(false);
        await app.DisposeAsync().ConfigureAwait(false);
    }

    private static void Register(IServiceCollection services, Settings settings, Task<IStore> opening)
    {
        services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(Bounds.DrainSeconds));
        services.AddRouting();
        services.AddDocumentation();
        services.AddConsole();
        services.ConfigureHttpJsonOptions(options => Documentation.UseApiJson(options.SerializerOptions));

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(settings);
        services.AddSingleton(settings.Auth);
        services.AddSingleton<IStore>(_ => opening.Result);
        services.AddSingleton<ISink>(provider => OpenSink(settings.DataPlatform, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new Executor(
            provider.GetRequiredService<IStore>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<Executor>>()));
        services.AddSingleton<OrderIds>();
        services.AddSingleton<Shop>();
        services.AddSingleton<LiveHub>();
        services.AddSingleton<Rushes>();
        services.AddSingleton<Auth>();
        services.AddSingleton<Metrics>();
        services.AddSingleton<Telemetry>();
        services.AddSingleton<Leases>();
        services.AddHostedService(provider => provider.GetRequiredService<Leases>());
        services.AddSingleton<Relay>();
        services.AddHostedService(provider => provider.GetRequiredService<Relay>());
        services.AddSingleton<Pulse>();
        services.AddHostedService(provider => provider.GetRequiredService<Pulse>());
        services.AddHostedService<ExpirySweep>();
        services.AddHostedService<KeySweep>();
        services.AddHostedService(provider => new EventSweep(
            provider.GetRequiredService<Executor>(), provider.GetRequiredService<IStore>(), provider.GetRequiredService<Leases>(),
            settings.DataPlatform.KeepDelivered, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<EventSweep>>()));
    }

    private static void Map(WebApplication app, Shop shop)
    {
        app.UseMiddleware<Edge>();
        app.UseDocumentation();
        app.UseWebFiles(DemoSignIn.MembersOf(shop.Settings));
        app.UseRouting();
        app.UseMiddleware<AccessControl>();
        if (shop.Settings.RateLimit is { } limits)
        {
            app.UseMiddleware<RateLimits>(limits);
        }

        app.UseConsole();
        LiveHub live = app.Services.GetRequiredService<LiveHub>();
        app.Lifetime.ApplicationStopping.Register(live.Stop);
        new PointsApi(shop).Map(app);
        new ProductsApi(shop, new TopProductsCache(shop.Store.TopProductsAsync, shop.Clock)).Map(app);
        new CouponsApi(shop).Map(app);
        new LiveApi(shop, live).Map(app);
        new CartApi(shop).Map(app);
        new OrdersApi(shop).Map(app);
        new PaymentsApi(shop).Map(app);
        new CatalogueApi(shop).Map(app);
        new OperationsApi(shop, app.Lifetime).Map(app);
        app.MapDemoSignIn(shop);
        app.MapDocumentation();
        app.MapConsole();
        app.Lifetime.ApplicationStopping.Register(() => Log.Draining(app.Services.GetRequiredService<ILogger<Executor>>()));
    }

    private static void ConfigureKestrel(KestrelServerOptions options)
    {
        options.AddServerHeader = false;
        options.Limits.MaxConcurrentConnections = Bounds.Connections;
        options.Limits.MaxRequestBodySize = Bounds.BodyBytes;
        options.Limits.MaxRequestHeadersTotalSize = Bounds.HeaderBytes;
        options.Limits.MaxRequestBufferSize = Bounds.RequestBufferBytes;
        options.Limits.MinResponseDataRate = new MinDataRate(Bounds.AnswerBytesPerSecond, TimeSpan.FromSeconds(5));
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(120);
    }
}
