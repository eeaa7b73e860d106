-- How the working process is connected with its broker: as data, of which sentences are made where it is shown. What the
-- last worker said in its own words goes; the next one begins anew.
DROP TABLE broker;
CREATE TABLE broker (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    since INTEGER NOT NULL,
    status TEXT NOT NULL
) STRICT;
