//! The coordinator as an OpenID Connect issuer: it vouches for a step with a signed token, AWS verifies the signature with the keys
//! that are published here, and no AWS secret is stored anywhere.
//!
//! Tokens are signed with aws-lc-rs directly: jsonwebtoken signs only with PKCS #1, which aws-lc-rs does not write, and reads the
//! key anew for every token. A token is three parts in base64 with dots between them (RFC 7515 section 3.1); that these are right
//! is for other libraries to say, which verify them in the tests.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde::Serialize;
use service::shutdown::Shutdown;
use shared::{
    aws::{session_word, tag_value},
    reason::{Fault, Reason},
};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

use self::{key::SigningKey, ring::Ring};
use crate::{seal::Seal, store::Store};

pub use self::{
    keeper::{Rotated, rotate_at_once},
    rotation::TOKEN_TTL,
    subject::Subject,
    url::IssuerUrl,
};

pub mod rotation;

mod documents;
mod keeper;
mod key;
mod listener;
mod ring;
mod subject;
mod url;

/// Whom every token is for: what the provider in IAM has as its client id.
pub const AUDIENCE: &str = "sts.amazonaws.com";
/// 1 minute: AWS's clock may be behind ours.
const BACKDATE_SECONDS: i64 = 60;

/// Makes tokens, if this coordinator is an issuer. Clones are the same issuer.
#[derive(Clone)]
pub struct Issuer(Option<Arc<Enabled>>);

struct Enabled {
    url: IssuerUrl,
    ring: Ring,
}

/// What a token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// For whom AWS decides.
    pub subject: Subject,
    /// Session tags by their keys, e.g. `longshore:deployment`; all go along when the session assumes another role. A value may
    /// be any text: what AWS does not take in one is replaced.
    pub tags: BTreeMap<String, String>,
    /// Who wanted it, for CloudTrail; any text, as above.
    pub source_identity: String,
}

impl Issuer {
    /// A coordinator that was started without `--oidc-issuer`.
    #[must_use]
    pub fn disabled() -> Self {
        Self(None)
    }

    /// An issuer under `url`, whose keys are in the store; `now` is milliseconds since 1970. Makes the first key, or brings a
    /// rotation up to date that was missed.
    ///
    /// # Errors
    /// [`Reason::MasterKey`] when its keys were sealed with another master key; those of the store.
    pub async fn open(url: IssuerUrl, store: Store, seal: Seal, now: i64) -> Result<Self, Fault> {
        keeper::rotate(&store, &seal, now).await?;
        let ring = Ring::new(store, seal);
        // Keys that do not open are known before anything is served.
        ring.keys().await?;
        Ok(Self(Some(Arc::new(Enabled { url, ring }))))
    }

    /// The URL that tokens name, if this coordinator is an issuer.
    #[must_use]
    pub fn url(&self) -> Option<&IssuerUrl> {
        self.0.as_deref().map(|enabled| &enabled.url)
    }

    /// Publishes the keys on `listener` and rotates them, each until `shutdown`.
    pub fn start(&self, listener: TcpListener, shutdown: &Shutdown) -> Vec<JoinHandle<()>> {
        let Some(enabled) = &self.0 else { return Vec::new() };
        vec![
            listener::serve(listener, Arc::clone(enabled), shutdown.clone()),
            keeper::keep(Arc::clone(enabled), shutdown.clone()),
        ]
    }

    /// A token that AWS takes for [`TOKEN_TTL`] from `now`, milliseconds since 1970. It is signed with the key that the store
    /// names at this moment, so that a key which was withdrawn never signs again.
    ///
    /// # Errors
    /// [`Reason::OidcNotConfigured`]; [`Reason::InvalidName`] for a subject that is longer than AWS takes; those of the store.
    pub async fn token(&self, claims: &Claims, now: i64) -> Result<SecretString, Fault> {
        let enabled = self.0.as_deref().ok_or_else(not_configured)?;
        let payload = Payload::of(&enabled.url, claims, now)?;
        let key = enabled.ring.signing(now).await?;
        signed(&payload, &key)
    }
}

/// What a token says, as AWS reads it (IAM user guide, "Pass session tags using AssumeRoleWithWebIdentity" and "Monitor and control
/// actions taken with assumed roles"; RFC 7519 section 4.1).
#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'static str,
    sub: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    #[serde(rename = "https://aws.amazon.com/tags")]
    tags: Tags<'a>,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    source_identity: String,
}

#[derive(Serialize)]
struct Tags<'a> {
    principal_tags: BTreeMap<&'a str, [String; 1]>,
    transitive_tag_keys: Vec<&'a str>,
}

impl<'a> Payload<'a> {
    fn of(url: &'a IssuerUrl, claims: &'a Claims, now: i64) -> Result<Self, Fault> {
        let iat = now.div_euclid(1000);
        Ok(Self {
            iss: url.as_str(),
            aud: AUDIENCE,
            sub: claims.subject.sub()?,
            iat,
            nbf: iat - BACKDATE_SECONDS,
            exp: iat + TOKEN_TTL / 1000,
            jti: Uuid::new_v4().to_string(),
            tags: Tags {
                principal_tags: claims.tags.iter().map(|(key, value)| (key.as_str(), [tag_value(value)])).collect(),
                transitive_tag_keys: claims.tags.keys().map(String::as_str).collect(),
            },
            source_identity: session_word(&claims.source_identity),
        })
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

fn signed(payload: &Payload<'_>, key: &SigningKey) -> Result<SecretString, Fault> {
    let header = Header { alg: "RS256", kid: &key.jwk().kid, typ: "JWT" };
    let mut token = format!("{}.{}", encoded(&header)?, encoded(payload)?);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(SecretString::from(token))
}

fn encoded(part: &impl Serialize) -> Result<String, Fault> {
    let json = serde_json::to_vec(part)
        .map_err(|error| Fault::new(Reason::Internal, format!("A token could not be written: {error}.")))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

fn not_configured() -> Fault {
    Fault::new(
        Reason::OidcNotConfigured,
        "This coordinator issues no tokens for AWS, so accounts of kind aws-oidc cannot be used: start it with --oidc-issuer \
         https://NAME, under which AWS can fetch its keys.",
    )
}

#[cfg(test)]
mod tests;
