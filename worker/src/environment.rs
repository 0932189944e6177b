//! What the agent takes from its environment, and what it throws away there. Called first, while there is one thread.
//!
//! The only unsafe code of the agent: changing the environment is sound only as long as nobody else reads it.
#![allow(unsafe_code)]

use std::env;

use aws::Settings;
use secrecy::SecretString;

/// Holds a join string; it is a secret.
pub const JOIN_STRING: &str = "LONGSHORE_JOIN_STRING";
/// Where the instance metadata service is, as AWS's own programs name it.
const METADATA_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// What was in the environment and is not any more.
#[derive(Debug)]
pub struct Taken {
    /// A join string.
    pub join_string: Option<SecretString>,
    /// What AWS's own programs would take from it, and the agent takes as its defaults.
    pub surroundings: Surroundings,
}

/// The lowest layer of the configuration. Its `Debug` shows no password.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where the instance metadata service is.
    pub metadata_endpoint: Option<String>,
    /// Authorities for AWS besides the host's, and proxies; never endpoints.
    pub aws: Settings,
}

/// Takes what is meant for the agent, and removes the join string and every `AWS_…` variable: no AWS client of the agent
/// or of a step may ever pick up credentials that happen to lie there.
#[must_use]
pub fn take() -> Taken {
    let taken = Taken { join_string: env::var(JOIN_STRING).ok().map(SecretString::from), surroundings: surroundings() };
    let names: Vec<_> = env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        let is_aws = name.as_encoded_bytes().starts_with(b"AWS_");
        if is_aws || name == JOIN_STRING {
            // SAFETY: called first in main; no other thread exists that could read the environment.
            unsafe { env::remove_var(name) };
        }
    }
    taken
}

fn surroundings() -> Surroundings {
    let variables =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let Settings { ca_bundle, proxy, .. } = Settings::from_environment(variables);
    Surroundings {
        metadata_endpoint: env::var(METADATA_ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty()),
        aws: Settings { ca_bundle, proxy, ..Settings::default() },
    }
}
