-- Values of variables for steps and pools, besides environments.
CREATE TABLE variable_scoped (
  id           TEXT PRIMARY KEY,
  project      TEXT NOT NULL REFERENCES project (name) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  name_key     TEXT NOT NULL,       -- lower case
  kind         TEXT NOT NULL CHECK (kind IN ('text', 'sensitive', 'aws_account')),
  environments TEXT NOT NULL,       -- JSON arrays, sorted; all of them [] is the unscoped value
  steps        TEXT NOT NULL,
  pools        TEXT NOT NULL,
  from_file    BIGINT NOT NULL,
  value        TEXT,                -- NULL: sensitive, or not set
  sealed_value BLOB,                -- sensitive
  version      BIGINT NOT NULL,
  UNIQUE (project, name_key, environments, steps, pools)
);
INSERT INTO variable_scoped (id, project, name, name_key, kind, environments, steps, pools, from_file, value, sealed_value, version)
  SELECT id, project, name, name_key, kind, environments, '[]', '[]', from_file, value, sealed_value, version FROM variable;
DROP TABLE variable;
ALTER TABLE variable_scoped RENAME TO variable;
