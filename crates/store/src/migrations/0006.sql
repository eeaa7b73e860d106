-- How the working process stands with its broker, in its own words; no row without a broker.
CREATE TABLE broker (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    ready INTEGER NOT NULL,
    since INTEGER NOT NULL,
    jobs_in TEXT NOT NULL,
    results_out TEXT NOT NULL
) STRICT;
