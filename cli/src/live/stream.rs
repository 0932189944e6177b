//! What a coordinator sends about a deployment, through broken connections: each stream goes on after the last thing seen.

use proto::deployment as d;
use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use tonic::Status;

use crate::{
    connection::{Connection, is_out_of_reach},
    failure::Failure,
    patience::Patience,
};

/// 64 updates: a slow terminal holds the streams back rather than filling memory; each is at most one message.
const PENDING: usize = 64;
/// Something that came from a coordinator, or did not.
pub(super) enum Update {
    /// Events come from here on; what is looked at now is not older than they are.
    Subscribed,
    /// Something happened; each once and in order.
    Event(d::DeploymentEvent),
    /// How the deployment stands.
    Snapshot(Box<d::Deployment>),
    /// How the deployment stands after its last event.
    Ended(Box<d::Deployment>),
    /// Looking did not work this time; the streams will say why.
    LookFailed,
    /// Part of an attempt's log; each frame once and in order.
    Frames { execution_id: String, frames: Vec<d::LogFrame> },
    /// An attempt's log is read; `missing` says what it lacks, or is empty.
    LogEnded { execution_id: String, missing: String },
    /// The connection broke, and is being tried again.
    OutOfReach(String),
    /// Nothing more will come.
    Failed(Failure),
}

/// The streams of one deployment; they end when this is dropped.
pub(super) struct Streams {
    source: Source,
    tasks: JoinSet<()>,
    looking: bool,
    look_again: bool,
}

/// What every stream needs.
#[derive(Clone)]
struct Source {
    connection: Connection,
    id: String,
    updates: mpsc::Sender<Update>,
}

impl Streams {
    /// None yet, and where their updates arrive.
    pub(super) fn new(connection: Connection, id: String) -> (Self, mpsc::Receiver<Update>) {
        let (updates, receiver) = mpsc::channel(PENDING);
        let source = Source { connection, id, updates };
        (Self { source, tasks: JoinSet::new(), looking: false, look_again: false }, receiver)
    }

    /// Follows the events, from the first on.
    pub(super) fn watch(&mut self) {
        self.tasks.spawn(self.source.clone().watch());
    }

    /// Follows an attempt's log, from the first frame on.
    pub(super) fn log(&mut self, execution_id: String) {
        self.tasks.spawn(self.source.clone().log(execution_id));
    }

    /// Asks how the deployment stands; once at a time, and once more if something happened meanwhile.
    pub(super) fn look(&mut self) {
        if self.looking {
            self.look_again = true;
            return;
        }
        self.looking = true;
        self.tasks.spawn(self.source.clone().look());
    }

    /// The answer to [`Streams::look`] came.
    pub(super) fn looked(&mut self) {
        self.looking = false;
        // The ends of finished tasks are of no interest; without this they would pile up.
        while self.tasks.try_join_next().is_some() {}
        if std::mem::take(&mut self.look_again) {
            self.look();
        }
    }
}

impl Source {
    async fn look(self) {
        let update = match self.get().await {
            Ok(deployment) => Update::Snapshot(Box::new(deployment)),
            Err(_) => Update::LookFailed,
        };
        self.send(update).await;
    }

    async fn watch(self) {
        let mut after = 0;
        let mut patience = Patience::new();
        loop {
            let status = match self.events(&mut after, &mut patience).await {
                Ok(()) => match self.get().await {
                    // A stream that ends early is one that broke.
                    Ok(deployment) if deployment.state() == d::deployment::State::Running => {
                        Status::unavailable("The stream of events ended early.")
                    }
                    Ok(deployment) => return self.send(Update::Ended(Box::new(deployment))).await,
                    Err(status) => status,
                },
                Err(status) => status,
            };
            if let Err(failure) = self.wait(&status, &mut patience).await {
                return self.send(Update::Failed(failure)).await;
            }
        }
    }

    async fn events(&self, after: &mut i64, patience: &mut Patience) -> Result<(), Status> {
        let request = d::WatchDeploymentRequest { id: self.id.clone(), after_sequence: *after };
        let mut events = self.connection.deployments().watch_deployment(request).await?.into_inner();
        patience.renew();
        self.send(Update::Subscribed).await;
        while let Some(event) = events.message().await? {
            if event.sequence > *after {
                *after = event.sequence;
                self.send(Update::Event(event)).await;
            }
        }
        Ok(())
    }

    async fn log(self, execution_id: String) {
        let mut next = 0;
        let mut patience = Patience::new();
        let missing = loop {
            match self.frames(&execution_id, &mut next, &mut patience).await {
                Ok(missing) => break missing,
                Err(status) if is_out_of_reach(&status) => {
                    if let Err(failure) = self.wait(&status, &mut patience).await {
                        break failure.sentence;
                    }
                }
                Err(status) => break self.connection.failure(&status).sentence,
            }
        };
        self.send(Update::LogEnded { execution_id, missing }).await;
    }

    /// Reads on until the log ends; answers with what it lacks.
    async fn frames(&self, execution_id: &str, next: &mut i64, patience: &mut Patience) -> Result<String, Status> {
        let request = d::ReadLogRequest {
            deployment_id: self.id.clone(),
            step: String::new(),
            execution_id: execution_id.to_owned(),
            from_sequence: *next,
            follow: true,
        };
        let mut chunks = self.connection.deployments().read_log(request).await?.into_inner();
        patience.renew();
        while let Some(chunk) = chunks.message().await? {
            let mut frames = chunk.frames;
            frames.retain(|frame| frame.sequence >= *next);
            if let Some(last) = frames.last() {
                *next = last.sequence + 1;
                self.send(Update::Frames { execution_id: execution_id.to_owned(), frames }).await;
            }
            if chunk.complete || !chunk.incomplete_reason.is_empty() {
                return Ok(chunk.incomplete_reason);
            }
        }
        Err(Status::unavailable("The stream of the log ended early."))
    }

    async fn get(&self) -> Result<d::Deployment, Status> {
        let request = d::GetDeploymentRequest { id: self.id.clone() };
        Ok(self.connection.deployments().get_deployment(request).await?.into_inner())
    }

    /// Says that the connection broke, and waits before another try.
    async fn wait(&self, status: &Status, patience: &mut Patience) -> Result<(), Failure> {
        let failure = self.connection.failure(status);
        if !is_out_of_reach(status) || patience.is_over() {
            return Err(failure);
        }
        self.send(Update::OutOfReach(failure.sentence)).await;
        sleep(patience.next()).await;
        Ok(())
    }

    async fn send(&self, update: Update) {
        // Nobody listens any more: this task is about to be ended too.
        let _ = self.updates.send(update).await;
    }
}
