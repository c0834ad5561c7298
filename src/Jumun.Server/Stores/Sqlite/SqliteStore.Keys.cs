using Jumun.Server.Execution;

namespace Jumun.Server.Stores.Sqlite;

/// <summary>Idempotency keys and the answers under them.</summary>
internal sealed partial class SqliteStore
{
    private const string NewestKeyText = "SELECT created_at FROM idempotency_keys ORDER BY position DESC LIMIT 1";

    private static void LoadKeys(SqliteConnection db, Batch batch)
    {
        if (batch.Keys.Count == 0)
        {
            return;
        }

        SqliteStatement row = db["SELECT fingerprint, status, location, body FROM idempotency_keys WHERE subject = ?1 AND key = ?2"];
        foreach (IdempotencyKey key in batch.Keys.Keys)
        {
            if (row.Bind(1, key.Subject).Bind(2, key.Key).Step())
            {
                batch.Found(key, new KeyedAnswer(
                    row.Bytes(0).ToArray(), new StoredAnswer((int)row.Int64(1), row.TextOrNull(2), row.Bytes(3).ToArray())));
                row.Reset();
            }
        }
    }

    private static void WriteKeys(SqliteConnection db, Batch batch)
    {
        foreach (IdempotencyKey key in batch.NewKeys)
        {
            KeyedAnswer answer = batch.Keys[key]!;
            db["""
                INSERT INTO idempotency_keys (subject, key, fingerprint, status, location, body, created_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                """]
                .Bind(1, key.Subject).Bind(2, key.Key).BindBlob(3, answer.Fingerprint).Bind(4, answer.Answer.Status)
                .Bind(5, answer.Answer.Location).BindBlob(6, answer.Answer.Body).Bind(7, batch.Rows.Now).Run();
        }

        if (batch.Rows.ForgetKeysBefore is { } moment)
        {
            // What a clock that was ahead stamped is no younger than what came after it; at the front it would keep the rest from being forgotten.
            db[$"""
                UPDATE idempotency_keys SET created_at = ({NewestKeyText}) WHERE position IN (SELECT position FROM
                  (SELECT position, created_at FROM idempotency_keys ORDER BY position LIMIT ?1) WHERE created_at > ({NewestKeyText}))
                """].Bind(1, Bounds.ForgottenKeys).Run();

            // The first ones, and of these the old ones: asked for the first old ones, it would read all others to find that there are no more.
            db["""
                DELETE FROM idempotency_keys WHERE position IN (SELECT position FROM
                  (SELECT position, created_at FROM idempotency_keys ORDER BY position LIMIT ?2) WHERE created_at < ?1)
                """].Bind(1, moment).Bind(2, Bounds.ForgottenKeys).Run();
        }
    }
}
