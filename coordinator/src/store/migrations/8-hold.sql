-- A store that may have gone back in time: nothing is offered or granted until somebody lifts the hold.
ALTER TABLE store_meta ADD COLUMN restores BIGINT NOT NULL DEFAULT 0;       -- how often: part of what makes an attempt's id
ALTER TABLE store_meta ADD COLUMN held_since BIGINT;                        -- null when there is no hold
ALTER TABLE store_meta ADD COLUMN held_why TEXT NOT NULL DEFAULT '';
-- Highest order number that the worker has said to have seen: no offer to it has this one or a lower one.
ALTER TABLE worker ADD COLUMN assign_hwm BIGINT NOT NULL DEFAULT 0;
