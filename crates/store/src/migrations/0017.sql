-- Causes and what to do about them are data from now on: a code and its values, as JSON. Sentences that never varied are
-- known by their code; what an older program said otherwise stays as it was, as somebody's words.
CREATE TEMP TABLE said (text TEXT PRIMARY KEY, fact TEXT NOT NULL);
INSERT INTO said VALUES
    ('', '{"code":"said","values":{"text":""}}'),
    ('the platform gave no message', '{"code":"no-message"}'),
    ('no answer before the time-out', '{"code":"timed-out"}'),
    ('the worker stopped before the reply was there', '{"code":"worker-stopped"}'),
    ('its quota was paused before the call could leave', '{"code":"paused-before"}'),
    ('its app was suspended before the call could leave', '{"code":"suspended-before"}'),
    ('the platform''s reply holds no access token', '{"code":"no-token-in-reply"}'),
    ('suspended by a person', '{"code":"suspended-by-person"}'),
    ('a person cancelled it', '{"code":"cancelled"}');
CREATE TEMP TABLE advised (text TEXT PRIMARY KEY, fact TEXT NOT NULL);
INSERT INTO advised VALUES
    ('fix the cause, then `paceline resume`', '{"code":"fix-cause"}'),
    ('`paceline resume` when the reason is gone', '{"code":"reason-gone"}'),
    ('check base_url in the settings and any proxy or gateway between; then `paceline resume`', '{"code":"check-between"}'),
    ('the request itself was refused before the platform saw it: see whether it is too large or holds characters that a proxy between refuses', '{"code":"refused-between"}'),
    ('nothing was sent: find the object''s real id in the platform, and change or delete it there', '{"code":"find-real-id"}'),
    ('look in the platform whether it was created, then `paceline resolve ID --succeeded KEY`, `--retry` or `--dead`', '{"code":"resolve"}'),
    ('nothing: it is looked up, or parked where no look-up exists', '{"code":"nothing-looked-up"}'),
    ('run its file again, or publish it again, to create it anew', '{"code":"create-anew"}'),
    ('give it a later time with `paceline dead edit --redrive`, or publish it with one under a new id', '{"code":"give-later-time"}');

UPDATE jobs SET detail = coalesce((SELECT fact FROM said WHERE text = detail),
        json_object('code', 'said', 'values', json_object('text', detail)))
    WHERE detail IS NOT NULL;
UPDATE jobs SET cure = coalesce((SELECT fact FROM advised WHERE text = cure),
        json_object('code', 'older', 'values', json_object('text', cure)))
    WHERE cure IS NOT NULL;
UPDATE attempts SET detail = coalesce((SELECT fact FROM said WHERE text = detail),
        json_object('code', 'said', 'values', json_object('text', detail)))
    WHERE detail IS NOT NULL;
UPDATE rejected SET detail = json_object('code', 'said', 'values', json_object('text', detail));
UPDATE restraints SET detail = coalesce((SELECT fact FROM said WHERE text = detail),
        json_object('code', 'said', 'values', json_object('text', detail)));
UPDATE restraints SET cure = json_object('code', 'older', 'values', json_object('text', cure)) WHERE cure IS NOT NULL;
UPDATE suspensions SET detail = coalesce((SELECT fact FROM said WHERE text = detail),
        json_object('code', 'said', 'values', json_object('text', detail)));
-- The command that resumes is added where the suspension is shown.
UPDATE suspensions SET cure = coalesce((SELECT fact FROM advised WHERE text = cure),
        json_object('code', 'older', 'values',
            json_object('text', replace(replace(cure, ', then `paceline resume`', ''), '; then `paceline resume`', ''))));
DROP TABLE said;
DROP TABLE advised;
