//! Where AWS is, whom to trust for it, and which way leads there.

use std::{collections::BTreeMap, path::PathBuf};

use http::Uri;
use shared::reason::{Fault, Reason};

use crate::{proxy::Proxy, roots};

/// Everything that decides how AWS is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Where every service is, if not where AWS says it is.
    pub endpoint_url: Option<String>,
    /// Where single services are; wins over `endpoint_url`. The keys are service ids in lower case, with _ for blanks: `sts`,
    /// `s3`, `cloudwatch_logs`.
    pub endpoints: BTreeMap<String, String>,
    /// PEM file of authorities that are trusted besides those compiled in and the host's.
    pub ca_bundle: Option<PathBuf>,
    /// Through whom AWS is reached.
    pub proxy: Proxy,
    /// How sentences call the host they are about, e.g. `the worker's host`.
    pub host: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            endpoints: BTreeMap::new(),
            ca_bundle: None,
            proxy: Proxy::default(),
            host: "this host",
        }
    }
}

impl Settings {
    /// Refuses what cannot work, before anything is asked of AWS.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, with a sentence that names the setting and its value.
    pub fn check(&self) -> Result<(), Fault> {
        if let Some(url) = &self.endpoint_url {
            check_url("aws-endpoint-url", url)?;
        }
        for (service, url) in &self.endpoints {
            check_service(service)?;
            check_url(&format!("aws-endpoint of {service}"), url)?;
        }
        self.proxy.check()?;
        self.ca_bundle.as_deref().map_or(Ok(()), |path| roots::configured(path).map(drop))
    }

    /// Where a service is, if not where AWS says it is.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Option<&str> {
        self.endpoints.get(service).or(self.endpoint_url.as_ref()).map(String::as_str)
    }
}

/// Takes `SERVICE=URL` apart, as flags have it.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn service_endpoint(text: &str) -> Result<(String, String), String> {
    let (service, url) = text
        .split_once('=')
        .ok_or_else(|| format!("\"{text}\" is not of the form SERVICE=URL, e.g. s3=https://s3.internal:9000."))?;
    check_service(service).and_then(|()| check_url(service, url)).map_err(|fault| fault.sentence)?;
    Ok((service.to_owned(), url.to_owned()))
}

pub(crate) fn invalid(sentence: String) -> Fault {
    Fault::new(Reason::InvalidArgument, sentence)
}

fn check_service(service: &str) -> Result<(), Fault> {
    let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !service.is_empty() && service.len() <= 64 && service.bytes().all(is_id) {
        return Ok(());
    }
    Err(invalid(format!(
        "aws-endpoint names the service \"{service}\": write its id in lower case with _ for blanks, e.g. sts, s3 or cloudwatch_logs."
    )))
}

fn check_url(setting: &str, url: &str) -> Result<(), Fault> {
    let is_url = url.parse::<Uri>().is_ok_and(|uri| {
        let whole = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        whole && uri.query().is_none() && matches!(uri.scheme_str(), Some("http" | "https"))
    });
    if is_url {
        return Ok(());
    }
    Err(invalid(format!(
        "{setting} is \"{url}\": it must be a URL like https://sts.internal or http://127.0.0.1:4566."
    )))
}

#[cfg(test)]
mod tests;
