//! How long and how often AWS is asked again. Pure: what time it is, and chance, are arguments.

use std::time::Duration;

use action::Failure;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use shared::reason::Reason;

use crate::errors::{Refusal, code};

/// Half a second: a small stack is done in a few of these.
const SHORTEST: Duration = Duration::from_millis(500);
/// 5 seconds: a large one must not use up the account's calls.
const LONGEST: Duration = Duration::from_secs(5);
/// 1 second, doubled as long as there is trouble.
const FIRST_TROUBLE: Duration = Duration::from_secs(1);
/// 30 seconds: the longest that trouble is waited out before the next try.
const LONGEST_TROUBLE: Duration = Duration::from_secs(30);
/// 10 tries in a row without credentials, some 4 minutes: the worker's agent renews them, and may be starting anew.
const TRIES_WITHOUT_CREDENTIALS: u32 = 10;

/// Why AWS did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// It asks for fewer calls.
    Throttled,
    /// It is away, or the way to it is.
    Away,
    /// The step's credentials have ended, or cannot be had.
    NoCredentials,
    /// It will not answer otherwise.
    Refused,
}

impl Trouble {
    /// What kind of trouble a call had.
    pub(crate) fn of<E>(error: &Refusal<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let reason = aws::explain("a call", error).reason;
        match error {
            SdkError::ConstructionFailure(_) => Self::NoCredentials,
            // What nobody has classified did not come from the connection, but from whoever was to sign.
            SdkError::DispatchFailure(failure)
                if failure.is_other() && failure.as_other().is_none() && reason == Reason::AwsUnavailable =>
            {
                Self::NoCredentials
            }
            _ if code(error).starts_with("ExpiredToken") || code(error) == "RequestExpired" => Self::NoCredentials,
            _ if reason == Reason::AwsThrottled => Self::Throttled,
            _ if aws::may_pass(error) => Self::Away,
            _ => Self::Refused,
        }
    }

    /// What kind of trouble a failure came from; none when it will not pass by itself.
    pub(crate) fn behind(failure: &Failure) -> Option<Self> {
        match failure.reason {
            Reason::AwsThrottled => Some(Self::Throttled),
            Reason::AwsUnavailable => Some(Self::Away),
            _ => None,
        }
    }
}

/// How long the next look is waited for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Patience {
    pause: Duration,
    trouble: Option<(Trouble, Duration)>,
    without_credentials: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: SHORTEST, trouble: None, without_credentials: 0 }
    }
}

impl Patience {
    /// A look was answered. Whether there was trouble before.
    pub(crate) fn answered(&mut self, brought_news: bool) -> bool {
        self.pause = if brought_news { SHORTEST } else { (self.pause * 3 / 2).min(LONGEST) };
        self.without_credentials = 0;
        self.trouble.take().is_some()
    }

    /// A look was not answered. Whether that is to be said, since it is another trouble than before; none: it is given up.
    pub(crate) fn bear(&mut self, trouble: Trouble) -> Option<bool> {
        if trouble == Trouble::Refused {
            return None;
        }
        if trouble == Trouble::NoCredentials {
            self.without_credentials += 1;
            if self.without_credentials > TRIES_WITHOUT_CREDENTIALS {
                return None;
            }
        }
        let before = self.trouble.replace((trouble, FIRST_TROUBLE));
        let is_new = before.is_none_or(|(before, _)| before != trouble);
        if let (Some((_, pause)), Some((_, last))) = (&mut self.trouble, before) {
            *pause = (last * 2).min(LONGEST_TROUBLE);
        }
        Some(is_new)
    }

    /// How long until the next look; `chance` moves it by a fifth to either side, so that many steps do not ask at once.
    pub(crate) fn pause(&self, chance: u64) -> Duration {
        let pause = self.trouble.map_or(self.pause, |(_, pause)| pause);
        let thousandths = 800 + u32::try_from(chance % 401).unwrap_or(200);
        pause * thousandths / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u64 = 200;

    #[test]
    fn silence_makes_the_pauses_longer_and_news_short_again() {
        let mut patience = Patience::default();
        assert_eq!(patience.pause(MIDDLE), SHORTEST);
        for _ in 0..20 {
            patience.answered(false);
        }
        assert_eq!(patience.pause(MIDDLE), LONGEST);
        patience.answered(true);
        assert_eq!(patience.pause(MIDDLE), SHORTEST);
    }

    #[test]
    fn chance_moves_a_pause_by_a_fifth_at_most() {
        let patience = Patience::default();
        assert_eq!(patience.pause(0), Duration::from_millis(400));
        assert_eq!(patience.pause(400), Duration::from_millis(600));
        assert_eq!(patience.pause(401), Duration::from_millis(400));
    }

    #[test]
    fn throttling_doubles_the_pause_to_half_a_minute_and_is_said_once() {
        let mut patience = Patience::default();
        let said: Vec<_> = (0..8).map(|_| patience.bear(Trouble::Throttled)).collect();
        assert_eq!((said[0], &said[1..]), (Some(true), [Some(false); 7].as_slice()));
        assert_eq!(patience.pause(MIDDLE), LONGEST_TROUBLE);
        assert_eq!(patience.bear(Trouble::Away), Some(true));
        assert!(patience.answered(true));
        assert!(!patience.answered(true));
        assert_eq!(patience.bear(Trouble::Throttled), Some(true));
        assert_eq!(patience.pause(MIDDLE), FIRST_TROUBLE);
    }

    #[test]
    fn credentials_are_waited_for_but_not_for_ever_and_a_refusal_not_at_all() {
        let mut patience = Patience::default();
        assert_eq!(patience.bear(Trouble::Refused), None);
        for _ in 0..TRIES_WITHOUT_CREDENTIALS {
            assert!(patience.bear(Trouble::NoCredentials).is_some());
        }
        assert_eq!(patience.bear(Trouble::NoCredentials), None);
        assert!((0..1000).all(|_| patience.bear(Trouble::Away).is_some()));
    }
}
