using System.Globalization;
using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Api;
using Jumun.Server.Execution;
using Jumun.Server.Operators;
using Jumun.Server.Problems;
using Jumun.Server.Stores.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jumun.Tests.Operators;

/// <summary>What the console's forms show and read, and how often they settle what is asked for.</summary>
[Once]
public sealed class FormPageTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("jumun-forms-").FullName;
    private readonly TestClock clock = new();
    private SqliteStore store = null!;
    private Executor executor = null!;
    private long product;

    public async ValueTask InitializeAsync()
    {
        store = SqliteStore.Open(Path.Combine(folder, "jumun.db"));
        executor = new Executor(store, clock, NullLogger<Executor>.Instance);
        product = ((ProductView)(await executor.SubmitAsync(new CreateProduct("mug", 1_000, 0))).Answer!).ProductId;
    }

    public async ValueTask DisposeAsync()
    {
        store.Fault = null;
        await executor.DisposeAsync();
        await store.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("2026-11-22T10:00:00Z", "2026-11-22T10:00:00")]
    [InlineData("2026-11-22T10:00:00.5Z", "2026-11-22T10:00:00.5")]
    [InlineData("2026-11-22T10:00:00.007Z", "2026-11-22T10:00:00.007")]
    public void A_time_that_is_shown_is_the_same_when_it_is_read_again(string time, string shown)
    {
        // To the millisecond: a range of events goes on from its last one, and many may be of one second.
        var moment = DateTimeOffset.Parse(time, CultureInfo.InvariantCulture);
        Assert.Equal((shown, moment), Form.ShowAndRead(NewForm(), moment));
    }

    [Theory]
    [InlineData("12500", 12_500L)]
    [InlineData(" 12,500 ", 12_500L)]
    [InlineData("-1,000,000", -1_000_000L)]
    [InlineData("", null)]
    [InlineData("2,5", null)]
    [InlineData("12,50", null)]
    [InlineData("1,0000", null)]
    [InlineData("2.5", null)]
    public void A_number_is_read_as_it_is_shown_and_a_part_of_one_is_none(string typed, long? number) =>
        Assert.Equal(number, Form.Number(NewForm(), typed));

    [Fact]
    public async Task A_form_that_is_pressed_again_while_it_waits_settles_once()
    {
        using var held = new ManualResetEventSlim();
        using var open = new ManualResetEventSlim();
        store.Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.BeforeCommit && !open.IsSet)
            {
                held.Set();
                open.Wait(TimeSpan.FromSeconds(30));
            }
        };
        Form form = NewForm();
        Task first = form.RestockAsync(100);
        Assert.True(held.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        Task[] again = [form.RestockAsync(100), form.RestockAsync(100)];
        open.Set();
        await Task.WhenAll([first, .. again]);
        Assert.Equal(100, await StockAsync());

        // What is asked for after the answer is asked for anew.
        await form.RestockAsync(100);
        Assert.Equal(200, await StockAsync());
        Assert.Equal(["100", "200"], form.Told);
    }

    [Fact]
    public async Task A_form_whose_outcome_is_unknown_finds_its_effect_when_it_is_pressed_again()
    {
        int failures = 0;
        store.Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.AfterCommit || (point == SqliteStore.FaultPoint.Reopen && failures++ == 0))
            {
                throw new SqliteException(10, "disk I/O error");
            }
        };
        Form form = NewForm();
        await form.RestockAsync(100);
        Assert.Equal(RequestOutcome.Unknown, form.Why!.Outcome);
        store.Fault = null;
        await form.RestockAsync(100);
        Assert.Null(form.Why);
        Assert.Equal(["100"], form.Told);
        Assert.Equal(100, await StockAsync());
    }

    [Fact]
    public async Task A_form_that_was_refused_or_is_written_anew_asks_for_something_new()
    {
        Form form = NewForm();
        await form.RestockAsync(-1);
        Assert.Equal(RefusalCode.OutOfStock, form.Why!.Code);
        await NewForm().RestockAsync(5);
        await form.RestockAsync(-1);
        Assert.Equal(["4"], form.Told);

        store.Fault = point =>
        {
            if (point == SqliteStore.FaultPoint.Load)
            {
                throw new SqliteException(10, "disk I/O error");
            }
        };
        await form.RestockAsync(10);
        Assert.Equal(RequestOutcome.None, form.Why!.Outcome);
        store.Fault = null;
        await form.RestockAsync(20);
        Assert.Null(form.Why);
        Assert.Equal(24, await StockAsync());
    }

    private async Task<long> StockAsync() => (await store.ProductAsync(product))!.Stock;

    private Form NewForm() => new(new Shop(executor, store, new OrderIds(clock), clock, null!, null!), product);

    private sealed class Form : FormPage
    {
        private readonly long product;

        public Form(Shop shop, long product)
        {
            this.product = product;
            Shop = shop;
            Journal = NullLogger<ConsolePage>.Instance;
            Visit = new Visit("root", Language.English, () => false);
        }

        public List<string> Told { get; } = [];

        public Refusal? Why => Refused;

        public static (string Shown, DateTimeOffset? Read) ShowAndRead(Form form, DateTimeOffset time) =>
            (Input(time), form.MomentOrNull("at", Input(time)));

        public static long? Number(Form form, string typed) => form.WholeOrNull("number", typed);

        public Task RestockAsync(long change) => SendAsync<ProductView>(
            () => CatalogueCommands.Of(product, new ChangeStockRequest(change, "a delivery")),
            answer =>
            {
                Told.Add(answer.Stock.ToString(CultureInfo.InvariantCulture));
                return "";
            });
    }
}
