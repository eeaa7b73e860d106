-- Objects that jobs created which the ledger has forgotten since: a look-up must not take them for another job's.
CREATE TABLE owned (
    key TEXT NOT NULL,
    lane INTEGER NOT NULL REFERENCES lanes,
    PRIMARY KEY (key, lane)
) STRICT, WITHOUT ROWID;
