//! Applies facts: the one place where the state of a deployment changes, for the living and for the recovering coordinator.

use shared::{
    attempt::{AttemptEvent, AttemptState},
    bug::{Bug, is_seeded},
    id::DeploymentId,
    outcome::OutcomeKind,
};

use crate::{
    Coordinator,
    deployment::{Attempt, Deployment, StepState},
    fact::{Answered, Asked, Created, DeploymentFact, Moved, Offered, Settled},
    input::Answer,
};

impl Coordinator {
    pub(crate) fn fold(&mut self, id: DeploymentId, fact: &DeploymentFact) {
        match fact {
            DeploymentFact::Created(created) => self.fold_created(id, created),
            DeploymentFact::StepQueued { step } => self.set_state(id, *step, StepState::Queued),
            DeploymentFact::AttemptOffered(offered) => self.fold_offered(id, offered),
            DeploymentFact::AttemptMoved(moved) => self.fold_moved(id, moved),
            DeploymentFact::StepRetried { step, after } => {
                self.set_state(id, *step, StepState::Queued);
                if let Some(run) = self.step_mut(id, *step) {
                    run.waits = Some(*after);
                }
            }
            DeploymentFact::StepAsked(asked) => self.fold_asked(id, asked),
            DeploymentFact::StepAnswered(answered) => self.fold_answered(id, answered),
            DeploymentFact::StepSettled(settled) => self.fold_settled(id, settled),
            DeploymentFact::CancelRequested { .. } => {
                if let Some(deployment) = self.deployments.get_mut(&id) {
                    deployment.cancel_requested = true;
                }
            }
            DeploymentFact::Ended { .. } => self.fold_ended(id),
        }
    }

    fn fold_created(&mut self, id: DeploymentId, created: &Created) {
        if !created.project.is_empty() {
            let key = (created.project.clone(), created.environment.clone());
            self.turns.entry(key).or_default().insert((created.number, id));
        }
        self.deployments.insert(id, Deployment::new(created.clone()));
    }

    fn fold_offered(&mut self, id: DeploymentId, offered: &Offered) {
        for lock in &offered.locks {
            self.locks.entry(lock.clone()).or_default().insert((id, offered.step));
        }
        if let Some(worker) = self.workers.get_mut(&offered.worker) {
            worker.open.insert(offered.execution);
            worker.assign_seq = worker.assign_seq.max(offered.assign_seq);
        }
        self.executions.insert(offered.execution, (id, offered.step));
        if let Some(run) = self.step_mut(id, offered.step) {
            run.state = StepState::Open;
            run.attempts = offered.number;
            run.waits = None;
            run.open = Some(Attempt {
                execution: offered.execution,
                number: offered.number,
                worker: offered.worker,
                assign_seq: offered.assign_seq,
                state: AttemptState::Offered,
                locks: offered.locks.clone(),
            });
        }
        self.refresh(offered.worker);
    }

    /// A pair that the table does not allow changes nothing here; its fact is never recorded, and the store would refuse it.
    fn fold_moved(&mut self, id: DeploymentId, moved: &Moved) {
        let Some(run) = self.step_mut(id, moved.step) else { return };
        let Some(attempt) = run.open.as_mut().filter(|a| a.execution == moved.execution) else { return };
        let Ok(state) = attempt.state.apply(moved.event) else { return };
        attempt.state = state;
        if matches!(moved.event, AttemptEvent::Exited(OutcomeKind::Failed | OutcomeKind::TimedOut)) {
            run.failures += 1;
        }
        if moved.event == AttemptEvent::Decided {
            run.lost += 1;
        }
        if state == AttemptState::Unknown && is_seeded(Bug::LockReleasedOnUnknown) {
            let locks = std::mem::take(&mut attempt.locks);
            self.locks.retain(|lock, _| !locks.contains(lock));
            return self.queue.touch_all();
        }
        if state == AttemptState::Interrupted {
            let attempt = attempt.clone();
            self.free_slot(&attempt);
        } else if state.is_settled() {
            self.close_attempt(id, moved.step);
        }
    }

    /// The attempt is over: its locks and its slot are free, and the step waits for what is decided next.
    fn close_attempt(&mut self, id: DeploymentId, step: usize) {
        let Some(run) = self.step_mut(id, step) else { return };
        run.state = StepState::Queued;
        let Some(attempt) = run.open.take() else { return };
        for lock in &attempt.locks {
            if let Some(holders) = self.locks.get_mut(lock) {
                holders.remove(&(id, step));
            }
        }
        self.locks.retain(|_, holders| !holders.is_empty());
        self.executions.remove(&attempt.execution);
        self.free_slot(&attempt);
        if !attempt.locks.is_empty() {
            self.queue.touch_all();
        }
    }

    /// No process of it is alive: its worker may take another. What is interrupted keeps its locks until a decision.
    fn free_slot(&mut self, attempt: &Attempt) {
        if let Some(worker) = self.workers.get_mut(&attempt.worker) {
            worker.open.remove(&attempt.execution);
        }
        self.refresh(attempt.worker);
    }

    fn fold_asked(&mut self, id: DeploymentId, asked: &Asked) {
        self.queue.remove(id, asked.step);
        let Some(run) = self.step_mut(id, asked.step) else { return };
        run.state = StepState::Asking;
        run.asked = Some(asked.clone());
        // What it needs may be another thing when it is tried again.
        (run.prepared, run.queued_at) = (None, None);
    }

    /// What follows from another answer than an approval is the next fact.
    fn fold_answered(&mut self, id: DeploymentId, answered: &Answered) {
        let Some(run) = self.step_mut(id, answered.step) else { return };
        if answered.answer == Answer::Approve {
            run.state = StepState::Pending;
            run.approved = true;
        }
    }

    fn fold_settled(&mut self, id: DeploymentId, settled: &Settled) {
        self.queue.remove(id, settled.step);
        self.set_state(id, settled.step, StepState::Settled(settled.end));
    }

    fn fold_ended(&mut self, id: DeploymentId) {
        let Some(deployment) = self.deployments.remove(&id) else { return };
        let key = (deployment.created.project, deployment.created.environment);
        if let Some(turn) = self.turns.get_mut(&key) {
            turn.remove(&(deployment.created.number, id));
            if turn.is_empty() {
                self.turns.remove(&key);
            }
        }
    }

    fn set_state(&mut self, id: DeploymentId, step: usize, state: StepState) {
        if let Some(run) = self.step_mut(id, step) {
            run.state = state;
        }
    }
}
