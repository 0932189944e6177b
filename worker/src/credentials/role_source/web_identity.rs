//! A role that AWS STS gives for a token in a file, which somebody exchanges from time to time: IAM roles for service accounts.
//! Role and file are in the environment that the agent was started with.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use secrecy::{ExposeSecret, SecretString};
use shared::{
    aws::{RoleArn, session_word},
    reason::{Fault, Reason},
};

use super::{Missing, Session};
use crate::{
    credentials::grant::from_aws,
    environment::{ROLE_ARN, RoleVariables, WEB_IDENTITY_TOKEN_FILE},
};

/// How a session is called unless the environment says it.
const SESSION_NAME: &str = "longshore-worker";
/// How long sessions last: what every role allows.
const SESSION: Duration = Duration::from_secs(3600);

/// Which role, and what for.
#[derive(Debug)]
pub(super) struct WebIdentity {
    token_file: Option<String>,
    role_arn: Option<String>,
    session_name: String,
    /// Where STS is asked; the home of the role's partition when it is empty.
    region: String,
    way: aws::Aws,
}

impl WebIdentity {
    pub(super) fn new(variables: RoleVariables, region: Option<String>, way: aws::Aws) -> Self {
        Self {
            token_file: variables.web_identity_token_file,
            role_arn: variables.role_arn,
            session_name: session_word(variables.role_session_name.as_deref().unwrap_or(SESSION_NAME)),
            region: region.unwrap_or_default(),
            way,
        }
    }

    /// A session of the role, for the token that is in the file now.
    ///
    /// # Errors
    /// `ROLE_SOURCE` with the variable that is missing or wrong; those of AWS as they are.
    pub(super) async fn role(&self) -> Result<Session, Missing> {
        let role = self.wanted()?;
        let (token, arn) = (self.token()?, role.to_string());
        let token = token.expose_secret();
        let answer = self
            .way
            .assume_role_with_web_identity(
                "the worker's own role",
                &self.region,
                token,
                &arn,
                &self.session_name,
                SESSION,
                "",
            )
            .await;
        let credentials = from_aws(&answer.map_err(refused)?.value);
        Ok(Session { role: role.name, credentials, obtained_at: SystemTime::now() })
    }

    fn wanted(&self) -> Result<RoleArn, Missing> {
        let arn = self.role_arn.as_deref().ok_or_else(|| absent(ROLE_ARN))?;
        arn.parse().map_err(|what: String| {
            let sentence = format!(
                "The worker's own role cannot be had: {ROLE_ARN} in the agent's environment, \"{arn}\", {what}."
            );
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

fn absent(variable: &str) -> Missing {
    let sentence = format!(
        "The worker's own role cannot be had: its source is `web-identity`, and {variable} is not in the agent's environment. Start it \
         where a role is given to its service account, or tell it another source with `--role-source`."
    );
    Missing::source(sentence, false)
}

fn refused(Fault { reason, sentence }: Fault) -> Missing {
    // Its token may be the old one still; only what the configuration got wrong stays so.
    let is_passing =
        !matches!(reason, Reason::WebIdentityRefused | Reason::PartitionMismatch | Reason::InvalidArgument);
    Missing::new(reason, format!("The worker's own role cannot be had: {sentence}"), is_passing)
}
