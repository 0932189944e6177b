-- Files that steps leave behind for people.
CREATE TABLE artifact (
  execution_id  TEXT NOT NULL,      -- the attempt that left it
  number        BIGINT NOT NULL,    -- from 1, within the attempt
  deployment_id TEXT NOT NULL,
  name          TEXT NOT NULL,      -- masked; no path
  size          BIGINT NOT NULL,    -- bytes
  sha256        TEXT NOT NULL,      -- hex; where its bytes are in the folder `artifacts`
  state         TEXT NOT NULL CHECK (state IN ('arriving', 'stored', 'refused', 'expired')),
  reason        TEXT NOT NULL DEFAULT '',
  detail        TEXT NOT NULL DEFAULT '',
  created_at    BIGINT NOT NULL,
  PRIMARY KEY (execution_id, number)
) WITHOUT ROWID;
CREATE INDEX artifact_of_deployment ON artifact (deployment_id);
CREATE INDEX artifact_kept ON artifact (state, size) WHERE state IN ('arriving', 'stored');
CREATE INDEX artifact_of_content ON artifact (sha256) WHERE state = 'stored';
