//! Through whom AWS is reached, and which hosts never are.

use std::fmt;

use aws_smithy_http_client::proxy::ProxyConfig;
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use serde::{Serialize, Serializer};
use shared::reason::Fault;

use crate::settings::invalid;

/// Never asked through a proxy: this host itself, instance metadata, and the credential endpoints of ECS and EKS. They answer
/// to this host alone, with secrets.
pub const ALWAYS_DIRECT: [&str; 8] = [
    "127.0.0.1",
    "localhost",
    "::1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::254",
    "fd00:ec2::23",
];

/// Proxies by the scheme of what is asked. Its `Debug` shows no password.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub struct Proxy {
    /// For `https://` addresses, e.g. `http://proxy.internal:3128`; may hold `user:password@`.
    #[serde(rename = "https_proxy", skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub https: Option<String>,
    /// For `http://` addresses.
    #[serde(rename = "http_proxy", skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub http: Option<String>,
    /// Hosts, domains (with all below them) and networks that are asked directly; `*` is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
}

impl Proxy {
    /// As a process's environment names them, in capitals or small letters; capitals win. Blank ones are none.
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let set =
                |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            set(name).or_else(|| set(&name.to_lowercase()))
        };
        let no_proxy = either("NO_PROXY").unwrap_or_default();
        let no_proxy = no_proxy.split(',').map(str::trim).filter(|rule| !rule.is_empty()).map(str::to_owned).collect();
        Self { https: either("HTTPS_PROXY"), http: either("HTTP_PROXY"), no_proxy }
    }

    /// The variables that tell a step's programs the same, in capitals and small letters, since programs differ in which they
    /// read. None without a proxy.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let https = self.https.as_deref().map(with_scheme);
        let http = self.http.as_deref().map(with_scheme);
        if https.is_none() && http.is_none() {
            return Vec::new();
        }
        let of = |names: [&'static str; 2], value: Option<String>| {
            value.into_iter().flat_map(move |value| names.map(|name| (name, value.clone())))
        };
        of(["HTTPS_PROXY", "https_proxy"], https)
            .chain(of(["HTTP_PROXY", "http_proxy"], http))
            .chain(of(["NO_PROXY", "no_proxy"], Some(self.direct().join(","))))
            .collect()
    }

    /// Passwords in the URLs: a step's log must not show them.
    #[must_use]
    pub fn passwords(&self) -> Vec<&str> {
        [&self.https, &self.http].into_iter().flatten().filter_map(|url| password(url)).collect()
    }

    pub(crate) fn or(self, lower: Self) -> Self {
        let no_proxy = if self.no_proxy.is_empty() { lower.no_proxy } else { self.no_proxy };
        Self { https: self.https.or(lower.https), http: self.http.or(lower.http), no_proxy }
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        for (setting, url) in [("--https-proxy", &self.https), ("--http-proxy", &self.http)] {
            let Some(url) = url else { continue };
            // The SDK knows what it can use.
            ProxyConfig::all(with_scheme(url).as_str()).map_err(|_| {
                let shown = without_password(url);
                invalid(format!("{setting} is \"{shown}\": it must be a URL like http://proxy.internal:3128."))
            })?;
        }
        let wrong = self
            .no_proxy
            .iter()
            .find(|rule| rule.contains(|c: char| c.is_whitespace() || c == '/' && rule.contains("://")));
        wrong.map_or(Ok(()), |rule| {
            Err(invalid(format!(
                "--no-proxy has the entry \"{rule}\": each is a host, a domain or a network, e.g. internal.example or 10.0.0.0/8."
            )))
        })
    }

    /// What the SDK's connector for `https://` does.
    pub(crate) fn for_https(&self) -> ProxyConfig {
        self.config(self.https.as_deref(), |url| ProxyConfig::https(url))
    }

    /// What the SDK's connector for `http://` does.
    pub(crate) fn for_http(&self) -> ProxyConfig {
        self.config(self.http.as_deref(), |url| ProxyConfig::http(url))
    }

    /// Who stands before an address, decided as the SDK decides it.
    pub(crate) fn before(&self, uri: &Uri) -> Option<Intercept> {
        let mut matcher = Matcher::builder().no(self.direct().join(","));
        if let Some(https) = &self.https {
            matcher = matcher.https(with_scheme(https));
        }
        if let Some(http) = &self.http {
            matcher = matcher.http(with_scheme(http));
        }
        matcher.build().intercept(uri)
    }

    fn config<E>(&self, url: Option<&str>, make: impl Fn(&str) -> Result<ProxyConfig, E>) -> ProxyConfig {
        // `check` has seen to it that it is a URL.
        let config = url.and_then(|url| make(&with_scheme(url)).ok());
        config.map_or_else(ProxyConfig::disabled, |config| config.no_proxy(self.direct().join(",")))
    }

    /// What is configured, and what is always direct. `*.internal` is how some programs write `.internal`.
    fn direct(&self) -> Vec<&str> {
        let configured =
            self.no_proxy.iter().map(|rule| rule.strip_prefix('*').filter(|rest| !rest.is_empty()).unwrap_or(rule));
        configured.chain(ALWAYS_DIRECT).collect()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("https", &self.https.as_deref().map(without_password))
            .field("http", &self.http.as_deref().map(without_password))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// A URL that can be shown: `***` stands for the password in it.
#[must_use]
pub fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    match user.split_once(':') {
        Some((user, _)) => format!("{scheme}{user}:***@{host}"),
        None => format!("{scheme}***@{host}"),
    }
}

fn password(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (user, _) = rest.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

// Only for ones that are there.
fn shown<S: Serializer>(url: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&without_password(url.as_deref().unwrap_or_default()))
}

/// `proxy.internal:3128` is what many write.
fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}
