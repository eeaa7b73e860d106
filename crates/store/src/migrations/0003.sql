-- A dead job that a person has edited answers to both contents: `hash` is that of what upstream published,
-- `edited_hash` that of what is sent now.
ALTER TABLE jobs ADD COLUMN edited_hash BLOB;
ALTER TABLE jobs ADD COLUMN edited_at INTEGER;
