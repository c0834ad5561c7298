using System.Text;

namespace Jumun.Tests.Platform;

/// <summary>A platform that the tests of a class share: starting one takes far longer than asking it.</summary>
public sealed class SharedPlatform : IAsyncLifetime
{
    /// <summary>The one that signatures were made with before, and the one that they will be made with; the platform takes all three.</summary>
    internal static readonly byte[] Older = Encoding.UTF8.GetBytes("an-older-secret");
    internal static readonly byte[] Newer = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

    internal PlatformProcess Process { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Process = await PlatformProcess.StartAsync(new()
    {
        ["DataPlatform__Secret"] = $"{PlatformProcess.Secret} {Encoding.UTF8.GetString(Older)} whsec_{Convert.ToBase64String(Newer)}",
    });

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
