//! A role that AWS STS gives for a token in a file, which somebody exchanges from time to time: IAM roles for service accounts.
//! Role and file are in the environment that the agent was started with.

use std::{fs, path::Path, sync::Arc, time::SystemTime};

use aws_credential_types::{Credentials as SdkCredentials, provider::SharedCredentialsProvider};
use aws_sdk_sts::{Client, error::SdkError, operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use proto::worker::Credentials;
use secrecy::{ExposeSecret, SecretString};
use shared::{aws::RoleArn, reason::Reason};

use super::{Missing, Session};
use crate::{
    aws,
    config::Config,
    credentials::metadata::Metadata,
    environment::{ROLE_ARN, RoleVariables, WEB_IDENTITY_TOKEN_FILE},
};

/// How a session is called unless the environment says it.
const SESSION_NAME: &str = "longshore-worker";

/// Which role, and what for.
#[derive(Debug)]
pub(super) struct WebIdentity {
    token_file: Option<String>,
    role_arn: Option<String>,
    session_name: String,
    region: Option<String>,
    endpoint_url: Option<String>,
    metadata: Arc<Metadata>,
}

impl WebIdentity {
    pub(super) fn new(variables: RoleVariables, config: &Config, metadata: Arc<Metadata>) -> Self {
        Self {
            token_file: variables.web_identity_token_file,
            role_arn: variables.role_arn,
            session_name: variables.role_session_name.unwrap_or_else(|| SESSION_NAME.into()),
            region: config.region.clone(),
            endpoint_url: config.aws_endpoint_url.clone(),
            metadata,
        }
    }

    /// A session of the role, for the token that is in the file now.
    ///
    /// # Errors
    /// `ROLE_SOURCE` with the variable that is missing or wrong; `WEB_IDENTITY_REFUSED` in AWS's words; `AWS_UNAVAILABLE`.
    pub(super) async fn role(&self) -> Result<Session, Missing> {
        let role = self.wanted()?;
        let token = self.token()?;
        let region = match &self.region {
            Some(region) => region.clone(),
            None => self.metadata.region().await.map_err(|refusal| Missing { refusal, is_passing: true })?,
        };
        let config = aws::sdk_config(nobody(), &region, self.endpoint_url.as_deref());
        let answer = Client::new(&config)
            .assume_role_with_web_identity()
            .role_arn(role.to_string())
            .role_session_name(&self.session_name)
            .web_identity_token(token.expose_secret())
            .send()
            .await
            .map_err(|error| refused(&role, &error))?;
        let given = answer.credentials.ok_or_else(|| Missing::source("AWS answered without credentials.", true))?;
        let credentials = Credentials {
            access_key_id: given.access_key_id,
            secret_access_key: given.secret_access_key,
            session_token: given.session_token,
            expires_at: given.expiration.secs(),
        };
        Ok(Session { role: role.name, credentials, obtained_at: SystemTime::now() })
    }

    fn wanted(&self) -> Result<RoleArn, Missing> {
        let arn = self.role_arn.as_deref().ok_or_else(|| absent(ROLE_ARN))?;
        arn.parse().map_err(|what: String| {
            let sentence = format!("The worker's own role cannot be had: {ROLE_ARN} in the agent's environment, \"{arn}\", {what}.");
            Missing::source(sentence, false)
        })
    }

    /// Read at each question: whoever put the file there exchanges it.
    fn token(&self) -> Result<SecretString, Missing> {
        let file = Path::new(self.token_file.as_deref().ok_or_else(|| absent(WEB_IDENTITY_TOKEN_FILE))?);
        let unusable = |what: String| {
            let sentence = format!(
                "The worker's own role cannot be had: the file {} that {WEB_IDENTITY_TOKEN_FILE} names {what}.",
                file.display()
            );
            Missing::source(sentence, true)
        };
        let text = fs::read_to_string(file).map_err(|error| unusable(format!("cannot be read: {error}")))?;
        let token = text.trim();
        if token.is_empty() { Err(unusable("is empty".into())) } else { Ok(token.to_owned().into()) }
    }
}

/// The call carries the token and no signature; the client wants somebody all the same.
fn nobody() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(SdkCredentials::new("unsigned", "unsigned", None, None, "longshore"))
}

fn absent(variable: &str) -> Missing {
    let sentence = format!(
        "The worker's own role cannot be had: its source is `web-identity`, and {variable} is not in the agent's environment. Start it \
         where a role is given to its service account, or tell it another source with `--role-source`."
    );
    Missing::source(sentence, false)
}

fn refused(role: &RoleArn, error: &SdkError<AssumeRoleWithWebIdentityError>) -> Missing {
    let is_passing = aws::may_pass(error) || !matches!(error, SdkError::ServiceError(_));
    let reason = if error.code().is_some() { Reason::WebIdentityRefused } else { Reason::AwsUnavailable };
    let sentence = format!(
        "The worker's own role cannot be had: {} The role is {role}; its trust policy must name the token's issuer and subject.",
        aws::explain("AssumeRoleWithWebIdentity", error)
    );
    Missing::new(reason, sentence, is_passing)
}
