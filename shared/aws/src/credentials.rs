//! AWS credentials in memory.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use aws_credential_types::Credentials as SdkCredentials;
use zeroize::Zeroizing;

/// What signs calls to AWS. Its `Debug` shows the access key id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Public half: `AKIA…` of a user, `ASIA…` of a session.
    pub access_key_id: String,
    /// Private half.
    pub secret_access_key: Zeroizing<String>,
    /// Of a session; empty for long-lived keys.
    pub session_token: Zeroizing<String>,
    /// When a session ends, in seconds since 1970; none for long-lived keys.
    pub expires_at: Option<i64>,
}

/// As AWS's own clients take them.
impl From<&Credentials> for SdkCredentials {
    fn from(ours: &Credentials) -> Self {
        let token = Some(ours.session_token.as_str()).filter(|token| !token.is_empty()).map(str::to_owned);
        let ends = ours.expires_at.and_then(|ends| u64::try_from(ends).ok());
        let ends = ends.map(|ends| UNIX_EPOCH + Duration::from_secs(ends));
        Self::new(ours.access_key_id.as_str(), ours.secret_access_key.as_str(), token, ends, "longshore")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
