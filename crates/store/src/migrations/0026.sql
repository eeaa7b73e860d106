-- What look-ups by name have shown, place by place (everything that a listing has, what is below one, what has one name), with
-- the instant at which it was read: names are looked up there before the platform is asked again.
CREATE TABLE listed (
    directory TEXT NOT NULL,
    place TEXT NOT NULL,
    items TEXT NOT NULL,
    read_at INTEGER NOT NULL,
    PRIMARY KEY (directory, place)
) STRICT, WITHOUT ROWID;
-- Whether names stand in the place of ids: 1 while they are to be looked up (the job is blocked), 0 once their ids are there.
ALTER TABLE jobs ADD COLUMN finds INTEGER;
CREATE INDEX jobs_finds ON jobs (seq) WHERE finds = 1;
