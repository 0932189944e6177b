//! Every way in which the service does not give what it was asked for, as code and sentence.

use shared::reason::Reason;

use crate::credentials::{exchange::Unanswered, role_source::Missing};

/// What went wrong. Holds nothing secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Nothing takes the connection; why.
    Absent(String),
    /// The connection stands, and the answer to the question for a token never comes.
    HopLimit,
    /// It takes a token, and then does not answer.
    Silent,
    /// The instance's metadata options refuse.
    Disabled,
    /// The question for a token has this status.
    NoToken(u16),
    /// Another question has this status.
    Status(u16),
    /// What it answered, in words.
    Nonsense(&'static str),
    /// It broke off, or does not speak HTTP; how.
    Broken(String),
    /// No role is attached.
    NoRole,
    /// A role is attached, and its credentials were not there each time it was asked.
    Rotating {
        /// Its name.
        role: String,
    },
    /// AWS does not let the instance have its role.
    Refused {
        /// Its name.
        role: String,
        /// AWS's code.
        code: String,
        /// AWS's words.
        message: String,
    },
}

impl Fault {
    /// Of the question for a token.
    pub(super) fn of_token(unanswered: Unanswered) -> Self {
        match unanswered {
            // The limit holds for the answer to this question only: the connection itself gets through.
            Unanswered::Silence => Self::HopLimit,
            other => Self::of_read(other),
        }
    }

    /// Of any other question.
    pub(super) fn of_read(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NoConnection(why) => Self::Absent(why),
            Unanswered::Silence => Self::Silent,
            Unanswered::Broken(why) => Self::Broken(why),
        }
    }

    /// What it means for whoever wants the role.
    pub(super) fn missing(&self, endpoint: &str) -> Missing {
        let sentence = format!("The worker's own role cannot be had: {}. {}", self.clause(endpoint), self.advice());
        Missing::new(self.reason(), sentence, self.is_passing())
    }

    /// What happened, as the middle of a sentence.
    pub(super) fn clause(&self, endpoint: &str) -> String {
        let service = format!("the instance metadata service at {endpoint}");
        match self {
            Self::Absent(why) => format!("{service} is not there ({why})"),
            Self::HopLimit => {
                format!("{service} takes connections, and its answer to the question for a token never arrives")
            }
            Self::Silent => format!("{service} gives a token, and then does not answer in time"),
            Self::Disabled => format!("{service} is switched off (status 403)"),
            Self::NoToken(status) => format!("{service} answers the question for a token with status {status}"),
            Self::Status(status) => format!("{service} answers with status {status}"),
            Self::Nonsense(what) => format!("{service} answers with {what}"),
            Self::Broken(how) => format!("{service} breaks off its answer ({how})"),
            Self::NoRole => "no role is attached to the worker's instance".into(),
            Self::Rotating { role } => format!("{service} names the role \"{role}\", and has no credentials of it"),
            Self::Refused { role, code, message } => {
                let message = message.trim_end_matches('.');
                format!(
                    "the role \"{role}\" is attached to the worker's instance, and AWS refuses it with {code}: {message}"
                )
            }
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Absent(_) => {
                "The worker is not on EC2: run the step on one that is, give it an account, or tell the worker another source with \
                 `--role-source`."
            }
            Self::HopLimit => {
                "The worker runs in a container, and the hop limit is 1: set HttpPutResponseHopLimit to 2 in the instance's \
                 metadata options."
            }
            Self::Disabled => "Set HttpEndpoint to enabled in the instance's metadata options.",
            Self::NoRole => "Attach an instance profile with a role to it, or give the step an account.",
            Self::Rotating { .. } => "A role that was attached a moment ago has them soon: try again.",
            Self::Refused { .. } => "The role's trust policy must let ec2.amazonaws.com assume it.",
            Self::Silent | Self::NoToken(_) | Self::Status(_) | Self::Nonsense(_) | Self::Broken(_) => {
                "It may pass; if it does not, look at what answers at that address."
            }
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Absent(_) => Reason::NotOnEc2,
            Self::HopLimit => Reason::ImdsHopLimit,
            Self::Disabled => Reason::ImdsDisabled,
            Self::NoRole => Reason::NoInstanceRole,
            Self::Refused { .. } => Reason::InstanceRoleRefused,
            Self::Silent
            | Self::NoToken(_)
            | Self::Status(_)
            | Self::Nonsense(_)
            | Self::Broken(_)
            | Self::Rotating { .. } => Reason::ImdsAnswer,
        }
    }

    /// Whether it says nothing about the role: what was had before may be used on.
    fn is_passing(&self) -> bool {
        !matches!(self, Self::Disabled | Self::NoRole | Self::Refused { .. })
    }
}
