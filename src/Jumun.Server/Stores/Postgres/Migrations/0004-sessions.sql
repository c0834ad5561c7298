-- The session over which a process renews its leases: when that has ended the process is dead, and the others need not wait. A process of
-- the version before writes none, and is waited for as before.
ALTER TABLE processes ADD COLUMN session integer;
