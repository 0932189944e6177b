//! Which queued step goes to which worker. First come, first served within a pool; a step that cannot go now does not hold
//! up the ones behind it.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    id::{DeploymentId, WorkerId},
    reason::Reason,
};

use crate::{
    Coordinator, Mono,
    action::{Action, Offer},
    deployment::{StepState, execution_id},
    fact::{DeploymentFact, Offered},
    input::{Prepared, Wish},
    report::Expectation,
    worker::Worker,
};

/// 5 workers: what fits a line.
const SHOWN: usize = 5;

/// Prepared steps that wait, and workers that could take one, per pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    next_order: u64,
    waiting: BTreeMap<String, BTreeMap<u64, (DeploymentId, usize)>>,
    order_of: BTreeMap<(DeploymentId, usize), (String, u64)>,
    available: BTreeMap<String, BTreeSet<WorkerId>>,
    /// Pools in which something changed since the last dispatch.
    touched: BTreeSet<String>,
}

impl Queue {
    pub(crate) fn push(&mut self, pool: &str, deployment: DeploymentId, step: usize) {
        if self.order_of.contains_key(&(deployment, step)) {
            return;
        }
        self.next_order += 1;
        self.waiting.entry(pool.into()).or_default().insert(self.next_order, (deployment, step));
        self.order_of.insert((deployment, step), (pool.into(), self.next_order));
        self.touched.insert(pool.into());
    }

    pub(crate) fn remove(&mut self, deployment: DeploymentId, step: usize) {
        let Some((pool, order)) = self.order_of.remove(&(deployment, step)) else { return };
        if let Some(waiting) = self.waiting.get_mut(&pool) {
            waiting.remove(&order);
            if waiting.is_empty() {
                self.waiting.remove(&pool);
            }
        }
    }

    pub(crate) fn set_available(&mut self, worker: WorkerId, pool: &str, available: bool) {
        let workers = self.available.entry(pool.into()).or_default();
        if available {
            workers.insert(worker);
            self.touched.insert(pool.into());
        } else {
            workers.remove(&worker);
        }
    }

    /// Something that any pool may wait for has changed, e.g. a lock.
    pub(crate) fn touch_all(&mut self) {
        self.touched.extend(self.waiting.keys().cloned());
    }
}

impl Coordinator {
    /// Offers what can be offered now.
    pub(crate) fn dispatch(&mut self, now: Mono) {
        if self.is_on_hold() {
            return;
        }
        while let Some(pool) = self.queue.touched.pop_first() {
            self.dispatch_pool(now, &pool);
        }
    }

    fn dispatch_pool(&mut self, _now: Mono, pool: &str) {
        let mut after = 0;
        while self.queue.available.get(pool).is_some_and(|workers| !workers.is_empty()) {
            let waiting = self.queue.waiting.get(pool);
            let Some((order, (id, step))) = waiting.and_then(|w| w.range(after + 1..).next()).map(|(o, s)| (*o, *s))
            else {
                return;
            };
            after = order;
            if let Some(worker) = self.worker_for(pool, id, step) {
                self.offer(worker, id, step);
            } else if let Some(sentence) = self.hopeless(pool, id, step) {
                self.queue.remove(id, step);
                self.fail(id, step, Reason::ExpectationNotMet.code(), &sentence);
            }
        }
    }

    /// Why no worker of the pool will do: each has said that its own role is another one than the step expects. One that is
    /// away, has not asked AWS yet, or could not, may still be the right one.
    fn hopeless(&self, pool: &str, id: DeploymentId, step: usize) -> Option<String> {
        let prepared = self.prepared(id, step).filter(|prepared| prepared.expect != Expectation::default())?;
        let members: Vec<&Worker> = self
            .workers
            .iter()
            .filter(|(id, _)| prepared.only_worker.is_none_or(|only| only == **id))
            .map(|(_, worker)| worker)
            .filter(|worker| worker.pool == pool && matches!(worker.wish, Wish::Active | Wish::Draining))
            .filter(|worker| worker.carries(&prepared.requires))
            .collect();
        let contradictions: Option<Vec<_>> = members
            .iter()
            .map(|worker| {
                let is_sure = worker.session.is_some() && worker.report.is_somebody();
                let found = worker.report.contradiction(&prepared.expect).filter(|_| is_sure)?;
                Some((worker.name.as_str(), found))
            })
            .collect();
        let contradictions = contradictions?;
        let (_, first) = contradictions.first()?;
        let have: Vec<String> =
            contradictions.iter().take(SHOWN).map(|(name, found)| format!("worker {name} {found}")).collect();
        Some(format!(
            "The step expects {} of its worker's own role, and no worker of pool \"{pool}\" has it: {}. Nothing was started.",
            first.expected(),
            have.join(", ")
        ))
    }

    /// The available worker with the most free slots that carries what the step requires, while its locks are free.
    fn worker_for(&self, pool: &str, id: DeploymentId, step: usize) -> Option<WorkerId> {
        let prepared = self.prepared(id, step)?;
        if prepared.locks.iter().any(|lock| self.locks.contains_key(lock)) {
            return None;
        }
        let available = self.queue.available.get(pool)?;
        available
            .iter()
            .filter(|id| prepared.only_worker.is_none_or(|only| only == **id))
            .filter_map(|id| self.workers.get(id).map(|worker| (*id, worker)))
            .filter(|(_, worker)| worker.carries(&prepared.requires))
            .filter(|(_, worker)| worker.report.meets(&prepared.expect))
            .max_by_key(|(_, worker)| worker.free_slots())
            .map(|(id, _)| id)
    }

    fn offer(&mut self, worker: WorkerId, id: DeploymentId, step: usize) {
        let Some(epoch) = self.epoch_of(worker) else { return };
        let Some(locks) = self.prepared(id, step).map(|p| p.locks.clone()) else { return };
        let Some(deployment) = self.deployments.get(&id) else { return };
        let number = deployment.steps[step].attempts + 1;
        let plan = deployment.plan(step);
        let (timeout, grace) = (plan.timeout, plan.grace());
        let execution = execution_id(id, step, number, self.restores);
        let assign_seq = self.next_assign_seq(worker);
        self.queue.remove(id, step);
        self.record(id, DeploymentFact::AttemptOffered(Offered { step, execution, number, worker, assign_seq, locks }));
        let deployment = id;
        let worker_name = self.name_of(worker);
        self.act(Action::Offer(Offer {
            worker,
            worker_name,
            epoch,
            execution,
            assign_seq,
            deployment,
            step,
            number,
            timeout,
            grace,
        }));
    }

    pub(crate) fn prepared(&self, id: DeploymentId, step: usize) -> Option<&Prepared> {
        let run = self.deployments.get(&id)?.steps.get(step)?;
        run.prepared.as_ref().filter(|_| run.state == StepState::Queued)
    }
}
