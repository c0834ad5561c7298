using Jumun.Tests;
using Jumun.Tests.Browser;
using Jumun.Tests.Crashes;
using Jumun.Tests.Platform;
using Jumun.Tests.Simulation;
using Jumun.Tests.Sinks;
using Jumun.Tests.Stores;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Jumun.Tests;

/// <summary>Begins with the classes that take longest, so that at the end no core waits for one of them.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Long =
    [
        .. new[]
        {
            typeof(DatabaseLossTests), typeof(SeededBugTests), typeof(HttpSinkTests), typeof(ConsoleTests), typeof(StorefrontTests), typeof(AmqpSinkTests),
            typeof(AmqpTests), typeof(KillTests), typeof(SimulationTests), typeof(PostgresWaitTests), typeof(PostgresStoreTests), typeof(IntakeTests),
            typeof(ReconcileTests), typeof(TwoSidesTests), typeof(RabbitServerTests),
        }.Select(type => $" {type.FullName} "),
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection => [.. testCollections.OrderBy(Place)];

    // A class has a collection of its own, which is called "Test collection for Jumun.Tests.… (id: …)".
    private static int Place<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection
    {
        int place = Array.FindIndex(Long, name => collection.TestCollectionDisplayName.Contains(name, StringComparison.Ordinal));
        return place < 0 ? Long.Length : place;
    }
}
