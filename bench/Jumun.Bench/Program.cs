using System.Globalization;
using Jumun.Bench;

return args switch
{
    ["ceiling", string url, string key] => await Ceiling.RunAsync(url, key),
    ["textbook", string url, string key, string database] => await Textbook.RunAsync(url, key, database),
    ["prepare", string database, string members, string key, string tokens] => await Prepare.RunAsync(database, int.Parse(members), key, tokens),
    ["slices", string database, string size, string rounds, string lanes] =>
        await Slices.RunAsync(database, int.Parse(size), int.Parse(rounds), lanes),
    ["measured", string countersUrl] => await ServeMeasured.RunAsync(countersUrl),
    ["report", string results, string page] => await Report.RunAsync(results, page),
    ["growth", string database, string log] => await Growth.RunAsync(database, log, 1_000_000),
    ["growth", string database, string log, string orders] => await Growth.RunAsync(database, log, int.Parse(orders)),
    ["receiver", string url, string milliseconds] => await Receiver.RunAsync(url, milliseconds, null),
    ["receiver", string url, string milliseconds, string eventsUrl] => await Receiver.RunAsync(url, milliseconds, eventsUrl),
    ["buy", string url, string tokens, string rate, string seconds] => await PacedBuyers.RunAsync(url, tokens, int.Parse(rate), int.Parse(seconds), null),
    ["buy", string url, string tokens, string rate, string seconds, string platform] =>
        await PacedBuyers.RunAsync(url, tokens, int.Parse(rate), int.Parse(seconds), platform),
    ["overload", string url, string tokens, string connections, string seconds, string warm, .. string[] loads] =>
        await Overload.RunAsync(
            url, tokens, int.Parse(connections), int.Parse(seconds), int.Parse(warm),
            [.. loads.Select(load => double.Parse(load, CultureInfo.InvariantCulture))]),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        ceiling URL KEY                          serve the ceiling: the same web server, a token check, a small JSON answer
        textbook URL KEY DATABASE                serve the shop as the textbook writes it, on PostgreSQL
        prepare DATABASE MEMBERS KEY TOKENS      make a shop with that many members, and a file of tokens for some of them
        measured URL                             serve the shop as 'serve' does, and its counters at the address given
        report RESULTS PAGE                      print the tables of a run, and write its page with charts
        receiver URL MILLISECONDS [EVENTS_URL]   take events as a data platform does that answers so late, and fails when it is told to
        buy URL TOKENS RATE SECONDS [PLATFORM]   buy so many times a second, however long it takes, and ask the data platform for events
        overload URL TOKENS CONNECTIONS SECONDS WARM LOAD…
                                                 offer charges when they are due, at so many times the highest rate
        slices DATABASE SIZE ROUNDS LANES        time batches of that many purchases, by lanes of nodes or of the coordinator
        growth DATABASE LOGFILE [ORDERS]         show that plans made on empty tables stay fast up to that many orders
        """);
    return 2;
}
