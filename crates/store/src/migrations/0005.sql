-- A pile: jobs that are alike in everything that lists select by and counts tell apart. How many are in each is kept in the
-- transaction that changes it, and an index leads through each in the order of take-over; so no question needs to look at
-- jobs that are not in its answer.
-- kind: the job's state, or 7 for refusals for pace. priority: of jobs that wait, else 0. reason: of dead and cancelled
-- jobs, else ''. code: of dead and held jobs, the least integer for none. latest_at: when the last
-- one of an ended kind came.
ALTER TABLE tallies RENAME TO old_tallies;
CREATE TABLE tallies (
    batch INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    reason TEXT NOT NULL,
    code INTEGER NOT NULL,
    n INTEGER NOT NULL,
    latest_at INTEGER NOT NULL,
    PRIMARY KEY (batch, lane, kind, priority, reason, code)
) STRICT, WITHOUT ROWID;
INSERT INTO tallies
    SELECT batch, lane, state, iif(state <= 1, priority, 0),
        CASE state WHEN 3 THEN coalesce(reason, '') WHEN 4 THEN 'cancelled' ELSE '' END,
        iif(state IN (2, 3), coalesce(code, -9223372036854775808), -9223372036854775808),
        count(*), max(coalesce(ended_at, created_at))
    FROM jobs GROUP BY 1, 2, 3, 4, 5, 6;
-- Lane 0: which lanes were refused was not counted before.
INSERT INTO tallies
    SELECT batch, 0, kind, 0, '', -9223372036854775808, n, 0 FROM old_tallies WHERE kind = 7 AND n <> 0;
DROP TABLE old_tallies;

-- The same of inputs that never became jobs; '' stands for what could not be read.
CREATE TABLE input_tallies (
    batch INTEGER NOT NULL,
    app TEXT NOT NULL,
    method TEXT NOT NULL,
    reason TEXT NOT NULL,
    n INTEGER NOT NULL,
    latest_at INTEGER NOT NULL,
    PRIMARY KEY (batch, app, method, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO input_tallies
    SELECT batch, coalesce(app, ''), coalesce(method, ''), reason, count(*), max(at) FROM rejected GROUP BY 1, 2, 3, 4;

DROP INDEX jobs_waiting;
DROP INDEX jobs_parked;
DROP INDEX jobs_of_batch;
CREATE INDEX jobs_waiting ON jobs (batch, lane, state, priority) WHERE state <= 1;
CREATE INDEX jobs_stopped ON jobs (batch, lane, state, reason, code) WHERE state IN (2, 3);
CREATE INDEX jobs_done ON jobs (batch, lane, state) WHERE state IN (4, 5);
-- Jobs that do not simply wait for their turn: a forecast takes each by its times.
CREATE INDEX jobs_timed ON jobs (batch, lane, priority, not_before, not_after)
    WHERE state <= 1 AND (not_before IS NOT NULL OR not_after IS NOT NULL);
CREATE INDEX rejected_alike ON rejected (batch, coalesce(app, ''), coalesce(method, ''), reason);

-- A lane's windows reach back as far as its own quotas say: calls are read lane by lane.
DROP INDEX attempts_by_time;
CREATE INDEX attempts_of_lane ON attempts (lane, sent_at);
CREATE INDEX attempts_of_none ON attempts (sent_at) WHERE job IS NULL;
