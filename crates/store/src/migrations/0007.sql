-- What a success left out, as the result says it; absent where it left out nothing. Succeeded jobs with warnings are a pile
-- of their own (kind 8), so that they are counted and listed without looking at the others.
ALTER TABLE jobs ADD COLUMN warnings TEXT;
DROP INDEX jobs_done;
CREATE INDEX jobs_done ON jobs (batch, lane, state, warnings IS NOT NULL) WHERE state IN (4, 5);
