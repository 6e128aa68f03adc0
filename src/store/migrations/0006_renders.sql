-- What is kept of renders: from which footprint an application's files were rendered, and what they
-- name. A commit that has the same footprint need not be rendered to know it. What an application's
-- `inputs` say from now on begins with the digest of such a row; those of before have none, and are
-- known again after one render.

CREATE TABLE renders (
    application TEXT    NOT NULL,
    settings    TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    footprint   TEXT    NOT NULL,
    names       BLOB,
    failure     TEXT,
    rendered_at INTEGER NOT NULL,
    PRIMARY KEY (application, settings, digest)
) STRICT;
