//! A worker says Hello: what the store remembers of its attempts meets what its journal remembers. The whole matrix is in
//! [`Coordinator::reconcile`].

use shared::{
    attempt::AttemptState,
    bug::{Bug, is_seeded},
    id::{AssignSeq, DeploymentId, ExecutionId, SessionEpoch, WorkerId},
};

use crate::{
    Coordinator, Mono,
    action::{Action, Directive, Offer},
    deployment::Attempt,
    fact::{Fact, SessionOpened},
    input::{Held, Hello},
    report::Report,
};

/// How a worker's memory compares with that of its session before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// The same journal.
    Whole,
    /// Another journal on the same boot: what it ran may still be alive.
    Lost,
    /// Another journal after another boot: what it ran is dead.
    LostInReboot,
}

impl Coordinator {
    pub(crate) fn session_opened(&mut self, now: Mono, hello: Hello) {
        let id = hello.worker;
        let Some(worker) = self.workers.get(&id) else { return };
        let memory = worker.memory(&hello);
        let epoch = SessionEpoch(worker.epoch.0 + 1);
        if hello.assign_hwm > worker.assign_seq && memory == Memory::Whole {
            let (name, seen, known) = (&worker.name, hello.assign_hwm.0, worker.assign_seq.0);
            self.begin_hold(format!("Worker {name} has seen offer {seen}, and the store knows none above {known}."));
        }
        self.end_session(id);
        self.begin_session(now, &hello, epoch, memory);
        let told = hello.held.keys().copied().filter(|execution| !is_left_alone(&hello, *execution));
        let directives = told.map(|execution| (execution, self.directive(id, execution, &hello))).collect();
        self.act(Action::Welcome { worker: id, epoch, directives });
        for execution in self.open_in_order(id) {
            self.reconcile(now, epoch, execution, memory, &hello);
        }
        for (execution, held) in &hello.held {
            if matches!(held, Held::Ended(_) | Held::Interrupted(_)) && !hello.unheard_of.contains(execution) {
                self.act(Action::AcknowledgeResult { worker: id, epoch, execution: *execution });
            }
        }
        if self.is_on_hold() {
            self.act(Action::Recall { worker: id, epoch });
        }
        self.refresh(id);
    }

    /// In order of their numbers: what is offered again below a number that the worker has seen, it would refuse.
    fn open_in_order(&self, worker: WorkerId) -> Vec<ExecutionId> {
        let Some(known) = self.workers.get(&worker) else { return Vec::new() };
        let mut open: Vec<(AssignSeq, ExecutionId)> = known
            .open
            .iter()
            .filter_map(|execution| self.open_attempt(worker, *execution))
            .map(|(_, _, attempt)| (attempt.assign_seq, attempt.execution))
            .collect();
        open.sort();
        open.into_iter().map(|(_, execution)| execution).collect()
    }

    fn begin_session(&mut self, now: Mono, hello: &Hello, epoch: SessionEpoch, memory: Memory) {
        // On hold a worker that forgot stays one that forgot: it cannot say what it ran in what the store lost.
        let is_on_hold = self.is_on_hold();
        let mut marks = (hello.journal_id.clone(), hello.boot_id.clone());
        if let Some(worker) = self.workers.get_mut(&hello.worker) {
            worker.accounts_for_all = memory == Memory::Whole && !worker.journal_id.is_empty();
            if is_on_hold && !worker.accounts_for_all {
                marks = (worker.journal_id.clone(), worker.boot_id.clone());
            }
            worker.epoch = epoch;
            worker.session = Some(epoch);
            (worker.journal_id, worker.boot_id) = marks.clone();
            worker.slots = hello.slots;
            worker.hwm = hello.assign_hwm;
            worker.assign_seq = worker.assign_seq.max(hello.assign_hwm);
            worker.disk_low = hello.disk_low;
            // Its role may be another one since it was heard last.
            worker.report = Report::default();
            worker.heard_at = now;
            worker.closed_until = None;
        }
        // A grant that is sent again after this rests on this commit, not on a read alone.
        self.decision.facts.push(Fact::SessionOpened(SessionOpened {
            worker: hello.worker,
            epoch,
            journal_id: marks.0,
            boot_id: marks.1,
            assign_hwm: hello.assign_hwm,
        }));
    }

    /// What a worker does with an attempt that it holds. One that is not open here is settled, or never was.
    fn directive(&self, worker: WorkerId, execution: ExecutionId, hello: &Hello) -> Directive {
        match (self.open_attempt(worker, execution), hello.held.get(&execution)) {
            (Some((id, _, _)), Some(Held::Running))
                if self.deployments.get(&id).is_some_and(|d| d.cancel_requested) =>
            {
                Directive::Cancel
            }
            // It may be taken up.
            (None, _) if self.is_on_hold() => Directive::Keep,
            (None, Some(Held::Accepted)) => Directive::Void,
            // Whatever it means is stored before the Welcome is sent.
            (_, Some(Held::Void)) => Directive::Forget,
            // Somebody decided about it, or another attempt took its place: what it does in AWS is that one's now.
            (None, Some(Held::Running)) => Directive::Kill,
            _ => Directive::Keep,
        }
    }

    fn reconcile(&mut self, now: Mono, epoch: SessionEpoch, execution: ExecutionId, memory: Memory, hello: &Hello) {
        use AttemptState as S;
        let worker = hello.worker;
        let Some((id, step, attempt)) = self.open_attempt(worker, execution) else { return };
        let seen = attempt.assign_seq <= hello.assign_hwm;
        if self.is_on_hold() && memory == Memory::Whole && !hello.held.contains_key(&execution) {
            // What it remembers of it is asked for.
            return;
        }
        match (attempt.state, hello.held.get(&execution), memory) {
            (S::Offered, None, Memory::Lost | Memory::LostInReboot) if self.is_on_hold() => {
                self.doubt_offer(execution, "The worker's journal is another one.");
            }
            (S::Offered, None, Memory::Lost | Memory::LostInReboot) => {
                self.withdrawn(id, step, &attempt, "The worker's journal is another one.");
            }
            (_, None, Memory::LostInReboot) => {
                self.found_dead(
                    worker,
                    execution,
                    "The worker's host was started anew and its journal is another one.",
                );
            }
            (S::Granted, None, Memory::Lost) if is_seeded(Bug::ForgottenMeansNotStarted) => {
                self.voided(worker, execution, "The worker knows nothing of it.");
            }
            (S::Granted | S::Running, None, Memory::Lost) => {
                self.lose(id, step, &attempt, "The worker's journal is another one: it forgot what it ran.");
            }
            (S::Offered, None, Memory::Whole) if seen => {
                self.withdrawn(id, step, &attempt, "The worker saw the offer and knows nothing of it.");
            }
            (S::Offered, None, Memory::Whole) if !seen => self.offer_again(epoch, id, step, &attempt),
            // It was granted because the worker had journalled it: a journal that never saw it went back in time.
            (S::Granted | S::Running, None, Memory::Whole) => {
                self.lose(id, step, &attempt, "The worker knows nothing of it any more.");
            }
            (_, None, _) => {}
            (S::Offered | S::Granted, Some(Held::Accepted), _) => self.accepted(worker, epoch, execution),
            (S::Running, Some(Held::Accepted), _) => {
                self.lose(id, step, &attempt, "The worker says it never started, but had said that it did.");
            }
            // Unknown or interrupted: it will not be granted any more.
            (_, Some(Held::Accepted), _) => {
                self.act(Action::Revoke { worker, epoch, execution, assign_seq: attempt.assign_seq });
            }
            (_, Some(Held::Running), _) => self.alive(worker, execution),
            (_, Some(Held::Ended(result)), _) => self.ended(now, worker, execution, (**result).clone()),
            (S::Running, Some(Held::Void), _) => {
                self.lose(id, step, &attempt, "The worker recorded that it never started, but had said that it did.");
            }
            (_, Some(Held::Void), _) => self.voided(worker, execution, "The worker recorded that it never started."),
            (_, Some(Held::Interrupted(evidence)), _) => self.found_dead(worker, execution, evidence),
        }
    }

    /// The offer never arrived: its order number is above everything the worker saw.
    fn offer_again(&mut self, epoch: SessionEpoch, id: DeploymentId, step: usize, attempt: &Attempt) {
        let Some(deployment) = self.deployments.get(&id) else { return };
        if deployment.cancel_requested && attempt.state == AttemptState::Offered {
            return self.withdrawn(id, step, attempt, "The deployment was cancelled.");
        }
        let plan = deployment.plan(step);
        let (timeout, grace) = (plan.timeout, plan.grace());
        let worker_name = self.name_of(attempt.worker);
        self.act(Action::Offer(Offer {
            worker: attempt.worker,
            worker_name,
            epoch,
            execution: attempt.execution,
            assign_seq: attempt.assign_seq,
            deployment: id,
            step,
            number: attempt.number,
            timeout,
            grace,
        }));
    }
}

/// What was started and is not of this store is nobody's to stop, and its log has no place here.
fn is_left_alone(hello: &Hello, execution: ExecutionId) -> bool {
    let was_started = matches!(hello.held.get(&execution), Some(Held::Running | Held::Ended(_) | Held::Interrupted(_)));
    was_started && hello.unheard_of.contains(&execution)
}

impl crate::worker::Worker {
    fn memory(&self, hello: &Hello) -> Memory {
        if self.journal_id.is_empty() || self.journal_id == hello.journal_id {
            Memory::Whole
        } else if self.boot_id == hello.boot_id {
            Memory::Lost
        } else {
            Memory::LostInReboot
        }
    }
}
