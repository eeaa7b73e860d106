-- Of the last id-conflict that is kept of an id: how many more there were, and when the last of them came.
ALTER TABLE rejected ADD COLUMN more INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rejected ADD COLUMN more_at INTEGER;
CREATE INDEX rejected_conflicts ON rejected (id) WHERE reason = 'id-conflict' AND amqp IS NOT NULL;
