namespace Jumun.Server;

/// <summary>The program cannot do what it was asked to, for a reason that its operator can mend. The message says how.</summary>
internal sealed class SetupException(string message, Exception? cause = null) : Exception(message, cause);
