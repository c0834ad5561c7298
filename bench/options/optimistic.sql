\set member random(1, 1000000000)
SELECT issued FROM coupon WHERE id = 1 \gset
WITH won AS (UPDATE coupon SET issued = :issued + 1 WHERE id = 1 AND issued = :issued RETURNING issued)
INSERT INTO claims SELECT 'u' || :member, 1, issued FROM won;
