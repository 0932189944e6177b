-- Keys that sign the tokens for AWS.
CREATE TABLE oidc_key (
  kid          TEXT PRIMARY KEY,    -- RFC 7638 thumbprint of the public half
  sealed_key   BLOB NOT NULL,       -- PKCS #8
  published_at BIGINT NOT NULL,
  signs_from   BIGINT NOT NULL      -- until the next key does
);
