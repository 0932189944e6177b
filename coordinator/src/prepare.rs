//! Evaluates what a step needs before a worker is asked, and renders what its worker is sent. Fails closed: a step whose
//! account or variable does not resolve is refused, and never runs with another identity. Knows nothing of workers or order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use coordinator_core::input::{Prepared, Refusal};
use proto::worker as wire;
use rusqlite::Connection;
use shared::{
    id::{DeploymentId, ExecutionId},
    plan::{Action, Condition, Step, demand::TOOL},
    reason::{Fault, Reason},
    template::Variables,
};

use self::{
    plan::Plan,
    snapshot::Snapshot,
    surroundings::Surroundings,
    text::{MACHINE, Texts, WORKER_POOL},
};
use crate::{
    accounts::{Purpose, Wanted},
    files::Files,
    issuer::Subject,
    registry,
    seal::Seal,
    store::{Store, deployments},
};

mod foresight;
mod identity;
pub(crate) mod plan;
mod printing;
mod progress;
mod scope;
mod sealed_output;
pub(crate) mod snapshot;
mod source;
mod spec;
mod step_key;
mod surroundings;
#[cfg(test)]
mod tests;
mod text;

pub use self::{spec::has_secret, step_key::step_key};

/// Prepares steps. Clones share what it keeps of live deployments: their variables, in clear.
#[derive(Clone)]
pub struct Preparer {
    store: Store,
    seal: Seal,
    files: Files,
    live: Arc<Mutex<HashMap<DeploymentId, Arc<Plan>>>>,
}

impl Preparer {
    /// One over a store, what opens its secrets, and the uploaded files.
    #[must_use]
    pub fn new(store: Store, seal: Seal, files: Files) -> Self {
        Self { store, seal, files, live: Arc::default() }
    }

    /// Evaluates where a step may run and whether it runs at all, and renders it once, so that what is wrong with it is said
    /// before a worker is asked.
    ///
    /// # Errors
    /// A refusal that names the step and what it lacks, e.g. `VARIABLE_UNSET`, `ACCOUNT_UNRESOLVED`, `POOL_NOT_FOUND`.
    pub async fn prepare(&self, deployment: DeploymentId, step: usize) -> Result<Prepared, Refusal> {
        let mut ready = self.ready(deployment, step).await?;
        let prepared = ready.prepared()?;
        if prepared.condition {
            // Which worker it will be is not known, but that there will be one.
            ready.go_to_worker("");
            ready.spec(&self.files).await?;
        }
        Ok(prepared)
    }

    /// What the worker of that name is sent to run an attempt. Evaluated anew each time, so that a key changed meanwhile is the new one.
    ///
    /// # Errors
    /// As [`Preparer::prepare`].
    pub async fn spec(
        &self,
        deployment: DeploymentId,
        step: usize,
        attempt: Attempt,
        worker: &str,
    ) -> Result<wire::StepSpec, Refusal> {
        let mut ready = self.ready(deployment, step).await?;
        ready.go_to_worker(worker);
        self.rendered(&ready, attempt.execution, attempt.number).await
    }

    /// The same with what must be written down before it is sent.
    ///
    /// # Errors
    /// As [`Preparer::prepare`].
    pub async fn handed_out(
        &self,
        deployment: DeploymentId,
        step: usize,
        execution: ExecutionId,
        number: u32,
        worker: String,
    ) -> Result<HandedOut, Refusal> {
        let mut ready = self.ready(deployment, step).await?;
        ready.go_to_worker(&worker);
        let spec = self.rendered(&ready, execution, number).await?;
        let keys = ready.around.keys_in(&spec);
        Ok(HandedOut { spec, keys, purpose: ready.purpose(number, worker) })
    }

    async fn rendered(&self, ready: &Ready, execution: ExecutionId, number: u32) -> Result<wire::StepSpec, Refusal> {
        let mut spec = ready.spec(&self.files).await?;
        spec.operation = self.operation(ready, number).await.map_err(refusal)?;
        tracing::debug!(%execution, number, "rendered a step");
        spec.execution_id = execution.to_string();
        spec.output_key = self.seal.output_key(execution).to_vec();
        Ok(spec)
    }

    async fn operation(&self, ready: &Ready, number: u32) -> Result<String, Fault> {
        let (deployment, step) = (ready.plan.id, ready.step);
        let ended = move |connection: &Connection| deployments::ended_attempts(connection, deployment, step, number);
        // Most steps never have a second attempt.
        let ended = if number > 1 { self.store.read(ended).await? } else { 0 };
        Ok(step_key::operation(deployment, step, ended))
    }

    /// Whether a step has use for a file of the project.
    ///
    /// # Errors
    /// When the deployment cannot be read.
    pub async fn gives_file(&self, deployment: DeploymentId, step: usize, sha256: &str) -> Result<bool, Fault> {
        let process = &self.plan(deployment).await?.process;
        Ok(process.steps.get(step).is_some_and(|step| process.gives(step, sha256)))
    }

    /// How an attempt becomes who its step is in AWS; none for a step that is nobody there.
    ///
    /// # Errors
    /// As [`Preparer::prepare`].
    pub async fn wanted(
        &self,
        deployment: DeploymentId,
        step: usize,
        attempt: u32,
        worker: String,
    ) -> Result<Option<Wanted>, Refusal> {
        let ready = self.ready(deployment, step).await?;
        let resolved = identity::resolve(&ready)?;
        Ok(resolved.map(|resolved| resolved.wanted(&ready, attempt, worker)))
    }

    /// Forgets a deployment that has ended.
    pub fn release(&self, deployment: DeploymentId) {
        self.live().remove(&deployment);
    }

    /// Spares a deployment that is about to be stored the way back from the store.
    pub(crate) fn keep(&self, plan: Plan) {
        self.live().insert(plan.id, Arc::new(plan));
    }

    async fn ready(&self, deployment: DeploymentId, step: usize) -> Result<Ready, Refusal> {
        let plan = self.plan(deployment).await.map_err(refusal)?;
        if plan.process.steps.get(step).is_none() {
            let sentence = format!("Deployment {deployment} has no step at position {step}.");
            return Err(refusal(Fault::new(Reason::Internal, sentence)));
        }
        let around = self.surroundings(&plan, step).await.map_err(refusal)?;
        let mut ready = Ready::before_its_pool(plan, step, around);
        ready.pool = ready.evaluate_pool()?;
        ready.enter_pool();
        Ok(ready)
    }

    async fn plan(&self, deployment: DeploymentId) -> Result<Arc<Plan>, Fault> {
        if let Some(plan) = self.live().get(&deployment) {
            return Ok(Arc::clone(plan));
        }
        let seal = self.seal.clone();
        let (plan, has_ended) = self.store.read(move |connection| Plan::read(connection, &seal, deployment)).await?;
        let plan = Arc::new(plan);
        // One that has ended was released: nobody would do that again.
        if !has_ended {
            self.live().insert(deployment, Arc::clone(&plan));
        }
        Ok(plan)
    }

    async fn surroundings(&self, plan: &Arc<Plan>, step: usize) -> Result<Surroundings, Fault> {
        let (seal, plan) = (self.seal.clone(), Arc::clone(plan));
        self.store.read(move |connection| Surroundings::read(connection, &seal, &plan, step)).await
    }

    fn live(&self) -> MutexGuard<'_, HashMap<DeploymentId, Arc<Plan>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt of a step.
#[derive(Clone, Copy)]
pub struct Attempt {
    /// Its id.
    pub execution: ExecutionId,
    /// From 1.
    pub number: u32,
}

/// What an attempt's worker is sent.
pub struct HandedOut {
    /// What to run.
    pub spec: wire::StepSpec,
    /// Accounts whose secret key is in it.
    pub keys: Vec<String>,
    /// What they are for.
    pub purpose: Purpose,
}

/// A step and all that its texts may name.
struct Ready {
    plan: Arc<Plan>,
    step: usize,
    around: Surroundings,
    /// The deployment's variables as the step sees them.
    snapshot: Snapshot,
    variables: Variables,
    pool: String,
}

impl Ready {
    /// What counts whatever its pool is.
    fn before_its_pool(plan: Arc<Plan>, step: usize, around: Surroundings) -> Self {
        let snapshot = plan.seen_from(step, None);
        let mut variables = scope::variables(&plan, &snapshot, step, &around);
        variables.set_now(jiff::Zoned::now());
        Self { plan, step, around, snapshot, variables, pool: String::new() }
    }

    /// What counts in its pool, too, now that this is known.
    fn enter_pool(&mut self) {
        if self.plan.snapshot.has_values_for_pools() {
            self.snapshot = self.plan.seen_from(self.step, Some(&self.pool));
            self.variables = scope::variables(&self.plan, &self.snapshot, self.step, &self.around);
            self.variables.set_now(jiff::Zoned::now());
        }
        self.variables.insert_literal(WORKER_POOL, &self.pool, false);
    }

    /// What only an attempt knows.
    fn go_to_worker(&mut self, worker: &str) {
        self.variables.insert_literal(MACHINE, worker, false);
    }

    fn step(&self) -> &Step {
        &self.plan.process.steps[self.step]
    }

    fn texts(&self) -> Texts<'_> {
        Texts::new(&self.variables, &self.step().name, &self.plan.environment)
    }

    fn prepared(&self) -> Result<Prepared, Refusal> {
        let (step, texts) = (self.step(), self.texts());
        let condition = match &step.condition {
            Condition::Expression(text) => texts.is_true(text)?,
            Condition::Success | Condition::Failure | Condition::Always => true,
        };
        let resolved = if condition { identity::resolve(self)? } else { None };
        Ok(Prepared {
            pool: self.pool.clone(),
            requires: self.requires(&texts)?,
            expect: resolved.map(|resolved| resolved.expected_of_worker()).unwrap_or_default(),
            only_worker: self.plan.snapshot.only_worker,
            locks: self.locks(&texts)?,
            condition,
        })
    }

    /// What the step, its pool and its identity demand of a worker.
    fn requires(&self, texts: &Texts<'_>) -> Result<BTreeMap<String, String>, Refusal> {
        let mut requires = self.around.pools.get(&self.pool).cloned().unwrap_or_default();
        for (label, value) in texts.public_map("label", &self.step().requires)? {
            match requires.get_mut(&label) {
                // Tools of both can be had together.
                Some(demanded) if label == TOOL => demanded.extend([", ", &value]),
                Some(demanded) if *demanded != value => {
                    let fault = format!(
                        "it requires {label}={value}, and its pool \"{}\" requires {label}={demanded}: no worker has both.",
                        self.pool
                    );
                    return Err(texts.refuse(Reason::InvalidArgument, &fault));
                }
                _ => drop(requires.insert(label, value)),
            }
        }
        requires.extend(identity::demands(&self.step().aws));
        Ok(requires)
    }

    fn purpose(&self, attempt: u32, worker: String) -> Purpose {
        Purpose {
            deployment: self.plan.id,
            project: self.plan.project.clone(),
            number: self.plan.number,
            environment: self.plan.environment.clone(),
            step: self.step().name.clone(),
            attempt,
            worker,
            started_by: self.plan.created_by.clone(),
        }
    }

    fn subject(&self, account: &str) -> Subject {
        if self.step().action == Action::CheckIdentity {
            return Subject::AccountTest { account: account.to_owned() };
        }
        if self.plan.project.is_empty() {
            return Subject::Run { pool: self.pool.clone() };
        }
        Subject::Step {
            project: self.plan.project.clone(),
            environment: self.plan.environment.clone(),
            pool: self.pool.clone(),
            step: self.step().name.clone(),
        }
    }

    fn evaluate_pool(&self) -> Result<String, Refusal> {
        let texts = self.texts();
        let named = texts.public("pool", &self.step().pool)?;
        let pool = if named.is_empty() { registry::pool::DEFAULT.to_owned() } else { named };
        if self.around.pools.contains_key(&pool) {
            return Ok(pool);
        }
        let fault = format!(
            "its pool \"{pool}\" does not exist: make it with `longshore pool create`, or name one that `longshore pool list` shows."
        );
        Err(texts.refuse(Reason::PoolNotFound, &fault))
    }

    fn locks(&self, texts: &Texts<'_>) -> Result<BTreeSet<String>, Refusal> {
        let evaluated = self.step().locks.iter().map(|lock| texts.public("lock", lock));
        let mut locks = evaluated.collect::<Result<BTreeSet<_>, _>>()?;
        locks.remove("");
        Ok(locks)
    }

    async fn spec(&self, files: &Files) -> Result<wire::StepSpec, Refusal> {
        let source = source::read(files, self.step(), &self.plan.process.files, &self.texts()).await?;
        spec::render(self, source)
    }
}

/// What a fault means for the step that met it.
fn refusal(fault: Fault) -> Refusal {
    Refusal { reason: fault.reason.code().into(), detail: fault.sentence }
}
