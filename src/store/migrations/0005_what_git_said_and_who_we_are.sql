-- Whether Git said of an object, when it last named it, that it is never to be pruned. The object itself
-- may not say so: of what is left alone nothing is written.
ALTER TABLE inventory ADD COLUMN prune_disabled INTEGER NOT NULL DEFAULT 0;

-- The commit that the configured revision led to when it was last looked at. `wanted` may be one that a
-- person named for one sync.
ALTER TABLE applications ADD COLUMN followed TEXT;

-- What tells this installation from any other, whatever name both have. It has one row.
CREATE TABLE installation (
    id TEXT PRIMARY KEY
) STRICT;
