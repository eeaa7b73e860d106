-- What a job creates, as a number that its method's identity gives (domain/identity.rs): who would create it again is found
-- by it. NULL: a job that may be sent twice without harm.
ALTER TABLE jobs ADD COLUMN object INTEGER;
CREATE INDEX jobs_by_object ON jobs (object) WHERE object IS NOT NULL;
-- Jobs up to this number are of the first edition: their objects are worked out when the catalog is at hand, up to
-- `identified` so far, and ids of theirs may be row numbers.
INSERT INTO meta SELECT 'first_edition', max(seq) FROM jobs HAVING count(*) > 0;
INSERT INTO meta SELECT 'identified', 0 FROM meta WHERE name = 'first_edition';
