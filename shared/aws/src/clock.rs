//! AWS's clock and ours: AWS refuses what is signed more than five minutes apart from its own time.

use std::time::Duration;

use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::date_time::{DateTime, Format};
use jiff::{Timestamp, Unit};
use shared::reason::{Fault, Reason};

/// Whether a refusal is about the request's time.
pub(crate) fn is_about_time(code: &str, message: &str) -> bool {
    match code {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => true,
        "SignatureDoesNotMatch" | "InvalidSignatureException" | "AccessDenied" | "AuthFailure" => {
            message.contains("Signature expired") || message.contains("not yet current")
        }
        _ => false,
    }
}

/// The refusal with both clocks in it. `act` is what was refused, e.g. `GetCallerIdentity of account "shop"`.
pub(crate) fn skew(act: &str, host: &str, headers: Option<&Headers>) -> Fault {
    Fault::new(Reason::ClockSkew, sentence(act, host, headers.and_then(aws_time), now()))
}

pub(crate) fn now() -> Timestamp {
    Timestamp::now().round(Unit::Second).unwrap_or_default()
}

fn sentence(act: &str, host: &str, aws: Option<Timestamp>, ours: Timestamp) -> String {
    let Some(aws) = aws else {
        return format!(
            "AWS refused {act} because of its time: the clock of {host} says {ours}, and AWS's answer does not say its own. Set the clock \
             of {host} (NTP), then try again."
        );
    };
    let seconds = ours.as_second() - aws.as_second();
    let apart = humantime::format_duration(Duration::from_secs(seconds.unsigned_abs()));
    let side = if seconds < 0 { "behind" } else { "ahead" };
    format!(
        "AWS refused {act} because of its time: AWS's clock says {aws}, the clock of {host} says {ours}: it is {apart} {side}. Set the \
         clock of {host} (NTP), then try again."
    )
}

fn aws_time(headers: &Headers) -> Option<Timestamp> {
    let date = DateTime::from_str(headers.get("date")?, Format::HttpDate).ok()?;
    Timestamp::from_second(date.secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_are_named_and_the_difference() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (aws, ours) = (at("2026-11-25T12:00:00Z"), at("2026-11-25T06:30:00Z"));
        let behind = sentence("GetCallerIdentity", "the worker's host", Some(aws), ours);
        for part in
            ["AWS's clock says 2026-11-25T12:00:00Z", "the worker's host says 2026-11-25T06:30:00Z", "5h 30m behind"]
        {
            assert!(behind.contains(part), "{behind}");
        }
        assert!(sentence("x", "h", Some(ours), aws).contains("5h 30m ahead"));
        assert!(sentence("x", "h", None, ours).contains("does not say its own"));
    }

    #[test]
    fn a_wrong_secret_is_not_taken_for_a_wrong_clock() {
        assert!(!is_about_time("SignatureDoesNotMatch", "The request signature we calculated does not match"));
        assert!(is_about_time("SignatureDoesNotMatch", "Signature expired: 20261122T213206Z is now earlier than"));
        assert!(is_about_time(
            "SignatureDoesNotMatch",
            "Signature not yet current: 20261122T213206Z is still later than"
        ));
        assert!(is_about_time("RequestTimeTooSkewed", ""));
    }
}
