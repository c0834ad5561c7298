using Jumun.Tests;
using Jumun.Tests.Crashes;
using Jumun.Tests.Simulation;
using Jumun.Tests.Sinks;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Jumun.Tests;

/// <summary>
/// Begins with the classes that take minutes, most of them waiting or on one core: left for the end, they would keep a machine that has
/// nothing else to do.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Long =
        [.. new[] { typeof(DatabaseLossTests), typeof(SeededBugTests), typeof(HttpSinkTests) }.Select(type => $" {type.FullName} ")];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection => [.. testCollections.OrderBy(IsShort)];

    // A class has a collection of its own, which is called "Test collection for Jumun.Tests.… (id: …)".
    private static bool IsShort<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection =>
        !Array.Exists(Long, name => collection.TestCollectionDisplayName.Contains(name, StringComparison.Ordinal));
}
