//! Where AWS is, whom to trust for it, and which way leads there.

use std::{collections::BTreeMap, path::PathBuf};

use http::Uri;
use serde::Serialize;
use shared::reason::{Fault, Reason};

use crate::{proxy::Proxy, roots};

/// `AWS_ENDPOINT_URL_S3`, and so on.
const SERVICE_ENDPOINT: &str = "AWS_ENDPOINT_URL_";

/// Everything that decides how AWS is reached. It is written as the configuration files of our programs have it, without
/// passwords.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Settings {
    /// Where every service is, if not where AWS says it is.
    #[serde(rename = "aws_endpoint_url", skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// PEM file of authorities that are trusted besides those compiled in and the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<PathBuf>,
    /// Through whom AWS is reached.
    #[serde(flatten)]
    pub proxy: Proxy,
    /// Where single services are; wins over `endpoint_url`. The keys are service ids in lower case, with _ for blanks: `sts`,
    /// `s3`, `cloudwatch_logs`.
    #[serde(rename = "aws_endpoints", skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, String>,
    /// How sentences call the host they are about, e.g. `the worker's host`.
    #[serde(skip)]
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
    /// What is not set here is taken from `lower`; endpoints service by service, the list of `no_proxy` as a whole.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        let mut endpoints = lower.endpoints;
        endpoints.extend(self.endpoints);
        Self {
            endpoint_url: self.endpoint_url.or(lower.endpoint_url),
            ca_bundle: self.ca_bundle.or(lower.ca_bundle),
            proxy: self.proxy.or(lower.proxy),
            endpoints,
            host: self.host,
        }
    }

    /// What a process's environment says, as AWS's own programs understand it.
    #[must_use]
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let of_service =
            |(name, url): (&String, &String)| Some((name.strip_prefix(SERVICE_ENDPOINT)?.to_lowercase(), url.clone()));
        Self {
            endpoint_url: variables.get("AWS_ENDPOINT_URL").cloned(),
            ca_bundle: variables.get("AWS_CA_BUNDLE").map(PathBuf::from),
            proxy: Proxy::from_environment(|name| variables.get(name).cloned()),
            endpoints: variables.iter().filter_map(of_service).collect(),
            ..Self::default()
        }
    }

    /// The variables that tell AWS's own programs endpoints and authorities; [`Proxy::environment`] has the rest. The bundle must
    /// be a whole one ([`crate::Aws::bundle_pem`]): it replaces what those programs trust by themselves.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let general = self.endpoint_url.iter().map(|url| ("AWS_ENDPOINT_URL".to_owned(), url.clone()));
        let own = self
            .endpoints
            .iter()
            .map(|(service, url)| (format!("{SERVICE_ENDPOINT}{}", service.to_uppercase()), url.clone()));
        let bundle = self.ca_bundle.iter().map(|path| ("AWS_CA_BUNDLE".to_owned(), path.display().to_string()));
        general.chain(own).chain(bundle).collect()
    }

    /// Refuses what cannot work, before anything is asked of AWS.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, with a sentence that names the setting and its value.
    pub fn check(&self) -> Result<(), Fault> {
        if let Some(url) = &self.endpoint_url {
            check_url("--aws-endpoint-url", url)?;
        }
        for (service, url) in &self.endpoints {
            check_service(service)?;
            check_url(&format!("--aws-endpoint of {service}"), url)?;
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
        "--aws-endpoint names the service \"{service}\": write its id in lower case with _ for blanks, e.g. sts, s3 or cloudwatch_logs."
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
