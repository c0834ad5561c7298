using System.Diagnostics;
using System.Globalization;

namespace Jumun.Tests;

/// <summary>
/// Cleans up after the tests, however they end: the pipe at its input closes with them. It ignores the signals of a terminal,
/// which go to all processes of the run at once, and has a session of its own: what is sent to the group of the tests does not reach it.
/// </summary>
internal sealed class Watch
{
    private const string WaitText =
        """
        exec >/dev/null 2>&1
        trap '' HUP INT TERM
        cd /
        read -r _ && exit

        """;

    private readonly Process shell;

    /// <param name="work">What to do then, in the shell's words.</param>
    /// <param name="arguments">Its arguments.</param>
    public Watch(string work, params string[] arguments) => shell = Process.Start(
        new ProcessStartInfo("setsid", ["sh", "-c", WaitText + work, "jumun-watch", .. arguments]) { RedirectStandardInput = true })!;

    /// <summary>Ends a process, if the tests have not by their end.</summary>
    public static Process Over(Process process)
    {
        var watch = new Watch("kill -9 \"$1\"", process.Id.ToString(CultureInfo.InvariantCulture));
        process.Exited += (_, _) => watch.Leave();
        process.EnableRaisingEvents = true;
        return process;
    }

    /// <summary>Does its work now.</summary>
    public async Task CloseAsync()
    {
        shell.StandardInput.Close();
        await shell.WaitForExitAsync();
        shell.Dispose();
    }

    /// <summary>The same, at the end of the process, where nothing can be awaited.</summary>
    public void Close()
    {
        shell.StandardInput.Close();
        shell.WaitForExit(10_000);
    }

    /// <summary>Leaves its work undone, because somebody else did it.</summary>
    public void Leave()
    {
        shell.StandardInput.WriteLine();
        shell.Dispose();
    }
}
