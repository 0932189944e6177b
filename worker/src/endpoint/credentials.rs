//! Credentials in the two forms that SDKs read.

use jiff::Timestamp;
use proto::worker::Credentials;
use serde::{Deserialize, Serialize};

/// What a container credential provider answers. Long-lived keys have neither token nor expiration; only our own clients
/// ask for those.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    account_id: String,
}

/// What `credential_process` prints.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Process<'a> {
    version: u32,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    session_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<Timestamp>,
}

impl Answer {
    pub(super) fn new(credentials: Credentials, account_id: &str) -> Self {
        Self {
            expiration: expiration(&credentials),
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            token: credentials.session_token,
            account_id: account_id.to_owned(),
        }
    }
}

impl From<Answer> for Credentials {
    fn from(answer: Answer) -> Self {
        Self {
            access_key_id: answer.access_key_id,
            secret_access_key: answer.secret_access_key,
            session_token: answer.token,
            expires_at: answer.expiration.map_or(0, Timestamp::as_second),
        }
    }
}

pub(super) fn for_process(credentials: &Credentials) -> String {
    let process = Process {
        version: 1,
        access_key_id: &credentials.access_key_id,
        secret_access_key: &credentials.secret_access_key,
        session_token: &credentials.session_token,
        expiration: expiration(credentials),
    };
    serde_json::json!(process).to_string()
}

fn expiration(credentials: &Credentials) -> Option<Timestamp> {
    Some(credentials.expires_at).filter(|at| *at > 0).and_then(|at| Timestamp::from_second(at).ok())
}
