-- The whole shop in PostgreSQL. Times are Unix milliseconds in UTC, money is whole won, enumerations are the numbers of the
-- enumerations in src/Jumun. Ids and times come from the program: no sequences, triggers or volatile defaults. What must never
-- happen is a constraint here as well as a decision there: a violation is a bug, and rolls its batch back.
--
-- Tables belong to one of three groups: what a member owns (member_id comes first, as does subject in idempotency_keys), products
-- and coupons. Each unique index contains its group's column and foreign keys stay inside a group, so that a database which is
-- divided by these columns can hold the same schema. Rows that are updated in place leave room on their page.

CREATE TABLE products (
  product_id bigint  PRIMARY KEY CHECK (product_id > 0),
  price      bigint  NOT NULL CHECK (price >= 0),
  stock      bigint  NOT NULL CHECK (stock >= 0),              -- pieces that can still be ordered
  on_sale    boolean NOT NULL,
  name       text    NOT NULL
) WITH (fillfactor = 70);

-- Pieces that came in or were taken out by an administrator: their sum is what was received.
CREATE TABLE stock_changes (
  product_id bigint   NOT NULL REFERENCES products (product_id),
  batch_id   uuid     NOT NULL,
  line       smallint NOT NULL,                                            -- place in the batch
  change     bigint   NOT NULL,
  created_at bigint   NOT NULL,
  reason     text     NOT NULL,
  PRIMARY KEY (product_id, batch_id, line)
);

-- Sold by product and hour (hours since 1970, UTC), refunds subtracted in the hour of their sale. Processes count in slots of
-- their own, so that they do not queue for one row; only the sum over the slots is never negative, which the audit shows.
CREATE TABLE sales (
  product_id bigint   NOT NULL,
  hour       bigint   NOT NULL,
  slot       smallint NOT NULL,
  quantity   bigint   NOT NULL,
  amount     bigint   NOT NULL,
  PRIMARY KEY (product_id, hour, slot)
) WITH (fillfactor = 70);
CREATE INDEX sales_by_hour ON sales (hour);

CREATE TABLE coupons (
  coupon_id            bigint   PRIMARY KEY CHECK (coupon_id > 0),
  discount_value       bigint   NOT NULL CHECK (discount_value > 0),
  discount_maximum     bigint,
  minimum_order_amount bigint   NOT NULL CHECK (minimum_order_amount >= 0),
  quantity             bigint   NOT NULL,
  issued               bigint   NOT NULL CHECK (issued BETWEEN 0 AND quantity),
  issue_from           bigint   NOT NULL,
  issue_until          bigint   NOT NULL CHECK (issue_from < issue_until),
  usable_until         bigint   NOT NULL CHECK (issue_until <= usable_until),
  discount_kind        smallint NOT NULL CHECK (discount_kind BETWEEN 0 AND 1),   -- amount, percent
  name                 text     NOT NULL
) WITH (fillfactor = 70);

-- The coupon's lock is held when one is issued: numbers have no gaps. That no number comes twice is for the audit to show,
-- because a unique index would have to contain the member.
CREATE TABLE issued_coupons (
  member_id text     COLLATE "C" NOT NULL,
  coupon_id bigint   NOT NULL,
  number    bigint   NOT NULL CHECK (number > 0),                          -- place in the line
  issued_at bigint   NOT NULL,
  order_id  uuid     CHECK ((order_id IS NULL) = (status = 0)),
  status    smallint NOT NULL CHECK (status BETWEEN 0 AND 2),              -- available, held, used
  PRIMARY KEY (member_id, coupon_id)                                       -- one a member
);
CREATE INDEX issued_coupons_of_order ON issued_coupons (member_id, order_id) WHERE order_id IS NOT NULL;

CREATE TABLE wallets (
  member_id text   COLLATE "C" PRIMARY KEY,
  balance   bigint NOT NULL CHECK (balance BETWEEN 0 AND 9007199254740991),
  entries   bigint NOT NULL CHECK (entries >= 0),                          -- number of the last ledger entry
  events    bigint NOT NULL CHECK (events >= 0)                            -- number of the last event
) WITH (fillfactor = 90);

CREATE TABLE ledger (
  member_id  text     COLLATE "C" NOT NULL,
  entry      bigint   NOT NULL CHECK (entry > 0),                          -- 1, 2, 3 … per member
  amount     bigint   NOT NULL,
  balance    bigint   NOT NULL CHECK (balance BETWEEN 0 AND 9007199254740991),  -- after this entry
  created_at bigint   NOT NULL,
  order_id   uuid     CHECK ((order_id IS NULL) = (kind = 0)),
  kind       smallint NOT NULL CHECK (kind BETWEEN 0 AND 2),               -- charge, payment, refund
  PRIMARY KEY (member_id, entry),
  CHECK (CASE kind WHEN 0 THEN amount > 0 WHEN 1 THEN amount <= 0 ELSE amount >= 0 END)
);
CREATE UNIQUE INDEX ledger_once_an_order ON ledger (member_id, order_id, kind) WHERE order_id IS NOT NULL;

-- An order, its lines and its payment in one row: lines never change, and order and payment change together.
CREATE TABLE orders (
  member_id  text     COLLATE "C" NOT NULL,
  order_id   uuid     NOT NULL,
  created_at bigint   NOT NULL,
  pay_before bigint   NOT NULL,
  paid_at    bigint   CHECK ((paid_at IS NOT NULL) = (status = 1 OR status = 4)),
  ended_at   bigint   CHECK ((ended_at IS NOT NULL) = (status >= 2)),
  subtotal   bigint   NOT NULL CHECK (subtotal >= 0),
  discount   bigint   NOT NULL CHECK (discount BETWEEN 0 AND subtotal),
  coupon_id  bigint,
  status     smallint NOT NULL CHECK (status BETWEEN 0 AND 4),             -- pending_payment, completed, expired, cancelled, refunded
  lines      text     NOT NULL,                                            -- JSON: [{productId, name, price, quantity}]
  PRIMARY KEY (member_id, order_id)
);
-- Order ids grow with time: this is the list of all orders.
CREATE INDEX orders_by_id ON orders (order_id);
CREATE INDEX orders_pending ON orders (pay_before) WHERE status = 0;
CREATE INDEX orders_ended ON orders (status, order_id) WHERE status >= 2;

CREATE TABLE cart_lines (
  member_id  text   COLLATE "C" NOT NULL,
  product_id bigint NOT NULL,
  quantity   bigint NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (member_id, product_id)
);

-- Events for the data platform. A row never changes once it is stored; what is still to be delivered stands in the queue,
-- so that a delivery deletes a small row instead of rewriting a large one.
CREATE TABLE outbox (
  member_id  text     COLLATE "C" NOT NULL,
  event_id   uuid     NOT NULL,
  order_id   uuid     NOT NULL,
  sequence   bigint   NOT NULL CHECK (sequence > 0),                       -- 1, 2, 3 … per member
  created_at bigint   NOT NULL,
  type       smallint NOT NULL CHECK (type BETWEEN 0 AND 1),               -- completed, refunded
  body       bytea    NOT NULL,
  PRIMARY KEY (member_id, event_id)
);
CREATE INDEX outbox_by_time ON outbox (created_at);

CREATE TABLE outbox_queue (
  member_id  text     COLLATE "C" NOT NULL,
  sequence   bigint   NOT NULL,
  event_id   uuid     NOT NULL,
  created_at bigint   NOT NULL,
  partition  smallint NOT NULL CHECK (partition BETWEEN 0 AND 63),         -- a hash of the member, made by the program
  state      smallint NOT NULL CHECK (state = 0 OR state = 2),             -- pending, dead; delivered events are not here
  PRIMARY KEY (member_id, sequence)
);

-- Answers to requests that came with an idempotency key.
CREATE TABLE idempotency_keys (
  subject     text     COLLATE "C" NOT NULL,
  key         text     COLLATE "C" NOT NULL,
  created_at  bigint   NOT NULL,
  status      smallint NOT NULL,
  fingerprint bytea    NOT NULL,
  location    text,
  body        bytea    NOT NULL,
  PRIMARY KEY (subject, key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);

-- A row for each commit, and for each that was looked up and found missing: how a commit whose outcome was not told is settled.
CREATE TABLE batches (
  batch_id   uuid    PRIMARY KEY,
  created_at bigint  NOT NULL,
  committed  boolean NOT NULL                                              -- false: given up, and never to commit any more
);

-- Server processes that live, and the partitions of members that each works on. A lease ends by itself; its fence counts the
-- holders, so that logs can tell one's work from the next one's.
CREATE TABLE processes (
  process_id uuid   PRIMARY KEY,
  seen_at    bigint NOT NULL                                               -- by the database's clock
);

CREATE TABLE leases (
  partition smallint PRIMARY KEY CHECK (partition BETWEEN 0 AND 63),
  holder    uuid,
  fence     bigint   NOT NULL,
  until     bigint   NOT NULL                                              -- by the database's clock
);
INSERT INTO leases (partition, holder, fence, until) SELECT number, NULL, 0, 0 FROM generate_series(0, 63) number;
