namespace Jumun.Tests;

/// <summary>A folder that goes away with its test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string FullName { get; } = Directory.CreateTempSubdirectory("jumun-test-").FullName;

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
