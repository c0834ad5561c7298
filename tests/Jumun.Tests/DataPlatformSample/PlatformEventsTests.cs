using System.Globalization;
using Jumun.Server;
using Jumun.Server.Verbs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Jumun.Tests.Platform;

/// <summary>A list of events that is not what it should be.</summary>
public sealed class PlatformEventsTests
{
    [Theory]
    [InlineData("""{"items":[],"next":"00000000-0000-0000-0000-000000000006"}""")]
    [InlineData("""{"items":null,"next":null}""")]
    [InlineData("null")]
    [InlineData("no list")]
    public async Task A_list_that_makes_no_sense_is_told_and_not_gone_through_for_ever(string list)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        string address = $"http://127.0.0.1:{FreePort.Next().ToString(CultureInfo.InvariantCulture)}";
        builder.WebHost.UseKestrelCore().UseUrls(address);
        builder.Logging.ClearProviders();
        await using WebApplication server = builder.Build();
        server.Run(http =>
        {
            http.Response.ContentType = "application/json";
            return http.Response.WriteAsync(list);
        });
        await server.StartAsync(TestContext.Current.CancellationToken);
        using var platform = new PlatformEvents(address, token: null);
        SetupException error = await Assert.ThrowsAsync<SetupException>(
            () => platform.ReadAsync(Guid.Empty, 10, TestContext.Current.CancellationToken));
        Assert.Contains(address, error.Message, StringComparison.Ordinal);
    }
}
