-- The cluster that an application is kept on, and since when; none: it left the configuration. An
-- inventory is that of an application on one cluster, so that what stays behind after a move is
-- neither looked for nor pruned elsewhere. Which cluster the rows of before belong to only the
-- configuration knows: they have the empty one until it is read at the next start.

ALTER TABLE applications ADD COLUMN cluster TEXT;
ALTER TABLE applications ADD COLUMN cluster_since INTEGER;
UPDATE applications SET cluster = '';

CREATE TABLE inventory_by_cluster (
    application      TEXT NOT NULL,
    cluster          TEXT NOT NULL,
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
    PRIMARY KEY (application, cluster, api_group, kind, namespace, name)
) STRICT, WITHOUT ROWID;

INSERT INTO inventory_by_cluster
SELECT application, '', api_group, kind, namespace, name, version, hash, git_commit, uid,
    resource_version, generation, health, health_reason, kept
FROM inventory;

DROP TABLE inventory;
ALTER TABLE inventory_by_cluster RENAME TO inventory;
CREATE INDEX inventory_object ON inventory (cluster, api_group, kind, namespace, name);
