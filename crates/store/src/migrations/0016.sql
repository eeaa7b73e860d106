-- What people changed, and who: a row for each transaction of a change, written in it. What is older than the ledger
-- remembers (meta: activity_before) may go; nothing else does, and no row is ever another one.
CREATE TABLE activity (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    change INTEGER NOT NULL,
    at INTEGER NOT NULL,
    via TEXT NOT NULL,
    actor TEXT NOT NULL,
    uid INTEGER,
    action TEXT NOT NULL,
    count INTEGER NOT NULL,
    facts TEXT NOT NULL
) STRICT;
CREATE INDEX activity_of_change ON activity (change, seq);
CREATE INDEX activity_by_time ON activity (at);
CREATE TRIGGER activity_is_never_changed BEFORE UPDATE ON activity
BEGIN SELECT RAISE(ABORT, 'the activity can only be added to'); END;
-- A row that takes the place of another one fires no trigger for the other's end.
CREATE TRIGGER activity_is_never_replaced BEFORE INSERT ON activity
WHEN EXISTS (SELECT 1 FROM activity WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the activity can only be added to'); END;
CREATE TRIGGER activity_stays BEFORE DELETE ON activity
WHEN OLD.at >= coalesce((SELECT value FROM meta WHERE name = 'activity_before'), 0)
BEGIN SELECT RAISE(ABORT, 'the activity can only be added to'); END;
