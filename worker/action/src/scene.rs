//! Where an action works, and as whom.

use std::path::PathBuf;

use aws::Aws;
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio_util::sync::CancellationToken;

/// Everything an action is given besides what it is to do.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The way to AWS.
    pub aws: Aws,
    /// The step's identity, which renews itself.
    pub credentials: SharedCredentialsProvider,
    /// The step's region; never empty.
    pub region: String,
    /// The step's working folder: the project's files are below it.
    pub folder: PathBuf,
    /// Stable over all attempts that continue one another, and of no other operation: `longshore-` and lower-case hex digits and
    /// dashes, at most 80 characters. Fit for a ClientRequestToken and for the name of a change set.
    pub operation: String,
    /// Set when the step is cancelled or its time is over: the action brings what it does to an end and says how it ended.
    pub cancelled: CancellationToken,
}

impl Scene {
    /// Settings for a client of a service, e.g. `cloudformation` or `s3`.
    #[must_use]
    pub fn config(&self, service: &str) -> SdkConfig {
        self.aws.sdk_config(self.credentials.clone(), &self.region, service)
    }
}
