//! What happens to single calls.

use super::refusal::Refusal;

/// Something that goes wrong with a call, whatever it asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// AWS asks for fewer calls: `Throttling`, "Rate exceeded". Nothing is done.
    Throttled,
    /// AWS fails, with this status from 500 on. Nothing is done.
    Failed(u16),
    /// No policy allows the action on the stack.
    Denied,
    /// The session that signed has ended.
    Expired,
    /// Any other refusal. Nothing is done.
    Refused(Refusal),
    /// The connection breaks before anything is done.
    Unreached,
    /// What was asked is done, and the connection breaks before the answer.
    Lost,
    /// What was asked is done, and the answer comes when the test lets it: [`super::Stacks::let_answers_go`].
    Held,
}

/// How a call's answer reaches its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delivery {
    Prompt,
    Held,
    Lost,
}

impl Trouble {
    /// What is answered in place of doing anything; none does what was asked.
    pub(super) fn instead(&self, action: &str, stack: &str) -> Option<Refusal> {
        match self {
            Self::Throttled => Some(Refusal::throttling()),
            Self::Failed(status) => Some(Refusal::new(*status, "InternalFailure", "An internal error has occurred")),
            Self::Denied => Some(Refusal::denied(action, stack)),
            Self::Expired => Some(Refusal::expired()),
            Self::Refused(refusal) => Some(refusal.clone()),
            Self::Unreached => Some(Refusal::new(0, "", "")),
            Self::Lost | Self::Held => None,
        }
    }

    pub(super) fn delivery(&self) -> Delivery {
        match self {
            Self::Unreached | Self::Lost => Delivery::Lost,
            Self::Held => Delivery::Held,
            _ => Delivery::Prompt,
        }
    }
}
