//! What a worker's word, its silence, or a person's decision means for an attempt.

use std::time::Duration;

use shared::{
    attempt::{AttemptEvent, AttemptState},
    bug::{Bug, is_seeded},
    id::{DeploymentId, ExecutionId, SessionEpoch, WorkerId},
    outcome::{Outcome, OutcomeKind},
};

use crate::{
    Coordinator, Mono,
    action::Action,
    deployment::Attempt,
    fact::{DeploymentFact, ExitResult, Moved, StepEnd},
    input::{Decision, Refusal, Rejection, Said},
    report::Report,
};

/// After a rejection for want of a slot: long enough not to chase, short enough not to matter.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// After any other rejection.
const REJECTED_PAUSE: Duration = Duration::from_secs(5);
/// A step that may run twice and was lost three times is no accident: a person looks.
const MOST_LOST: u32 = 3;
/// The longest wait between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(3600);

impl Coordinator {
    /// A message counts only in the worker's open session: an older session's words were, or will be, said again.
    pub(crate) fn worker_said(&mut self, now: Mono, worker: WorkerId, epoch: SessionEpoch, said: Said) {
        let Some(known) = self.workers.get_mut(&worker).filter(|w| w.session == Some(epoch)) else { return };
        known.heard_at = now;
        match said {
            Said::Accepted { execution } => self.accepted(worker, epoch, execution),
            Said::Rejected { execution, kind, detail } => {
                self.rejected(now, worker, execution, kind, &detail);
                if kind == Rejection::Void {
                    self.act(Action::Forget { worker, epoch, execution });
                }
            }
            Said::Started { execution } => self.alive(worker, execution),
            Said::Ended { execution, result } => {
                let is_known = self.executions.contains_key(&execution);
                self.ended(now, worker, execution, *result);
                self.acknowledge(worker, epoch, execution, is_known);
            }
            Said::Interrupted { execution, evidence } => {
                let is_known = self.executions.contains_key(&execution);
                self.found_dead(worker, execution, &evidence);
                self.acknowledge(worker, epoch, execution, is_known);
            }
            Said::CancelledBeforeStart { execution } => {
                self.voided(worker, execution, "The worker recorded that it never started.");
                self.act(Action::Forget { worker, epoch, execution });
            }
            Said::Heartbeat { disk_low, report } => self.heartbeat(worker, disk_low, report),
            Said::Remembered(memories) => self.remembered(worker, memories),
            Said::Goodbye => self.session_closed(worker, epoch),
        }
    }

    /// On hold an end may belong to an attempt that is taken up in a moment: it is to be said again then.
    pub(crate) fn acknowledge(
        &mut self,
        worker: WorkerId,
        epoch: SessionEpoch,
        execution: ExecutionId,
        is_known: bool,
    ) {
        if is_known || !self.is_on_hold() {
            self.act(Action::AcknowledgeResult { worker, epoch, execution });
        }
    }

    fn heartbeat(&mut self, worker: WorkerId, disk_low: bool, report: Report) {
        if let Some(known) = self.workers.get_mut(&worker)
            && (known.disk_low != disk_low || known.report != report)
        {
            known.disk_low = disk_low;
            known.report = report;
            self.refresh(worker);
        }
    }

    fn is_short_of_disk(&mut self, worker: WorkerId) {
        let report = self.workers.get(&worker).map(|known| known.report.clone()).unwrap_or_default();
        self.heartbeat(worker, true, report);
    }

    /// The worker journalled the offer: the grant is stored first, and sent only then.
    pub(crate) fn accepted(&mut self, worker: WorkerId, epoch: SessionEpoch, execution: ExecutionId) {
        if self.is_on_hold() {
            // It is said again with the first Hello after the hold.
            return;
        }
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else {
            // Withdrawn while the answer was under way: the worker records that it will not start.
            let assign_seq = shared::id::AssignSeq::default();
            if is_seeded(Bug::GrantFromStaleView) {
                return self.act(Action::Grant { worker, epoch, execution, assign_seq });
            }
            return self.act(Action::Revoke { worker, epoch, execution, assign_seq });
        };
        match attempt.state {
            AttemptState::Offered => {
                self.move_attempt(id, step, &attempt, AttemptEvent::Granted, "");
                if let Some(run) = self.step_mut(id, step) {
                    run.queued_at = None;
                }
            }
            // The grant was lost on its way: it is sent again.
            AttemptState::Granted => {}
            _ => return self.act(Action::Alarm { worker, execution, what: "accepted an attempt that had started" }),
        }
        self.act(Action::Grant { worker, epoch, execution, assign_seq: attempt.assign_seq });
        if let Some(deployment) = self.deployments.get(&id).filter(|deployment| deployment.cancel_requested) {
            let grace = deployment.plan(step).grace();
            self.act(Action::Cancel { worker, epoch, execution, grace });
        }
    }

    fn rejected(&mut self, now: Mono, worker: WorkerId, execution: ExecutionId, kind: Rejection, detail: &str) {
        match kind {
            Rejection::Busy => self.close_for(now, worker, BUSY_PAUSE),
            Rejection::DiskLow => self.is_short_of_disk(worker),
            Rejection::Void | Rejection::Stale | Rejection::Unsupported => {
                self.close_for(now, worker, REJECTED_PAUSE);
            }
        }
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else { return };
        match (attempt.state, kind) {
            // That it is not known any more says nothing of what the store lost.
            (AttemptState::Offered, kind) if self.is_on_hold() && kind != Rejection::Void => {}
            (AttemptState::Offered, _) => self.withdrawn(id, step, &attempt, detail),
            // Only a recorded void says that a granted attempt did not start; "I no longer know" leaves the doubt.
            (AttemptState::Granted | AttemptState::Unknown, Rejection::Void) => self.voided(worker, execution, detail),
            (AttemptState::Granted, Rejection::Stale) => self.lose(id, step, &attempt, detail),
            _ => self.act(Action::Alarm { worker, execution, what: "rejected an attempt that it had taken" }),
        }
    }

    pub(crate) fn alive(&mut self, worker: WorkerId, execution: ExecutionId) {
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else { return };
        // Found dead since: the word is older than that.
        let is_late = matches!(attempt.state, AttemptState::Running | AttemptState::Interrupted);
        if !is_late && self.admit_grant(id, step, &attempt) {
            self.move_attempt(id, step, &attempt, AttemptEvent::Alive, "");
        }
    }

    /// The exit record of an attempt. Of one that is settled, it is late evidence: told to people, changes nothing.
    pub(crate) fn ended(&mut self, now: Mono, worker: WorkerId, execution: ExecutionId, result: ExitResult) {
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else { return };
        if !self.admit_grant(id, step, &attempt) {
            return;
        }
        if attempt.state == AttemptState::Interrupted {
            return self.act(Action::Alarm { worker, execution, what: "sent a result after it was found dead" });
        }
        let kind = result.outcome.kind;
        let outcome = result.outcome.clone();
        self.record(
            id,
            DeploymentFact::AttemptMoved(Moved {
                step,
                execution,
                event: AttemptEvent::Exited(kind),
                evidence: String::new(),
                result: Some(result),
            }),
        );
        self.conclude(now, id, step, &outcome);
    }

    /// What the end of an attempt means for its step.
    fn conclude(&mut self, now: Mono, id: DeploymentId, step: usize, outcome: &Outcome) {
        let Outcome { kind, reason, detail, .. } = outcome;
        match kind {
            OutcomeKind::Succeeded => self.settle(id, step, StepEnd::Succeeded, reason, detail),
            OutcomeKind::Cancelled => self.settle(id, step, StepEnd::Cancelled, reason, detail),
            OutcomeKind::Failed | OutcomeKind::TimedOut => match self.retry_after(id, step, outcome.exit_code) {
                Some(wait) => self.queue_again(now, id, step, wait),
                None => self.fail(id, step, reason, detail),
            },
        }
    }

    /// How long to wait before the next attempt, if the step has one left.
    fn retry_after(&self, id: DeploymentId, step: usize, exit_code: Option<i32>) -> Option<Duration> {
        let deployment = self.deployments.get(&id)?;
        let retries = &deployment.plan(step).retries;
        let failures = deployment.steps.get(step)?.failures;
        if deployment.cancel_requested || failures > retries.count || !retries.follow(exit_code) {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(16);
        Some(retries.backoff.saturating_mul(1 << doublings).min(MAX_BACKOFF))
    }

    pub(crate) fn found_dead(&mut self, worker: WorkerId, execution: ExecutionId, evidence: &str) {
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else { return };
        match attempt.state {
            AttemptState::Interrupted => {}
            _ if !self.admit_grant(id, step, &attempt) => {}
            _ if is_seeded(Bug::ExitCodeInvented) => {
                self.move_attempt(id, step, &attempt, AttemptEvent::Exited(OutcomeKind::Failed), "Exit code 255.");
                self.fail(id, step, "EXIT_CODE", "Exit code 255.");
            }
            _ => {
                self.move_attempt(id, step, &attempt, AttemptEvent::FoundDead, evidence);
                self.decide_by_policy(id, step);
            }
        }
    }

    pub(crate) fn voided(&mut self, worker: WorkerId, execution: ExecutionId, evidence: &str) {
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else { return };
        match attempt.state {
            AttemptState::Offered => self.withdrawn(id, step, &attempt, evidence),
            AttemptState::Granted | AttemptState::Unknown => {
                self.move_attempt(id, step, &attempt, AttemptEvent::Voided, evidence);
                self.not_started(id, step);
            }
            _ => self.act(Action::Alarm { worker, execution, what: "voided an attempt that had started" }),
        }
    }

    /// Takes an offer back. A grant is never taken back.
    pub(crate) fn withdraw_offer(&mut self, execution: ExecutionId, why: &str) {
        if self.is_on_hold() && !is_seeded(Bug::OfferTakenBackOnHold) {
            return;
        }
        let Some((id, step)) = self.executions.get(&execution).copied() else { return };
        let Some(attempt) = self.attempt(id, step).filter(|a| a.state == AttemptState::Offered) else { return };
        if let Some(epoch) = self.epoch_of(attempt.worker) {
            let (worker, assign_seq) = (attempt.worker, attempt.assign_seq);
            self.act(Action::Revoke { worker, epoch, execution, assign_seq });
        }
        self.withdrawn(id, step, &attempt, why);
    }

    /// What the attempt needs is not there any more: the worker was not told yet, and will not be.
    pub(crate) fn offer_failed(&mut self, execution: ExecutionId, refusal: &Refusal) {
        if self.is_on_hold() {
            return;
        }
        let Some((id, step)) = self.executions.get(&execution).copied() else { return };
        let Some(attempt) = self.attempt(id, step).filter(|a| a.state == AttemptState::Offered) else { return };
        self.move_attempt(id, step, &attempt, AttemptEvent::Withdrawn, &refusal.detail);
        self.fail(id, step, &refusal.reason, &refusal.detail);
    }

    pub(crate) fn withdrawn(&mut self, id: DeploymentId, step: usize, attempt: &Attempt, why: &str) {
        self.move_attempt(id, step, attempt, AttemptEvent::Withdrawn, why);
        self.not_started(id, step);
    }

    /// Its worker's word is not to be had: a granted attempt may be alive, and nobody knows.
    pub(crate) fn contact_lost(&mut self, execution: ExecutionId, why: &str) {
        let Some((id, step)) = self.executions.get(&execution).copied() else { return };
        let Some(attempt) = self.attempt(id, step) else { return };
        if attempt.state == AttemptState::Granted && is_seeded(Bug::GrantTakenBackByTimer) {
            return self.voided(attempt.worker, execution, why);
        }
        if matches!(attempt.state, AttemptState::Granted | AttemptState::Running) {
            self.lose(id, step, &attempt, why);
        }
    }

    pub(crate) fn lose(&mut self, id: DeploymentId, step: usize, attempt: &Attempt, evidence: &str) {
        self.move_attempt(id, step, attempt, AttemptEvent::ContactLost, evidence);
        self.decide_by_policy(id, step);
    }

    /// A step that declared itself safe to run twice, or goes on with what it finds, is run again without a person's decision.
    fn decide_by_policy(&mut self, id: DeploymentId, step: usize) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        let (plan, lost) = (deployment.plan(step), deployment.steps[step].lost);
        let why = match (plan.retry_safe, plan.action.continues()) {
            _ if is_seeded(Bug::LostIsRunAgain) => "It is gone.",
            (true, _) => "The step declares that running it twice does no harm.",
            (false, true) => "A further attempt finds what this one began in AWS, and goes on with that.",
            (false, false) => return,
        };
        if deployment.cancel_requested || lost >= plan.retries.count.max(MOST_LOST) {
            return;
        }
        let wait = plan.retries.backoff.saturating_mul(1 << lost.min(16)).min(MAX_BACKOFF);
        let Some(attempt) = self.attempt(id, step) else { return };
        self.move_attempt(id, step, &attempt, AttemptEvent::Decided, why);
        self.queue_again(self.now, id, step, wait);
    }

    /// A person's decision about a step whose attempt is unknown or interrupted.
    pub(crate) fn step_decided(&mut self, id: DeploymentId, step: usize, decision: Decision, by: &str, reason: &str) {
        let Some(attempt) = self.doubtful(id, step) else { return };
        let detail = format!("Decided by {by}: {reason}");
        if decision == Decision::Dead {
            if attempt.state == AttemptState::Unknown {
                self.move_attempt(id, step, &attempt, AttemptEvent::FoundDead, &detail);
                self.decide_by_policy(id, step);
            }
            return;
        }
        if decision == Decision::Abort {
            // Before the step ends: what would follow its failure must not begin.
            self.cancel_requested(id, by.into(), reason.into());
        }
        self.move_attempt(id, step, &attempt, AttemptEvent::Decided, &detail);
        match decision {
            Decision::RunAgain if self.is_cancelled(id) => self.settle_cancelled(id, step),
            Decision::RunAgain => self.queue_again(self.now, id, step, Duration::ZERO),
            decided => {
                let end = if decided == Decision::Succeeded { StepEnd::Succeeded } else { StepEnd::Failed };
                self.settle(id, step, end, "DECIDED", &detail);
            }
        }
    }

    fn is_cancelled(&self, id: DeploymentId) -> bool {
        self.deployments.get(&id).is_some_and(|deployment| deployment.cancel_requested)
    }

    fn doubtful(&self, id: DeploymentId, step: usize) -> Option<Attempt> {
        self.doubt(id, step).and_then(|_| self.attempt(id, step))
    }

    /// The worker opens another session, and tells with its Hello what it knows.
    pub(crate) fn probe(&mut self, id: DeploymentId, step: usize) {
        if let Some(attempt) = self.doubtful(id, step) {
            self.end_session(attempt.worker);
            self.refresh(attempt.worker);
        }
    }

    /// The attempt provably did not start: the step is queued again without using up a retry.
    fn not_started(&mut self, id: DeploymentId, step: usize) {
        if self.is_cancelled(id) && !self.is_on_hold() {
            self.settle_cancelled(id, step);
        } else {
            self.requeue(id, step);
        }
    }

    /// A worker ran what was never granted: the store must have gone back in time. The doubt is kept, not hidden.
    pub(crate) fn never_granted(&mut self, id: DeploymentId, step: usize, attempt: &Attempt) {
        let (worker, execution) = (attempt.worker, attempt.execution);
        self.act(Action::Alarm { worker, execution, what: "ran an attempt whose grant is not in the store" });
        self.move_attempt(id, step, attempt, AttemptEvent::Granted, "The worker says it ran.");
        self.lose(
            id,
            step,
            attempt,
            "The worker ran it, but the store has no grant: the store may have gone back in time.",
        );
        self.begin_hold(format!("Worker {} ran an attempt that was never granted.", self.name_of(worker)));
    }

    pub(crate) fn move_attempt(
        &mut self,
        id: DeploymentId,
        step: usize,
        attempt: &Attempt,
        event: AttemptEvent,
        evidence: &str,
    ) {
        self.record(
            id,
            DeploymentFact::AttemptMoved(Moved {
                step,
                execution: attempt.execution,
                event,
                evidence: evidence.into(),
                result: None,
            }),
        );
    }

    /// An open attempt, if it is this worker's: no worker may speak about another's.
    pub(crate) fn open_attempt(
        &self,
        worker: WorkerId,
        execution: ExecutionId,
    ) -> Option<(DeploymentId, usize, Attempt)> {
        let (id, step) = self.executions.get(&execution).copied()?;
        let attempt = self.attempt(id, step).filter(|a| a.worker == worker && a.execution == execution)?;
        Some((id, step, attempt))
    }

    pub(crate) fn attempt(&self, id: DeploymentId, step: usize) -> Option<Attempt> {
        self.deployments.get(&id)?.steps.get(step)?.open.clone()
    }
}
