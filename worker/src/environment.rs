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
/// Where a container's credentials are, below the address that ECS has for them.
pub const CONTAINER_RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
/// Where a container's credentials are.
pub const CONTAINER_FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// What a question for a container's credentials must show; it is a secret.
pub const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// File with the same.
pub const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// File with a token by which AWS knows the worker.
pub const WEB_IDENTITY_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// Role that the token is good for.
pub const ROLE_ARN: &str = "AWS_ROLE_ARN";
/// What a session of that role is called.
pub const ROLE_SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";

/// What was in the environment and is not any more.
#[derive(Debug)]
pub struct Taken {
    /// A join string.
    pub join_string: Option<SecretString>,
    /// What AWS's own programs would take from it, and the agent takes as its defaults.
    pub surroundings: Surroundings,
    /// Where the worker's own role comes from, when it does not come from the instance's metadata.
    pub role: RoleVariables,
}

/// The lowest layer of the configuration. Its `Debug` shows no password.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where the instance metadata service is.
    pub metadata_endpoint: Option<String>,
    /// Authorities for AWS besides the host's, and proxies; never endpoints.
    pub aws: Settings,
}

/// What ECS and EKS put into the environment of a container that has a role. Steps get none of it.
#[derive(Clone, Default, Debug)]
pub struct RoleVariables {
    /// Of [`CONTAINER_RELATIVE_URI`].
    pub container_relative_uri: Option<String>,
    /// Of [`CONTAINER_FULL_URI`].
    pub container_full_uri: Option<String>,
    /// Of [`CONTAINER_TOKEN`].
    pub container_token: Option<SecretString>,
    /// Of [`CONTAINER_TOKEN_FILE`].
    pub container_token_file: Option<String>,
    /// Of [`WEB_IDENTITY_TOKEN_FILE`].
    pub web_identity_token_file: Option<String>,
    /// Of [`ROLE_ARN`].
    pub role_arn: Option<String>,
    /// Of [`ROLE_SESSION_NAME`].
    pub role_session_name: Option<String>,
}

/// Takes what is meant for the agent, and removes the join string and every `AWS_…` variable: no AWS client of the agent
/// or of a step may ever pick up credentials that happen to lie there.
#[must_use]
pub fn take() -> Taken {
    let taken = Taken {
        join_string: env::var(JOIN_STRING).ok().map(SecretString::from),
        surroundings: surroundings(),
        role: role_variables(),
    };
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
        metadata_endpoint: filled(METADATA_ENDPOINT),
        aws: Settings { ca_bundle, proxy, ..Settings::default() },
    }
}

fn role_variables() -> RoleVariables {
    RoleVariables {
        container_relative_uri: filled(CONTAINER_RELATIVE_URI),
        container_full_uri: filled(CONTAINER_FULL_URI),
        container_token: filled(CONTAINER_TOKEN).map(SecretString::from),
        container_token_file: filled(CONTAINER_TOKEN_FILE),
        web_identity_token_file: filled(WEB_IDENTITY_TOKEN_FILE),
        role_arn: filled(ROLE_ARN),
        role_session_name: filled(ROLE_SESSION_NAME),
    }
}

/// An empty variable is as good as none.
fn filled(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
