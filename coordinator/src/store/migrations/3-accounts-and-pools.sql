-- Accounts that are no access key: a role on top of a worker's own role or of another account, or a web identity; and pools that
-- demand something of their workers.

ALTER TABLE account ADD COLUMN kind TEXT NOT NULL DEFAULT 'aws' CHECK (kind IN ('aws', 'aws-role', 'aws-oidc'));
ALTER TABLE account ADD COLUMN role_arn TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN base_account TEXT NOT NULL DEFAULT '';             -- '' for a worker's own role
ALTER TABLE account ADD COLUMN session_seconds BIGINT NOT NULL DEFAULT 3600;
ALTER TABLE account ADD COLUMN delivery TEXT NOT NULL DEFAULT 'session' CHECK (delivery IN ('session', 'raw'));
ALTER TABLE account ADD COLUMN expose_keys BIGINT NOT NULL DEFAULT 1;
ALTER TABLE account ADD COLUMN session_tags BIGINT NOT NULL DEFAULT 1;

ALTER TABLE pool ADD COLUMN requires TEXT NOT NULL DEFAULT '{}';                  -- JSON object
