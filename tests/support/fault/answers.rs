//! What AWS STS says, and what is said in its place and in S3's. Source of the forms: "Common Errors" and "AssumeRole" in the AWS
//! Security Token Service API reference; "Error responses" in the Amazon S3 API reference.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::Trouble;
use crate::{
    emulator::{AccessKey, element},
    http::Response,
};

/// 15 minutes: how old a signature AWS takes.
const OLDEST: SignedDuration = SignedDuration::from_mins(15);

/// The answer that a trouble is; `signed` is the request's own time.
pub(super) fn of(trouble: &Trouble, signed: &str, now: Timestamp) -> Response {
    match trouble {
        Trouble::Throttling => refusal(400, "Throttling", "Rate exceeded"),
        Trouble::SlowDown => refusal_of_s3(503, "SlowDown", "Please reduce your request rate."),
        // Nobody answers then.
        Trouble::Reset => Response::new(500, "text/plain", ""),
        Trouble::Answer { status, body } => Response::new(*status, "text/html", body),
        Trouble::Clock { minutes_ahead } => {
            let theirs = now + SignedDuration::from_mins(*minutes_ahead);
            let message = format!(
                "Signature expired: {signed} is now earlier than {} ({} - 15 min.)",
                compact(theirs - OLDEST),
                compact(theirs)
            );
            let mut response = refusal(403, "SignatureDoesNotMatch", &message);
            let date = theirs.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            response.headers.push(("date".into(), date));
            response
        }
    }
}

/// What AWS says to a session that has ended.
pub(super) fn expired() -> Response {
    refusal(403, "ExpiredToken", "The security token included in the request is expired")
}

/// What S3 says to whoever demands an owner that a bucket does not have.
pub(super) fn denied_by_s3() -> Response {
    refusal_of_s3(403, "AccessDenied", "Access Denied")
}

/// Whose session an answer of STS has; empty where it does not say.
pub(super) fn arn(body: &str) -> String {
    element(body, "Arn").unwrap_or_default()
}

/// The session in an answer of STS.
pub(super) fn key(body: &str) -> Option<AccessKey> {
    Some(AccessKey {
        id: element(body, "AccessKeyId").ok()?,
        secret: element(body, "SecretAccessKey").ok()?,
        session_token: Some(element(body, "SessionToken").ok()?),
        expiration: Some(element(body, "Expiration").ok()?),
    })
}

fn refusal(status: u16, code: &str, message: &str) -> Response {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ErrorResponse>"
    );
    Response::new(status, "text/xml", body)
}

fn refusal_of_s3(status: u16, code: &str, message: &str) -> Response {
    let body = format!(
        "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
    );
    Response::new(status, "application/xml", body)
}

fn compact(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}
