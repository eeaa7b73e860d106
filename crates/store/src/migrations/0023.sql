-- Who works a quota domain. owner: a number that is drawn at each start of a process; epoch: grows with every new owner and
-- never goes back, so that what an earlier one still writes is known. A row stays when it is over.
CREATE TABLE leases (
    domain TEXT PRIMARY KEY,
    owner INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Who publishes a row, and until when nobody else does. NULL where one process alone works the ledger.
ALTER TABLE outbox ADD COLUMN owner INTEGER;
ALTER TABLE outbox ADD COLUMN claimed_until INTEGER;
-- What holds calls back is replaced domain by domain.
ALTER TABLE restraints ADD COLUMN domain TEXT NOT NULL DEFAULT 'all';
