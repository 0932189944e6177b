//! What the agent takes from its environment, and what it throws away there. Called first, while there is one thread.
//!
//! The only unsafe code of the agent: changing the environment is sound only as long as nobody else reads it.
#![allow(unsafe_code)]

use std::env;

use secrecy::SecretString;

/// Holds a join string; it is a secret.
pub const JOIN_STRING: &str = "LONGSHORE_JOIN_STRING";
/// Where the instance metadata service is, as AWS's own programs name it.
const METADATA_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// Certificate authorities for AWS besides the host's; stays, since shims pass it on.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// What was in the environment and is not any more.
#[derive(Debug)]
pub struct Taken {
    /// A join string.
    pub join_string: Option<SecretString>,
    /// Where the instance metadata service is.
    pub metadata_endpoint: Option<String>,
}

/// Takes what is meant for the agent, and removes the join string and every `AWS_…` variable: no AWS client of the agent
/// or of a step may ever pick up credentials that happen to lie there.
#[must_use]
pub fn take() -> Taken {
    let taken = Taken {
        join_string: env::var(JOIN_STRING).ok().map(SecretString::from),
        metadata_endpoint: env::var(METADATA_ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty()),
    };
    let names: Vec<_> = env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        let is_aws = name.as_encoded_bytes().starts_with(b"AWS_") && name != CA_BUNDLE;
        if is_aws || name == JOIN_STRING {
            // SAFETY: called first in main; no other thread exists that could read the environment.
            unsafe { env::remove_var(name) };
        }
    }
    taken
}
