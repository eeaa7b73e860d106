-- Instants are microseconds since 1970-01-01T00:00:00Z. Batch 0 stands for "no batch".
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE lanes (
    lane INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    tenant TEXT NOT NULL,
    method TEXT NOT NULL,
    UNIQUE (app, tenant, method)
) STRICT;

CREATE TABLE batches (
    batch INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    source TEXT,
    header TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- AUTOINCREMENT: a number that was used is never used again, also after a dead letter was dropped.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL REFERENCES lanes,
    batch INTEGER NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    not_before INTEGER,
    not_after INTEGER,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    outbox INTEGER,
    id TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL,
    identity TEXT,
    reply_to TEXT,
    key TEXT,
    reason TEXT,
    http_status INTEGER,
    code INTEGER,
    detail TEXT,
    cure TEXT,
    log_id TEXT,
    meta TEXT,
    amqp TEXT,
    place TEXT,
    params TEXT NOT NULL,
    cells TEXT,
    result TEXT,
    raw BLOB
) STRICT;
CREATE INDEX jobs_waiting ON jobs (seq) WHERE state <= 1;
CREATE INDEX jobs_parked ON jobs (seq) WHERE state IN (2, 3, 4);
CREATE INDEX jobs_of_batch ON jobs (batch);
CREATE INDEX jobs_by_key ON jobs (key) WHERE key IS NOT NULL;

CREATE TABLE attempts (
    seq INTEGER PRIMARY KEY,
    job INTEGER REFERENCES jobs ON DELETE SET NULL,
    lane INTEGER NOT NULL REFERENCES lanes,
    purpose INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    deadline_at INTEGER NOT NULL,
    ended_at INTEGER,
    replied INTEGER,
    outcome TEXT,
    http_status INTEGER,
    code INTEGER,
    detail TEXT,
    log_id TEXT
) STRICT;
CREATE INDEX attempts_open ON attempts (seq) WHERE ended_at IS NULL;
CREATE INDEX attempts_of_job ON attempts (job) WHERE job IS NOT NULL;
CREATE INDEX attempts_by_time ON attempts (sent_at);

-- Inputs that never became jobs.
CREATE TABLE rejected (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT,
    method TEXT,
    app TEXT,
    batch INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    amqp TEXT,
    place TEXT NOT NULL,
    cells TEXT,
    at INTEGER NOT NULL,
    raw BLOB NOT NULL
) STRICT;
CREATE INDEX rejected_by_place ON rejected (batch, place);
CREATE INDEX rejected_by_id ON rejected (id);

-- AUTOINCREMENT: readers page by number, so an emptied outbox must not start again at 1.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER,
    rejected INTEGER,
    amqp TEXT,
    reply_to TEXT
) STRICT;
CREATE INDEX outbox_of_rejected ON outbox (rejected) WHERE rejected IS NOT NULL;

-- Jobs that another process put to work, for the running worker to pick up.
CREATE TABLE changed (job INTEGER PRIMARY KEY) STRICT;

CREATE TABLE suspensions (
    app TEXT NOT NULL,
    tenant TEXT NOT NULL,
    method TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    code INTEGER,
    detail TEXT NOT NULL,
    cure TEXT NOT NULL,
    log_id TEXT,
    PRIMARY KEY (app, tenant, method)
) STRICT, WITHOUT ROWID;

-- How many jobs of a batch are in a state, kept in the transaction that changes them.
CREATE TABLE tallies (
    batch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (batch, kind)
) STRICT, WITHOUT ROWID;
