-- The names that this installation wrote on objects: what it holds under a former one stays its own.
CREATE TABLE instances (
    name  TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT;

-- The settings by which an application's objects were last compared in full; none: not since these
-- are known.
ALTER TABLE applications ADD COLUMN settings TEXT;

-- Checks that failed in the same way as the sync before them leave no row: they are counted with it.
ALTER TABLE syncs ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncs ADD COLUMN repeated_at INTEGER;
