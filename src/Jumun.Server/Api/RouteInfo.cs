namespace Jumun.Server.Api;

/// <summary>A parameter of a query string.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it says.</param>
/// <param name="IsNumber">A whole number; otherwise a text.</param>
internal sealed record QueryParameter(string Name, string Description, bool IsNumber = false)
{
    /// <summary>The parameters of every list.</summary>
    public static readonly QueryParameter[] Paging =
    [
        new("limit", $"items a page, 1–{Bounds.PageItems}, default {Bounds.DefaultPageItems}", IsNumber: true),
        new("cursor", "where the page begins: 'next' of the page before"),
    ];
}

/// <summary>What a route is: who may use it, what it takes and gives. The access rule and the documentation read it.</summary>
/// <param name="Access">Who may use it.</param>
/// <param name="Name">Its name, as operation id.</param>
/// <param name="Summary">What it does, in a sentence.</param>
internal sealed record RouteInfo(Access Access, string Name, string Summary)
{
    /// <summary>The group in the documentation.</summary>
    public string Tag { get; init; } = "shop";

    /// <summary>The body that it takes.</summary>
    public Type? Takes { get; init; }

    /// <summary>The body of success.</summary>
    public Type? Gives { get; init; }

    /// <summary>The body of a 503 that is an answer like any other and no problem.</summary>
    public Type? GivesUnready { get; init; }

    /// <summary>The status of success.</summary>
    public int Status { get; init; } = StatusCodes.Status200OK;

    /// <summary>Whether success is a stream of events, each with such a body, or the console's socket, for as long as the client listens.</summary>
    public bool IsStream { get; init; }

    /// <summary>Refusals of its own, beside those that any route has.</summary>
    public RefusalCode[] Refuses { get; init; } = [];

    /// <summary>Parameters of its query string.</summary>
    public QueryParameter[] Query { get; init; } = [];
}

internal static class RouteInfoExtensions
{
    /// <summary>Says what a route is.</summary>
    public static void Is(this IEndpointConventionBuilder route, RouteInfo info)
    {
        // The API explorer lists routes by the method behind them; what it would guess from a signature stands in the info.
        route.Add(endpoint =>
        {
            endpoint.Metadata.Add(info);
            endpoint.Metadata.Add(endpoint.RequestDelegate!.Method);
        });
    }
}
