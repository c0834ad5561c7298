\set member random(1, 1000000000)
BEGIN;
SELECT issued + 1 AS number FROM coupon WHERE id = 1 FOR UPDATE \gset
INSERT INTO claims VALUES ('u' || :member, 1, :number) ON CONFLICT DO NOTHING;
UPDATE coupon SET issued = :number WHERE id = 1;
COMMIT;
