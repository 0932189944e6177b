//! Does what the core asked for, once the facts beside it are stored.

use std::{collections::BTreeMap, time::Duration};

use coordinator_core::{
    action::{Action, Directive, Offer},
    fact::{DeploymentFact, Fact},
    input::{Input, Refusal},
};
use futures_util::StreamExt;
use proto::worker::{self as wire, coordinator_message::Message};
use service::task;
use shared::{
    id::{DeploymentId, ExecutionId, SessionEpoch, WorkerId},
    limits,
};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::{Command, routes::Routes};
use crate::{
    drain::{Drain, Expected},
    prepare::{Attempt, Preparer, has_secret, step_key},
};

/// 1,024 offers wait to be rendered: more than a commit makes. The committer waits when they are.
const WAITING_OFFERS: usize = 1024;

/// 32 offers are rendered at once: reading a file for one does not hold up the others.
const RENDERING: usize = 32;

/// 1 MiB a second: a worker that fetches files more slowly than that is given none of them.
const SLOWEST_FETCH: u64 = 1 << 20;

/// Runs actions. Each is quick or becomes a task: the next commit waits for it.
pub(super) struct Performer {
    driver: mpsc::WeakSender<Command>,
    preparer: Preparer,
    offers: mpsc::Sender<Offer>,
    drain: Drain,
    routes: Routes,
}

impl Performer {
    pub(super) fn new(driver: mpsc::WeakSender<Command>, preparer: Preparer, drain: Drain, routes: Routes) -> Self {
        let offers = send_offers(driver.clone(), preparer.clone(), routes.clone());
        Self { driver, preparer, offers, drain, routes }
    }

    /// Looks at stored facts for what follows outside the core: the length of a log is known now.
    pub(super) fn stored(&self, facts: &[Fact]) {
        for fact in facts {
            match fact {
                Fact::Deployment(_, DeploymentFact::AttemptMoved(moved)) => {
                    if let Some(result) = &moved.result {
                        let expected = Expected { frames: result.final_seq, digest: Some(result.digest) };
                        self.drain.expect(moved.execution, expected);
                    }
                }
                Fact::HoldBegan { why } => {
                    tracing::error!(why, "on hold: nothing is offered or granted (longshore hold show)");
                }
                Fact::HoldLifted { by, reason } => tracing::warn!(by, reason, "the hold is lifted"),
                Fact::Deployment(..) | Fact::SessionOpened(_) => {}
            }
        }
    }

    pub(super) async fn perform(&self, action: Action) {
        match action {
            Action::Prepare { deployment, step } => self.prepare(deployment, step),
            Action::Welcome { worker, epoch, directives } => self.welcome(worker, epoch, directives),
            Action::Offer(offer) => {
                if self.offers.send(offer).await.is_err() {
                    tracing::error!("the task that sends offers has ended");
                }
            }
            Action::Grant { worker, epoch, execution, assign_seq } => {
                let grant = wire::Grant { execution_id: execution.to_string(), assign_seq: assign_seq.0 };
                self.routes.send(worker, epoch, Message::Grant(grant));
            }
            Action::Revoke { worker, epoch, execution, assign_seq } => {
                let revoke = wire::Revoke { execution_id: execution.to_string(), assign_seq: assign_seq.0 };
                self.routes.send(worker, epoch, Message::Revoke(revoke));
            }
            Action::Cancel { worker, epoch, execution, grace } => {
                let cancel = wire::Cancel { execution_id: execution.to_string(), grace: duration(grace) };
                self.routes.send(worker, epoch, Message::Cancel(cancel));
            }
            Action::AcknowledgeResult { worker, epoch, execution } => {
                let ack = wire::ResultAck { execution_id: execution.to_string() };
                self.routes.send(worker, epoch, Message::ResultAck(ack));
                self.drain.look(worker, execution);
            }
            Action::Forget { worker, epoch, execution } => {
                let forget = wire::Forget { execution_id: execution.to_string() };
                self.routes.send(worker, epoch, Message::Forget(forget));
            }
            Action::Recall { worker, epoch } => self.routes.send(worker, epoch, Message::Recall(wire::Recall {})),
            Action::CloseSession { worker, epoch } => self.routes.close(worker, epoch),
            Action::Alarm { worker, execution, what } => {
                tracing::error!(worker = %worker, execution = %execution, what, "a worker said what cannot be");
            }
            Action::Release { deployment } => self.preparer.release(deployment),
        }
    }

    fn prepare(&self, deployment: DeploymentId, step: usize) {
        let (driver, preparer) = (self.driver.clone(), self.preparer.clone());
        task::spawn("prepare", async move {
            let prepared = preparer.prepare(deployment, step).await;
            tell(&driver, Input::StepPrepared { deployment, step, prepared }).await;
        });
    }

    /// Open attempts go on as the core says; settled ones as the store says.
    fn welcome(&self, worker: WorkerId, epoch: SessionEpoch, directives: Vec<(ExecutionId, Directive)>) {
        let (known, next_seq) = self.routes.take_welcome(worker, epoch);
        let mut settled: BTreeMap<String, wire::Directive> =
            known.directives.into_iter().map(|directive| (directive.execution_id.clone(), directive)).collect();
        let directives = directives
            .into_iter()
            .map(|(execution, directive)| {
                settled.remove(&execution.to_string()).unwrap_or_else(|| wire::Directive {
                    execution_id: execution.to_string(),
                    kind: kind(directive).into(),
                    next_seq: next_seq.get(&execution).copied().unwrap_or(0),
                })
            })
            .collect();
        let welcome = wire::Welcome {
            protocol: proto::PROTOCOL_VERSION,
            session_epoch: epoch.0,
            store_id: known.store_id,
            heartbeat_interval: duration(limits::HEARTBEAT_INTERVAL),
            directives,
            worker_name: known.worker_name,
            pool: known.pool,
        };
        self.routes.send(worker, epoch, Message::Welcome(welcome));
    }
}

/// Renders offers side by side and sends them in order: a worker refuses an order number below one that it has seen.
fn send_offers(driver: mpsc::WeakSender<Command>, preparer: Preparer, routes: Routes) -> mpsc::Sender<Offer> {
    let (offers, inbox) = mpsc::channel(WAITING_OFFERS);
    task::spawn("offers", async move {
        let mut rendered = ReceiverStream::new(inbox)
            .map(|offer: Offer| {
                let preparer = preparer.clone();
                async move {
                    let attempt = Attempt { execution: offer.execution, number: offer.number };
                    let spec = preparer.spec(offer.deployment, offer.step, attempt, &offer.worker_name).await;
                    (offer, spec)
                }
            })
            .buffered(RENDERING);
        while let Some((offer, spec)) = rendered.next().await {
            match spec {
                Ok(spec) => routes.send(offer.worker, offer.epoch, Message::Offer(message(&offer, spec))),
                Err(refusal) => offer_failed(&driver, offer.execution, refusal).await,
            }
        }
    });
    offers
}

async fn offer_failed(driver: &mpsc::WeakSender<Command>, execution: ExecutionId, refusal: Refusal) {
    tell(driver, Input::OfferFailed { execution, refusal }).await;
}

async fn tell(driver: &mpsc::WeakSender<Command>, input: Input) {
    if let Some(driver) = driver.upgrade() {
        let (reply, _) = oneshot::channel();
        // When the driver has ended, recovery will ask again.
        let _ = driver.send(Command::Input(Box::new(input), None, reply)).await;
    }
}

fn message(offer: &Offer, spec: wire::StepSpec) -> wire::Offer {
    wire::Offer {
        execution_id: offer.execution.to_string(),
        assign_seq: offer.assign_seq.0,
        step_key: step_key(offer.deployment, offer.step),
        attempt_number: i32::try_from(offer.number).unwrap_or(i32::MAX),
        timeout: duration(offer.timeout),
        grace: duration(offer.grace),
        fetching: duration(fetching(&spec)),
        // A secret never rides in an offer: the worker fetches it for an attempt that is open on it.
        spec: (!has_secret(&spec)).then_some(spec),
    }
}

/// What its files take on the slowest way that is worth waiting for.
fn fetching(spec: &wire::StepSpec) -> Duration {
    let bytes: i64 = spec.files.iter().map(|file| file.size).sum();
    Duration::from_secs(u64::try_from(bytes).unwrap_or(0) / SLOWEST_FETCH)
}

fn kind(directive: Directive) -> wire::directive::Kind {
    match directive {
        Directive::Keep => wire::directive::Kind::Keep,
        Directive::Cancel => wire::directive::Kind::Cancel,
        Directive::Void => wire::directive::Kind::Void,
        Directive::Forget => wire::directive::Kind::Forget,
        Directive::Kill => wire::directive::Kind::Kill,
    }
}

#[allow(clippy::unnecessary_wraps, reason = "prost's message fields are optional")]
fn duration(from: Duration) -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: i64::try_from(from.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(from.subsec_nanos()).unwrap_or(0),
    })
}
