-- By which quotas a domain was worked last: a worker with others does not take it while one with these is there.
ALTER TABLE leases ADD COLUMN quotas TEXT NOT NULL DEFAULT '';
-- The workers of a ledger that several work. seen_at: when one was heard of last, by the database's clock.
CREATE TABLE replicas (
    owner INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    quotas TEXT NOT NULL,
    egress TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
