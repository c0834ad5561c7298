using System.Text.Json;
using System.Text.Json.Serialization;
using Jumun.Server;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Jumun.Bench;

/// <summary>
/// The same shop as the textbook writes it: one transaction a request on a pooled connection, <c>SELECT … FOR UPDATE</c>
/// on what it will change, then the writes and the commit. The same tables, token check and durability as Jumun, prepared
/// statements, and the writes of a request sent in one round trip: three round trips a request, no fewer rows, no fewer
/// guarantees but idempotency keys.
/// </summary>
internal sealed class Textbook(NpgsqlDataSource database)
{
    private static readonly TimeSpan PaymentWindow = TimeSpan.FromMinutes(10);

    public static async Task<int> RunAsync(string url, string key, string connectionString)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = 64, MaxAutoPrepare = 50, AutoPrepareMinUsages = 2 };
        await using NpgsqlDataSource database = NpgsqlDataSource.Create(parts);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls(url).ConfigureKestrel(options => options.AddServerHeader = false);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.ConfigureHttpJsonOptions(options => options.SerializerOptions.TypeInfoResolverChain.Insert(0, TextbookJson.Default));
        WebApplication app = builder.Build();

        var auth = new Auth(new AuthSettings(key, null, "jumun", "jumun"), TimeProvider.System, NullLogger<Auth>.Instance);
        app.Use(async (http, next) =>
        {
            if (await auth.AuthenticateAsync(http.Request.Headers.Authorization) is { } caller)
            {
                http.Items["member"] = caller.MemberId;
                await next(http);
            }
            else
            {
                http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            }
        });

        var shop = new Textbook(database);
        app.MapPost("/order/{userId}", (string userId, PlaceRequest request) => shop.PlaceAsync(userId, request));
        app.MapPost("/payment/{paymentId:guid}", (HttpContext http, Guid paymentId) => shop.PayAsync((string)http.Items["member"]!, paymentId));
        app.MapPost("/members/{memberId}/points/charge", (string memberId, ChargeRequest request) => shop.ChargeAsync(memberId, request.Amount));
        app.MapPost("/coupons/{couponId:long}", (HttpContext http, long couponId) => shop.ClaimAsync((string)http.Items["member"]!, couponId));
        await app.RunAsync();
        return 0;
    }

    private async Task<IResult> PlaceAsync(string memberId, PlaceRequest request)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await using NpgsqlConnection connection = await database.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();

        var products = new Dictionary<long, (string Name, long Price, long Stock)>();
        await using (var select = new NpgsqlCommand(
            "SELECT product_id, name, price, stock FROM products WHERE product_id = ANY($1) AND on_sale ORDER BY product_id FOR UPDATE", connection)
        {
            Parameters = { new() { Value = request.Items.Select(item => item.ProductId).ToArray() } },
        })
        await using (NpgsqlDataReader row = await select.ExecuteReaderAsync())
        {
            while (await row.ReadAsync())
            {
                products.Add(row.GetInt64(0), (row.GetString(1), row.GetInt64(2), row.GetInt64(3)));
            }
        }

        if (request.Items.Any(item => !products.TryGetValue(item.ProductId, out var product) || product.Stock < item.Quantity))
        {
            return Results.Conflict();
        }

        Guid orderId = Ids.ToOrderId(Guid.CreateVersion7(now));
        Line[] lines =
            [.. request.Items.Select(item => new Line(item.ProductId, products[item.ProductId].Name, products[item.ProductId].Price, item.Quantity))];
        long total = lines.Sum(line => line.Price * line.Quantity);
        await using var writes = new NpgsqlBatch(connection, transaction);
        foreach (Line line in lines)
        {
            writes.BatchCommands.Add(Write("UPDATE products SET stock = stock - $2 WHERE product_id = $1", line.ProductId, line.Quantity));
        }

        writes.BatchCommands.Add(Write(
            """
            INSERT INTO orders (member_id, order_id, status, lines, subtotal, discount, created_at, pay_before)
            VALUES ($1, $2, 0::smallint, $3, $4, 0, $5, $6)
            """,
            memberId, orderId, JsonSerializer.Serialize(lines, TextbookJson.Default.LineArray), total, Ms(now), Ms(now + PaymentWindow)));
        writes.BatchCommands.Add(Write(
            "DELETE FROM cart_lines WHERE member_id = $1 AND product_id = ANY($2)", memberId, products.Keys.ToArray()));
        await writes.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        return Results.Json(
            new OrderAnswer(orderId, memberId, Ids.PaymentOf(orderId), "pending_payment", lines, total, now), TextbookJson.Default.OrderAnswer,
            statusCode: 201);
    }

    private async Task<IResult> PayAsync(string memberId, Guid paymentId)
    {
        if (!Ids.TryOrderOfPayment(paymentId, out Guid orderId))
        {
            return Results.NotFound();
        }

        DateTimeOffset now = DateTimeOffset.UtcNow;
        await using NpgsqlConnection connection = await database.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        await using var select = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Write("SELECT status, lines, subtotal FROM orders WHERE member_id = $1 AND order_id = $2 FOR UPDATE", memberId, orderId),
                Write("SELECT balance, entries, events FROM wallets WHERE member_id = $1 FOR UPDATE", memberId),
            },
        };
        Line[] lines;
        long total, balance, entries, events;
        await using (NpgsqlDataReader row = await select.ExecuteReaderAsync())
        {
            if (!await row.ReadAsync() || row.GetInt16(0) != 0)
            {
                return Results.Conflict();
            }

            (lines, total) = (JsonSerializer.Deserialize(row.GetString(1), TextbookJson.Default.LineArray)!, row.GetInt64(2));
            await row.NextResultAsync();
            if (!await row.ReadAsync() || row.GetInt64(0) < total)
            {
                return Results.Conflict();
            }

            (balance, entries, events) = (row.GetInt64(0) - total, row.GetInt64(1) + 1, row.GetInt64(2) + 1);
        }

        Guid eventId = Ids.CompletedEventOf(orderId);
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(
            new OrderAnswer(orderId, memberId, paymentId, "completed", lines, total, now), TextbookJson.Default.OrderAnswer);
        await using var writes = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Write("UPDATE wallets SET balance = $2, entries = $3, events = $4 WHERE member_id = $1", memberId, balance, entries, events),
                Write(
                    "INSERT INTO ledger (member_id, entry, kind, amount, balance, order_id, created_at) VALUES ($1, $2, 1::smallint, $3, $4, $5, $6)",
                    memberId, entries, -total, balance, orderId, Ms(now)),
                Write("UPDATE orders SET status = 1, paid_at = $3 WHERE member_id = $1 AND order_id = $2", memberId, orderId, Ms(now)),
                Write(
                    """
                    INSERT INTO outbox (member_id, event_id, order_id, sequence, type, body, created_at)
                    VALUES ($1, $2, $3, $4, 0::smallint, $5, $6)
                    """,
                    memberId, eventId, orderId, events, body, Ms(now)),
                Write(
                    "INSERT INTO outbox_queue (member_id, event_id, sequence, created_at, partition, state) VALUES ($1, $2, $3, $4, 0::smallint, 0::smallint)",
                    memberId, eventId, events, Ms(now)),
            },
        };
        foreach (Line line in lines)
        {
            // Slots, so that payments do not queue for one counter: kinder than the textbook.
            writes.BatchCommands.Add(Write(
                """
                INSERT INTO sales (hour, product_id, slot, quantity, amount) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (product_id, hour, slot) DO UPDATE SET quantity = sales.quantity + excluded.quantity, amount = sales.amount + excluded.amount
                """,
                Ms(now) / 3_600_000, line.ProductId, (short)Random.Shared.Next(16), line.Quantity, line.Price * line.Quantity));
        }

        await writes.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        return Results.Json(new PaymentAnswer(paymentId, orderId, "completed", total, balance, now), TextbookJson.Default.PaymentAnswer);
    }

    private async Task<IResult> ChargeAsync(string memberId, long amount)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await using NpgsqlConnection connection = await database.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        long balance, entries;
        await using (var upsert = new NpgsqlCommand(
            """
            INSERT INTO wallets (member_id, balance, entries, events) VALUES ($1, $2, 1, 0)
            ON CONFLICT (member_id) DO UPDATE SET balance = wallets.balance + $2, entries = wallets.entries + 1
            RETURNING balance, entries
            """, connection)
        {
            Parameters = { new() { Value = memberId }, new() { Value = amount } },
        })
        await using (NpgsqlDataReader row = await upsert.ExecuteReaderAsync())
        {
            await row.ReadAsync();
            (balance, entries) = (row.GetInt64(0), row.GetInt64(1));
        }

        await using var writes = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Write(
                    "INSERT INTO ledger (member_id, entry, kind, amount, balance, created_at) VALUES ($1, $2, 0::smallint, $3, $4, $5)",
                    memberId, entries, amount, balance, Ms(now)),
            },
        };
        await writes.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        return Results.Json(new PointsAnswer(memberId, balance), TextbookJson.Default.PointsAnswer);
    }

    private async Task<IResult> ClaimAsync(string memberId, long couponId)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await using NpgsqlConnection connection = await database.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        await using var select = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Write("SELECT quantity, issued, issue_from, issue_until FROM coupons WHERE coupon_id = $1 FOR UPDATE", couponId),
                Write("SELECT 1 FROM issued_coupons WHERE member_id = $1 AND coupon_id = $2", memberId, couponId),
            },
        };
        long number;
        await using (NpgsqlDataReader row = await select.ExecuteReaderAsync())
        {
            if (!await row.ReadAsync() || row.GetInt64(1) >= row.GetInt64(0) || Ms(now) < row.GetInt64(2) || Ms(now) >= row.GetInt64(3))
            {
                return Results.Conflict();
            }

            number = row.GetInt64(1) + 1;
            await row.NextResultAsync();
            if (await row.ReadAsync())
            {
                return Results.Conflict();
            }
        }

        await using var writes = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Write("UPDATE coupons SET issued = $2 WHERE coupon_id = $1", couponId, number),
                Write(
                    "INSERT INTO issued_coupons (member_id, coupon_id, number, status, issued_at) VALUES ($1, $2, $3, 0::smallint, $4)",
                    memberId, couponId, number, Ms(now)),
            },
        };
        await writes.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        return Results.Json(new ClaimAnswer(couponId, memberId, number, now), TextbookJson.Default.ClaimAnswer, statusCode: 201);
    }

    private static long Ms(DateTimeOffset time) => time.ToUnixTimeMilliseconds();

    private static NpgsqlBatchCommand Write(string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (object value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }
}

internal sealed record PlaceRequest(IReadOnlyList<PlaceItem> Items);

internal sealed record PlaceItem(long ProductId, long Quantity);

internal sealed record ChargeRequest(long Amount);

internal sealed record Line(long ProductId, string Name, long Price, long Quantity);

internal sealed record OrderAnswer(Guid OrderId, string MemberId, Guid PaymentId, string Status, Line[] Items, long Total, DateTimeOffset CreatedAt);

internal sealed record PaymentAnswer(Guid PaymentId, Guid OrderId, string Status, long Amount, long Balance, DateTimeOffset PaidAt);

internal sealed record PointsAnswer(string MemberId, long Balance);

internal sealed record ClaimAnswer(long CouponId, string MemberId, long Number, DateTimeOffset IssuedAt);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PlaceRequest))]
[JsonSerializable(typeof(ChargeRequest))]
[JsonSerializable(typeof(Line[]))]
[JsonSerializable(typeof(OrderAnswer))]
[JsonSerializable(typeof(PaymentAnswer))]
[JsonSerializable(typeof(PointsAnswer))]
[JsonSerializable(typeof(ClaimAnswer))]
internal sealed partial class TextbookJson : JsonSerializerContext;
