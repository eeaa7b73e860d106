-- What jobs wait for: the other jobs by their ids, because one may come later than who waits for it. takes = 1: a value is
-- taken from its result, from `field`, or where that is NULL the key of its object; values are taken in the order of n.
CREATE TABLE prerequisites (
    job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    takes INTEGER NOT NULL,
    field TEXT,
    PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX prerequisites_by_id ON prerequisites (id, job);
-- waits_for: the job's own list `after`, as JSON. filled: the values that it took, likewise. absent_since: since when a
-- blocked job waits for one that is not there, or that had ended without success before.
ALTER TABLE jobs ADD COLUMN waits_for TEXT;
ALTER TABLE jobs ADD COLUMN filled TEXT;
ALTER TABLE jobs ADD COLUMN absent_since INTEGER;
CREATE INDEX jobs_blocked ON jobs (batch, lane, state) WHERE state = 6;
CREATE INDEX jobs_absent ON jobs (absent_since) WHERE state = 6 AND absent_since IS NOT NULL;
CREATE INDEX jobs_blocked_until ON jobs (not_after) WHERE state = 6 AND not_after IS NOT NULL;
