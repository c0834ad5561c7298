using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Jumun.Tests.Crashes;

/// <summary>The published program in a process of its own, to be killed.</summary>
internal sealed class ServerProcess : IDisposable
{
    private static readonly TimeSpan LongestVerb = TimeSpan.FromMinutes(5);

    private readonly string folder;
    private readonly Dictionary<string, string?> settings;
    private Process? process;

    /// <param name="folder">Where it is started.</param>
    /// <param name="settings">Settings beside those that every test has, with ':' or as in an environment.</param>
    public ServerProcess(string folder, Dictionary<string, string?> settings)
    {
        this.folder = folder;
        this.settings = settings;
    }

    /// <summary>A server of this data.</summary>
    public ServerProcess(TestData data, Dictionary<string, string?>? settings = null)
        : this(data.Folder, new([.. data.Settings, .. settings ?? []]))
    {
    }

    public int Port { get; } = FreePort.Next();

    public Uri Address => new($"http://127.0.0.1:{Port.ToString(CultureInfo.InvariantCulture)}");

    public string EventsPath => Path.Combine(folder, "events.ndjson");

    public int ProcessId => process!.Id;

    /// <summary>Words before the program's own, such as those of another that starts it under a limit.</summary>
    public string[] Wrapper { get; init; } = [];

    /// <summary>The lines that it wrote to its console.</summary>
    public ConcurrentQueue<string> Said { get; } = [];

    public async Task StartAsync(CancellationToken cancellation)
    {
        process = Start("serve");

        // A pipe that nobody reads would fill.
        var errors = new StringBuilder();
        process.ErrorDataReceived += (_, line) => errors.AppendLine(line.Data);
        process.OutputDataReceived += (_, line) => Said.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using var http = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(2) };
        await TestShop.UntilAsync(
            async () =>
            {
                if (process.HasExited)
                {
                    await process.WaitForExitAsync(cancellation);
                    Assert.Fail($"The server stopped at its start with exit code {process.ExitCode}: {errors}");
                }

                try
                {
                    return (await http.GetAsync("/health/ready", cancellation)).IsSuccessStatusCode;
                }
                catch (Exception error) when (error is HttpRequestException or TaskCanceledException)
                {
                    return false;
                }
            },
            seconds: 60);
    }

    /// <summary><c>kill -9</c>.</summary>
    public async Task KillAsync(CancellationToken cancellation)
    {
        process!.Kill();
        await process.WaitForExitAsync(cancellation);
        process.Dispose();
        process = null;
    }

    /// <summary><c>kill -TERM</c>; the exit code.</summary>
    public async Task<int> TerminateAsync(CancellationToken cancellation)
    {
        using (Process kill = Process.Start("kill", ["-TERM", process!.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync(cancellation);
        }

        await process.WaitForExitAsync(cancellation);
        int code = process.ExitCode;
        process.Dispose();
        process = null;
        return code;
    }

    /// <summary>Runs a verb to its end; one that does not end is killed, and the test fails.</summary>
    public async Task<(int ExitCode, string Output)> RunAsync(CancellationToken cancellation, params string[] verb)
    {
        using Process run = Start(verb);
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        late.CancelAfter(LongestVerb);
        try
        {
            Task<string> output = run.StandardOutput.ReadToEndAsync(late.Token);
            Task<string> errors = run.StandardError.ReadToEndAsync(late.Token);
            await Task.WhenAll(output, errors, run.WaitForExitAsync(late.Token));
            return (run.ExitCode, await output + await errors);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            Assert.Fail($"{string.Join(' ', verb)} had not ended after {LongestVerb}.");
            throw;
        }
        finally
        {
            if (!run.HasExited)
            {
                run.Kill();
                run.WaitForExit();
            }
        }
    }

    /// <summary>Runs a verb and kills it (<c>kill -9</c>) when it is where it should be.</summary>
    public async Task RunAndKillAsync(Func<Task> isThere, params string[] verb)
    {
        using Process run = Start(verb);
        try
        {
            await isThere();
            Assert.False(run.HasExited);
        }
        finally
        {
            run.Kill();
            await run.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>Runs a verb and tells it to stop (<c>kill -TERM</c>) when it is where it should be.</summary>
    public async Task<(int ExitCode, string Output)> RunAndStopAsync(CancellationToken cancellation, Func<Task> isThere, params string[] verb)
    {
        using Process run = Start(verb);
        try
        {
            Task<string> output = run.StandardOutput.ReadToEndAsync(cancellation);
            Task<string> errors = run.StandardError.ReadToEndAsync(cancellation);
            await isThere();
            using (Process kill = Process.Start("kill", ["-TERM", run.Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await kill.WaitForExitAsync(cancellation);
            }

            await run.WaitForExitAsync(cancellation);
            return (run.ExitCode, await output + await errors);
        }
        finally
        {
            run.Kill();
            await run.WaitForExitAsync(CancellationToken.None);
        }
    }

    public void Dispose()
    {
        if (process is null)
        {
            return;
        }

        // Its folder and its database go next: nobody may write there any more.
        process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private Process Start(params string[] verb)
    {
        string[] command = [.. Wrapper, "dotnet", Path.Combine(AppContext.BaseDirectory, "Jumun.Server.dll"), .. verb];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        start.Environment["Jumun__Auth__SigningKey"] = TestShop.SigningKey;
        start.Environment["Jumun__DataPlatform__Path"] = EventsPath;
        start.Environment["ASPNETCORE_URLS"] = Address.ToString();
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        start.Environment["Logging__LogLevel__Default"] = "Error";
        // A storm of a few clients goes by way of both lanes, too, and now and then by way of one.
        start.Environment["Jumun__SecondLaneFrom"] = "8";
        foreach ((string name, string? value) in settings)
        {
            start.Environment[name.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        return Watch.Over(Process.Start(start)!);
    }
}
