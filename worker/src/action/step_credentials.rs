//! The step's credentials for our own AWS clients, from the same endpoint that scripts use.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};

use crate::endpoint::{Address, fetch};

/// Asks again whenever the SDK finds that what it has ends soon.
pub(super) struct StepCredentials {
    address: Address,
}

impl StepCredentials {
    pub(super) fn new(address: Address) -> Self {
        Self { address }
    }

    async fn load(&self) -> provider::Result {
        let address = self.address.clone();
        let fetched = tokio::task::spawn_blocking(move || fetch(&address)).await;
        let credentials =
            fetched.map_err(CredentialsError::provider_error)?.map_err(CredentialsError::provider_error)?;
        let token = Some(credentials.session_token).filter(|token| !token.is_empty());
        let ends = u64::try_from(credentials.expires_at).ok().filter(|at| *at > 0);
        let ends = ends.map(|at| UNIX_EPOCH + Duration::from_secs(at));
        Ok(Credentials::new(credentials.access_key_id, credentials.secret_access_key, token, ends, "longshore"))
    }
}

impl ProvideCredentials for StepCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

impl std::fmt::Debug for StepCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepCredentials").field("socket", &self.address.socket).finish_non_exhaustive()
    }
}
