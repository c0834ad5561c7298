using System.Text.Json.Serialization;
using Jumun.Server.Stores;

namespace Jumun.Server.Api;

/// <summary>A page of a list.</summary>
/// <param name="Items">The items, in the list's order.</param>
/// <param name="Next">The cursor of the next page; null on the last.</param>
internal sealed record Page<T>(IReadOnlyList<T> Items, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Next);

/// <summary>The invariants of the shop.</summary>
internal sealed record AuditAnswer(IReadOnlyList<InvariantReport> Invariants);

/// <summary>Whether the server is alive or ready.</summary>
/// <param name="Status"><c>ok</c>, or why not.</param>
internal sealed record HealthAnswer(string Status);
