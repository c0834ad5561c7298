using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace Jumun.Server.Web;

/// <summary>
/// The files of the pages, carried inside the program: what runs is what was built, wherever it was started. Each is kept
/// by browsers and asked for anew with its tag, so that a page never meets another version's script.
/// </summary>
internal static class WebFiles
{
    /// <summary>What a page and its files may do: what comes from here, and nothing else.</summary>
    private const string PageSecurity =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private const string ResourcePrefix = "Web/";

    /// <summary>Where the storefront reads whom one may sign in as without a token.</summary>
    private const string NoDemoMembers = "data-demo-members=\"\"";

    /// <summary>
    /// Serves the files to anyone, each under its own path; a page also under its folder's. A person who opens the bare address is
    /// led to the storefront; for a program nothing is there.
    /// </summary>
    /// <param name="app">The application.</param>
    /// <param name="demoMembers">Whom one may sign in as without a token; the page is told.</param>
    public static void UseWebFiles(this WebApplication app, IReadOnlyList<string> demoMembers)
    {
        Dictionary<PathString, WebFile> files = Load($"data-demo-members=\"{string.Join(' ', demoMembers)}\"");
        app.Use((http, next) =>
        {
            if (!HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method))
            {
                return next(http);
            }

            if (http.Request.Path == "/" && http.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase))
            {
                http.Response.Redirect("/shop");
                return Task.CompletedTask;
            }

            return files.TryGetValue(http.Request.Path, out WebFile? file) ? SendAsync(http, file) : next(http);
        });
    }

    private static Task SendAsync(HttpContext http, WebFile file)
    {
        IHeaderDictionary headers = http.Response.Headers;
        headers.CacheControl = "no-cache";
        headers.ETag = file.Tag;
        headers.Vary = "Accept-Encoding";
        headers.ContentSecurityPolicy = PageSecurity;
        if (IsKnown(http.Request.Headers.IfNoneMatch, file.Tag))
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        byte[] body = file.Bytes;
        if (http.Request.GetTypedHeaders().AcceptEncoding.Any(one => one.Quality != 0 && one.Value.Equals("gzip", StringComparison.OrdinalIgnoreCase)))
        {
            headers.ContentEncoding = "gzip";
            body = file.Compressed.Value;
        }

        headers.ContentType = file.Type;
        headers.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.Body.WriteAsync(body).AsTask();
    }

    /// <summary>The tag is weak: a proxy that compresses may say so too, and the comparison is the weak one anyhow.</summary>
    private static bool IsKnown(StringValues known, string tag) => known.Any(one => one?.Contains(tag, StringComparison.Ordinal) == true);

    private static Dictionary<PathString, WebFile> Load(string demoMembers)
    {
        // Paths are as they are written, upper and lower case.
        var files = new Dictionary<PathString, WebFile>(new ExactPath());
        foreach (string name in typeof(WebFiles).Assembly.GetManifestResourceNames())
        {
            if (!name.StartsWith(ResourcePrefix, StringComparison.Ordinal))
            {
                continue;
            }

            string path = "/" + name[ResourcePrefix.Length..].Replace('\\', '/');
            WebFile file = Read(name, TypeOf(path), demoMembers);
            files.Add(path, file);
            if (path.EndsWith("/index.html", StringComparison.Ordinal))
            {
                string folder = path[..^"/index.html".Length];
                files.Add(folder, file);
                files.Add($"{folder}/", file);
            }
        }

        return files;
    }

    private static WebFile Read(string name, string type, string demoMembers)
    {
        using var reader = new StreamReader(typeof(WebFiles).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        byte[] bytes = Encoding.UTF8.GetBytes(reader.ReadToEnd().Replace(NoDemoMembers, demoMembers, StringComparison.Ordinal));
        string tag = $"W/\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 12))}\"";

        // Compressed for the first who asks: the start waits for no file that nobody may ever want.
        return new WebFile(type, tag, bytes, new Lazy<byte[]>(() => Compress(bytes)));
    }

    private static byte[] Compress(byte[] bytes)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            gzip.Write(bytes);
        }

        return compressed.ToArray();
    }

    private static string TypeOf(string path) => Path.GetExtension(path) switch
    {
        ".css" => "text/css; charset=utf-8",
        ".html" => "text/html; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        string other => throw new InvalidOperationException($"{path}: the type of '{other}' is not known."),
    };

    /// <summary>A file as it goes over the wire.</summary>
    private sealed record WebFile(string Type, string Tag, byte[] Bytes, Lazy<byte[]> Compressed);

    private sealed class ExactPath : IEqualityComparer<PathString>
    {
        public bool Equals(PathString one, PathString other) => string.Equals(one.Value, other.Value, StringComparison.Ordinal);

        public int GetHashCode(PathString path) => path.Value?.GetHashCode(StringComparison.Ordinal) ?? 0;
    }
}
