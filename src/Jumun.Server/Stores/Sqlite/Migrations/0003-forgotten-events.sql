-- Events that were committed before this moment may be gone, if they were delivered: it commits with each deletion, and the
-- audit asks for all events since.
CREATE TABLE forgotten_events (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  before   INTEGER NOT NULL
) STRICT;
INSERT INTO forgotten_events (only_row, before) VALUES (1, 0);
