//! The two documents that AWS fetches (OpenID Connect Discovery 1.0, sections 3 and 4; RFC 7517 section 5).

use serde::Serialize;

use super::{IssuerUrl, key::Jwk};

/// Where the first document is, after the issuer's path.
pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Where the keys are, after the issuer's path.
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// What kind of issuer this is, and where its keys are. There is nothing to log in to: tokens are only ever handed to workers.
#[derive(Serialize)]
pub(super) struct Discovery<'a> {
    issuer: &'a str,
    jwks_uri: String,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    scopes_supported: [&'static str; 1],
    claims_supported: [&'static str; 7],
}

/// The keys.
#[derive(Serialize)]
pub(super) struct Jwks {
    pub(super) keys: Vec<Jwk>,
}

impl<'a> Discovery<'a> {
    pub(super) fn of(url: &'a IssuerUrl) -> Self {
        Self {
            issuer: url.as_str(),
            jwks_uri: format!("{url}{JWKS}"),
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["RS256"],
            scopes_supported: ["openid"],
            claims_supported: ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"],
        }
    }
}
