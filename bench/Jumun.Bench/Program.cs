using Jumun.Bench;

return args switch
{
    ["ceiling", string url, string key] => await Ceiling.RunAsync(url, key),
    ["textbook", string url, string key, string database] => await Textbook.RunAsync(url, key, database),
    ["prepare", string database, string members, string key, string tokens] => await Prepare.RunAsync(database, int.Parse(members), key, tokens),
    ["growth", string database, string log] => await Growth.RunAsync(database, log, 1_000_000),
    ["growth", string database, string log, string orders] => await Growth.RunAsync(database, log, int.Parse(orders)),
    ["overload", string url, string tokens, string connections, string seconds] =>
        await Overload.RunAsync(url, tokens, int.Parse(connections), int.Parse(seconds)),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        ceiling URL KEY                          serve the ceiling: the same web server, a token check, a small JSON answer
        textbook URL KEY DATABASE                serve the shop as the textbook writes it, on PostgreSQL
        prepare DATABASE MEMBERS KEY TOKENS      make a shop with that many members, and a file of tokens for some of them
        overload URL TOKENS CONNECTIONS SECONDS  offer more charges than can be settled, when they are due and not when others are answered
        growth DATABASE LOGFILE [ORDERS]         show that plans made on empty tables stay fast up to that many orders
        """);
    return 2;
}
