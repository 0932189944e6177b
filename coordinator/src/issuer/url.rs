//! The issuer's own name: a URL that AWS fetches, and compares letter by letter.

use std::{fmt, str::FromStr};

use rustls_pki_types::DnsName;
use serde::{Serialize, Serializer};

/// 255 characters: what IAM takes (IAM API reference, `CreateOpenIDConnectProvider`, `Url`).
const MAX: usize = 255;

/// `https://HOST[/PATH]`, without a slash at its end: AWS compares a token's `iss` with the provider's URL letter by letter, so
/// it stands in tokens and documents exactly as the operator wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuerUrl {
    text: String,
    /// Where the path begins; its end, if there is none.
    path_at: usize,
}

impl IssuerUrl {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Empty, or begins with `/` and does not end so.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }
}

impl FromStr for IssuerUrl {
    type Err = String;

    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the URL.
    fn from_str(text: &str) -> Result<Self, String> {
        let rest =
            text.strip_prefix("https://").ok_or("it must begin with https://, since AWS fetches nothing else")?;
        if text.len() > MAX {
            return Err(format!("it is {} characters long, and IAM takes {MAX}", text.len()));
        }
        if rest.contains(['?', '#']) {
            return Err("it must have no query and no fragment: the paths of the documents are put at its end".into());
        }
        if rest.ends_with('/') {
            return Err("it must not end with a slash: AWS compares it letter by letter with the provider's URL in IAM and with \
                        each token, so leave the slash away here and there"
                .into());
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        check_host(host)?;
        if !path.split('/').skip(1).all(is_segment) {
            return Err("its path may have letters, digits and -._~ between single slashes".into());
        }
        Ok(Self { text: text.to_owned(), path_at: text.len() - path.len() })
    }
}

fn check_host(host: &str) -> Result<(), String> {
    if host.contains('@') {
        return Err("it must not name a user".into());
    }
    if host.contains(':') {
        return Err(
            "it must not have a port: IAM takes none, and AWS connects to 443 (--oidc-listen may well be another one)"
                .into(),
        );
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("its host must be in lower case, since AWS compares it letter by letter".into());
    }
    DnsName::try_from(host).map(drop).map_err(|_| {
        format!("\"{host}\" is not a host name, and AWS wants a certificate that a public authority gave for one")
    })
}

fn is_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for IssuerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_as_it_was_written() {
        for (text, path) in [
            ("https://deploy.example.com", ""),
            ("https://deploy.example.com/oidc", "/oidc"),
            ("https://example.com/a/b-1", "/a/b-1"),
        ] {
            let url: IssuerUrl = text.parse().expect(text);
            assert_eq!((url.as_str(), url.path()), (text, path));
        }
    }

    #[test]
    fn what_aws_would_not_take_as_an_issuer_says_why() {
        for (text, part) in [
            ("http://deploy.example.com", "https://"),
            ("deploy.example.com", "https://"),
            ("https://", "not a host name"),
            ("https://deploy.example.com/", "slash"),
            ("https://deploy.example.com/oidc/", "slash"),
            ("https://deploy.example.com?x=1", "query"),
            ("https://deploy.example.com/#x", "fragment"),
            ("https://deploy.example.com:8443", "port"),
            ("https://me@deploy.example.com", "user"),
            ("https://Deploy.example.com", "lower case"),
            ("https://192.0.2.1", "not a host name"),
            ("https://de ploy", "not a host name"),
            ("https://deploy.example.com//oidc", "path"),
            ("https://deploy.example.com/a/../b", "path"),
            ("https://deploy.example.com/a%20b", "path"),
        ] {
            let why = text.parse::<IssuerUrl>().expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
        assert!(format!("https://example.com/{}", "x".repeat(250)).parse::<IssuerUrl>().is_err());
    }
}
