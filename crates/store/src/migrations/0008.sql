-- Who suspended an app or lane: 'person', 'platform' or 'worker'. Of those before, a person's had no code and this cure.
ALTER TABLE suspensions ADD COLUMN suspended_by TEXT NOT NULL DEFAULT 'platform';
UPDATE suspensions SET suspended_by = 'person'
    WHERE code IS NULL AND cure = '`paceline resume` when the reason is gone';
