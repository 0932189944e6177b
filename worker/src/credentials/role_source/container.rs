//! Credentials of a container: an ECS task's role, or an EKS pod identity. The service's address and the token for it are in
//! the environment that the agent was started with.
//! Source: "Container credential provider" in the AWS SDKs and Tools reference guide.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode, Uri, header::AUTHORIZATION};
use proto::worker::Credentials;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{Missing, Session};
use crate::{
    credentials::exchange::{Call, Patience, Unanswered},
    environment::{CONTAINER_FULL_URI, CONTAINER_RELATIVE_URI, CONTAINER_TOKEN, CONTAINER_TOKEN_FILE, RoleVariables},
};

/// What a relative address is relative to.
const ECS: &str = "http://169.254.170.2";
/// Addresses beside loopback that are the container's own host, and may be asked without TLS: ECS, and EKS twice.
const OWN_HOST: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
/// The service behind it may have to ask AWS first.
const PATIENCE: Patience = Patience { connect: Duration::from_secs(2), whole: Duration::from_secs(5) };

/// Where the service is, and what it wants to see.
#[derive(Debug)]
pub(super) struct Container {
    relative: Option<String>,
    full: Option<String>,
    token: Option<SecretString>,
    token_file: Option<PathBuf>,
    way: aws::Aws,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// What it answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: jiff::Timestamp,
    #[serde(default)]
    role_arn: String,
}

impl Container {
    pub(super) fn new(variables: RoleVariables, way: aws::Aws) -> Self {
        Self {
            relative: variables.container_relative_uri,
            full: variables.container_full_uri,
            token: variables.container_token,
            token_file: variables.container_token_file.map(PathBuf::from),
            way,
            tls: OnceCell::new(),
        }
    }

    /// A session of the container's role.
    ///
    /// # Errors
    /// `ROLE_SOURCE`, with what is missing, or what the service did instead.
    pub(super) async fn role(&self) -> Result<Session, Missing> {
        let uri = self.uri()?;
        let place = place(&uri);
        let headers = self.authorization()?.map(|token| (AUTHORIZATION, token));
        let mut call = Call::get(uri, headers.into_iter().collect());
        if call.uri.scheme_str() == Some("https") {
            call.tls = Some(self.tls.get_or_try_init(|| trusting(self.way.clone())).await?.clone());
        }
        let answer = call.answer(PATIENCE).await;
        let answer = answer.map_err(|unanswered| unreachable(&place, &unanswered))?;
        match answer.status {
            StatusCode::OK => read(&answer.body, &place),
            status => Err(refused(&place, status)),
        }
    }

    fn uri(&self) -> Result<Uri, Missing> {
        let (variable, text) = match (&self.relative, &self.full) {
            (Some(relative), _) if relative.starts_with('/') => (CONTAINER_RELATIVE_URI, format!("{ECS}{relative}")),
            (Some(_), _) => {
                let sentence = format!(
                    "The worker's own role cannot be had: {CONTAINER_RELATIVE_URI} in the agent's environment is no path: it must \
                     begin with /."
                );
                return Err(Missing::source(sentence, false));
            }
            (None, Some(full)) => (CONTAINER_FULL_URI, full.clone()),
            (None, None) => {
                let sentence = format!(
                    "The worker's own role cannot be had: its source is `container`, and neither {CONTAINER_RELATIVE_URI} nor \
                     {CONTAINER_FULL_URI} is in the agent's environment. Start it in a container that has a role, or tell it another \
                     source with `--role-source`."
                );
                return Err(Missing::source(sentence, false));
            }
        };
        let uri = text.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
        uri.filter(may_be_asked).ok_or_else(|| {
            let sentence = format!(
                "The worker's own role cannot be had: {variable} in the agent's environment is no address that may be asked for \
                 credentials. It must be https://, or http:// to this host: loopback as an address, 169.254.170.2, 169.254.170.23 \
                 or [fd00:ec2::23]."
            );
            Missing::source(sentence, false)
        })
    }

    /// Read at each question: whoever put the file there exchanges it.
    fn authorization(&self) -> Result<Option<HeaderValue>, Missing> {
        let (from, text) = match (&self.token_file, &self.token) {
            (Some(file), _) => {
                let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
                (CONTAINER_TOKEN_FILE, SecretString::from(text))
            }
            (None, Some(token)) => (CONTAINER_TOKEN, token.clone()),
            (None, None) => return Ok(None),
        };
        // Files end with a newline; a header does not.
        let mut header = HeaderValue::from_str(text.expose_secret().trim())
            .ok()
            .filter(|header| !header.is_empty())
            .ok_or_else(|| {
                let sentence = format!(
                    "The worker's own role cannot be had: the token of {from} is empty, or has characters that no token has, e.g. a \
                     newline in its middle."
                );
                Missing::source(sentence, true)
            })?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// The authorities that are trusted for AWS: those that are configured, too.
async fn trusting(way: aws::Aws) -> Result<Arc<ClientConfig>, Missing> {
    // It reads files.
    let pem = tokio::task::spawn_blocking(move || way.bundle_pem()).await;
    let pem = pem.map_err(|error| Missing::source(format!("The authorities cannot be read: {error}."), true))?;
    let pem = pem.map_err(|fault| Missing::new(fault.reason, fault.sentence, true))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem.as_bytes()).flatten());
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

/// Without TLS only what cannot leave this host.
fn may_be_asked(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback() || OWN_HOST.iter().any(|own| own.parse() == Ok(address))),
        _ => false,
    }
}

/// Scheme and host: a path may say more than others should know.
fn place(uri: &Uri) -> String {
    let host = uri.authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    format!("{}://{}", uri.scheme_str().unwrap_or_default(), host.unwrap_or_default())
}

fn read(json: &str, place: &str) -> Result<Session, Missing> {
    let wrong = |what: &str| {
        let sentence = format!(
            "The worker's own role cannot be had: the container's credential service at {place} answered with {what}. It may pass; if \
             it does not, look at what answers at that address."
        );
        Missing::source(sentence, true)
    };
    // The text may hold secrets, so neither it nor the parser's words are shown.
    let found: Document = serde_json::from_str(json).map_err(|_| wrong("something that is no credentials"))?;
    if found.access_key_id.is_empty() || found.secret_access_key.is_empty() || found.token.is_empty() {
        return Err(wrong("credentials of which parts are missing"));
    }
    let obtained_at = SystemTime::now();
    if SystemTime::from(found.expiration) <= obtained_at {
        return Err(wrong("credentials that have ended"));
    }
    let credentials = Credentials {
        access_key_id: found.access_key_id,
        secret_access_key: found.secret_access_key,
        session_token: found.token,
        expires_at: found.expiration.as_second(),
    };
    let role = found.role_arn.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(Session { role, credentials, obtained_at })
}

fn refused(place: &str, status: StatusCode) -> Missing {
    let advice = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!(
                "It does not take the token: look at {CONTAINER_TOKEN_FILE} and {CONTAINER_TOKEN} of the agent's environment."
            )
        }
        StatusCode::NOT_FOUND => "The task or pod has no role, or a wrong path was given to the agent.".to_owned(),
        _ => "It may pass; if it does not, look at the log of the container's host.".to_owned(),
    };
    let sentence = format!(
        "The worker's own role cannot be had: the container's credential service at {place} answered with status {}. {advice}",
        status.as_u16()
    );
    Missing::source(sentence, !status.is_client_error() || status == StatusCode::TOO_MANY_REQUESTS)
}

fn unreachable(place: &str, unanswered: &Unanswered) -> Missing {
    let how = match unanswered {
        Unanswered::NoConnection(why) => format!("is not there ({why})"),
        Unanswered::Silence => "does not answer in time".to_owned(),
        Unanswered::Broken(how) => format!("breaks off its answer ({how})"),
    };
    let sentence = format!(
        "The worker's own role cannot be had: the container's credential service at {place} {how}. Check that the container's host \
         offers it, and the address in the agent's environment."
    );
    Missing::source(sentence, true)
}

fn unreadable(file: &Path, error: &io::Error) -> Missing {
    let sentence = format!(
        "The worker's own role cannot be had: the file {} that {CONTAINER_TOKEN_FILE} names cannot be read: {error}.",
        file.display()
    );
    Missing::source(sentence, true)
}

#[cfg(test)]
mod tests;
