-- The ledger's keys, the latest last. mark: tells a key from others. digests: of those that are past, the key of their
-- digests, sealed with the latest one. What is sealed, and every digest of a content, says the version of its key; a digest
-- of 32 bytes is of the time before they had one.
CREATE TABLE keys (
    version INTEGER PRIMARY KEY,
    mark INTEGER NOT NULL,
    digests BLOB
) STRICT;
INSERT INTO keys (version, mark) SELECT 1, value FROM meta WHERE name = 'key';
DELETE FROM meta WHERE name = 'key';
