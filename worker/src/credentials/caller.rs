//! Who AWS says somebody is (sts:GetCallerIdentity), remembered for a minute, so that a hundred steps of one account ask
//! once.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, UNIX_EPOCH},
};

use aws_credential_types::{Credentials as SdkCredentials, provider::SharedCredentialsProvider};
use aws_lc_rs::digest;
use aws_sdk_sts::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_caller_identity::GetCallerIdentityError,
};
use proto::worker::Credentials;
use tokio::sync::OnceCell;

use super::refusal;
use crate::exec_dir::Refusal;

/// 60 seconds: as long as nobody would mind that a key was revoked.
const KEEP: Duration = Duration::from_secs(60);
/// 256 answers: accounts times regions of one minute.
const MOST: usize = 256;

/// Who somebody is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    pub(super) account: String,
    pub(super) arn: String,
}

/// Answers of the last minute. The keys are digests: no secret is kept.
#[derive(Default)]
pub(super) struct Callers {
    answers: Mutex<BTreeMap<[u8; 32], (Instant, Answer)>>,
}

/// Filled by the first who asks; the others wait for it.
type Answer = Arc<OnceCell<Caller>>;

impl std::fmt::Debug for Callers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callers")
    }
}

impl Callers {
    pub(super) async fn identify(
        &self,
        credentials: &Credentials,
        region: &str,
        endpoint_url: Option<&str>,
        source: &str,
    ) -> Result<Caller, Refusal> {
        let answer = self.answer(key(credentials, region));
        answer.get_or_try_init(async || ask(credentials, region, endpoint_url, source).await).await.cloned()
    }

    fn answer(&self, key: [u8; 32]) -> Answer {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (asked, _)| asked.elapsed() < KEEP);
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.entry(key).or_insert_with(|| (Instant::now(), Answer::default())).1.clone()
    }
}

fn key(credentials: &Credentials, region: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [&credentials.access_key_id, &credentials.secret_access_key, &credentials.session_token, region] {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

async fn ask(
    credentials: &Credentials,
    region: &str,
    endpoint_url: Option<&str>,
    source: &str,
) -> Result<Caller, Refusal> {
    let provider = SharedCredentialsProvider::new(sdk_credentials(credentials));
    let config = crate::aws::sdk_config(provider, region, endpoint_url);
    let answer = Client::new(&config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| refusal_of(&error, &credentials.access_key_id, source, endpoint_url))?;
    Ok(Caller { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
}

fn sdk_credentials(credentials: &Credentials) -> SdkCredentials {
    let token = Some(credentials.session_token.clone()).filter(|token| !token.is_empty());
    let expiry = u64::try_from(credentials.expires_at).ok().filter(|ends| *ends > 0);
    SdkCredentials::new(
        credentials.access_key_id.clone(),
        credentials.secret_access_key.clone(),
        token,
        expiry.map(|ends| UNIX_EPOCH + Duration::from_secs(ends)),
        "longshore",
    )
}

fn refusal_of(
    error: &SdkError<GetCallerIdentityError>,
    key: &str,
    source: &str,
    endpoint_url: Option<&str>,
) -> Refusal {
    let place = endpoint_url.unwrap_or("AWS STS");
    let Some(code) = error.code() else {
        let why = root_cause(error);
        return refusal(
            "AWS_UNREACHABLE",
            format!(
                "{place} could not be asked who {source} is: {why}. Check the worker's way to it: network, proxy, certificates."
            ),
        );
    };
    let sentence = match code {
        "InvalidClientTokenId" => {
            format!("AWS does not know the access key {key} of {source}: it was deleted, is inactive, or was mistyped.")
        }
        "SignatureDoesNotMatch" => format!(
            "AWS refused {source}: the secret key does not belong to the access key {key}, or the worker's clock is wrong."
        ),
        "ExpiredToken" | "ExpiredTokenException" => {
            format!("The credentials of {source} (access key {key}) have expired.")
        }
        "RequestExpired" => "AWS refused the request as too old: the worker's clock is wrong.".into(),
        "AccessDenied" | "AccessDeniedException" => {
            format!("AWS denies {source} (access key {key}) everything: {}", error.message().unwrap_or_default())
        }
        other => {
            format!("AWS refused {source} (access key {key}) with {other}: {}", error.message().unwrap_or_default())
        }
    };
    refusal("CREDENTIALS_REFUSED", sentence)
}

/// The innermost sentence of an error: the outer ones only say that something failed.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_differ_in_any_part_are_asked_about_again() {
        let base =
            Credentials { access_key_id: "AKIA1".into(), secret_access_key: "s".into(), ..Credentials::default() };
        let mut keys = vec![key(&base, "r"), key(&base, "q")];
        let changes: [fn(&mut Credentials); 3] =
            [|c| c.access_key_id.push('x'), |c| c.secret_access_key.push('x'), |c| c.session_token.push('x')];
        for change in changes {
            let mut other = base.clone();
            change(&mut other);
            keys.push(key(&other, "r"));
        }
        // The same bytes, divided otherwise.
        keys.push(key(&Credentials { access_key_id: "AKIA1s".into(), ..Credentials::default() }, "r"));
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[tokio::test]
    async fn an_endpoint_that_does_not_answer_is_named_and_no_secret_is() {
        service::tls::install_provider();
        let credentials = Credentials {
            access_key_id: "AKIAEXAMPLE".into(),
            secret_access_key: "canary-secret".into(),
            ..Credentials::default()
        };
        let endpoint = "http://127.0.0.1:1";
        let callers = Callers::default();
        let refusal =
            callers.identify(&credentials, "eu-west-1", Some(endpoint), "account shop").await.expect_err("refused");
        assert_eq!(refusal.reason, "AWS_UNREACHABLE");
        assert!(refusal.detail.contains(endpoint) && !refusal.detail.contains("canary"), "{}", refusal.detail);
    }
}
