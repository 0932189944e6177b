-- Variables that whoever deploys is asked for, and variables that projects share.
ALTER TABLE variable ADD COLUMN prompt TEXT NOT NULL DEFAULT '';            -- '' asks nobody
ALTER TABLE project ADD COLUMN variables_from TEXT NOT NULL DEFAULT '[]';   -- JSON array of projects, in order
