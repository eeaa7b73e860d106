-- Where a row has been published already, as bits (engine/ports/outbox.rs), so that only what is missing is published again.
-- From 16 on it is set aside for a subscriber that refuses it, and has a higher number the more often it was refused. One
-- index leads past such rows, however many they are, the other to those refused least.
ALTER TABLE outbox ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_open ON outbox (seq) WHERE reached < 16;
CREATE INDEX outbox_aside ON outbox (reached, seq) WHERE reached >= 16;
-- Whether the worker leaves the backlog in the broker, because there is too much to do already.
ALTER TABLE broker ADD COLUMN is_full INTEGER NOT NULL DEFAULT 0;
