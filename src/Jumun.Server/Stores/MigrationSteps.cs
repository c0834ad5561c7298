using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Jumun.Server.Stores;

/// <summary>A step of a schema.</summary>
/// <param name="Name">The name of its file.</param>
/// <param name="Sql">What it does.</param>
/// <param name="Checksum">SHA-256 of its text, in hexadecimal: a step is never changed once it was released.</param>
internal sealed record MigrationStep(string Name, string Sql, string Checksum);

/// <summary>The steps of a store's schema, in order, as they are embedded in the program.</summary>
internal static class MigrationSteps
{
    /// <param name="prefix">What the names of the store's resources begin with.</param>
    public static List<MigrationStep> Read(string prefix)
    {
        var steps = new List<MigrationStep>();
        Assembly assembly = typeof(MigrationSteps).Assembly;
        IEnumerable<string> resources = assembly.GetManifestResourceNames().Where(name => name.StartsWith(prefix, StringComparison.Ordinal));
        foreach (string resource in resources.Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            string sql = reader.ReadToEnd();
            steps.Add(new MigrationStep(resource[prefix.Length..], sql, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql)))));
        }

        return steps;
    }

    /// <summary>Refuses a database with a step that is not among ours.</summary>
    /// <param name="steps">Ours.</param>
    /// <param name="applied">Those of the database: checksums by name.</param>
    /// <exception cref="SetupException">There is one.</exception>
    public static void MustContain(List<MigrationStep> steps, Dictionary<string, string> applied)
    {
        foreach ((string name, string checksum) in applied)
        {
            if (!steps.Exists(step => step.Name == name && step.Checksum == checksum))
            {
                throw new SetupException(
                    $"The database was changed by a step '{name}' that this program does not know. Use the version of Jumun that wrote it, or a newer one.");
            }
        }
    }
}
