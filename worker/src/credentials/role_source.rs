//! Where the worker's own role comes from: one source, named by the configuration. What that one does not give is a refusal;
//! no other is ever tried.

mod container;
mod web_identity;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use proto::worker::Credentials;
use shared::reason::Reason;
use tokio::sync::Mutex;

use self::{container::Container, web_identity::WebIdentity};
use super::{metadata::Metadata, refresh, refusal};
use crate::{
    config::{Config, RoleSourceName},
    environment::RoleVariables,
    exec_dir::Refusal,
    random,
};

/// 5 seconds: steps that start together ask once, and a role that was exchanged is soon seen.
const KEEP: Duration = Duration::from_secs(5);

/// The one source, and what it said last.
#[derive(Debug)]
pub(super) struct RoleSource {
    name: RoleSourceName,
    link: Link,
    kept: Mutex<Kept>,
}

/// A session of the worker's own role.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Its role, as the source calls it; empty where the source does not say.
    pub(super) role: String,
    pub(super) credentials: Credentials,
    /// When the source gave it.
    pub(super) obtained_at: SystemTime,
}

/// What there is of the role now.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// The newest session that is still good.
    pub(super) session: Option<Session>,
    /// Why there is no newer one.
    pub(super) problem: Option<Refusal>,
}

/// Why a source gives no session.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) refusal: Refusal,
    /// Whether it says nothing about the role itself: what was had before may be used on.
    pub(super) is_passing: bool,
}

#[derive(Debug)]
enum Link {
    Imds(Arc<Metadata>),
    Container(Box<Container>),
    WebIdentity(Box<WebIdentity>),
}

/// The last answer. Asking happens under its lock: whoever comes meanwhile takes the same answer.
#[derive(Debug, Default)]
struct Kept {
    asked: Option<Instant>,
    session: Option<Session>,
    problem: Option<Refusal>,
    /// Where in the time for a refresh this session's turn is, from 0 up to 1.
    jitter: f64,
}

impl RoleSource {
    /// The source that the configuration names; asks nothing yet.
    pub(super) fn new(config: &Config, variables: RoleVariables, metadata: &Arc<Metadata>, way: &aws::Aws) -> Self {
        let link = match config.role_source {
            RoleSourceName::Imds => Link::Imds(metadata.clone()),
            RoleSourceName::Container => Link::Container(Box::new(Container::new(variables, way.clone()))),
            RoleSourceName::WebIdentity => {
                Link::WebIdentity(Box::new(WebIdentity::new(variables, config.region.clone(), way.clone())))
            }
        };
        Self { name: config.role_source, link, kept: Mutex::default() }
    }

    /// Which one it is.
    pub(super) fn name(&self) -> RoleSourceName {
        self.name
    }

    /// Whether the role comes from instance metadata that answered the last question.
    pub(super) async fn is_of_an_instance(&self) -> bool {
        const UNANSWERED: [Reason; 3] = [Reason::NotOnEc2, Reason::ImdsHopLimit, Reason::ImdsDisabled];
        let kept = self.kept.lock().await;
        let is_answered = |problem: &Refusal| UNANSWERED.iter().all(|reason| reason.code() != problem.reason);
        matches!(self.link, Link::Imds(_)) && kept.problem.as_ref().is_none_or(is_answered)
    }

    /// The session of the moment: one of the last seconds, else a new look.
    ///
    /// # Errors
    /// A refusal that says what the source lacks.
    pub(super) async fn session(&self) -> Result<Session, Refusal> {
        let began = Instant::now();
        let mut kept = self.kept.lock().await;
        let is_recent = kept.asked.is_some_and(|asked| asked.elapsed() < KEEP) && !kept.is_due(SystemTime::now());
        if !is_recent || kept.session.is_none() {
            self.ask(&mut kept, began).await;
        }
        let Look { session, problem } = kept.look();
        session.ok_or_else(|| {
            problem.unwrap_or_else(|| refusal(Reason::RoleSource.code(), "The role's source said nothing."))
        })
    }

    /// Asks the source now, whatever is kept. A web identity's role is named by the configuration, and each question would
    /// make another session: it is asked when the one there is nears its end.
    pub(super) async fn look(&self) -> Look {
        let began = Instant::now();
        let mut kept = self.kept.lock().await;
        let is_asked = !matches!(self.link, Link::WebIdentity(_)) || kept.is_due(SystemTime::now());
        if is_asked {
            self.ask(&mut kept, began).await;
        }
        kept.look()
    }

    async fn ask(&self, kept: &mut Kept, began: Instant) {
        if kept.asked.is_some_and(|asked| asked >= began) {
            // Somebody asked while this one waited for its turn.
            return;
        }
        let answer = match &self.link {
            Link::Imds(metadata) => metadata.role().await,
            Link::Container(container) => container.role().await,
            Link::WebIdentity(web_identity) => web_identity.role().await,
        };
        kept.take(answer, SystemTime::now());
    }
}

impl Kept {
    fn take(&mut self, answer: Result<Session, Missing>, now: SystemTime) {
        self.asked = Some(Instant::now());
        match answer {
            Ok(session) => {
                let is_other = self.session.as_ref().is_none_or(|kept| !kept.is_same(&session));
                if is_other {
                    self.jitter = random::fraction();
                    self.session = Some(session);
                }
                self.problem = None;
            }
            Err(missing) => {
                let is_kept = missing.is_passing && self.session.as_ref().is_some_and(|kept| kept.is_good(now));
                if !is_kept {
                    self.session = None;
                }
                self.problem = Some(missing.refusal);
            }
        }
    }

    fn is_due(&self, now: SystemTime) -> bool {
        self.session
            .as_ref()
            .is_none_or(|session| refresh::is_due(&session.credentials, session.obtained_at, now, self.jitter))
    }

    fn look(&self) -> Look {
        Look { session: self.session.clone(), problem: self.problem.clone() }
    }
}

impl Session {
    fn is_same(&self, other: &Self) -> bool {
        self.role == other.role && self.credentials == other.credentials
    }

    fn is_good(&self, now: SystemTime) -> bool {
        super::time_left(&self.credentials, now).is_none_or(|left| !left.is_zero())
    }
}

impl Missing {
    pub(super) fn new(reason: Reason, sentence: impl Into<String>, is_passing: bool) -> Self {
        Self { refusal: refusal(reason.code(), sentence), is_passing }
    }

    /// The source itself is not as the configuration promises.
    fn source(sentence: impl Into<String>, is_passing: bool) -> Self {
        Self::new(Reason::RoleSource, sentence, is_passing)
    }
}

#[cfg(test)]
mod tests;
