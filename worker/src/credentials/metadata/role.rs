//! The instance's role: its name, and below that its credentials.

use std::time::{Duration, SystemTime};

use proto::worker::Credentials;
use serde::Deserialize;

use super::{Fault, Metadata};
use crate::{credentials::role_source::Session, random};

/// Where the role's name is, and below it its credentials.
const PATH: &str = "/latest/meta-data/iam/security-credentials/";
/// 3 times the name is asked for anew when the credentials of the last one are not there: a role is being exchanged.
const ROUNDS: u32 = 3;
/// 500 ms at most between those.
const WAIT: Duration = Duration::from_millis(500);

/// A role's credentials as the service writes them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: String,
    #[serde(default)]
    token: String,
    expiration: Option<jiff::Timestamp>,
}

/// A session of the role that is attached now.
pub(super) async fn session(metadata: &Metadata) -> Result<Session, Fault> {
    let mut role = name(metadata).await?;
    for _ in 1..ROUNDS {
        match metadata.get(&format!("{PATH}{role}")).await {
            Err(Fault::Status(404)) => tokio::time::sleep(WAIT.mul_f64(random::fraction())).await,
            answer => return read(role, &answer?),
        }
        role = name(metadata).await?;
    }
    match metadata.get(&format!("{PATH}{role}")).await {
        Err(Fault::Status(404)) => Err(Fault::Rotating { role }),
        answer => read(role, &answer?),
    }
}

async fn name(metadata: &Metadata) -> Result<String, Fault> {
    let body = match metadata.get(PATH).await {
        Err(Fault::Status(404)) => return Err(Fault::NoRole),
        answer => answer?,
    };
    let Some(name) = body.lines().map(str::trim).find(|line| !line.is_empty()) else { return Err(Fault::NoRole) };
    // What IAM allows, so that nothing else gets into a path.
    let is_name =
        name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte));
    if is_name { Ok(name.to_owned()) } else { Err(Fault::Nonsense("something that is no role's name")) }
}

fn read(role: String, json: &str) -> Result<Session, Fault> {
    // The text may hold secrets, so neither it nor the parser's words are shown.
    let found: Document =
        serde_json::from_str(json).map_err(|_| Fault::Nonsense("something that is no credentials"))?;
    if found.code != "Success" {
        return Err(Fault::Refused { role, code: found.code, message: found.message });
    }
    if found.access_key_id.is_empty() || found.secret_access_key.is_empty() || found.token.is_empty() {
        return Err(Fault::Nonsense("credentials of which parts are missing"));
    }
    let obtained_at = SystemTime::now();
    let expires = found.expiration.ok_or(Fault::Nonsense("credentials without an end"))?;
    if SystemTime::from(expires) <= obtained_at {
        return Err(Fault::Nonsense("credentials that have ended"));
    }
    let credentials = Credentials {
        access_key_id: found.access_key_id,
        secret_access_key: found.secret_access_key,
        session_token: found.token,
        expires_at: expires.as_second(),
    };
    Ok(Session { role, credentials, obtained_at })
}
