//! DeploymentService: starts, shows, follows and ends deployments. Decodes, asks store and driver, encodes; what happens next
//! is decided in the core.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use proto::{
    deployment::{
        AnswerStepRequest, ArtifactChunk, CancelDeploymentRequest, CreateDeploymentRequest, Deployment,
        DeploymentEvent, GetDeploymentRequest, ListArtifactsRequest, ListArtifactsResponse, ListDeploymentsRequest,
        ListDeploymentsResponse, LogChunk, ReadArtifactRequest, ReadLogRequest, ResolveStepRequest,
        RetryDeploymentRequest, RunCommandRequest, WatchDeploymentRequest,
        deployment_service_server::DeploymentService,
    },
    status::to_status,
};
use service::shutdown::Shutdown;
use shared::{id::DeploymentId, reason::Fault};
use tokio::sync::{Mutex, watch};
use tonic::{Request, Response, Status};

use self::{
    follow::{Watcher, stopping},
    log::LogReader,
};
use crate::{
    artifacts::Artifacts,
    authorization::Caller,
    driver::Driver,
    log_store::LogStore,
    prepare::Preparer,
    seal::Seal,
    store::{Store, deployments},
};

mod account_test;
mod artifacts;
mod command;
mod create;
mod decide;
mod event;
mod follow;
mod list;
mod log;
mod retry;
mod show;
mod submission;
#[cfg(test)]
mod tests;

/// 10 seconds: a worker that is there takes an account test at once; a person waits for the answer.
const TEST_TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// The service. Clones share everything.
#[derive(Clone)]
pub struct Deployments {
    store: Store,
    seal: Seal,
    preparer: Preparer,
    driver: Driver,
    logs: LogStore,
    artifacts: Artifacts,
    /// Held while a project's deployment is made: their numbers follow each other, so racing would only make them try again.
    creating: Arc<Mutex<()>>,
    test_taken_within: Duration,
    shutdown: Shutdown,
}

impl Deployments {
    /// The service over these parts.
    #[must_use]
    pub fn new(
        store: Store,
        seal: Seal,
        preparer: Preparer,
        driver: Driver,
        logs: LogStore,
        artifacts: Artifacts,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            store,
            seal,
            preparer,
            driver,
            logs,
            artifacts,
            creating: Arc::default(),
            test_taken_within: TEST_TAKEN_WITHIN,
            shutdown,
        }
    }

    /// Whoever follows is told of the coordinator's end at once, and does not hold it up.
    fn until_shutdown<T: Send + 'static>(
        &self,
        answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Answers<T> {
        let shutdown = self.shutdown.clone();
        let farewell = stream::once(async move { shutdown.is_requested().then(|| Err(status(stopping()))) });
        let answers = answers.take_until(self.shutdown.requested_owned());
        Box::pin(answers.chain(farewell.filter_map(std::future::ready)))
    }

    /// The deployment that a caller means.
    async fn find(&self, id: &str) -> Result<DeploymentId, Fault> {
        let id = id.to_owned();
        self.store.read(move |connection| deployments::find_deployment(connection, &id)).await
    }

    /// What tells of a deployment's events, while there may be any.
    async fn news(&self, id: DeploymentId) -> Result<Option<watch::Receiver<i64>>, Fault> {
        let row = self.store.read(move |connection| deployments::deployment_row(connection, id)).await?;
        Ok(row.ended_at.is_none().then(|| self.driver.watch(id)))
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl DeploymentService for Deployments {
    type WatchDeploymentStream = Answers<DeploymentEvent>;
    type ReadLogStream = Answers<LogChunk>;
    type ReadArtifactStream = Answers<ArtifactChunk>;

    async fn create_deployment(
        &self,
        request: Request<CreateDeploymentRequest>,
    ) -> Result<Response<Deployment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.create(caller, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn run_command(&self, request: Request<RunCommandRequest>) -> Result<Response<Deployment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.run(caller, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn get_deployment(&self, request: Request<GetDeploymentRequest>) -> Result<Response<Deployment>, Status> {
        let id = self.find(&request.get_ref().id).await.map_err(status)?;
        self.show(id).await.map(Response::new).map_err(status)
    }

    async fn list_deployments(
        &self,
        request: Request<ListDeploymentsRequest>,
    ) -> Result<Response<ListDeploymentsResponse>, Status> {
        self.list(request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn watch_deployment(
        &self,
        request: Request<WatchDeploymentRequest>,
    ) -> Result<Response<Self::WatchDeploymentStream>, Status> {
        let WatchDeploymentRequest { id, after_sequence } = request.into_inner();
        let id = self.find(&id).await.map_err(status)?;
        let watcher = Watcher::new(self.store.clone(), self.news(id).await.map_err(status)?, id, after_sequence);
        // Pulled by the connection: a caller that reads slowly holds up nothing but its own stream.
        let pages = stream::try_unfold(watcher, |mut watcher| async move {
            let page = watcher.next().await.map_err(status)?;
            Ok::<_, Status>(page.map(|events| (stream::iter(events.into_iter().map(Ok)), watcher)))
        });
        Ok(Response::new(self.until_shutdown(pages.try_flatten())))
    }

    async fn read_log(&self, request: Request<ReadLogRequest>) -> Result<Response<Self::ReadLogStream>, Status> {
        let reader = self.log_reader(request.into_inner()).await.map_err(status)?;
        let chunks = stream::try_unfold(reader, |mut reader: LogReader| async move {
            let chunk = reader.next().await.map_err(status)?;
            Ok::<_, Status>(chunk.map(|chunk| (chunk, reader)))
        });
        Ok(Response::new(self.until_shutdown(chunks)))
    }

    async fn list_artifacts(
        &self,
        request: Request<ListArtifactsRequest>,
    ) -> Result<Response<ListArtifactsResponse>, Status> {
        self.list_all_artifacts(request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn read_artifact(
        &self,
        request: Request<ReadArtifactRequest>,
    ) -> Result<Response<Self::ReadArtifactStream>, Status> {
        let chunks = self.artifact_reader(request.into_inner()).await.map_err(status)?;
        Ok(Response::new(self.until_shutdown(chunks.map_err(status))))
    }

    async fn cancel_deployment(
        &self,
        request: Request<CancelDeploymentRequest>,
    ) -> Result<Response<Deployment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.cancel(caller, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn resolve_step(&self, request: Request<ResolveStepRequest>) -> Result<Response<Deployment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.resolve(caller, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn answer_step(&self, request: Request<AnswerStepRequest>) -> Result<Response<Deployment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.answer(caller, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn retry_deployment(&self, request: Request<RetryDeploymentRequest>) -> Result<Response<Deployment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.retry(caller, request.into_inner()).await.map(Response::new).map_err(status)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn status(fault: Fault) -> Status {
    to_status(&fault)
}
