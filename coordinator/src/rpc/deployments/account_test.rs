//! Save and test, asked from a worker: one step that only says who it is.

use std::time::Duration;

use coordinator_core::{
    fact::{Output, OutputValue},
    input::Input,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use proto::deployment::CallerIdentity;
use service::task;
use shared::{
    id::{DeploymentId, WorkerId},
    plan::{Action, Aws, Identity, Step},
    reason::{Fault, Reason},
};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    Deployments,
    command::{command, plain_step},
    follow::stopping,
    submission::{Content, Origin, Submission},
};
use crate::{
    authorization::Caller,
    driver::Driver,
    prepare::snapshot::Snapshot,
    registry::{request_id::RequestId, worker},
    rpc::fleet::{AskWorker, Asked, Refused, Whom},
    store::{
        deployments,
        view::{StepState, StepView},
    },
};

/// Name of the one step.
const STEP: &str = "account test";

/// 8 workers at once: a pool of a hundred is asked in a minute, and AWS is not flooded.
const ASKED_AT_ONCE: usize = 8;

/// 60 seconds: longer than AWS and a slow network take together.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

#[tonic::async_trait]
impl AskWorker for Deployments {
    async fn ask(&self, caller: &Caller, account: &str, whom: Whom) -> Result<Vec<Asked>, Fault> {
        let (pool, workers) = self.place(whom).await?;
        if workers.is_empty() {
            // One question that nobody takes says why.
            return Ok(vec![self.ask_one(caller, account, pool, None).await?]);
        }
        let questions = workers.into_iter().map(|worker| self.ask_one(caller, account, pool.clone(), Some(worker)));
        stream::iter(questions).buffered(ASKED_AT_ONCE).try_collect().await
    }
}

impl Deployments {
    async fn ask_one(
        &self,
        caller: &Caller,
        account: &str,
        pool: String,
        only_worker: Option<WorkerId>,
    ) -> Result<Asked, Fault> {
        let plan = command(caller, step(account, pool), Snapshot { only_worker, ..Snapshot::default() })?;
        let id = plan.id;
        // Before it exists: not one of its events is missed.
        let news = self.driver.watch(id);
        let request_id = RequestId::new("", caller.action, &Content { parts: Vec::new() })?;
        let mut question = Question { driver: self.driver.clone(), id, by: caller.actor(), is_over: false };
        self.start(Submission { plan, revision: 0, origin: Origin::default(), request_id, audit: None }, |_| Ok(()))
            .await?;
        let asked = self.await_answer(caller, id, news).await?;
        question.is_over = true;
        Ok(asked)
    }

    /// The pool, and whom of it to ask.
    async fn place(&self, whom: Whom) -> Result<(String, Vec<WorkerId>), Fault> {
        let (pool, workers) = self
            .store
            .read(move |connection| match whom {
                Whom::Pool(name) => {
                    let pool = crate::registry::pool::get(connection, &name)?;
                    let workers = worker::list(connection, Some(&pool.name))?;
                    let active = workers.into_iter().filter(|worker| worker.state == worker::State::Active);
                    Ok((pool.name, active.map(|worker| (worker.id, false)).collect::<Vec<_>>()))
                }
                Whom::Worker(name) => {
                    worker::get(connection, &name).map(|worker| (worker.pool, vec![(worker.id, true)]))
                }
            })
            .await?;
        // One that was named is asked even if it has to come first.
        let connected = self.driver.view(move |core, _| {
            let is_there = |id: WorkerId| core.pulse(id).is_some_and(|pulse| pulse.connected);
            workers.into_iter().filter(|(id, named)| *named || is_there(*id)).map(|(id, _)| id).collect()
        });
        Ok((pool, connected.await?))
    }

    async fn await_answer(
        &self,
        caller: &Caller,
        id: DeploymentId,
        mut news: watch::Receiver<i64>,
    ) -> Result<Asked, Fault> {
        let begun = Instant::now();
        loop {
            news.borrow_and_update();
            let view = self.store.read(move |connection| deployments::deployment_view(connection, id)).await?;
            let has_ended = view.deployment.ended_at.is_some();
            let Some(step) = view.steps.into_iter().next() else { return Err(stopping()) };
            if has_ended {
                return Ok(asked(&step));
            }
            let deadline = begun + if is_taken(&step) { ANSWERED_WITHIN } else { self.test_taken_within };
            match timeout_at(deadline, news.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(stopping()),
                Err(_) => return self.give_up(caller, id, &step).await,
            }
        }
    }

    /// Nobody waits for the answer any more: the question ends too.
    async fn give_up(&self, caller: &Caller, id: DeploymentId, step: &StepView) -> Result<Asked, Fault> {
        let waits = self.driver.view(move |core, _| core.queue_reason(id, 0)).await?;
        let reason = "It was not answered in time.".to_owned();
        let cancel = Input::CancelRequested { deployment: id, by: caller.actor(), reason };
        self.driver.submit(cancel, None).await?;
        let worker = worker_of(step);
        let refusal = match waits {
            Some(why) => Refused {
                reason: why.code.into(),
                sentence: format!("No worker could be asked in time. {}", why.sentence),
            },
            None => Refused {
                reason: Reason::NotAnswered.code().into(),
                sentence: format!(
                    "Worker \"{worker}\" did not answer in time: `longshore worker show` says how it stands."
                ),
            },
        };
        Ok(Asked { answer: Err(refusal), worker, latency_ms: 0 })
    }
}

/// A question that was asked. It ends with the call: when the caller goes away, nobody is left to hear the answer.
struct Question {
    driver: Driver,
    id: DeploymentId,
    by: String,
    is_over: bool,
}

impl Drop for Question {
    fn drop(&mut self) {
        // Without a runtime the whole program ends, and the question with it.
        if self.is_over || Handle::try_current().is_err() {
            return;
        }
        let reason = "Whoever asked is gone.".to_owned();
        let cancel = Input::CancelRequested { deployment: self.id, by: self.by.clone(), reason };
        let driver = self.driver.clone();
        task::spawn("question", async move {
            if let Err(error) = driver.submit(cancel, None).await {
                tracing::warn!(%error, "an account test that nobody waits for could not be ended");
            }
        });
    }
}

fn step(account: &str, pool: String) -> Step {
    let aws = Aws { identity: Identity::NamedAccount(account.into()), ..Aws::default() };
    Step { timeout: ANSWERED_WITHIN, ..plain_step(STEP, pool, aws, Action::CheckIdentity) }
}

fn is_taken(step: &StepView) -> bool {
    step.attempts.last().is_some_and(|attempt| attempt.state.may_be_alive())
}

fn worker_of(step: &StepView) -> String {
    step.attempts.last().map(|attempt| attempt.worker_name.clone()).unwrap_or_default()
}

fn asked(step: &StepView) -> Asked {
    let value = |name: &str| output(&step.outputs, name).unwrap_or_default().to_owned();
    let answer = match step.state {
        StepState::Succeeded => {
            Ok(CallerIdentity { account: value("Account"), arn: value("Arn"), user_id: value("UserId") })
        }
        _ => Err(Refused { reason: step.reason.clone(), sentence: step.detail.clone() }),
    };
    Asked { answer, worker: worker_of(step), latency_ms: value("LatencyMs").parse().unwrap_or(0) }
}

fn output<'a>(outputs: &'a [Output], name: &str) -> Option<&'a str> {
    outputs.iter().find(|output| output.name == name).and_then(|output| match &output.value {
        OutputValue::Plain(value) => Some(value.as_str()),
        OutputValue::Sealed(_) => None,
    })
}
