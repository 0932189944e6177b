//! Words under way. Within a session any of them may arrive, any number of times, in any order, or never: worse than any
//! network. What belongs to a session that has ended does not arrive at a worker, since a session is one stream.

use std::time::Duration;

use coordinator_core::{
    action::{Action, Directive},
    fact::ExitResult,
    input::{Fate, Held, Hello, Memories, Rejection, Remembered, Said},
};
use shared::{
    id::{AssignSeq, ExecutionId, SessionEpoch, WorkerId},
    outcome::{Outcome, OutcomeKind},
};
use worker_core::{CancelPhase, Fence, Input, Message, Offer, Phase, RejectKind, Standing, Terms};

/// Something under way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Packet {
    /// To or from which worker.
    pub worker: WorkerId,
    /// In which session; none has begun for a Hello.
    pub epoch: SessionEpoch,
    /// What is said.
    pub word: Word,
}

/// What is said, by either side.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    /// A worker introduces itself.
    Hello(Greeting),
    /// The answer, which begins a session.
    Welcome(Vec<(ExecutionId, Order)>),
    /// Of the coordinator.
    Offer { execution: ExecutionId, seq: AssignSeq, step_key: String, number: u32 },
    /// Of the coordinator.
    Grant { execution: ExecutionId, seq: AssignSeq },
    /// Of the coordinator.
    Revoke { execution: ExecutionId, seq: AssignSeq },
    /// Of the coordinator.
    Cancel { execution: ExecutionId },
    /// Of the coordinator.
    ResultStored { execution: ExecutionId },
    /// Of the coordinator.
    Forget { execution: ExecutionId },
    /// Of the coordinator.
    Recall,
    /// Of the worker.
    Memories { attempts: Vec<Memory>, since: AssignSeq },
    /// Of the worker.
    Accepted { execution: ExecutionId },
    /// Of the worker.
    Rejected { execution: ExecutionId, kind: Refusal },
    /// Of the worker.
    Started { execution: ExecutionId },
    /// Of the worker.
    Ended { execution: ExecutionId, end: OutcomeKind },
    /// Of the worker.
    Interrupted { execution: ExecutionId },
    /// Of the worker.
    CancelledBeforeStart { execution: ExecutionId },
}

/// A Hello, with what the shell knows by itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Greeting {
    /// Which journal.
    pub journal: u8,
    /// Which boot.
    pub boot: u8,
    /// Slots of the worker.
    pub slots: u32,
    /// Highest order number it ever saw.
    pub hwm: AssignSeq,
    /// What it holds.
    pub held: Vec<(ExecutionId, Known)>,
}

/// What a worker knows of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Known {
    /// Waits for its grant.
    Accepted,
    /// Being started, or running.
    Running,
    /// Ended, with its exit record.
    Ended(OutcomeKind),
    /// Will never start.
    Void,
    /// Dead without an exit record.
    Interrupted,
}

/// An attempt as a worker remembers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Memory {
    /// Which.
    pub execution: ExecutionId,
    /// Of its offer.
    pub seq: AssignSeq,
    /// Of the attempt.
    pub number: u32,
    /// What became of it.
    pub fate: Fate,
}

/// A directive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Order {
    /// Go on.
    Keep,
    /// Stop it.
    Cancel,
    /// Kill it.
    Kill,
    /// Never start it.
    Void,
    /// Its files may go.
    Forget,
}

/// Why an attempt will not run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Refusal {
    /// Recorded that it will never start.
    Void,
    /// Nothing is known of it.
    Stale,
    /// No slot.
    Busy,
}

impl Packet {
    /// What the coordinator asks its shell to send; `None` for what is not said to a worker.
    pub(crate) fn of(action: &Action, step_key: impl FnOnce() -> String) -> Option<Self> {
        let (worker, epoch, word) = match action.clone() {
            Action::Welcome { worker, epoch, directives } => {
                let orders = directives.into_iter().map(|(execution, directive)| (execution, directive.into()));
                (worker, epoch, Word::Welcome(orders.collect()))
            }
            Action::Offer(offer) => (
                offer.worker,
                offer.epoch,
                Word::Offer {
                    execution: offer.execution,
                    seq: offer.assign_seq,
                    step_key: step_key(),
                    number: offer.number,
                },
            ),
            Action::Grant { worker, epoch, execution, assign_seq: seq } => {
                (worker, epoch, Word::Grant { execution, seq })
            }
            Action::Revoke { worker, epoch, execution, assign_seq: seq } => {
                (worker, epoch, Word::Revoke { execution, seq })
            }
            Action::Cancel { worker, epoch, execution, .. } => (worker, epoch, Word::Cancel { execution }),
            Action::AcknowledgeResult { worker, epoch, execution } => (worker, epoch, Word::ResultStored { execution }),
            Action::Forget { worker, epoch, execution } => (worker, epoch, Word::Forget { execution }),
            Action::Recall { worker, epoch } => (worker, epoch, Word::Recall),
            Action::Prepare { .. } | Action::CloseSession { .. } | Action::Alarm { .. } | Action::Release { .. } => {
                return None;
            }
        };
        Some(Self { worker, epoch, word })
    }
}

impl Word {
    /// What an agent says; `None` for what nobody waits for here.
    pub(crate) fn of(message: &Message, end: impl Fn(ExecutionId) -> Option<OutcomeKind>) -> Option<Self> {
        Some(match message.clone() {
            Message::Accepted { execution, .. } => Self::Accepted { execution },
            Message::Rejected { execution, kind, .. } => {
                let kind = match kind {
                    RejectKind::Void => Refusal::Void,
                    RejectKind::Stale => Refusal::Stale,
                    RejectKind::Busy | RejectKind::DiskLow | RejectKind::Unsupported => Refusal::Busy,
                };
                Self::Rejected { execution, kind }
            }
            Message::Started { execution } => Self::Started { execution },
            Message::Result { execution } => Self::Ended { execution, end: end(execution)? },
            Message::Interrupted { execution, .. } => Self::Interrupted { execution },
            Message::CancelAck { execution, phase: CancelPhase::NotStarted } => {
                Self::CancelledBeforeStart { execution }
            }
            Message::Remembered(recalled) => {
                Self::Memories { since: recalled.since, attempts: recalled.attempts.iter().map(Memory::of).collect() }
            }
            Message::CancelAck { .. } | Message::Heartbeat { .. } | Message::Goodbye { .. } => return None,
        })
    }

    /// What a worker's agent makes of it; `None` when it is not for a worker.
    pub(crate) fn heard(&self) -> Option<Input> {
        Some(match self.clone() {
            Self::Welcome(orders) => Input::Welcomed {
                heartbeat_interval: Duration::from_secs(5),
                directives: orders.into_iter().map(|(execution, order)| (execution, order.into())).collect(),
            },
            Self::Offer { execution, seq, step_key, number } => {
                let number = i32::try_from(number).unwrap_or(i32::MAX);
                let terms = Terms { seq, step_key, number, ..Terms::default() };
                Input::Offered(Offer { execution, terms, supported: true })
            }
            Self::Grant { execution, seq } => Input::Granted { execution, seq },
            Self::Revoke { execution, seq } => Input::Revoked { execution, seq },
            Self::Cancel { execution } => Input::CancelRequested { execution, grace: Duration::ZERO },
            Self::ResultStored { execution } => Input::ResultStored { execution },
            Self::Forget { execution } => Input::ForgetAllowed { execution },
            Self::Recall => Input::RecallRequested,
            _ => return None,
        })
    }

    /// What the coordinator makes of it; `None` when it is not for it.
    pub(crate) fn said(&self, is_stored: impl Fn(ExecutionId) -> bool) -> Option<Said> {
        let detail = String::new();
        Some(match *self {
            Self::Memories { ref attempts, since } => {
                let attempts = attempts.iter().map(|memory| memory.told(is_stored(memory.execution)));
                Said::Remembered(Memories { attempts: attempts.collect(), since })
            }
            Self::Accepted { execution } => Said::Accepted { execution },
            Self::Rejected { execution, kind } => {
                let kind = match kind {
                    Refusal::Void => Rejection::Void,
                    Refusal::Stale => Rejection::Stale,
                    Refusal::Busy => Rejection::Busy,
                };
                Said::Rejected { execution, kind, detail }
            }
            Self::Started { execution } => Said::Started { execution },
            Self::Ended { execution, end } => Said::Ended { execution, result: Box::new(result(end)) },
            Self::Interrupted { execution } => Said::Interrupted { execution, evidence: detail },
            Self::CancelledBeforeStart { execution } => Said::CancelledBeforeStart { execution },
            _ => return None,
        })
    }
}

impl Memory {
    fn of(fence: &Fence) -> Self {
        let fate = match fence.fate {
            worker_core::Fate::Accepted => Fate::Accepted,
            worker_core::Fate::Started => Fate::Started,
            worker_core::Fate::Void => Fate::Void,
            worker_core::Fate::Ended => Fate::Ended,
            worker_core::Fate::Interrupted => Fate::Interrupted,
        };
        let number = u32::try_from(fence.number).unwrap_or_default();
        Self { execution: fence.execution, seq: fence.seq, number, fate }
    }

    fn told(self, is_stored: bool) -> Remembered {
        let Self { execution, seq, number, fate } = self;
        Remembered { execution, seq, number, fate, is_stored }
    }
}

impl Greeting {
    /// As the coordinator's core takes it.
    pub(crate) fn hello(&self, worker: WorkerId, is_stored: impl Fn(ExecutionId) -> bool) -> Hello {
        let unheard_of = self.held.iter().map(|(execution, _)| *execution).filter(|execution| !is_stored(*execution));
        let held = self.held.iter().map(|(execution, known)| (*execution, (*known).into()));
        Hello {
            worker,
            journal_id: format!("journal {}", self.journal),
            boot_id: format!("boot {}", self.boot),
            slots: self.slots,
            assign_hwm: self.hwm,
            held: held.collect(),
            unheard_of: unheard_of.collect(),
            disk_low: false,
        }
    }
}

impl Known {
    /// As the wire says it; `None` for what a Hello leaves out.
    pub(crate) fn of(standing: &Standing, end: Option<OutcomeKind>) -> Option<Self> {
        Some(match standing.phase {
            Phase::Accepting | Phase::Accepted | Phase::Intending | Phase::Starting | Phase::Voiding => Self::Accepted,
            Phase::Recovering | Phase::Running | Phase::Burying => Self::Running,
            Phase::Void => Self::Void,
            Phase::Ended => Self::Ended(end?),
            Phase::Interrupted => Self::Interrupted,
            Phase::Forgetting => return None,
        })
    }
}

impl From<Known> for Held {
    fn from(known: Known) -> Self {
        match known {
            Known::Accepted => Self::Accepted,
            Known::Running => Self::Running,
            Known::Ended(end) => Self::Ended(Box::new(result(end))),
            Known::Void => Self::Void,
            Known::Interrupted => Self::Interrupted(String::new()),
        }
    }
}

impl From<Directive> for Order {
    fn from(directive: Directive) -> Self {
        match directive {
            Directive::Keep => Self::Keep,
            Directive::Cancel => Self::Cancel,
            Directive::Kill => Self::Kill,
            Directive::Void => Self::Void,
            Directive::Forget => Self::Forget,
        }
    }
}

impl From<Order> for worker_core::Directive {
    fn from(order: Order) -> Self {
        match order {
            Order::Keep => Self::Keep { next_seq: 0 },
            Order::Cancel => Self::Cancel,
            Order::Kill => Self::Kill,
            Order::Void => Self::Void,
            Order::Forget => Self::Forget,
        }
    }
}

fn result(end: OutcomeKind) -> ExitResult {
    let code = i32::from(end != OutcomeKind::Succeeded);
    ExitResult {
        outcome: Outcome { kind: end, ..Outcome::exited(code) },
        final_seq: 0,
        digest: [0; 32],
        identity: None,
        outputs: Vec::new(),
    }
}
