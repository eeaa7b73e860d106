-- Calls that a platform has counted, by lane and calendar day in UTC+8 (days since 1970): budgets of days and months are
-- kept by them, and they outlive the attempts.
CREATE TABLE call_days (
    lane INTEGER NOT NULL,
    day INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (lane, day)
) STRICT, WITHOUT ROWID;
INSERT INTO call_days (lane, day, calls)
    SELECT lane, (ended_at / 1000000 + 28800) / 86400, count(*) FROM attempts
    WHERE ended_at IS NOT NULL AND outcome <> 'not-sent' AND purpose <> 2 AND coalesce(http_status, 0) < 400
    GROUP BY 1, 2;
