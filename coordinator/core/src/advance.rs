//! What comes next in a deployment: whose turn it is, which steps begin, which are left out, and when it has ended.

use std::time::Duration;

use shared::{
    attempt::{AttemptEvent, AttemptState},
    bug::{Bug, is_seeded},
    id::{DeploymentId, WorkerId},
    outcome::OutcomeKind,
    plan::Condition,
    reason::Reason,
};

use crate::{
    Coordinator, Mono,
    action::Action,
    asking::Question,
    deployment::{Deployment, StepRun, StepState},
    fact::{Created, DeploymentEnd, DeploymentFact, Settled, StepEnd},
    input::{Prepared, Refusal},
    timer::Timer,
};

impl Coordinator {
    pub(crate) fn submitted(&mut self, id: DeploymentId, created: Created) {
        // It may have been read from the store already, by a recovery that came between.
        if self.deployments.contains_key(&id) {
            return;
        }
        self.fold(id, &DeploymentFact::Created(created));
        self.advance(id);
    }

    /// After a restart: queued steps are prepared again, waits begin afresh, and whatever a crash left undone is decided.
    pub(crate) fn resume(&mut self, now: Mono) {
        let ids: Vec<DeploymentId> = self.deployments.keys().copied().collect();
        for id in ids {
            let steps = self.deployments.get(&id).map_or(0, |d| d.steps.len());
            for step in 0..steps {
                let Some(run) = self.step_mut(id, step) else { continue };
                match (run.state, run.waits) {
                    (StepState::Queued, Some(wait)) => self.timers.arm(now.after(wait), Timer::Retry(id, step)),
                    (StepState::Queued, None) => self.act(Action::Prepare { deployment: id, step }),
                    (StepState::Asking, _) => self.await_answer(id, step),
                    _ => {}
                }
            }
            self.advance(id);
        }
        let workers: Vec<WorkerId> = self.workers.keys().copied().collect();
        for worker in workers {
            self.give_up_if_revoked(worker);
        }
    }

    pub(crate) fn step_prepared(&mut self, id: DeploymentId, step: usize, prepared: Result<Prepared, Refusal>) {
        if self.is_on_hold() {
            return self.adopt(id, step, prepared.ok());
        }
        let Some(run) = self.step_mut(id, step).filter(|run| run.state == StepState::Queued) else { return };
        match prepared {
            Ok(prepared) if prepared.condition => {
                run.prepared = Some(prepared);
                self.requeue(id, step);
            }
            Ok(_) => self.settle(id, step, StepEnd::Skipped, "CONDITION", "Its condition is not true."),
            Err(refusal) => self.fail(id, step, &refusal.reason, &refusal.detail),
        }
    }

    pub(crate) fn cancel_requested(&mut self, id: DeploymentId, by: String, reason: String) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        if deployment.cancel_requested {
            return;
        }
        let steps = deployment.steps.len();
        self.record(id, DeploymentFact::CancelRequested { by, reason });
        for step in 0..steps {
            self.cancel_step(id, step);
        }
        self.advance(id);
    }

    pub(crate) fn cancel_step(&mut self, id: DeploymentId, step: usize) {
        let Some(grace) = self.deployments.get(&id).map(|deployment| deployment.plan(step).grace()) else {
            return;
        };
        let Some(run) = self.step_mut(id, step) else { return };
        match (run.state, run.open.clone()) {
            (StepState::Settled(_), _) => {}
            (_, Some(attempt)) if attempt.state == AttemptState::Offered => {
                self.withdraw_offer(attempt.execution, "The deployment was cancelled.");
            }
            (_, Some(attempt)) if is_seeded(Bug::CancelAssumedDone) => {
                self.move_attempt(id, step, &attempt, AttemptEvent::Exited(OutcomeKind::Cancelled), "");
                self.settle_cancelled(id, step);
            }
            (_, Some(attempt)) => {
                if let Some(epoch) = self.epoch_of(attempt.worker) {
                    let (worker, execution) = (attempt.worker, attempt.execution);
                    self.act(Action::Cancel { worker, epoch, execution, grace });
                }
            }
            // It may have begun in what the store lost.
            (_, None) if self.is_on_hold() => {}
            (_, None) => self.settle_cancelled(id, step),
        }
    }

    pub(crate) fn settle_cancelled(&mut self, id: DeploymentId, step: usize) {
        self.settle(id, step, StepEnd::Cancelled, "CANCELLED", "It was cancelled before it started.");
    }

    pub(crate) fn settle(&mut self, id: DeploymentId, step: usize, end: StepEnd, reason: &str, detail: &str) {
        let settled = Settled { step, end, reason: reason.into(), detail: detail.into() };
        self.record(id, DeploymentFact::StepSettled(settled));
        self.advance(id);
    }

    /// The step goes back to the queue: at once, or after a wait.
    pub(crate) fn queue_again(&mut self, now: Mono, id: DeploymentId, step: usize, after: Duration) {
        self.record(id, DeploymentFact::StepRetried { step, after });
        self.timers.arm(now.after(after), Timer::Retry(id, step));
    }

    pub(crate) fn retry_due(&mut self, id: DeploymentId, step: usize) {
        let Some(run) = self.step_mut(id, step) else { return };
        if run.state == StepState::Queued && run.waits.take().is_some() {
            self.requeue(id, step);
        }
    }

    /// Puts a queued step where workers look, preparing it first if it is not.
    pub(crate) fn requeue(&mut self, id: DeploymentId, step: usize) {
        if self.is_on_hold() {
            return;
        }
        let now = self.now;
        let Some(run) = self.step_mut(id, step) else { return };
        let Some(pool) = run.prepared.as_ref().map(|prepared| prepared.pool.clone()) else {
            return self.act(Action::Prepare { deployment: id, step });
        };
        // An offer that was taken back was no end of the wait.
        let since = *run.queued_at.get_or_insert(now);
        self.queue.push(&pool, id, step);
        if let Some(timeout) = self.queue_timeout(id, step) {
            self.timers.arm(since.after(timeout), Timer::Queue(id, step));
        }
    }

    /// Nobody has taken the step in time. One that is offered may be taken yet, and is not given up.
    pub(crate) fn queue_due(&mut self, now: Mono, id: DeploymentId, step: usize) {
        let Some(timeout) = self.queue_timeout(id, step) else { return };
        let Some(run) = self.step_mut(id, step) else { return };
        let is_over = run.queued_at.is_some_and(|since| now >= since.after(timeout));
        if run.state != StepState::Queued || run.waits.is_some() || !is_over {
            return;
        }
        let why = self.queue_reason(id, step).map(|reason| reason.sentence).unwrap_or_default();
        self.queue.remove(id, step);
        let detail = format!("No worker took it within {} s. {why}", timeout.as_secs());
        self.fail(id, step, Reason::QueueTimeout.code(), &detail);
    }

    fn queue_timeout(&self, id: DeploymentId, step: usize) -> Option<Duration> {
        self.deployments.get(&id)?.plan(step).waits.queue_timeout
    }

    /// Begins what can begin now and ends what has ended.
    pub(crate) fn advance(&mut self, id: DeploymentId) {
        if self.is_on_hold() {
            return;
        }
        while self.has_turn(id)
            && let Some(step) = self.next_pending(id)
        {
            self.begin(id, step);
        }
        // Also without its turn: one that failed before anything of it ran may have lost it to an earlier one.
        self.end_if_settled(id);
        self.pass_the_turn(id);
    }

    /// A deployment that waits for its approval before anything of it has run lets the next one go first.
    fn pass_the_turn(&mut self, id: DeploymentId) {
        let Some(key) = self.deployments.get(&id).map(Deployment::turn) else { return };
        if let Some(next) = self.whose_turn(&key).filter(|next| *next != id) {
            self.advance(next);
        }
    }

    /// Deployments of one project to one environment run one after the other.
    pub(crate) fn has_turn(&self, id: DeploymentId) -> bool {
        let Some(deployment) = self.deployments.get(&id) else { return false };
        let is_alone = deployment.created.project.is_empty();
        deployment.cancel_requested || is_alone || self.whose_turn(&deployment.turn()) == Some(id)
    }

    /// The first pending step of the group whose turn has come.
    fn next_pending(&self, id: DeploymentId) -> Option<usize> {
        let deployment = self.deployments.get(&id)?;
        let group = deployment
            .groups()
            .into_iter()
            .find(|group| deployment.steps[group.clone()].iter().any(|step| !step.is_settled()))?;
        group.into_iter().find(|step| deployment.steps[*step].state == StepState::Pending)
    }

    fn begin(&mut self, id: DeploymentId, step: usize) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        let plan = deployment.plan(step);
        let environment = &deployment.created.environment;
        let begun = deployment.groups().into_iter().find(|group| group.contains(&step)).map_or(0, |group| group.start);
        let failed = deployment.has_failed(0..begun);
        let skip = if deployment.cancel_requested {
            return self.settle_quietly(
                id,
                step,
                StepEnd::Cancelled,
                "CANCELLED",
                "It was cancelled before it started.",
            );
        } else if !plan.environments.is_empty() && !plan.environments.contains(environment) {
            Some(("ENVIRONMENT", format!("It is not for environment \"{environment}\".")))
        } else {
            match plan.condition {
                Condition::Success if failed => Some(("CONDITION", "A step before it failed.".into())),
                Condition::Failure if !failed => Some(("CONDITION", "No step before it failed.".into())),
                _ => None,
            }
        };
        match skip {
            Some((reason, detail)) => self.settle_quietly(id, step, StepEnd::Skipped, reason, &detail),
            None if !deployment.steps[step].approved
                && let Some(what) = plan.asks.approval.clone() =>
            {
                self.ask(id, step, Question::Approval, "", &what);
            }
            None => {
                self.record(id, DeploymentFact::StepQueued { step });
                self.act(Action::Prepare { deployment: id, step });
            }
        }
    }

    /// Settles without advancing: for the loop that does that itself.
    fn settle_quietly(&mut self, id: DeploymentId, step: usize, end: StepEnd, reason: &str, detail: &str) {
        let settled = Settled { step, end, reason: reason.into(), detail: detail.into() };
        self.record(id, DeploymentFact::StepSettled(settled));
    }

    fn end_if_settled(&mut self, id: DeploymentId) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        if !deployment.steps.iter().all(StepRun::is_settled) {
            return;
        }
        let any = |end| deployment.steps.iter().any(|step| step.state == StepState::Settled(end));
        let state = if any(StepEnd::Cancelled) {
            DeploymentEnd::Cancelled
        } else if any(StepEnd::Failed) {
            DeploymentEnd::Failed
        } else {
            DeploymentEnd::Succeeded
        };
        let key = deployment.turn();
        self.record(id, DeploymentFact::Ended { state });
        self.act(Action::Release { deployment: id });
        if let Some(next) = self.whose_turn(&key) {
            self.advance(next);
        }
    }

    pub(crate) fn step_mut(&mut self, id: DeploymentId, step: usize) -> Option<&mut StepRun> {
        self.deployments.get_mut(&id)?.steps.get_mut(step)
    }
}
