using Jumun.Server.Api;
using Microsoft.AspNetCore.Components.Endpoints;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.SignalR;

namespace Jumun.Server.Operators;

/// <summary>
/// The operators' console at <c>/console</c>: components that run here and send what changes to the browser. Each of its
/// routes asks for a session, and its pages may load and reach nothing but this server.
/// </summary>
internal static class ConsoleWeb
{
    /// <summary>The tag of routes that answer with a page.</summary>
    public const string Page = "console page";

    /// <summary>What a page of the console may do: files and the socket of this server, and forms to it.</summary>
    private const string PageSecurity =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    private const string Root = "/console";

    /// <summary>Says what a page of the console may do, and that its forms tell where they come from, to this server alone.</summary>
    public static void Secure(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = PageSecurity;
        headers["Referrer-Policy"] = "same-origin";
    }

    public static void AddConsole(this IServiceCollection services)
    {
        services.AddRazorComponents().AddInteractiveServerComponents(options =>
        {
            options.DisconnectedCircuitMaxRetained = Bounds.DisconnectedConsoles;
            options.DisconnectedCircuitRetentionPeriod = TimeSpan.FromSeconds(Bounds.DisconnectedConsoleSeconds);
        });
        services.AddSingleton<CodeFlow>();
        services.AddSingleton<SignIn>();
        services.AddSingleton<SignOuts>();

        services.AddAntiforgery(options =>
        {
            options.Cookie.Name = "jumun-console-form";
            options.SuppressXFrameOptionsHeader = true;
        });

        // What a page and its circuit say to each other is sealed with a key of this process. The framework would make one at
        // each start, in a file of the operator's home: last, because whatever uses it registers that.
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        foreach (ServiceDescriptor keys in services.Where(service =>
            service.ServiceType == typeof(IHostedService) && service.ImplementationType?.Assembly == typeof(IDataProtectionBuilder).Assembly).ToList())
        {
            services.Remove(keys);
        }
    }

    /// <summary>
    /// Lets the components see their paths below <c>/console</c>, after the access control, which sees them whole. When the server
    /// stops, open consoles are cut off and may not come back: their pages try at once, and would hold up the stop.
    /// </summary>
    public static void UseConsole(this WebApplication app)
    {
        CancellationToken stopping = app.Lifetime.ApplicationStopping;
        app.Use((http, next) => http.GetEndpoint()?.Metadata.GetMetadata<RouteInfo>()?.Access == Access.Console
            ? PassAsync(http, next, stopping)
            : next(http));
    }

    private static async Task PassAsync(HttpContext http, RequestDelegate next, CancellationToken stopping)
    {
        if (stopping.IsCancellationRequested)
        {
            await http.RefuseAsync(Refusal.Unavailable(RequestOutcome.None, retryAfterSeconds: 2)).ConfigureAwait(false);
            return;
        }

        Secure(http.Response.Headers);
        http.Request.Path.StartsWithSegments(Root, out PathString rest);
        http.Request.PathBase = Root;
        http.Request.Path = rest.HasValue ? rest : "/";
        bool isSocket = http.Request.Headers.Upgrade.Count > 0;
        await using CancellationTokenRegistration end = isSocket ? stopping.Register(http.Abort) : default;
        await next(http).ConfigureAwait(false);
    }

    public static void MapConsole(this WebApplication app)
    {
        app.Services.GetRequiredService<SignIn>().Map(app);
        app.MapGroup(Root)
            .MapRazorComponents<App>()
            .AddInteractiveServerRenderMode(options =>
            {
                // The pages' own policy says it, for all of them.
                options.ContentSecurityFrameAncestorsPolicy = null;
            })
            .DisableAntiforgery()
            .Add(endpoint => endpoint.Metadata.Add(new RouteInfo(Access.Console, endpoint.DisplayName ?? "console", "A part of the console.")
            {
                Tag = endpoint.Metadata.OfType<ComponentTypeMetadata>().Any() ? Page : "console",

                // The socket of an open console lasts as long as the page, and does nothing for most of that time.
                IsStream = endpoint.Metadata.OfType<HubMetadata>().Any(),
            }));
    }
}
