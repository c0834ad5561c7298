using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Unicode;
using Jumun.DataPlatform;
using Jumun.Server.DataPlatform;
using Jumun.Server.Problems;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerUI;

namespace Jumun.Server.Api;

/// <summary>The API's own description: OpenAPI 3.1, a page to try it, and a page for each problem.</summary>
internal static class Documentation
{
    private const string PageSecurity =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
        + "base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    /// <summary>The content type of streams.</summary>
    public const string StreamContentType = "text/event-stream";

    public static void AddDocumentation(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.ShouldInclude = _ => true;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "Jumun",
                Version = "v1",
                Description =
                    "A commerce core for the moment when everyone presses the button at once: points, exact stock, coupons first come first "
                    + "served, cart, orders, payment from the balance. Money is whole won. Every POST may carry an Idempotency-Key.",
            };
            document.Servers = [];
            // The generator names a tag after the program, which no operation has: the page would show it as an empty chapter.
            document.Tags = null;
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                ["bearer"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", BearerFormat = "JWT" },
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(DescribeAsync);
        options.AddSchemaTransformer((schema, context, _) =>
        {
            Sharpen(schema, context.JsonTypeInfo.Type);
            return Task.CompletedTask;
        });
    });

    /// <summary>Schemas are made for the JSON that the API reads and writes.</summary>
    public static void UseApiJson(JsonSerializerOptions options)
    {
        options.NumberHandling = ApiJson.Default.Options.NumberHandling;
        options.PropertyNamingPolicy = ApiJson.Default.Options.PropertyNamingPolicy;
        options.DefaultIgnoreCondition = ApiJson.Default.Options.DefaultIgnoreCondition;
        options.RespectNullableAnnotations = true;
        options.RespectRequiredConstructorParameters = true;
        options.TypeInfoResolverChain.Insert(0, ApiJson.Default);
        foreach (JsonConverter converter in ApiJson.Default.Options.Converters)
        {
            options.Converters.Add(converter);
        }
    }

    public static void MapDocumentation(this WebApplication app)
    {
        var document = new Lazy<Task<byte[]>>(() => RenderAsync(app.Services));
        app.MapGet("/openapi/v1.json", async http =>
        {
            byte[] bytes = await document.Value.ConfigureAwait(false);
            http.Response.ContentType = "application/json;charset=utf-8";
            http.Response.ContentLength = bytes.Length;
            await http.Response.Body.WriteAsync(bytes, http.RequestAborted).ConfigureAwait(false);
        }).WithMetadata(new RouteInfo(Access.Anyone, "openapi", "This document.") { Tag = "documentation" });
        app.MapGet("/problems/{code}", ProblemAsync).Is(
            new(Access.Anyone, "explainProblem", "What a problem means and what to do.") { Tag = "documentation", Refuses = [RefusalCode.NotFound] });
    }

    /// <summary>The document, made once: routes do not change while the server runs.</summary>
    private static async Task<byte[]> RenderAsync(IServiceProvider services)
    {
        OpenApiDocument document = await services.GetRequiredKeyedService<IOpenApiDocumentProvider>("v1")
            .GetOpenApiDocumentAsync(CancellationToken.None).ConfigureAwait(false);
        using var stream = new MemoryStream();
        await document.SerializeAsJsonAsync(stream, OpenApiSpecVersion.OpenApi3_1).ConfigureAwait(false);
        return stream.ToArray();
    }

    /// <summary>The page at /docs.</summary>
    public static void UseDocumentation(this WebApplication app) => app.UseWhen(
        http => http.Request.Path.StartsWithSegments("/docs", StringComparison.Ordinal),
        docs => docs
            .Use((http, next) =>
            {
                http.Response.Headers.ContentSecurityPolicy = PageSecurity;
                if (http.Request.Path == "/docs" || http.Request.Path == "/docs/")
                {
                    // The page itself, not a redirect to it.
                    http.Request.Path = "/docs/index.html";
                }

                return next(http);
            })
            .UseSwaggerUI(options =>
            {
                options.RoutePrefix = "docs";
                Func<Stream> page = options.IndexStream;
                options.IndexStream = () => WithBase(page());
                options.DocumentTitle = "Jumun API";
                options.SwaggerEndpoint("/openapi/v1.json", "Jumun v1");
                options.EnableTryItOutByDefault();
                // Every operation has many answers: their schemas and all others stay folded until somebody asks.
                options.DefaultModelRendering(ModelRendering.Model);
                options.DefaultModelExpandDepth(0);
                options.DefaultModelsExpandDepth(0);
            }));

    /// <summary>The page names its scripts relative to itself, also where it answers for /docs.</summary>
    private static MemoryStream WithBase(Stream page)
    {
        using var reader = new StreamReader(page);
        string text = reader.ReadToEnd().Replace("<head>", "<head>\n    <base href=\"/docs/\">", StringComparison.Ordinal);
        return new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text));
    }

    private static async Task DescribeAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellation)
    {
        if (context.Description.ActionDescriptor.EndpointMetadata.OfType<RouteInfo>().SingleOrDefault() is not { } route)
        {
            return;
        }

        operation.OperationId = route.Name;
        operation.Summary = route.Summary;
        operation.Tags = new HashSet<OpenApiTagReference> { new(route.Tag, context.Document) };
        operation.Parameters = [.. PathParameters(context.Description.RelativePath!), .. route.Query.Select(OfQuery)];
        bool isKeyed = context.Description.HttpMethod == HttpMethods.Post && route.Access != Access.Anyone;
        if (isKeyed)
        {
            operation.Parameters.Add(new OpenApiParameter
            {
                Name = "Idempotency-Key",
                In = ParameterLocation.Header,
                Description = "The same request under the same key has its effect once, and gets the same answer.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = 255 },
            });
        }

        if (route.Takes is { } takes)
        {
            operation.RequestBody = new OpenApiRequestBody { Required = true, Content = await ContentAsync(takes, "application/json").ConfigureAwait(false) };
        }

        operation.Responses = new OpenApiResponses
        {
            [$"{route.Status}"] = new OpenApiResponse
            {
                Description = "Done.",
                Content = route.Gives is { } gives
                    ? await ContentAsync(gives, route.IsStream ? StreamContentType : "application/json").ConfigureAwait(false)
                    : null,
            },
        };
        foreach (IGrouping<int, RefusalCode> status in RefusalsOf(route, isKeyed).GroupBy(code => ProblemText.Of(code).Status).OrderBy(group => group.Key))
        {
            operation.Responses[$"{status.Key}"] = new OpenApiResponse
            {
                Description = string.Join(", ", status.Select(ProblemAnswer.NameOf)),
                Content = await ContentAsync(typeof(ProblemAnswer), ProblemAnswer.ContentType).ConfigureAwait(false),
            };
        }

        if (route.GivesUnready is { } unready)
        {
            operation.Responses[$"{StatusCodes.Status503ServiceUnavailable}"] = new OpenApiResponse
            {
                Description = "Not ready, and why.",
                Content = await ContentAsync(unready, "application/json").ConfigureAwait(false),
            };
        }

        if (route.Access != Access.Anyone)
        {
            operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", context.Document)] = [] }];
        }

        async Task<Dictionary<string, OpenApiMediaType>> ContentAsync(Type type, string contentType)
        {
            OpenApiSchema schema = await context.GetOrCreateSchemaAsync(type, parameterDescription: null, cancellation).ConfigureAwait(false);
            string name = type.IsGenericType ? $"{type.GetGenericArguments()[0].Name}Page" : type.Name;
            context.Document!.AddComponent(name, schema);
            return new() { [contentType] = new OpenApiMediaType { Schema = new OpenApiSchemaReference(name, context.Document) } };
        }
    }

    /// <summary>What the generator cannot know: types with converters of our own, and that absent values are left out.</summary>
    private static void Sharpen(OpenApiSchema schema, Type type)
    {
        if ((Nullable.GetUnderlyingType(type) ?? type) == typeof(DateTimeOffset))
        {
            schema.Type = JsonSchemaType.String;
            schema.Format = "date-time";
        }
        else if (type == typeof(OrderEventType))
        {
            schema.Type = JsonSchemaType.String;
            schema.Enum = [.. Enum.GetValues<OrderEventType>().Select(value => JsonValue.Create(OrderEventJson.TypeName(value)))];
        }

        if (schema is { Required: { } required, Properties: { } properties })
        {
            foreach ((string name, IOpenApiSchema property) in properties)
            {
                // An answer leaves an absent value out; only the end of a list is said aloud.
                if (name != "next" && property.Type?.HasFlag(JsonSchemaType.Null) == true)
                {
                    required.Remove(name);
                }
            }
        }
    }

    private static IEnumerable<RefusalCode> RefusalsOf(RouteInfo route, bool isKeyed)
    {
        if (route.Access != Access.Anyone)
        {
            yield return RefusalCode.Unauthenticated;
            yield return RefusalCode.Forbidden;
        }

        yield return RefusalCode.InvalidRequest;
        foreach (RefusalCode code in route.Refuses)
        {
            yield return code;
        }

        if (route.Takes is not null || isKeyed)
        {
            // Under a key the body is read, also where none is wanted: it belongs to the request that the key is for.
            yield return RefusalCode.PayloadTooLarge;
        }

        if (route.Takes is not null)
        {
            yield return RefusalCode.UnsupportedMediaType;
        }

        if (isKeyed)
        {
            yield return RefusalCode.IdempotencyKeyReused;
            yield return RefusalCode.IdempotencyKeyInUse;
        }

        if (route.Access != Access.Anyone)
        {
            yield return RefusalCode.RateLimited;
        }

        if (route.GivesUnready is null)
        {
            yield return RefusalCode.Unavailable;
        }
    }

    private static IEnumerable<OpenApiParameter> PathParameters(string path) => path.Split('/')
        .Where(part => part.StartsWith('{'))
        .Select(part => part.Trim('{', '}'))
        .Select(name => new OpenApiParameter
        {
            Name = name,
            In = ParameterLocation.Path,
            Required = true,
            Schema = name switch
            {
                "productId" or "couponId" => new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int64", Minimum = "1" },
                "orderId" or "paymentId" => new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" },
                _ => new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = Ids.MemberIdMaximumLength },
            },
        });

    private static OpenApiParameter OfQuery(QueryParameter parameter) => new()
    {
        Name = parameter.Name,
        In = ParameterLocation.Query,
        Description = parameter.Description,
        Schema = new OpenApiSchema { Type = parameter.IsNumber ? JsonSchemaType.Integer : JsonSchemaType.String },
    };

    private static async Task ProblemAsync(HttpContext http)
    {
        string name = http.PathText("code");
        foreach (RefusalCode code in Enum.GetValues<RefusalCode>())
        {
            if (ProblemAnswer.NameOf(code) == name)
            {
                Language language = ProblemAnswer.LanguageOf(http.Request);
                http.Response.ContentType = "text/html; charset=utf-8";
                http.Response.Headers.ContentLanguage = language == Language.Korean ? "ko" : "en";
                http.Response.Headers.Vary = "Accept-Language";
                http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
                await http.Response.WriteAsync(PageOf(name, ProblemText.Of(code), language)).ConfigureAwait(false);
                return;
            }
        }

        await http.RefuseAsync(new Refusal(RefusalCode.NotFound)).ConfigureAwait(false);
    }

    private static string PageOf(string name, ProblemText text, Language language)
    {
        Language other = language == Language.Korean ? Language.English : Language.Korean;
        return $$"""
            <!doctype html>
            <html lang="{{Tag(language)}}">
            <head>
            <meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>{{Html(text.Title.In(language))}} · Jumun</title>
            <style>
              :root { color-scheme: light dark; }
              body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; }
              code { font-family: ui-monospace, monospace; }
              section { margin-top: 3rem; opacity: .75; }
            </style>
            </head>
            <body>
            <main>
            <p><code>{{text.Status}} {{name}}</code></p>
            <h1>{{Html(text.Title.In(language))}}</h1>
            <p>{{Html(text.Detail.In(language))}}</p>
            <section lang="{{Tag(other)}}"><h2>{{Html(text.Title.In(other))}}</h2><p>{{Html(text.Detail.In(other))}}</p></section>
            <p><a href="/docs">API</a></p>
            </main>
            </body>
            </html>
            """;
    }

    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);

    private static string Tag(Language language) => language == Language.Korean ? "ko" : "en";

    private static string Html(string text) => Encoder.Encode(text);
}
