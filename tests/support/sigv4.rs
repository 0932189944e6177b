//! AWS Signature Version 4 for a form that is posted to `/`: enough to set an emulator up and to look at what is in it,
//! without the SDK under test.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use jiff::{Timestamp, tz::TimeZone};

use crate::emulator::AccessKey;

/// The headers of a signed request.
#[must_use]
pub fn sign(
    key: &AccessKey,
    service: &str,
    region: &str,
    host: &str,
    body: &str,
    now: Timestamp,
) -> Vec<(String, String)> {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let mut headers = vec![
        ("content-type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        ("host".to_owned(), host.to_owned()),
        ("x-amz-date".to_owned(), time.clone()),
    ];
    if let Some(token) = &key.session_token {
        headers.push(("x-amz-security-token".to_owned(), token.clone()));
    }
    let signed = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let mut canonical = "POST\n/\n\n".to_owned();
    for (name, value) in &headers {
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let _ = write!(canonical, "\n{signed}\n{}", hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref()));
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
