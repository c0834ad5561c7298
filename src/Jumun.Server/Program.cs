using Jumun.Server.Verbs;

return await CommandLine.Root().Parse(args).InvokeAsync().ConfigureAwait(false);
