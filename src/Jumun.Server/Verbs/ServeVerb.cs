namespace Jumun.Server.Verbs;

/// <summary>Serves the shop until it is told to stop.</summary>
internal static class ServeVerb
{
    /// <param name="given">Settings of the command line.</param>
    /// <param name="stop">Told to stop.</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> given, CancellationToken stop)
    {
        WebApplicationBuilder builder = Surroundings.Builder(SettingsOf(given));
        Settings settings = Surroundings.SettingsWithKey(builder);
        if (settings.DataPlatform.Unused is { Count: > 0 } unused)
        {
            Console.Error.WriteLine(
                $"{string.Join(" and ", unused)}: not used, because events go to {settings.DataPlatform.Name}. "
                + "If they should go elsewhere, set Jumun__DataPlatform__Sink; otherwise take it out.");
        }

        await using ShopHost host = await ShopHost.StartAsync(builder, settings).ConfigureAwait(false);
        if (settings.IsDevelopment)
        {
            bool seeded = await DemoCatalogue.FillAsync(host.Shop).ConfigureAwait(false);
            Welcome(host.Urls.First(), settings, seeded);
        }
        else
        {
            Console.WriteLine($"Jumun serves {settings.Store.Name} ({settings.Store.Software}) at {string.Join(", ", host.Urls)}");
        }

        await host.WaitForShutdownAsync(stop).ConfigureAwait(false);
        return 0;
    }

    /// <summary>What was given, when all of it are settings as ASP.NET Core reads them: <c>--name=value</c> or <c>--name value</c>.</summary>
    /// <exception cref="SetupException">Some of it is something else, a mistyped verb perhaps.</exception>
    private static string[] SettingsOf(IReadOnlyList<string> given)
    {
        for (int i = 0; i < given.Count; i++)
        {
            bool isName = given[i].StartsWith("--", StringComparison.Ordinal);
            bool hasValue = given[i].Contains('=', StringComparison.Ordinal);
            if (!isName || (!hasValue && i + 1 == given.Count))
            {
                throw new SetupException(
                    $"'{given[i]}' is neither a verb nor a setting such as --urls=http://localhost:8080. --help lists the verbs.");
            }

            i += hasValue ? 0 : 1;
        }

        return [.. given];
    }

    /// <summary>What a newcomer needs: the pages, the operator's token, and lines to paste.</summary>
    private static void Welcome(string url, Settings settings, bool seeded)
    {
        string address = url.Replace("[::]", "localhost", StringComparison.Ordinal).Replace("0.0.0.0", "localhost", StringComparison.Ordinal);
        string token = settings.Auth.SigningKey is null
            ? "<a token of your issuer>"
            : TokenVerb.Issue(settings.Auth, "alice", isAdministrator: false, hours: 24, TimeProvider.System);
        string operatorToken = settings.Auth.SigningKey is null
            ? "<an administrator's token of your issuer>"
            : TokenVerb.Issue(settings.Auth, "operator", isAdministrator: true, hours: 24, TimeProvider.System);
        const string bearer = "-H \"Authorization: Bearer $TOKEN\"";
        string last = settings.DataPlatform.Sink == SinkKind.File ? $"\n  tail -n 1 {settings.DataPlatform.Path}" : "";
        const string json = "-H \"Content-Type: application/json\"";
        Console.WriteLine($$"""

            Jumun serves {{settings.Store.Name}} ({{settings.Store.Software}}){{(seeded ? ", with a demo catalogue" : "")}}
              shop     {{address}}/shop   (take the coupon that opens a minute after the first start)
              console  {{address}}/console   (sign in with the operator's token)
              try it   {{address}}/docs   (Authorize with alice's token)
              API      {{address}}
              events   {{settings.DataPlatform.Name}}

            The operator's token, for the console:
              {{operatorToken}}

            Paste these into another terminal, as alice: charge, take a coupon, order with it, pay. Once: a member gets a coupon once.

              TOKEN={{token}}
              curl -s {{address}}/members/alice/points/charge {{bearer}} {{json}} -d '{"amount":300000}'; echo
              curl -s {{address}}/products {{bearer}}; echo
              curl -s -X POST {{address}}/coupons/1 {{bearer}}; echo
              ORDER=$(curl -s {{address}}/order/alice {{bearer}} {{json}} -d '{"items":[{"productId":1,"quantity":2}],"couponId":1}'); echo "$ORDER"
              PAYMENT=$(echo "$ORDER" | sed -n 's/.*"paymentId":"\([^"]*\)".*/\1/p')
              if [ -n "$PAYMENT" ]; then curl -s -X POST {{address}}/payment/$PAYMENT {{bearer}}; echo
              else echo "Nothing to pay: the order was refused, and says why above."; fi
              curl -s {{address}}/products/top; echo{{last}}

            Press Ctrl+C to stop.

            """);
    }
}
