-- Steps that ask a person, when a step began and ended, and deployments that go on from an earlier one.
CREATE TABLE step_run_asking (
  deployment_id TEXT NOT NULL,
  idx           BIGINT NOT NULL,    -- position in the process
  name          TEXT NOT NULL,
  state         TEXT NOT NULL CHECK (state IN
                  ('pending', 'queued', 'running', 'asking', 'succeeded', 'failed', 'skipped', 'cancelled', 'unknown')),
  reason        TEXT NOT NULL,
  detail        TEXT NOT NULL,
  with_previous BIGINT NOT NULL DEFAULT 0,
  begun_at      BIGINT,             -- when its turn came
  ended_at      BIGINT,
  carried       TEXT,               -- the attempt in an earlier deployment whose outputs count
  PRIMARY KEY (deployment_id, idx)
) WITHOUT ROWID;
INSERT INTO step_run_asking (deployment_id, idx, name, state, reason, detail)
  SELECT deployment_id, idx, name, state, reason, detail FROM step_run;
DROP TABLE step_run;
ALTER TABLE step_run_asking RENAME TO step_run;

ALTER TABLE deployment ADD COLUMN retry_of TEXT;    -- the deployment it goes on from
