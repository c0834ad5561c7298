using System.CommandLine;
using Jumun.Server.Verbs;

// The host drains when the process is told to stop; nothing else shortens that.
return await CommandLine.Root().Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }).ConfigureAwait(false);
