//! Whether the step's credentials near their end and nobody brings newer ones: told once for each set of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use proto::worker::Credentials;

use super::Notice;

/// 10 minutes: SDKs then insist on newer ones.
const NEAR: Duration = Duration::from_secs(600);
/// 30 seconds between looks.
const LOOK: Duration = Duration::from_secs(30);

/// Watches the end of what was handed out.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// End of the credentials of which it was told that they are not refreshed; seconds since 1970.
    told: Option<i64>,
}

impl Expiry {
    /// What is to be said of `credentials`, which are there since `since`; `problem` is what the agent left about the next ones.
    pub(super) fn look(
        &mut self,
        credentials: &Credentials,
        since: SystemTime,
        problem: Option<String>,
        now: SystemTime,
    ) -> Option<Notice> {
        let ends = end(credentials)?;
        if let Some(told) = self.told {
            if credentials.expires_at <= told {
                return None;
            }
            self.told = None;
            let sentence = format!("The step's AWS credentials were refreshed; they end at {}.", text(credentials));
            // Those may be near their end as well; the next look says so.
            return Some(Notice::Refreshed(sentence));
        }
        if now < ends.checked_sub(nearness(ends, since))? {
            return None;
        }
        self.told = Some(credentials.expires_at);
        Some(Notice::Expiring(sentence(credentials, problem)))
    }

    /// How long until the next look.
    pub(super) fn patience(&self, credentials: &Credentials, since: SystemTime, now: SystemTime) -> Duration {
        let near =
            end(credentials).filter(|_| self.told.is_none()).and_then(|ends| ends.checked_sub(nearness(ends, since)));
        // A moment later, so that it is past and not just reached.
        let until = near.map(|near| near.duration_since(now).unwrap_or_default() + Duration::from_millis(50));
        until.unwrap_or(LOOK).min(LOOK)
    }
}

/// A quarter of what a short session had.
fn nearness(ends: SystemTime, since: SystemTime) -> Duration {
    (ends.duration_since(since).unwrap_or_default() / 4).min(NEAR)
}

fn end(credentials: &Credentials) -> Option<SystemTime> {
    let ends = u64::try_from(credentials.expires_at).ok().filter(|ends| *ends > 0)?;
    Some(UNIX_EPOCH + Duration::from_secs(ends))
}

fn text(credentials: &Credentials) -> String {
    Timestamp::from_second(credentials.expires_at).map_or_else(|_| "an unknown time".into(), |at| at.to_string())
}

fn sentence(credentials: &Credentials, problem: Option<String>) -> String {
    let ends = text(credentials);
    match problem {
        Some(problem) => {
            let problem = problem.trim_end_matches('.');
            format!(
                "The step's AWS credentials end at {ends} and could not be refreshed: {problem}. Its AWS calls fail from then on."
            )
        }
        None => format!(
            "The step's AWS credentials end at {ends} and were not refreshed: the worker's agent does not run, or their source has \
             no newer ones yet. Unless newer ones come, its AWS calls fail from then on."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(BEGIN + seconds)
    }

    fn ending(seconds: u64) -> Credentials {
        Credentials { expires_at: (BEGIN + seconds) as i64, ..Credentials::default() }
    }

    #[test]
    fn the_end_is_told_once_and_so_is_what_comes_after_it() {
        let mut expiry = Expiry::default();
        let hour = ending(3600);
        assert!(expiry.look(&hour, at(0), None, at(2999)).is_none(), "more than 10 minutes are left");
        let told = expiry.look(&hour, at(0), Some("STS is away.".into()), at(3000));
        let Some(Notice::Expiring(sentence)) = told else { panic!("not told") };
        assert_eq!(
            sentence,
            "The step's AWS credentials end at 2027-01-15T09:00:00Z and could not be refreshed: STS is away. Its AWS calls fail \
             from then on."
        );
        assert!(expiry.look(&hour, at(0), Some("STS is away.".into()), at(3500)).is_none(), "once");
        let Some(Notice::Refreshed(sentence)) = expiry.look(&ending(7200), at(3550), None, at(3560)) else {
            panic!("not told")
        };
        assert!(sentence.contains("2027-01-15T10:00:00Z"), "{sentence}");
        assert!(expiry.look(&ending(7200), at(3550), None, at(3570)).is_none());
        let again = expiry.look(&ending(7200), at(3550), None, at(6601));
        assert!(matches!(again, Some(Notice::Expiring(sentence)) if sentence.contains("agent does not run")));
    }

    #[test]
    fn a_short_session_is_told_of_in_its_last_quarter_and_long_lived_keys_never() {
        let mut expiry = Expiry::default();
        assert!(expiry.look(&ending(400), at(0), None, at(299)).is_none());
        assert!(expiry.look(&Credentials::default(), at(0), None, at(1 << 40)).is_none());
        assert!(expiry.look(&ending(400), at(0), None, at(300)).is_some());
    }

    #[test]
    fn the_next_look_is_in_half_a_minute_or_when_the_end_is_near() {
        let mut expiry = Expiry::default();
        assert_eq!(expiry.patience(&ending(3600), at(0), at(10)), LOOK);
        assert_eq!(expiry.patience(&ending(3600), at(0), at(2990)), Duration::from_millis(10_050));
        assert_eq!(expiry.patience(&Credentials::default(), at(0), at(0)), LOOK);
        assert!(expiry.look(&ending(3600), at(0), None, at(3000)).is_some());
        assert_eq!(expiry.patience(&ending(3600), at(0), at(3001)), LOOK, "it was told");
    }
}
