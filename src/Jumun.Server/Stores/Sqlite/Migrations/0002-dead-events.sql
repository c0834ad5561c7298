-- Events that were given up stand apart from the queue, so that whoever looks for what is to be delivered never passes them.
CREATE TABLE outbox_dead (
  position INTEGER PRIMARY KEY                                             -- of the outbox
) STRICT;
INSERT INTO outbox_dead (position) SELECT position FROM outbox_queue WHERE state = 2;
DELETE FROM outbox_queue WHERE state = 2;

-- When the delivery of an event first failed by itself. Most never fail.
ALTER TABLE outbox_queue ADD COLUMN failed_at INTEGER;
