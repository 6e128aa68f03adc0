-- How many objects a sync waits for beyond those that `waiting_for` names.

ALTER TABLE syncs ADD COLUMN waiting_for_more INTEGER NOT NULL DEFAULT 0;
