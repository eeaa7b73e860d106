-- Of held jobs: keys of objects that may be theirs, as a JSON list; NULL for none.
ALTER TABLE jobs ADD COLUMN candidates TEXT;
