using Jumun.Bench;

return args switch
{
    ["ceiling", string url, string key] => await Ceiling.RunAsync(url, key),
    ["prepare", string database, string members, string key, string tokens] => await Prepare.RunAsync(database, int.Parse(members), key, tokens),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        ceiling URL KEY                          serve the ceiling: the same web server, a token check, a small JSON answer
        prepare DATABASE MEMBERS KEY TOKENS      make a shop with that many members, and a file of tokens for some of them
        """);
    return 2;
}
