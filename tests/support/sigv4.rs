//! AWS Signature Version 4: enough to set an emulator up and to look at what is in it, without the SDK under test.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use jiff::{Timestamp, tz::TimeZone};

use crate::emulator::AccessKey;

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// E.g. `GET`.
    pub method: &'a str,
    /// Percent-encoded.
    pub path: &'a str,
    /// Percent-encoded, each name with its value, in the order of the names; empty for none.
    pub query: &'a str,
    /// Besides those of the signature; names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The whole body.
    pub body: &'a str,
}

/// The headers of a form that is posted to `/`.
#[must_use]
pub fn sign(
    key: &AccessKey,
    service: &str,
    region: &str,
    host: &str,
    body: &str,
    now: Timestamp,
) -> Vec<(String, String)> {
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let form = Unsigned { method: "POST", path: "/", query: "", headers: &headers, body };
    sign_any(key, service, region, host, &form, now)
}

/// The headers of a signed request.
#[must_use]
pub fn sign_any(
    key: &AccessKey,
    service: &str,
    region: &str,
    host: &str,
    request: &Unsigned<'_>,
    now: Timestamp,
) -> Vec<(String, String)> {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let hash = hex(digest::digest(&digest::SHA256, request.body.as_bytes()).as_ref());
    let own = request.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut headers: Vec<(String, String)> = own.collect();
    headers.push(("host".to_owned(), host.to_owned()));
    headers.push(("x-amz-content-sha256".to_owned(), hash.clone()));
    headers.push(("x-amz-date".to_owned(), time.clone()));
    if let Some(token) = &key.session_token {
        headers.push(("x-amz-security-token".to_owned(), token.clone()));
    }
    headers.sort();
    let signed = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in &headers {
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let _ = write!(canonical, "\n{signed}\n{hash}");
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}");
    let signature = hex(&mac(&signing_key(&key.secret, day, region, service), &text));
    headers.push((
        "authorization".to_owned(),
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}", key.id),
    ));
    headers
}

fn signing_key(secret: &str, day: &str, region: &str, service: &str) -> Vec<u8> {
    [day, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
