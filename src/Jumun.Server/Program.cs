using System.CommandLine;
using Jumun.Server.Verbs;

// A server drains when the process is told to stop, and nothing shortens that. The other verbs are told, and have a moment to end.
ParseResult command = CommandLine.Root().Parse(args);
var invocation = new InvocationConfiguration();
if (CommandLine.IsServe(command))
{
    invocation.ProcessTerminationTimeout = null;
}

return await command.InvokeAsync(invocation).ConfigureAwait(false);
