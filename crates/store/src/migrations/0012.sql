-- The last transaction's mark, and the one before, on a page of its own: whether a log beside the file is the file's own
-- (store/sqlite/origin.rs).
CREATE TABLE stamp (id INTEGER PRIMARY KEY CHECK (id = 1), stamp BLOB NOT NULL) STRICT;
INSERT INTO stamp VALUES (1, CAST(zeroblob(8) || randomblob(8) || '00000000' AS BLOB));
