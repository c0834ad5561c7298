-- The whole shop in one file. Times are Unix milliseconds in UTC, money is whole won, UUIDs are 16 bytes in network order.
-- Enumerations are the numbers of the enumerations in src/Jumun. What must never happen is a constraint here as well as
-- a decision there: a violation is a bug, and rolls its batch back. The constraints use no IN lists: SQLite would build a
-- small table for each, at every write.

CREATE TABLE products (
  product_id INTEGER PRIMARY KEY CHECK (product_id > 0),
  name       TEXT    NOT NULL,
  price      INTEGER NOT NULL CHECK (price >= 0),
  stock      INTEGER NOT NULL CHECK (stock >= 0),              -- pieces that can still be ordered
  on_sale    INTEGER NOT NULL CHECK (on_sale BETWEEN 0 AND 1)
) STRICT;

-- Pieces that came in or were taken out by an administrator: their sum is what was received.
CREATE TABLE stock_changes (
  position   INTEGER PRIMARY KEY,
  product_id INTEGER NOT NULL REFERENCES products (product_id),
  change     INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE coupons (
  coupon_id            INTEGER PRIMARY KEY CHECK (coupon_id > 0),
  name                 TEXT    NOT NULL,
  discount_kind        INTEGER NOT NULL CHECK (discount_kind BETWEEN 0 AND 1),   -- amount, percent
  discount_value       INTEGER NOT NULL CHECK (discount_value > 0),
  discount_maximum     INTEGER,
  minimum_order_amount INTEGER NOT NULL CHECK (minimum_order_amount >= 0),
  quantity             INTEGER NOT NULL,
  issued               INTEGER NOT NULL CHECK (issued BETWEEN 0 AND quantity),
  issue_from           INTEGER NOT NULL,
  issue_until          INTEGER NOT NULL CHECK (issue_from < issue_until),
  usable_until         INTEGER NOT NULL CHECK (issue_until <= usable_until)
) STRICT;

CREATE TABLE issued_coupons (
  member_id TEXT    NOT NULL,
  coupon_id INTEGER NOT NULL REFERENCES coupons (coupon_id),
  number    INTEGER NOT NULL CHECK (number > 0),                           -- place in the line
  status    INTEGER NOT NULL CHECK (status BETWEEN 0 AND 2),                  -- available, held, used
  order_id  BLOB    CHECK ((order_id IS NULL) = (status = 0)),
  issued_at INTEGER NOT NULL,
  PRIMARY KEY (member_id, coupon_id)                                       -- one a member
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX issued_coupons_in_line ON issued_coupons (coupon_id, number);

-- A member's wallet is the last entry of its ledger: one row to write, on one page, whatever moves.
CREATE TABLE ledger (
  member_id  TEXT    NOT NULL,
  entry      INTEGER NOT NULL CHECK (entry > 0),                           -- 1, 2, 3 … per member
  kind       INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),                -- charge, payment, refund
  amount     INTEGER NOT NULL,
  balance    INTEGER NOT NULL CHECK (balance BETWEEN 0 AND 9007199254740991),  -- after this entry
  events     INTEGER NOT NULL CHECK (events >= 0),                         -- number of the member's last event
  order_id   BLOB    CHECK ((order_id IS NULL) = (kind = 0)),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (member_id, entry),
  CHECK (CASE kind WHEN 0 THEN amount > 0 WHEN 1 THEN amount <= 0 ELSE amount >= 0 END)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ledger_once_an_order ON ledger (order_id, kind) WHERE order_id IS NOT NULL;

-- An order, its lines and its payment in one row: lines never change, and order and payment change together.
CREATE TABLE orders (
  position   INTEGER PRIMARY KEY,
  member_id  TEXT    NOT NULL,
  order_id   BLOB    NOT NULL CHECK (length(order_id) = 16),
  status     INTEGER NOT NULL CHECK (status BETWEEN 0 AND 4),              -- pending_payment, completed, expired, cancelled, refunded
  lines      TEXT    NOT NULL,                                             -- JSON: [{productId, name, price, quantity}]
  subtotal   INTEGER NOT NULL CHECK (subtotal >= 0),
  discount   INTEGER NOT NULL CHECK (discount BETWEEN 0 AND subtotal),
  coupon_id  INTEGER,
  created_at INTEGER NOT NULL,
  pay_before INTEGER NOT NULL,
  paid_at    INTEGER CHECK ((paid_at IS NOT NULL) = (status = 1 OR status = 4)),
  ended_at   INTEGER CHECK ((ended_at IS NOT NULL) = (status >= 2))
) STRICT;
CREATE UNIQUE INDEX orders_of_member ON orders (member_id, order_id);
CREATE INDEX orders_pending ON orders (pay_before) WHERE status = 0;
CREATE INDEX orders_ended ON orders (status) WHERE status >= 2;

CREATE TABLE cart_lines (
  member_id  TEXT    NOT NULL,
  product_id INTEGER NOT NULL REFERENCES products (product_id),
  quantity   INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (member_id, product_id)
) STRICT, WITHOUT ROWID;

-- Sold by product and hour (hours since 1970, UTC), refunds subtracted in the hour of their sale.
CREATE TABLE sales (
  hour       INTEGER NOT NULL,
  product_id INTEGER NOT NULL,
  quantity   INTEGER NOT NULL CHECK (quantity >= 0),
  amount     INTEGER NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (hour, product_id)
) STRICT, WITHOUT ROWID;

-- Events for the data platform. A row never changes once it is stored; what is still to be delivered stands in the queue,
-- so that a delivery deletes a small row instead of rewriting a large one.
CREATE TABLE outbox (
  position   INTEGER PRIMARY KEY,
  event_id   BLOB    NOT NULL CHECK (length(event_id) = 16),
  member_id  TEXT    NOT NULL,
  sequence   INTEGER NOT NULL CHECK (sequence > 0),
  type       INTEGER NOT NULL CHECK (type BETWEEN 0 AND 1),                      -- completed, refunded
  order_id   BLOB    NOT NULL,
  body       BLOB    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_once_an_event ON outbox (event_id);

CREATE TABLE outbox_queue (
  position INTEGER PRIMARY KEY,                                            -- of the outbox
  state    INTEGER NOT NULL CHECK (state = 0 OR state = 2)                        -- pending, dead; delivered events are not here
) STRICT;

-- Answers to requests that came with an idempotency key.
CREATE TABLE idempotency_keys (
  position    INTEGER PRIMARY KEY,
  subject     TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  fingerprint BLOB    NOT NULL,
  status      INTEGER NOT NULL,
  location    TEXT,
  body        BLOB    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX idempotency_keys_of_subject ON idempotency_keys (subject, key);

-- The last batch that committed: how a commit whose outcome was not told is looked up.
CREATE TABLE last_batch (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  batch_id BLOB    NOT NULL
) STRICT;
INSERT INTO last_batch (only_row, batch_id) VALUES (1, zeroblob(16));
