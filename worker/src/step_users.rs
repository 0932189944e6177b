//! Users that steps run as: which there are, and who holds which. One user belongs to one attempt at a time, so that no
//! step can look into another.

mod pool;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use pool::UserPool;

/// What the agent is told about step users.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StepUsers {
    /// The usual range where that is possible, else the agent's own user.
    #[default]
    Auto,
    /// The agent's own user.
    Off,
    /// These, or the agent does not start.
    Range(UidRange),
}

/// Numeric user ids, `first` and `last` included; never 0. They need no entry in any user database, and each has a group
/// of the same number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UidRange {
    first: u32,
    last: u32,
}

/// 64 ids, as many as there can be slots, which neither distributions nor systemd give to services or people.
pub const USUAL: UidRange = UidRange { first: 60100, last: 60163 };

/// The id that means "unchanged" to the kernel, and belongs to nobody.
const NO_UID: u32 = u32::MAX;

impl UidRange {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.last - self.first + 1
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(self, uid: u32) -> bool {
        (self.first..=self.last).contains(&uid)
    }

    /// The lowest.
    #[must_use]
    pub fn first(self) -> u32 {
        self.first
    }

    /// The highest.
    #[must_use]
    pub fn last(self) -> u32 {
        self.last
    }
}

impl fmt::Display for UidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl fmt::Display for StepUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Range(range) => range.fmt(f),
        }
    }
}

impl FromStr for StepUsers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => return Ok(Self::Auto),
            "off" => return Ok(Self::Off),
            _ => {}
        }
        let range = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        match range {
            Some((0, _)) => Err("a step never runs as uid 0: give a range without it, e.g. 60100-60163".into()),
            Some((first, last)) if first <= last && last != NO_UID => Ok(Self::Range(UidRange { first, last })),
            _ => Err(format!("\"{text}\" is neither auto nor off nor a range of numeric user ids like 60100-60163")),
        }
    }
}

impl TryFrom<String> for StepUsers {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<StepUsers> for String {
    fn from(users: StepUsers) -> Self {
        users.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["auto", "off", "60100-60163", "5-5"] {
            assert_eq!(text.parse::<StepUsers>().expect(text).to_string(), text);
        }
        assert_eq!("60100-60163".parse(), Ok(StepUsers::Range(USUAL)));
        assert_eq!(USUAL.count(), shared::limits::MAX_SLOTS);
    }

    #[test]
    fn root_nobody_and_nonsense_are_no_step_users() {
        for text in ["", "on", "0-5", "7-5", "7", "a-b", "-5-7", "1-4294967295", "60100-60163 "] {
            let wrong = text.parse::<StepUsers>().expect_err(text);
            assert!(wrong.contains("60100-60163"), "{wrong}");
        }
    }
}
