//! The step's credentials for our own AWS clients, from the same endpoint that scripts use.

use aws::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};
use zeroize::Zeroizing;

use crate::endpoint::{Address, fetch};

/// Asks again whenever the SDK finds that what it has ends soon.
#[derive(Clone)]
pub(super) struct StepCredentials {
    address: Address,
}

impl StepCredentials {
    pub(super) fn new(address: Address) -> Self {
        Self { address }
    }

    /// What the endpoint has now.
    ///
    /// # Errors
    /// Why it has none, in a sentence.
    pub(super) async fn fetch(&self) -> Result<Credentials, String> {
        let address = self.address.clone();
        let fetched = tokio::task::spawn_blocking(move || fetch(&address)).await;
        let failed = |error: &dyn std::fmt::Display| format!("The step's credentials cannot be had: {error}.");
        let credentials = fetched.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        Ok(Credentials {
            access_key_id: credentials.access_key_id,
            secret_access_key: Zeroizing::new(credentials.secret_access_key),
            session_token: Zeroizing::new(credentials.session_token),
            expires_at: Some(credentials.expires_at).filter(|ends| *ends > 0),
        })
    }

    async fn load(&self) -> provider::Result {
        let credentials = self.fetch().await.map_err(CredentialsError::provider_error)?;
        Ok((&credentials).into())
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
