//! Decides what the agent on a host does: which offers it takes, what must be durable before the next act, what it says
//! to the coordinator, what it forgets. Knows nothing of gRPC, disks, processes or clocks: time is an argument.
//!
//! Journal, then act: a wish that rests on something durable comes only after [`Input::Journalled`].

mod attempt;
mod effect;
mod input;
mod memory;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use shared::{
    bug::{Bug, is_seeded},
    id::{AssignSeq, ExecutionId},
    limits,
};

pub use attempt::Phase;
use attempt::{Attempt, Fact};
pub use effect::{CancelPhase, Effect, Message, RejectKind};
pub use input::{Directive, Finding, Input, Offer, Terms};
pub use memory::{Entry, Fate, Fence, Fences, Held, Memory, Record, Stage};

/// Time since the agent started, by a clock that never jumps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Mono(pub Duration);

impl Mono {
    fn after(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

/// The agent's mind: every attempt it holds and how far it came.
#[derive(Clone, Debug)]
pub struct Agent {
    slots: u32,
    hwm: AssignSeq,
    held: BTreeMap<ExecutionId, Attempt>,
    /// Lately forgotten attempts: a late, lower attempt of the same step is refused by them.
    fences: Fences,
    disk_free: u64,
    draining: bool,
    session: Option<Session>,
}

/// What is remembered of the session that stands.
#[derive(Clone, Debug)]
struct Session {
    heartbeat_interval: Duration,
    next_heartbeat: Mono,
    sent: i64,
    heard: Mono,
}

/// What a Hello says of the attempts, besides what the shell knows by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Greeting {
    /// Highest assign_seq ever seen.
    pub hwm: AssignSeq,
    /// Every attempt not yet forgotten.
    pub held: Vec<Standing>,
}

/// All that is remembered of the attempts that were offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recalled {
    /// Those whose files are gone, and those that are held.
    pub attempts: Vec<Fence>,
    /// Of all attempts that were taken with this order number or a higher one, none is left out.
    pub since: AssignSeq,
}

/// An attempt as a Hello reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Which.
    pub execution: ExecutionId,
    /// Of its offer.
    pub seq: AssignSeq,
    /// How far it came.
    pub phase: Phase,
    /// What was found, of an interrupted one.
    pub evidence: String,
}

impl Agent {
    /// An agent that remembers, and what it wants first: a look at every attempt that may have started.
    #[must_use]
    pub fn recover(now: Mono, slots: u32, memory: Memory) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        let held = memory
            .held
            .into_iter()
            .map(|(execution, held)| (execution, Attempt::recover(now, execution, held, &mut effects)))
            .collect();
        let agent = Self {
            slots,
            hwm: memory.hwm,
            held,
            fences: memory.fences,
            disk_free: u64::MAX,
            draining: false,
            session: None,
        };
        (agent, effects)
    }

    /// Takes a fact and answers with wishes, to be performed in order.
    pub fn handle(&mut self, now: Mono, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Offered(offer) => self.offered(now, offer, &mut effects),
            Input::Granted { execution, seq } => self.about(execution, seq, Fact::Granted, &mut effects),
            Input::Revoked { execution, seq } => self.about(execution, seq, Fact::Revoked, &mut effects),
            Input::CancelRequested { execution, grace } => {
                self.tell(execution, Fact::CancelRequested(grace), &mut effects)
            }
            Input::ResultStored { execution } => self.tell(execution, Fact::ResultStored, &mut effects),
            Input::ForgetAllowed { execution } => self.tell(execution, Fact::ForgetAllowed, &mut effects),
            Input::Journalled { execution, entry } => self.journalled(execution, entry, &mut effects),
            Input::Prepared { execution } => self.tell(execution, Fact::Prepared, &mut effects),
            Input::Unpreparable { execution, detail } => self.tell(execution, Fact::Unpreparable(detail), &mut effects),
            Input::Examined { execution, finding } => self.tell(execution, Fact::Found(finding), &mut effects),
            Input::Welcomed { heartbeat_interval, directives } => {
                self.welcomed(now, heartbeat_interval, directives, &mut effects);
            }
            Input::HeartbeatEchoed => {
                if let Some(session) = &mut self.session {
                    session.heard = now;
                }
            }
            Input::SessionEnded => self.session = None,
            Input::RecallRequested => effects.push(Effect::Send(Message::Remembered(self.recall()))),
            Input::DrainRequested => self.draining = true,
            Input::ShutdownRequested => {
                self.draining = true;
                effects.push(Effect::Send(Message::Goodbye {
                    reason: "The worker's agent is stopping; running steps go on.".into(),
                }));
            }
            Input::DiskMeasured { free } => self.disk_free = free,
            Input::TimePassed => {}
        }
        self.wake(now, &mut effects);
        effects
    }

    /// When to come back with [`Input::TimePassed`] if nothing else happens.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Mono> {
        let session = self.session.iter().flat_map(|session| [session.next_heartbeat, session.contact_ends()]);
        self.held.values().filter_map(Attempt::deadline).chain(session).min()
    }

    /// What a Hello says.
    #[must_use]
    pub fn greeting(&self) -> Greeting {
        Greeting { hwm: self.hwm, held: self.held.values().map(Attempt::standing).collect() }
    }

    /// All it remembers of the attempts it was offered.
    #[must_use]
    pub fn recall(&self) -> Recalled {
        let held = self.held.values().map(Attempt::memory);
        Recalled { attempts: self.fences.iter().cloned().chain(held).collect(), since: self.fences.since() }
    }

    /// Slots free now.
    #[must_use]
    pub fn free_slots(&self) -> u32 {
        let live = self.held.values().filter(|attempt| attempt.phase().takes_a_slot()).count();
        self.slots.saturating_sub(u32::try_from(live).unwrap_or(u32::MAX))
    }

    /// How far an attempt came; none if it is not held.
    #[must_use]
    pub fn phase(&self, execution: ExecutionId) -> Option<Phase> {
        self.held.get(&execution).map(Attempt::phase)
    }

    /// What an attempt was offered with; none if it is not held.
    #[must_use]
    pub fn terms(&self, execution: ExecutionId) -> Option<&Terms> {
        self.held.get(&execution).map(Attempt::terms)
    }

    /// Attempts whose process may be alive.
    pub fn running(&self) -> impl Iterator<Item = ExecutionId> + '_ {
        self.held.iter().filter(|(_, attempt)| attempt.phase().may_be_alive()).map(|(execution, _)| *execution)
    }

    fn offered(&mut self, now: Mono, offer: Offer, effects: &mut Vec<Effect>) {
        if let Some(attempt) = self.held.get_mut(&offer.execution) {
            return attempt.handle(Fact::Offered, effects);
        }
        if let Some((kind, detail)) = self.objection(&offer) {
            self.hwm = self.hwm.max(offer.terms.seq);
            effects.push(reject(offer.execution, offer.terms.seq, kind, detail));
            return;
        }
        self.hwm = self.hwm.max(offer.terms.seq);
        let attempt = if self.is_superseded(&offer.terms) {
            Attempt::superseded(offer.execution, offer.terms, effects)
        } else {
            Attempt::accept(now, offer.execution, offer.terms, effects)
        };
        self.held.insert(offer.execution, attempt);
    }

    /// Why an offer is turned down without a word in the journal: nothing of it was ever promised.
    fn objection(&self, offer: &Offer) -> Option<(RejectKind, &'static str)> {
        let objection = if offer.terms.seq <= self.hwm && !is_seeded(Bug::NoHighWaterMark) {
            (
                RejectKind::Stale,
                "The offer is older than one this worker has seen, and nothing is known of it any more.",
            )
        } else if !offer.supported {
            (RejectKind::Unsupported, "This worker does not know the action: upgrade it.")
        } else if self.draining {
            (RejectKind::Busy, "The worker takes nothing new: it is draining or stopping.")
        } else if self.free_slots() == 0 {
            (RejectKind::Busy, "No slot is free on the worker.")
        } else if self.disk_free < limits::DISK_FLOOR_BYTES {
            (RejectKind::DiskLow, "The worker's data folder has less than 128 MiB free: make room there.")
        } else {
            return None;
        };
        Some(objection)
    }

    /// Whether a later attempt of the same step was seen.
    fn is_superseded(&self, terms: &Terms) -> bool {
        let held = self.held.values().map(|attempt| (&attempt.terms().step_key, attempt.terms().number));
        let gone = self.fences.iter().map(|fence| (&fence.step_key, fence.number));
        held.chain(gone).any(|(key, number)| *key == terms.step_key && number > terms.number)
    }

    /// Something about an offer that this worker may not know (any more).
    fn about(&mut self, execution: ExecutionId, seq: AssignSeq, fact: Fact, effects: &mut Vec<Effect>) {
        if self.held.contains_key(&execution) {
            return self.tell(execution, fact, effects);
        }
        // Never VOID here: after a lost journal the attempt may well have run.
        self.hwm = self.hwm.max(seq);
        effects.push(reject(execution, seq, RejectKind::Stale, "Nothing is known of this attempt here."));
    }

    fn tell(&mut self, execution: ExecutionId, fact: Fact, effects: &mut Vec<Effect>) {
        if let Some(attempt) = self.held.get_mut(&execution) {
            attempt.handle(fact, effects);
        }
    }

    fn journalled(&mut self, execution: ExecutionId, entry: Entry, effects: &mut Vec<Effect>) {
        self.tell(execution, Fact::Journalled(entry), effects);
        if entry == Entry::Forgotten
            && let Some(attempt) = self.held.remove(&execution)
        {
            self.fences.add(attempt.fence());
        }
    }

    fn welcomed(
        &mut self,
        now: Mono,
        heartbeat_interval: Duration,
        directives: Vec<(ExecutionId, Directive)>,
        effects: &mut Vec<Effect>,
    ) {
        self.session = Some(Session { heartbeat_interval, next_heartbeat: now, sent: 0, heard: now });
        for (execution, directive) in directives {
            let fact = match directive {
                Directive::Keep { next_seq } => Fact::Kept { next_seq },
                Directive::Cancel => Fact::CancelDirected,
                Directive::Kill => Fact::KillDirected,
                Directive::Void => Fact::VoidDirected,
                Directive::Forget => Fact::ForgetAllowed,
            };
            self.tell(execution, fact, effects);
        }
        for attempt in self.held.values_mut() {
            attempt.handle(Fact::Welcomed, effects);
        }
    }

    /// Everything that is due by now.
    fn wake(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        for attempt in self.held.values_mut().filter(|attempt| attempt.deadline().is_some_and(|due| due <= now)) {
            attempt.handle(Fact::PreparationTimedOut, effects);
        }
        let free_slots = self.free_slots();
        let Some(session) = &mut self.session else { return };
        if session.contact_ends() <= now {
            self.session = None;
            effects.push(Effect::Reconnect);
        } else if session.next_heartbeat <= now {
            session.sent += 1;
            session.next_heartbeat = now.after(session.heartbeat_interval);
            effects.push(Effect::Send(Message::Heartbeat { number: session.sent, free_slots }));
        }
    }
}

impl Session {
    fn contact_ends(&self) -> Mono {
        self.heard.after(limits::CONTACT_LOST_AFTER)
    }
}

fn reject(execution: ExecutionId, seq: AssignSeq, kind: RejectKind, detail: &str) -> Effect {
    Effect::Send(Message::Rejected { execution, seq, kind, detail: detail.into() })
}
