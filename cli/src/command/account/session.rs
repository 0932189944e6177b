//! What accounts say of their roles and sessions, read from the command line.

use std::time::Duration;

use clap::ValueEnum;
use proto::deployment as d;
use shared::{
    aws::RoleArn,
    plan::{check_external_id, check_session_duration},
};

/// What a step gets of an access key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Delivery {
    /// A session made for the attempt; the key stays in the coordinator
    Session,
    /// The key itself
    Raw,
}

impl From<Delivery> for d::account::Delivery {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Session => Self::Session,
            Delivery::Raw => Self::Raw,
        }
    }
}

/// Reads the ARN of a role.
///
/// # Errors
/// What is wrong with it, for clap to show behind the value.
pub(in crate::command) fn role_arn(text: &str) -> Result<String, String> {
    text.parse::<RoleArn>().map(|arn| arn.to_string())
}

/// Reads an external id.
///
/// # Errors
/// As above.
pub(in crate::command) fn external_id(text: &str) -> Result<String, String> {
    check_external_id(text).map(|()| text.to_owned())
}

/// Reads how long a session lasts.
///
/// # Errors
/// As above.
pub(super) fn session_duration(text: &str) -> Result<Duration, String> {
    let duration =
        humantime::parse_duration(text).map_err(|error| format!("write it with units, like 1h or 30m: {error}"))?;
    check_session_duration(duration).map(|()| duration)
}

/// As the contract has it; what [`session_duration`] reads always fits.
pub(super) fn on_the_wire(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_from_15_minutes_to_12_hours() {
        assert_eq!(session_duration("90m"), Ok(Duration::from_secs(5400)));
        for (text, part) in [("14m", "15 minutes"), ("13h", "12 hours"), ("3600", "units")] {
            assert!(session_duration(text).is_err_and(|why| why.contains(part)), "{text}");
        }
    }

    #[test]
    fn a_role_is_named_by_its_arn() {
        assert!(role_arn("arn:aws-cn:iam::123456789012:role/teams/deployer").is_ok());
        for text in ["deployer", "arn:aws:iam::123456789012:user/deployer", "arn:aws:iam::1234:role/deployer"] {
            assert!(role_arn(text).is_err(), "{text} was taken");
        }
    }
}
