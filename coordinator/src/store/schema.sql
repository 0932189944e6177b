-- The coordinator's store, version 1; migrations/ has what came later. Times are milliseconds since 1970 by the coordinator's
-- clock: for people only, no decision reads them except the expiry of tokens, invitations and certificates, and the rotation of
-- keys. BIGINT, TEXT and BLOB only, so that one text serves SQLite and PostgreSQL.

CREATE TABLE store_meta (
  one            BIGINT PRIMARY KEY CHECK (one = 1),
  store_id       TEXT   NOT NULL,
  schema_version BIGINT NOT NULL,
  created_at     BIGINT NOT NULL
);

-- Trust -------------------------------------------------------------------------------------------------------------------------

CREATE TABLE authority (            -- certificate authorities: `server`, `worker`
  name        TEXT PRIMARY KEY,
  cert_pem    TEXT NOT NULL,
  sealed_key  BLOB NOT NULL,
  not_after   BIGINT NOT NULL
);

CREATE TABLE api_token (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  role        TEXT NOT NULL CHECK (role IN ('viewer', 'deployer', 'admin')),
  secret_hmac BLOB NOT NULL,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT,
  revoked_at  BIGINT
);

CREATE TABLE request_id (           -- what a creating call with this id made
  id          TEXT PRIMARY KEY,
  method      TEXT NOT NULL,
  digest      BLOB NOT NULL,        -- of the request without secrets: another request under the same id is refused
  made        TEXT NOT NULL,        -- key of the thing it made
  created_at  BIGINT NOT NULL
);

CREATE TABLE audit (
  seq         INTEGER PRIMARY KEY,
  at          BIGINT NOT NULL,
  actor       TEXT NOT NULL,
  address     TEXT NOT NULL,
  action      TEXT NOT NULL,
  target      TEXT NOT NULL,
  allowed     BIGINT NOT NULL,
  reason      TEXT NOT NULL,
  detail      TEXT NOT NULL
);

-- Inventory ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE account (
  name           TEXT PRIMARY KEY,
  description    TEXT NOT NULL,
  access_key_id  TEXT NOT NULL,
  sealed_secret  BLOB NOT NULL,
  fingerprint    TEXT NOT NULL,
  version        BIGINT NOT NULL,   -- grows with each new secret; part of the seal
  region         TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  updated_at     BIGINT NOT NULL
);

CREATE TABLE environment (
  name        TEXT PRIMARY KEY,
  description TEXT NOT NULL,
  created_at  BIGINT NOT NULL
);

CREATE TABLE pool (
  name        TEXT PRIMARY KEY,
  description TEXT NOT NULL,
  created_at  BIGINT NOT NULL
);

CREATE TABLE invitation (
  id            BLOB PRIMARY KEY,
  secret_hmac   BLOB NOT NULL,
  pool          TEXT NOT NULL REFERENCES pool (name),
  worker_name   TEXT NOT NULL,
  labels        TEXT NOT NULL,      -- JSON object
  created_by    TEXT NOT NULL,
  created_at    BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  uses_left     BIGINT NOT NULL,
  redeemed_spki BLOB,
  redeemed_by   TEXT,               -- worker id
  redeemed_at   BIGINT
);

CREATE TABLE worker (
  id             TEXT PRIMARY KEY,
  name           TEXT NOT NULL UNIQUE,
  pool           TEXT NOT NULL REFERENCES pool (name),
  labels         TEXT NOT NULL,     -- JSON object
  state          TEXT NOT NULL CHECK (state IN ('active', 'draining', 'disabled', 'revoked')),
  created_at     BIGINT NOT NULL,
  spki_current   BLOB,
  spki_next      BLOB,
  serial_current BLOB,
  serial_next    BLOB,
  not_after      BIGINT NOT NULL,   -- of the newest certificate
  session_epoch  BIGINT NOT NULL DEFAULT 0,
  journal_id     TEXT NOT NULL DEFAULT '',
  boot_id        TEXT NOT NULL DEFAULT '',
  version        TEXT NOT NULL DEFAULT '',
  slots          BIGINT NOT NULL DEFAULT 0,
  last_seen_at   BIGINT,
  clock_offset   BIGINT NOT NULL DEFAULT 0,
  identity       TEXT               -- JSON of its own AWS identity, as it said last
);

CREATE TABLE issued_certificate (
  serial      BLOB PRIMARY KEY,
  worker_id   TEXT NOT NULL,
  spki        BLOB NOT NULL,
  not_before  BIGINT NOT NULL,
  not_after   BIGINT NOT NULL,
  issued_via  TEXT NOT NULL
);

-- Projects ----------------------------------------------------------------------------------------------------------------------

CREATE TABLE project (
  name        TEXT PRIMARY KEY,
  description TEXT NOT NULL,
  revision    BIGINT NOT NULL,
  process     TEXT NOT NULL,        -- JSON of shared::plan::Process
  next_number BIGINT NOT NULL,      -- of its next deployment
  updated_at  BIGINT NOT NULL
);

CREATE TABLE variable (
  id           TEXT PRIMARY KEY,
  project      TEXT NOT NULL REFERENCES project (name) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  name_key     TEXT NOT NULL,       -- lower case
  kind         TEXT NOT NULL CHECK (kind IN ('text', 'sensitive', 'aws_account')),
  environments TEXT NOT NULL,       -- JSON array, sorted; [] is the unscoped value
  from_file    BIGINT NOT NULL,
  value        TEXT,                -- NULL: sensitive, or not set
  sealed_value BLOB,                -- sensitive
  version      BIGINT NOT NULL,
  UNIQUE (project, name_key, environments)
);

-- Deployments -------------------------------------------------------------------------------------------------------------------

CREATE TABLE deployment (
  id               TEXT PRIMARY KEY,
  project          TEXT NOT NULL,   -- '' for an ad-hoc command
  environment      TEXT NOT NULL,
  number           BIGINT NOT NULL,
  revision         BIGINT NOT NULL,
  state            TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled', 'unknown')),
  cancel_requested BIGINT NOT NULL,
  created_by       TEXT NOT NULL,
  created_at       BIGINT NOT NULL,
  ended_at         BIGINT,
  -- The large ones last, and nothing above changes with each event: a row is read only as far as it is asked for, and written whole.
  process          TEXT NOT NULL,   -- JSON: what it runs, whatever becomes of the project
  sealed_variables BLOB NOT NULL    -- all variables of this environment as they were when it was made
);
CREATE INDEX deployment_open ON deployment (id) WHERE ended_at IS NULL;
CREATE INDEX deployment_by_time ON deployment (created_at, id);
CREATE INDEX deployment_by_project ON deployment (project, environment, created_at);

-- What happened, in order. A deployment's state is the fold of its events; every row below and above is written in the same
-- transaction as the event that changed it.
CREATE TABLE event (
  deployment_id TEXT NOT NULL,
  seq           BIGINT NOT NULL,    -- from 1 within the deployment
  at            BIGINT NOT NULL,
  payload       TEXT NOT NULL,      -- JSON of coordinator_core::Fact
  PRIMARY KEY (deployment_id, seq)
) WITHOUT ROWID;

CREATE TABLE step_run (
  deployment_id TEXT NOT NULL,
  idx           BIGINT NOT NULL,    -- position in the process
  name          TEXT NOT NULL,
  state         TEXT NOT NULL CHECK (state IN
                  ('pending', 'queued', 'running', 'succeeded', 'failed', 'skipped', 'cancelled', 'unknown')),
  reason        TEXT NOT NULL,
  detail        TEXT NOT NULL,
  PRIMARY KEY (deployment_id, idx)
) WITHOUT ROWID;

CREATE TABLE attempt (
  execution_id  TEXT PRIMARY KEY,
  deployment_id TEXT NOT NULL,
  step_idx      BIGINT NOT NULL,
  number        BIGINT NOT NULL,
  worker_id     TEXT NOT NULL,
  worker_name   TEXT NOT NULL,      -- when it was offered: it is still told when the worker is gone
  assign_seq    BIGINT NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('OFFERED', 'GRANTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED',
                  'NOT_STARTED', 'INTERRUPTED', 'UNKNOWN', 'RESOLVED')),
  offered_at    BIGINT NOT NULL,
  started_at    BIGINT,
  ended_at      BIGINT,
  outcome       TEXT,               -- JSON of shared::outcome::Outcome
  evidence      TEXT NOT NULL DEFAULT '',
  identity      TEXT,               -- JSON: the AWS identity it ran as
  log_frames    BIGINT,             -- frames its event stream has in all; NULL until it ended
  log_digest    BLOB,
  log_complete  BIGINT NOT NULL DEFAULT 0,
  UNIQUE (deployment_id, step_idx, number),
  UNIQUE (worker_id, assign_seq)
);

-- The store refuses a second open attempt of a step, whatever the program believes.
CREATE UNIQUE INDEX one_open_attempt ON attempt (deployment_id, step_idx)
  WHERE state IN ('OFFERED', 'GRANTED', 'RUNNING', 'UNKNOWN', 'INTERRUPTED');
CREATE INDEX attempt_undrained ON attempt (worker_id) WHERE log_complete = 0;

-- The table of shared::attempt, once more, kept by the store itself; a test holds the two together.
CREATE TRIGGER attempt_born BEFORE INSERT ON attempt
WHEN NEW.state <> 'OFFERED'
BEGIN SELECT RAISE(ABORT, 'an attempt begins OFFERED'); END;

CREATE TRIGGER attempt_moves BEFORE UPDATE OF state ON attempt
WHEN OLD.state <> NEW.state AND NOT (
     (OLD.state = 'OFFERED'     AND NEW.state IN ('GRANTED', 'NOT_STARTED'))
  OR (OLD.state = 'GRANTED'     AND NEW.state IN ('RUNNING', 'NOT_STARTED', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'INTERRUPTED', 'UNKNOWN'))
  OR (OLD.state = 'RUNNING'     AND NEW.state IN ('SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'INTERRUPTED', 'UNKNOWN'))
  OR (OLD.state = 'UNKNOWN'     AND NEW.state IN ('RUNNING', 'NOT_STARTED', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'INTERRUPTED', 'RESOLVED'))
  OR (OLD.state = 'INTERRUPTED' AND NEW.state = 'RESOLVED'))
BEGIN SELECT RAISE(ABORT, 'illegal transition of an attempt'); END;

CREATE TABLE output (
  execution_id TEXT NOT NULL,
  name         TEXT NOT NULL,
  value        TEXT,                -- NULL: sensitive
  sealed_value BLOB,                -- under the attempt's output key, as the worker sealed it
  PRIMARY KEY (execution_id, name)
) WITHOUT ROWID;
