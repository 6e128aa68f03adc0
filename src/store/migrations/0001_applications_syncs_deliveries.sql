-- Times are microseconds since 1970 in UTC, ids are UUIDv7 in text, lists and records that are
-- only read as a whole are JSON. A migration that was released is never changed again.

CREATE TABLE applications (
    name              TEXT PRIMARY KEY,
    wanted            TEXT,
    applied           TEXT,
    applied_at        INTEGER,
    healthy           TEXT,
    inputs            TEXT,
    health            TEXT    NOT NULL DEFAULT 'Unknown',
    health_changed_at INTEGER,
    checked_at        INTEGER,
    next_check_at     INTEGER,
    unannounced       INTEGER NOT NULL DEFAULT 0,
    announced_at      INTEGER
) STRICT, WITHOUT ROWID;

-- A cluster-scoped object has the empty namespace, because a key holds no NULL.
CREATE TABLE inventory (
    application      TEXT NOT NULL,
    api_group        TEXT NOT NULL,
    kind             TEXT NOT NULL,
    namespace        TEXT NOT NULL,
    name             TEXT NOT NULL,
    version          TEXT NOT NULL,
    hash             TEXT,
    git_commit       TEXT NOT NULL,
    uid              TEXT,
    resource_version TEXT,
    generation       INTEGER,
    health           TEXT NOT NULL,
    health_reason    TEXT,
    kept             TEXT,
    PRIMARY KEY (application, api_group, kind, namespace, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX inventory_object ON inventory (api_group, kind, namespace, name);

CREATE TABLE syncs (
    id               TEXT PRIMARY KEY,
    application      TEXT    NOT NULL,
    slot             TEXT    NOT NULL,
    step             TEXT    NOT NULL DEFAULT 'Start',
    trigger          TEXT    NOT NULL,
    actor            TEXT,
    options          TEXT    NOT NULL,
    look             INTEGER NOT NULL,
    inputs           TEXT,
    state            TEXT    NOT NULL,
    due_at           INTEGER NOT NULL,
    fence            INTEGER NOT NULL DEFAULT 0,
    lease_until      INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    cancelled_by     TEXT,
    approved         TEXT,
    approved_by      TEXT,
    git_commit       TEXT,
    rewind           INTEGER NOT NULL DEFAULT 0,
    queued_at        INTEGER NOT NULL,
    requested_at     INTEGER NOT NULL,
    started_at       INTEGER,
    applied_at       INTEGER,
    ended_at         INTEGER,
    attempt          INTEGER NOT NULL DEFAULT 0,
    next_attempt_at  INTEGER,
    deadline         INTEGER,
    waiting_for      TEXT    NOT NULL DEFAULT '[]',
    phases           TEXT    NOT NULL DEFAULT '[]',
    error            TEXT,
    plan             TEXT,
    summary          TEXT    NOT NULL DEFAULT '{}',
    superseded_by    TEXT REFERENCES syncs (id) ON DELETE SET NULL
) STRICT;

-- Wishes coalesce: one sync at most that has yet to begin, per application and slot.
CREATE UNIQUE INDEX syncs_slot ON syncs (application, slot)
    WHERE state IN ('Queued', 'Retrying') AND step = 'Start';
-- An application is never worked on twice at once.
CREATE UNIQUE INDEX syncs_running ON syncs (application) WHERE state = 'Running';
CREATE INDEX syncs_of_application ON syncs (application, id);
CREATE INDEX syncs_in_state ON syncs (state, id);
CREATE INDEX syncs_of_commit ON syncs (git_commit ->> 'id', id);
CREATE INDEX syncs_superseded ON syncs (superseded_by) WHERE superseded_by IS NOT NULL;

CREATE TABLE sync_results (
    sync    TEXT PRIMARY KEY REFERENCES syncs (id) ON DELETE CASCADE,
    results TEXT NOT NULL
) STRICT;

CREATE TABLE deliveries (
    id          TEXT PRIMARY KEY,
    receiver    TEXT    NOT NULL,
    host_id     TEXT,
    event       TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    repository  TEXT,
    refs        TEXT    NOT NULL,
    pusher      TEXT,
    body_bytes  INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    reason      TEXT,
    repeated    INTEGER NOT NULL
) STRICT;

CREATE INDEX deliveries_of_host ON deliveries (receiver, host_id) WHERE host_id IS NOT NULL;
CREATE INDEX deliveries_received ON deliveries (received_at);

CREATE TABLE sync_deliveries (
    sync     TEXT NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    delivery TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    PRIMARY KEY (sync, delivery)
) STRICT, WITHOUT ROWID;

CREATE INDEX sync_deliveries_of_delivery ON sync_deliveries (delivery);
