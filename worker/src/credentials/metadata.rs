//! The instance metadata service, version 2 only: what it says of the instance, and the credentials of its role.
//! Source of paths, headers and answers: "Use the Instance Metadata Service to access instance metadata" and "Retrieve security
//! credentials from instance metadata" in the Amazon EC2 user guide.

mod fault;
mod role;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use tokio::sync::OnceCell;

use self::fault::Fault;
use super::{
    exchange::{Answer, Call, Patience},
    refusal,
    role_source::{Missing, Session},
};
use crate::exec_dir::Refusal;

/// Where it is on every instance.
const ADDRESS: &str = "http://169.254.169.254";
/// It answers in milliseconds or not at all.
const PATIENCE: Patience = Patience { connect: Duration::from_secs(1), whole: Duration::from_secs(2) };
/// What says how long a token shall live, and for how long we want it: 6 hours, the longest there is.
const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TTL_SECONDS: u64 = 21_600;
/// 5 minutes before its end a token is not used any more.
const TTL_MARGIN: Duration = Duration::from_secs(300);
/// What shows the token.
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

const TOKEN_PATH: &str = "/latest/api/token";
const REGION_PATH: &str = "/latest/meta-data/placement/region";
const PARTITION_PATH: &str = "/latest/meta-data/services/partition";
const INSTANCE_PATH: &str = "/latest/meta-data/instance-id";

/// The service, and what of it never changes.
#[derive(Debug)]
pub(super) struct Metadata {
    endpoint: String,
    token: Mutex<Option<Token>>,
    region: OnceCell<String>,
    instance: OnceCell<Instance>,
}

/// The instance that this worker is on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// The part of AWS it is in, e.g. `aws-us-gov`.
    pub partition: String,
}

struct Token {
    header: HeaderValue,
    ends: Instant,
}

impl Metadata {
    /// Knows where it is; asks nothing.
    pub(super) fn new(endpoint: Option<&str>) -> Self {
        Self {
            endpoint: endpoint.unwrap_or(ADDRESS).trim_end_matches('/').into(),
            token: Mutex::new(None),
            region: OnceCell::new(),
            instance: OnceCell::new(),
        }
    }

    /// The instance's region.
    ///
    /// # Errors
    /// `NO_REGION`, since it is asked for only when nobody else named one.
    pub(super) async fn region(&self) -> Result<String, Refusal> {
        let asked = self.region.get_or_try_init(async || self.line(REGION_PATH).await).await;
        asked.cloned().map_err(|fault| {
            let why = fault.clause(&self.endpoint);
            let sentence = format!(
                "No region is known: neither a step nor the worker's `--region` names one, and {why}. Set `--region` on the \
                 worker, or `aws.region` in each step."
            );
            refusal("NO_REGION", sentence)
        })
    }

    /// The instance, when there is one.
    pub(super) async fn instance(&self) -> Option<Instance> {
        let asked = self.instance.get_or_try_init(async || {
            let (id, partition) = (self.line(INSTANCE_PATH).await?, self.line(PARTITION_PATH).await?);
            Ok::<_, Fault>(Instance { id, partition })
        });
        asked.await.ok().cloned()
    }

    /// A session of the role that is attached to the instance now.
    ///
    /// # Errors
    /// Each way in which it has none, with its own code and sentence.
    pub(super) async fn role(&self) -> Result<Session, Missing> {
        role::session(self).await.map_err(|fault| fault.missing(&self.endpoint))
    }

    /// One word, such as a region: whatever is longer or has spaces is no answer of this service.
    async fn line(&self, path: &str) -> Result<String, Fault> {
        let body = self.get(path).await?;
        let word = body.trim();
        let is_word =
            (1..=128).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<');
        if is_word { Ok(word.to_owned()) } else { Err(Fault::Nonsense("something that is not metadata")) }
    }

    async fn get(&self, path: &str) -> Result<String, Fault> {
        let answer = self.get_with(path, self.token().await?).await?;
        let answer = match answer.status {
            // The token ended before its time, e.g. because the instance was stopped and started.
            StatusCode::UNAUTHORIZED => {
                self.forget_token();
                self.get_with(path, self.token().await?).await?
            }
            _ => answer,
        };
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::FORBIDDEN => Err(Fault::Disabled),
            other => Err(Fault::Status(other.as_u16())),
        }
    }

    async fn get_with(&self, path: &str, token: HeaderValue) -> Result<Answer, Fault> {
        let call = Call::get(self.uri(path)?, vec![(TOKEN, token)]);
        call.answer(PATIENCE).await.map_err(Fault::of_read)
    }

    async fn token(&self) -> Result<HeaderValue, Fault> {
        if let Some(token) = self.kept_token() {
            return Ok(token);
        }
        let headers = vec![(TTL, HeaderValue::from(TTL_SECONDS))];
        let call = Call { method: Method::PUT, ..Call::get(self.uri(TOKEN_PATH)?, headers) };
        let answer = call.answer(PATIENCE).await.map_err(Fault::of_token)?;
        match answer.status {
            StatusCode::OK => self.keep_token(&answer.body),
            StatusCode::FORBIDDEN => Err(Fault::Disabled),
            other => Err(Fault::NoToken(other.as_u16())),
        }
    }

    fn kept_token(&self) -> Option<HeaderValue> {
        let kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|token| Instant::now() < token.ends).map(|token| token.header.clone())
    }

    fn keep_token(&self, text: &str) -> Result<HeaderValue, Fault> {
        let mut header = HeaderValue::from_str(text.trim()).map_err(|_| Fault::Nonsense("a token that is none"))?;
        header.set_sensitive(true);
        let ends = Instant::now() + Duration::from_secs(TTL_SECONDS) - TTL_MARGIN;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(Token { header: header.clone(), ends });
        Ok(header)
    }

    fn forget_token(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn uri(&self, path: &str) -> Result<Uri, Fault> {
        // The configuration made sure that the endpoint is a URL.
        format!("{}{path}", self.endpoint).parse().map_err(|_| Fault::Nonsense("an address that is none"))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests;
