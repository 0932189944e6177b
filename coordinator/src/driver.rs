//! Runs the core: select, decide, perform. The one place where the brain is touched. What it decides goes, in order, through
//! one committer: facts are stored first, and only then is anybody told.

use std::{sync::Arc, time::Duration};

use coordinator_core::{
    Coordinator, Decision, Mono, Patience,
    action::Action,
    fact::{Created, DeploymentFact, Fact},
    input::{Hello, Input, Said, Wish, WorkerRecord},
};
use rusqlite::Connection;
use service::{backoff::Backoff, shutdown::Shutdown, task};
use shared::{
    id::{DeploymentId, SessionEpoch, WorkerId},
    reason::{Fault, Reason},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use self::{
    commit::{Commit, Committer},
    perform::Performer,
    routes::{Route, Routes},
    watchers::Watchers,
};
use crate::{
    clock,
    drain::Drain,
    prepare::Preparer,
    registry,
    store::{self, Store, Stored},
};

mod commit;
mod perform;
pub mod routes;
mod watchers;

/// 4,096 waiting inputs: a burst of every worker's words; whoever comes later waits in its own task.
const WAITING: usize = 4096;

/// Something to do in the same transaction as an input's facts.
pub type Also = Box<dyn FnOnce(&Connection) -> Result<(), Fault> + Send>;

/// The way to the core. Clones lead to the same one.
#[derive(Clone)]
pub struct Driver {
    commands: mpsc::Sender<Command>,
    store: Store,
    watchers: Watchers,
}

/// What the driver is built from.
pub struct Parts {
    /// Where facts go.
    pub store: Store,
    /// Evaluates what steps need.
    pub preparer: Preparer,
    /// Completes logs.
    pub drain: Drain,
    /// The open sessions.
    pub routes: Routes,
    /// How long to wait for what.
    pub patience: Patience,
    /// When to end.
    pub shutdown: Shutdown,
}

/// A look at the core.
type Look = Box<dyn FnOnce(&Coordinator, Mono) + Send>;

pub(crate) enum Command {
    Input(Box<Input>, Option<Also>, oneshot::Sender<Result<(), Fault>>),
    Hello(Box<Hello>, Route, oneshot::Sender<Result<SessionEpoch, Fault>>),
    View(Look),
    /// The store refused a commit: what the core believes is not what is stored.
    Diverged(Fault),
}

impl Driver {
    /// Reads the store and runs the core until the end is asked for.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(parts: Parts) -> Result<Self, Fault> {
        let (commands, inbox) = mpsc::channel(WAITING);
        let driver = Self { commands, store: parts.store.clone(), watchers: Watchers::default() };
        let (core, begun) = recover(&parts.store, parts.patience, Mono::default()).await?;
        let shutdown = parts.shutdown.clone();
        let engine = Engine::new(&driver, parts, core);
        let running = task::spawn("driver", engine.run(inbox, begun));
        task::spawn("driver-watch", async move {
            if running.await.is_err() {
                // Its panic was logged. Without it nothing is decided: whoever started us starts us again.
                shutdown.request();
            }
        });
        Ok(driver)
    }

    /// Tells the core that something happened; resolves when what follows from it is durable.
    ///
    /// # Errors
    /// Those of `also`; [`Reason::StoreUnavailable`]; [`Reason::ShuttingDown`]. Nothing is applied then.
    pub async fn submit(&self, input: Input, also: Option<Also>) -> Result<(), Fault> {
        if let Input::Submitted { deployment, created } = input {
            return self.create(deployment, created, also).await;
        }
        let (reply, answer) = oneshot::channel();
        self.send(Command::Input(Box::new(input), also, reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// A deployment begins to exist in the store, together with what `also` writes; the core learns of it afterwards. A crash
    /// between the two is a recovery like any other.
    async fn create(&self, id: DeploymentId, created: Created, also: Option<Also>) -> Result<(), Fault> {
        let fact = Fact::Deployment(id, DeploymentFact::Created(created.clone()));
        self.store
            .write(move |tx| {
                store::facts::apply(tx, clock::now(), &fact)?;
                also.map_or(Ok(()), |also| also(tx))
            })
            .await?;
        let (reply, answer) = oneshot::channel();
        let input = Box::new(Input::Submitted { deployment: id, created });
        self.send(Command::Input(input, None, reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// Tells the core what a worker said, without waiting for what follows: the worker is answered through its session.
    ///
    /// # Errors
    /// [`Reason::ShuttingDown`].
    pub async fn say(&self, worker: WorkerId, epoch: SessionEpoch, said: Said) -> Result<(), Fault> {
        let (reply, _) = oneshot::channel();
        self.send(Command::Input(Box::new(Input::WorkerSaid { worker, epoch, said }), None, reply)).await
    }

    /// Opens a session; its messages go out through `route` from now on.
    ///
    /// # Errors
    /// [`Reason::WorkerNotFound`], [`Reason::StoreUnavailable`], [`Reason::ShuttingDown`].
    pub async fn open_session(&self, hello: Hello, route: Route) -> Result<SessionEpoch, Fault> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Hello(Box::new(hello), route, reply)).await?;
        answer.await.map_err(|_| stopping())?
    }

    /// A look at the core, between two inputs.
    ///
    /// # Errors
    /// [`Reason::ShuttingDown`].
    pub async fn view<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Coordinator, Mono) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::View(Box::new(move |core, now| {
            // Whoever asked may have gone.
            let _ = reply.send(look(core, now));
        })))
        .await?;
        answer.await.map_err(|_| stopping())
    }

    /// Sequence of the newest stored event of a deployment, as it grows. Subscribe first, then read.
    #[must_use]
    pub fn watch(&self, deployment: DeploymentId) -> watch::Receiver<i64> {
        self.watchers.subscribe(deployment)
    }

    async fn send(&self, command: Command) -> Result<(), Fault> {
        self.commands.send(command).await.map_err(|_| stopping())
    }
}

fn stopping() -> Fault {
    Fault::new(Reason::ShuttingDown, "The coordinator is stopping. Ask again in a moment.")
}

/// Everything of the store that the core folds.
async fn recover(store: &Store, patience: Patience, now: Mono) -> Result<(Coordinator, Decision), Fault> {
    store
        .read(move |connection| {
            let workers = worker_records(connection)?;
            let deployments = store::facts::open_deployments(connection)?;
            let restores = store::hold::restores(connection)?;
            let hold = store::hold::hold(connection)?;
            if let Some(hold) = &hold {
                tracing::warn!(why = hold.why, "on hold: nothing is offered or granted (longshore hold show)");
            }
            let is_on_hold = hold.is_some();
            let stored = coordinator_core::Stored { workers, deployments, restores, is_on_hold };
            Ok(Coordinator::recover(now, patience, stored))
        })
        .await
}

fn worker_records(connection: &Connection) -> Result<Vec<WorkerRecord>, Fault> {
    registry::worker::list(connection, None)?.iter().map(|row| worker_record(connection, row)).collect()
}

/// A worker as the core needs it.
///
/// # Errors
/// Those of the store.
pub fn worker_record(connection: &Connection, row: &registry::worker::Row) -> Result<WorkerRecord, Fault> {
    use registry::worker::State;
    Ok(WorkerRecord {
        id: row.id,
        name: row.name.clone(),
        pool: row.pool.clone(),
        labels: row.labels.clone(),
        wish: match row.state {
            State::Active => Wish::Active,
            State::Draining => Wish::Draining,
            State::Disabled => Wish::Disabled,
            State::Revoked => Wish::Revoked,
        },
        epoch: SessionEpoch(row.session_epoch),
        assign_seq: store::deployments::highest_assign_seq(connection, row.id)?,
        journal_id: row.journal_id.clone(),
        boot_id: row.boot_id.clone(),
    })
}

/// The task that owns the core.
struct Engine {
    began: Instant,
    core: Coordinator,
    /// Grows each time the core begins again from what is stored.
    belief: u64,
    store: Store,
    patience: Patience,
    routes: Routes,
    commits: mpsc::Sender<Commit>,
    shutdown: Shutdown,
}

impl Engine {
    fn new(driver: &Driver, parts: Parts, core: Coordinator) -> Self {
        let performer = Performer::new(driver.commands.downgrade(), parts.preparer, parts.drain, parts.routes.clone());
        let committer = Committer::new(
            parts.store.clone(),
            driver.watchers.clone(),
            Arc::new(performer),
            driver.commands.downgrade(),
        );
        Self {
            began: Instant::now(),
            core,
            belief: 0,
            store: parts.store,
            patience: parts.patience,
            routes: parts.routes,
            commits: committer.start(),
            shutdown: parts.shutdown,
        }
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, begun: Decision) {
        self.commit(begun, None, None).await;
        loop {
            let command = tokio::select! {
                biased;
                () = self.shutdown.requested() => break,
                command = inbox.recv() => match command {
                    Some(command) => command,
                    None => break,
                },
                () = sleep_until(self.began, self.core.next_wakeup()) => {
                    let decision = self.core.handle(self.now(), Input::Woke);
                    self.commit(decision, None, None).await;
                    continue;
                }
            };
            self.take(command).await;
        }
        self.routes.close_all();
    }

    async fn take(&mut self, command: Command) {
        match command {
            Command::Input(input, also, reply) => {
                let decision = self.core.handle(self.now(), *input);
                self.commit(decision, also, Some(reply)).await;
            }
            Command::Hello(hello, route, reply) => self.open_session(*hello, route, reply).await,
            Command::View(look) => look(&self.core, self.now()),
            Command::Diverged(fault) => self.reload(&fault).await,
        }
    }

    async fn open_session(&mut self, hello: Hello, route: Route, reply: oneshot::Sender<Result<SessionEpoch, Fault>>) {
        let worker = hello.worker;
        let decision = self.core.handle(self.now(), Input::SessionOpened(hello));
        let epoch = decision.actions.iter().find_map(|action| match action {
            Action::Welcome { epoch, .. } => Some(*epoch),
            _ => None,
        });
        let answer = match epoch {
            Some(epoch) => {
                self.routes.open(worker, epoch, route);
                Ok(epoch)
            }
            None => Err(Fault::new(Reason::WorkerNotFound, "This worker is not registered.")),
        };
        self.commit(decision, None, None).await;
        // The session's task may have ended meanwhile; its end is told separately.
        let _ = reply.send(answer);
    }

    /// What the core believes was not stored. It begins again from what is stored: the same way as after a restart. Workers
    /// connect anew and say what they hold.
    async fn reload(&mut self, fault: &Fault) {
        tracing::error!(error = %fault, "the store refused a commit; starting again from what is stored");
        self.routes.close_all();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        loop {
            match self.reloaded().await {
                Ok(decision) => {
                    tracing::info!("the store can be written again");
                    return self.commit(decision, None, None).await;
                }
                Err(error) if self.shutdown.is_requested() => {
                    tracing::error!(error = %error, "the store could not be written before the end");
                    return;
                }
                Err(error) => tracing::warn!(error = %error, "the store cannot be written yet"),
            }
            // One coordinator: there is nobody to be out of step with.
            tokio::time::sleep(backoff.next(1.0)).await;
        }
    }

    async fn reloaded(&mut self) -> Result<Decision, Fault> {
        // A write that changes nothing: can the store be written at all?
        self.store
            .write(|tx| tx.execute("UPDATE store_meta SET one = 1", []).stored("looking whether it can be written"))
            .await?;
        let (core, decision) = recover(&self.store, self.patience, self.now()).await?;
        self.core = core;
        self.belief += 1;
        Ok(decision)
    }

    /// Decisions are committed in the order in which they were made.
    async fn commit(&self, decision: Decision, also: Option<Also>, reply: Option<oneshot::Sender<Result<(), Fault>>>) {
        if self.commits.send(Commit { belief: self.belief, decision, also, reply }).await.is_err() {
            tracing::error!("the committer has ended");
        }
    }

    fn now(&self) -> Mono {
        Mono(self.began.elapsed())
    }
}

async fn sleep_until(began: Instant, at: Option<Mono>) {
    match at {
        Some(Mono(at)) => tokio::time::sleep_until(began + at).await,
        None => std::future::pending().await,
    }
}
