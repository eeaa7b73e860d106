-- What holds calls back beyond the quotas, in the order of the worker's list; replaced as a whole.
-- scope: 'app', 'lane', or 'key:' and what the quota key is counted by; owner: the key's owner, or the lane's tenant.
-- level: refusals in a row, calls a second, calls at once, or calls in a window; top: what it was or is without.
CREATE TABLE restraints (
    n INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    app TEXT NOT NULL,
    scope TEXT NOT NULL,
    owner TEXT NOT NULL,
    method TEXT NOT NULL,
    level REAL NOT NULL,
    top REAL NOT NULL,
    span_us INTEGER NOT NULL,
    patience INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    http_status INTEGER,
    code INTEGER,
    detail TEXT NOT NULL,
    cure TEXT,
    log_id TEXT
) STRICT;
