-- Events that were given up stand apart from the queue, so that whoever looks for what is to be delivered never passes them.
CREATE TABLE outbox_dead (
  member_id  text   COLLATE "C" NOT NULL,
  sequence   bigint NOT NULL,
  event_id   uuid   NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (member_id, sequence)
);
INSERT INTO outbox_dead (member_id, sequence, event_id, created_at) SELECT member_id, sequence, event_id, created_at FROM outbox_queue WHERE state = 2;
DELETE FROM outbox_queue WHERE state = 2;

-- When the delivery of an event first failed by itself. Most never fail.
ALTER TABLE outbox_queue ADD COLUMN failed_at bigint;
