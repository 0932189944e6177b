//! One attempt on its worker: the whole table of what may happen to it here.

use std::time::Duration;

use shared::{
    bug::{Bug, is_seeded},
    id::ExecutionId,
};

use crate::{
    CancelPhase, Effect, Entry, Fate, Fence, Finding, Held, Message, Mono, Record, RejectKind, Stage, Standing, Terms,
};

/// 5 minutes to get step, files and credentials together, and longer for large files; then the offer is given back so that another worker may try.
const PREPARATION_LIMIT: Duration = Duration::from_secs(300);

/// How far an attempt came on this worker. Names in -ing wait for the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// The offer is being journalled.
    Accepting,
    /// The offer is journalled; waits for its grant and its preparation.
    Accepted,
    /// The intent to start is being journalled.
    Intending,
    /// The shim was started; its start mark was not seen yet.
    Starting,
    /// Held from before a restart, may have started: its directory is being looked at.
    Recovering,
    /// The process started.
    Running,
    /// That it never started is being journalled.
    Voiding,
    /// It never started and never will.
    Void,
    /// There is an exit record.
    Ended,
    /// That it died without an exit record is being journalled.
    Burying,
    /// It died without an exit record.
    Interrupted,
    /// That its files may go is being journalled.
    Forgetting,
}

impl Phase {
    /// Every phase, in order of the table.
    pub const ALL: [Self; 12] = [
        Self::Accepting,
        Self::Accepted,
        Self::Intending,
        Self::Starting,
        Self::Recovering,
        Self::Running,
        Self::Voiding,
        Self::Void,
        Self::Ended,
        Self::Burying,
        Self::Interrupted,
        Self::Forgetting,
    ];

    /// Whether it counts against the worker's slots.
    #[must_use]
    pub const fn takes_a_slot(self) -> bool {
        matches!(self, Self::Accepting | Self::Accepted | Self::Intending | Self::Voiding) || self.may_be_alive()
    }

    /// Whether a process of it may be alive.
    #[must_use]
    pub const fn may_be_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Recovering | Self::Running)
    }
}

/// What happened to one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fact {
    Offered,
    Granted,
    Revoked,
    CancelRequested(Duration),
    CancelDirected,
    KillDirected,
    VoidDirected,
    ResultStored,
    ForgetAllowed,
    Journalled(Entry),
    Prepared,
    Unpreparable(String),
    PreparationTimedOut,
    Found(Finding),
    Welcomed,
    Kept { next_seq: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    execution: ExecutionId,
    terms: Terms,
    phase: Phase,
    granted: bool,
    prepared: bool,
    prepare_by: Mono,
    /// Taken back while the journal was writing: void as soon as it answers.
    unwanted: bool,
    /// A cancel waits for its answer, or for a shim to tell.
    cancelled: bool,
    /// The coordinator has the end; it need not be said again.
    stored: bool,
    /// Why it is void, or what was found of an interrupted one.
    detail: String,
    /// What became of it, once its files may go.
    fate: Fate,
}

impl Attempt {
    /// Takes an offer: into the journal, and preparing at once, so that the grant need not wait.
    pub(crate) fn accept(now: Mono, execution: ExecutionId, terms: Terms, effects: &mut Vec<Effect>) -> Self {
        effects.push(Effect::Journal(Record::Accepted { execution, terms: terms.clone() }));
        effects.push(Effect::Prepare(execution));
        Self::new(now, execution, terms, Phase::Accepting)
    }

    /// Refuses an offer for good: a later attempt of its step was here.
    pub(crate) fn superseded(execution: ExecutionId, terms: Terms, effects: &mut Vec<Effect>) -> Self {
        let mut attempt = Self::new(Mono::default(), execution, terms, Phase::Accepted);
        attempt.void("A later attempt of the same step was offered to this worker before.", effects);
        attempt
    }

    /// What the journal remembers. What may have started is looked at before anything is said of it.
    pub(crate) fn recover(now: Mono, execution: ExecutionId, held: Held, effects: &mut Vec<Effect>) -> Self {
        let (phase, detail) = match held.stage {
            Stage::Accepted => (Phase::Accepted, String::new()),
            Stage::Intent => (Phase::Recovering, String::new()),
            Stage::Void => (Phase::Void, "Recorded before the agent was restarted.".into()),
            Stage::Ended => (Phase::Ended, String::new()),
            Stage::Interrupted(evidence) => (Phase::Interrupted, evidence),
        };
        match phase {
            Phase::Accepted => effects.push(Effect::Prepare(execution)),
            Phase::Recovering => effects.push(Effect::Examine(execution)),
            _ => {}
        }
        Self { detail, ..Self::new(now, execution, held.terms, phase) }
    }

    fn new(now: Mono, execution: ExecutionId, terms: Terms, phase: Phase) -> Self {
        Self {
            execution,
            prepare_by: now.after(PREPARATION_LIMIT + terms.fetching),
            terms,
            phase,
            granted: false,
            prepared: false,
            unwanted: false,
            cancelled: false,
            stored: false,
            detail: String::new(),
            fate: Fate::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) fn fence(&self) -> Fence {
        Fence::of(self.execution, &self.terms, self.fate)
    }

    /// As it is remembered while it is held.
    pub(crate) fn memory(&self) -> Fence {
        let fate = match self.phase {
            Phase::Accepting | Phase::Accepted if !self.granted => Fate::Accepted,
            Phase::Voiding => Fate::Accepted,
            Phase::Void => Fate::Void,
            Phase::Forgetting => self.fate,
            // One that was granted may start at any moment.
            Phase::Accepting
            | Phase::Accepted
            | Phase::Intending
            | Phase::Starting
            | Phase::Recovering
            | Phase::Running
            | Phase::Ended
            | Phase::Burying
            | Phase::Interrupted => Fate::Started,
        };
        Fence::of(self.execution, &self.terms, fate)
    }

    pub(crate) fn standing(&self) -> Standing {
        let evidence = match self.phase {
            Phase::Interrupted | Phase::Burying => self.detail.clone(),
            _ => String::new(),
        };
        Standing { execution: self.execution, seq: self.terms.seq, phase: self.phase, evidence }
    }

    /// When its preparation has taken too long.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        (self.phase == Phase::Accepted && !self.prepared).then_some(self.prepare_by)
    }

    pub(crate) fn handle(&mut self, fact: Fact, effects: &mut Vec<Effect>) {
        match fact {
            Fact::Offered => self.restate(effects),
            Fact::Granted => self.on_granted(effects),
            Fact::Revoked => self.on_unwanted("The coordinator took the offer back.", effects),
            Fact::CancelRequested(grace) => self.on_cancel(grace, effects),
            Fact::CancelDirected => self.on_cancel(self.terms.grace, effects),
            Fact::KillDirected => self.on_cancel(Duration::ZERO, effects),
            // What the coordinator has settled must not go on; what has not started must not begin.
            Fact::VoidDirected if self.phase.may_be_alive() => self.on_cancel(Duration::ZERO, effects),
            Fact::VoidDirected => self.on_unwanted("The coordinator does not want it any more.", effects),
            Fact::ResultStored => self.stored |= matches!(self.phase, Phase::Ended | Phase::Interrupted),
            Fact::ForgetAllowed => self.on_forget(effects),
            Fact::Journalled(entry) => self.on_journalled(entry, effects),
            Fact::Prepared => {
                self.prepared = true;
                self.start_if_ready(effects);
            }
            Fact::Unpreparable(detail) => self.on_unpreparable(&detail, effects),
            Fact::PreparationTimedOut => {
                self.on_unpreparable("What the step needs could not be had within 5 minutes.", effects);
            }
            Fact::Found(finding) => self.on_found(finding, effects),
            Fact::Welcomed => {
                if !self.stored {
                    self.restate(effects);
                }
            }
            Fact::Kept { next_seq } => {
                if self.has_a_log() {
                    effects.push(Effect::Stream { execution: self.execution, from: next_seq });
                }
            }
        }
    }

    fn on_granted(&mut self, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Accepting | Phase::Accepted => {
                self.granted = true;
                self.start_if_ready(effects);
            }
            _ => self.restate(effects),
        }
    }

    fn on_unwanted(&mut self, why: &str, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Accepting | Phase::Intending => {
                self.unwanted = true;
                self.detail = why.into();
            }
            Phase::Accepted => self.void(why, effects),
            _ => self.restate(effects),
        }
    }

    fn on_unpreparable(&mut self, why: &str, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Accepting | Phase::Accepted) {
            self.on_unwanted(why, effects);
        }
    }

    fn on_cancel(&mut self, grace: Duration, effects: &mut Vec<Effect>) {
        let execution = self.execution;
        let answer = |phase| Effect::Send(Message::CancelAck { execution, phase });
        match self.phase {
            // The answer follows when it is durable that it never starts.
            Phase::Accepting | Phase::Accepted | Phase::Intending => {
                self.cancelled = true;
                self.on_unwanted("It was cancelled before it started.", effects);
            }
            Phase::Voiding => self.cancelled = true,
            Phase::Void => effects.push(answer(CancelPhase::NotStarted)),
            Phase::Starting | Phase::Recovering | Phase::Running => {
                effects.push(Effect::Cancel { execution, grace });
                effects.push(answer(CancelPhase::TermSent));
            }
            Phase::Ended | Phase::Burying | Phase::Interrupted | Phase::Forgetting => {
                effects.push(answer(CancelPhase::AlreadyEnded));
            }
        }
    }

    fn on_forget(&mut self, effects: &mut Vec<Effect>) {
        // Never one that may be alive: its process would be nobody's.
        self.fate = match self.phase {
            Phase::Ended => Fate::Ended,
            Phase::Interrupted => Fate::Interrupted,
            Phase::Void => Fate::Void,
            _ => return,
        };
        self.phase = Phase::Forgetting;
        effects.push(Effect::Journal(Record::Forgotten { execution: self.execution }));
    }

    fn on_journalled(&mut self, entry: Entry, effects: &mut Vec<Effect>) {
        match (self.phase, entry) {
            (Phase::Accepting, Entry::Accepted) => {
                self.phase = Phase::Accepted;
                if self.unwanted {
                    return self.void(&self.detail.clone(), effects);
                }
                self.restate(effects);
                self.start_if_ready(effects);
            }
            (Phase::Intending, Entry::Intent) => {
                if self.unwanted {
                    return self.void(&self.detail.clone(), effects);
                }
                self.phase = Phase::Starting;
                effects.push(Effect::Spawn(self.execution));
            }
            (Phase::Voiding, Entry::Void) => {
                self.phase = Phase::Void;
                self.restate(effects);
                if self.cancelled {
                    self.on_cancel(Duration::ZERO, effects);
                }
            }
            (Phase::Burying, Entry::Interrupted) => {
                self.phase = Phase::Interrupted;
                self.restate(effects);
            }
            (Phase::Forgetting, Entry::Forgotten) => effects.push(Effect::RemoveFiles(self.execution)),
            _ => {}
        }
    }

    fn on_found(&mut self, finding: Finding, effects: &mut Vec<Effect>) {
        if !self.phase.may_be_alive() {
            return;
        }
        let begins = self.phase == Phase::Starting && finding != Finding::NeverStarted;
        self.on_finding(finding, effects);
        if begins {
            effects.push(Effect::Stream { execution: self.execution, from: 0 });
        }
    }

    fn on_finding(&mut self, finding: Finding, effects: &mut Vec<Effect>) {
        match finding {
            Finding::Alive if self.phase == Phase::Running => {}
            Finding::Alive => {
                self.phase = Phase::Running;
                self.restate(effects);
            }
            // What was seen running has started, whatever its directory says now.
            Finding::NeverStarted if self.phase == Phase::Running => {
                self.bury("It was running, and its start mark is gone from its directory.".into(), effects);
            }
            Finding::NeverStarted => self.void("Its shim ended before it started anything.", effects),
            Finding::Ended => {
                self.phase = Phase::Ended;
                effects.push(Effect::Journal(Record::Ended { execution: self.execution }));
                self.restate(effects);
            }
            Finding::Dead { evidence } => self.bury(evidence, effects),
        }
    }

    fn start_if_ready(&mut self, effects: &mut Vec<Effect>) {
        let granted = self.granted || is_seeded(Bug::OfferIsPermission);
        if self.phase == Phase::Accepted && granted && self.prepared {
            self.phase = Phase::Intending;
            effects.push(Effect::Journal(Record::Intent { execution: self.execution }));
            if is_seeded(Bug::ForkBeforeJournal) {
                self.phase = Phase::Starting;
                effects.push(Effect::Spawn(self.execution));
            }
        }
    }

    fn void(&mut self, why: &str, effects: &mut Vec<Effect>) {
        self.phase = Phase::Voiding;
        self.detail = why.into();
        effects.push(Effect::DropPreparation(self.execution));
        effects.push(Effect::Journal(Record::Void { execution: self.execution, terms: self.terms.clone() }));
    }

    fn bury(&mut self, evidence: String, effects: &mut Vec<Effect>) {
        self.phase = Phase::Burying;
        self.detail.clone_from(&evidence);
        effects.push(Effect::Journal(Record::Interrupted { execution: self.execution, evidence }));
    }

    /// Says where it stands, if that is durable; the coordinator takes repetitions.
    fn restate(&self, effects: &mut Vec<Effect>) {
        let (execution, seq) = (self.execution, self.terms.seq);
        let message = match self.phase {
            Phase::Accepted => Message::Accepted { execution, seq },
            Phase::Running => Message::Started { execution },
            Phase::Ended => Message::Result { execution },
            Phase::Interrupted => Message::Interrupted { execution, evidence: self.detail.clone() },
            Phase::Void => Message::Rejected { execution, seq, kind: RejectKind::Void, detail: self.detail.clone() },
            _ => return,
        };
        effects.push(Effect::Send(message));
    }

    fn has_a_log(&self) -> bool {
        self.phase.may_be_alive() || matches!(self.phase, Phase::Ended | Phase::Burying | Phase::Interrupted)
    }
}
