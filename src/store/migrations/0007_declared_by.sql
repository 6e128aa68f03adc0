-- What declares an application: one that a source of applications declares no more has left, and none
-- that another source declares.
ALTER TABLE applications ADD COLUMN declared_by TEXT NOT NULL DEFAULT 'configuration';
