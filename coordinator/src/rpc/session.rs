//! SessionService: what workers call. Decodes, hands to the driver or to the log, encodes; decides nothing.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Instant};

use coordinator_core::input::Refusal;
use futures_util::{Stream, StreamExt};
use proto::{
    status::to_status,
    worker::{
        self as wire, CoordinatorMessage, EventAck, EventBatch, WorkerMessage, session_service_server::SessionService,
    },
};
use service::{shutdown::Shutdown, task};
use shared::{
    attempt::AttemptState,
    id::{DeploymentId, ExecutionId, WorkerId},
    limits,
    reason::{Fault, Reason},
};
use tokio::{io::AsyncReadExt, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use self::control::Control;
use crate::{
    accounts::Release,
    artifacts::Artifacts,
    authorization::Caller,
    drain::Drain,
    driver::Driver,
    enrolment::Enrolment,
    files::Files,
    log_store::LogStore,
    prepare::{HandedOut, Preparer},
    presence::Presence,
    rate::RateLimit,
    registry,
    store::Store,
};

mod artifact;
mod control;
mod words;

/// 16 answers wait to be sent: of batches of at most 512 KiB, or of one artifact.
const ACKS: usize = 16;

/// 4 chunks of 256 KiB wait for a worker that reads slowly.
const CHUNKS: usize = 4;

/// 60 questions a minute for one attempt: a worker that is sound asks a few times an hour.
pub const ASKED_A_MINUTE: u32 = 60;

/// What the service is made of.
#[derive(Clone)]
pub struct Session {
    /// The way to the core.
    pub driver: Driver,
    /// Rows.
    pub store: Store,
    /// Event streams.
    pub logs: LogStore,
    /// Completes logs.
    pub drain: Drain,
    /// Renders steps.
    pub preparer: Preparer,
    /// What workers say of themselves.
    pub presence: Presence,
    /// Issues certificates.
    pub enrolment: Arc<Enrolment>,
    /// Hands out credentials.
    pub release: Release,
    /// How often it was asked what an attempt needs.
    pub asked: Arc<RateLimit<ExecutionId>>,
    /// Uploaded files.
    pub files: Files,
    /// What steps left behind.
    pub artifacts: Artifacts,
    /// Of the store, told in the Welcome.
    pub store_id: Arc<str>,
    /// When sessions end, so as not to hold up the coordinator's end.
    pub shutdown: Shutdown,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SessionService for Session {
    type ControlStream = Answers<CoordinatorMessage>;
    type EventsStream = Answers<EventAck>;
    type StoreArtifactStream = Answers<wire::ArtifactAnswer>;
    type FetchFileStream = Answers<wire::FileChunk>;

    async fn control(
        &self,
        request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Self::ControlStream>, Status> {
        let worker = worker_of(&request)?;
        let (control, out) = Control::open(self.clone(), worker, request.into_inner()).await?;
        task::spawn("session", control.run());
        Ok(Response::new(Box::pin(ReceiverStream::new(out).map(Ok).take_until(self.shutdown.requested_owned()))))
    }

    async fn events(&self, request: Request<Streaming<EventBatch>>) -> Result<Response<Self::EventsStream>, Status> {
        let worker = worker_of(&request)?;
        let (acks, out) = mpsc::channel(ACKS);
        let (this, batches) = (self.clone(), request.into_inner());
        task::spawn("events", async move {
            let stored = tokio::select! {
                stored = this.store_events(worker, batches, &acks) => stored,
                () = this.shutdown.requested() => return,
            };
            if let Err(status) = stored {
                // The worker may have gone; then it sends again what was not acknowledged.
                let _ = acks.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn fetch_step(&self, request: Request<wire::FetchStepRequest>) -> Result<Response<wire::StepSpec>, Status> {
        let worker = worker_of(&request)?;
        let execution = execution(&request.get_ref().execution_id)?;
        let open = self.open_attempt(worker, execution).await?;
        self.ensure_not_too_often(execution)?;
        self.step(worker, execution, open).await.map(Response::new).map_err(|fault| to_status(&fault))
    }

    async fn fetch_credentials(
        &self,
        request: Request<wire::FetchCredentialsRequest>,
    ) -> Result<Response<wire::CredentialGrant>, Status> {
        let worker = worker_of(&request)?;
        let execution = execution(&request.get_ref().execution_id)?;
        let open = self.open_attempt(worker, execution).await?;
        self.ensure_not_too_often(execution)?;
        let grant = self.grant(worker, execution, open).await.map_err(|fault| to_status(&fault))?;
        // It may have ended while AWS was asked.
        self.open_attempt(worker, execution).await?;
        Ok(Response::new(grant))
    }

    async fn fetch_file(
        &self,
        request: Request<wire::FetchFileRequest>,
    ) -> Result<Response<Self::FetchFileStream>, Status> {
        let worker = worker_of(&request)?;
        let wire::FetchFileRequest { sha256, execution_id } = request.into_inner();
        let execution = execution(&execution_id)?;
        let open = self.open_attempt(worker, execution).await?;
        let uses = self.preparer.gives_file(open.deployment, open.step, &sha256).await;
        if !uses.map_err(|fault| to_status(&fault))? {
            let sentence = format!("The attempt {execution} uses no file with the digest {sha256}.");
            return Err(to_status(&Fault::new(Reason::FileNotFound, sentence)));
        }
        let file = self.files.open(&sha256).await.map_err(|fault| to_status(&fault))?;
        let (chunks, out) = mpsc::channel(CHUNKS);
        task::spawn("send-file", send_file(file, chunks));
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn store_artifact(
        &self,
        request: Request<Streaming<wire::ArtifactPart>>,
    ) -> Result<Response<Self::StoreArtifactStream>, Status> {
        let worker = worker_of(&request)?;
        let mut parts = request.into_inner();
        let (execution, offer) = artifact::offered(&mut parts).await?;
        self.ensure_its_own(worker, execution).await?;
        let (answers, out) = mpsc::channel(ACKS);
        let this = self.clone();
        task::spawn("artifact", async move {
            let received = tokio::select! {
                received = artifact::receive(&this.artifacts, execution, &offer, parts, &answers) => received,
                () = this.shutdown.requested() => return,
            };
            if let Err(status) = received {
                tracing::warn!(%worker, %execution, error = status.message(), "an artifact was not taken to its end");
                // The worker may have gone; then it offers it again.
                let _ = answers.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn renew_certificate(
        &self,
        request: Request<wire::RenewCertificateRequest>,
    ) -> Result<Response<wire::RenewCertificateResponse>, Status> {
        let caller = Caller::of(&request).map_err(|fault| to_status(&fault))?;
        let certificate = self.enrolment.renew(&caller, &request.get_ref().csr_der).await;
        let certificate = certificate.map_err(|fault| to_status(&fault))?;
        Ok(Response::new(wire::RenewCertificateResponse {
            certificate_der: certificate.der.to_vec(),
            coordinator_cas_der: self.enrolment.coordinator_authorities(),
        }))
    }
}

/// An attempt that is open on the worker that asks.
struct Open {
    deployment: DeploymentId,
    step: usize,
    number: u32,
}

impl Session {
    async fn open_attempt(&self, worker: WorkerId, execution: ExecutionId) -> Result<Open, Status> {
        let place = self.driver.view(move |core, _| core.open_execution(execution)).await;
        let place = place.map_err(|fault| to_status(&fault))?;
        place
            .filter(|open| open.worker == worker)
            .filter(|open| matches!(open.state, AttemptState::Offered | AttemptState::Granted | AttemptState::Running))
            .map(|open| Open { deployment: open.deployment, step: open.step, number: open.number })
            .ok_or_else(|| {
                let sentence = format!("The attempt {execution} is not open on this worker.");
                to_status(&Fault::new(Reason::AttemptNotOpen, sentence))
            })
    }

    /// Each question costs calls to AWS and a line of the audit log; no worker needs many.
    fn ensure_not_too_often(&self, execution: ExecutionId) -> Result<(), Status> {
        if self.asked.allows(execution, Instant::now()) {
            return Ok(());
        }
        let sentence = format!(
            "The worker asked more than {ASKED_A_MINUTE} times a minute what attempt {execution} needs: it has to wait."
        );
        Err(to_status(&Fault::new(Reason::TooManyRequests, sentence)))
    }

    /// What an attempt runs, after it is in the audit log which access keys are in it.
    async fn step(&self, worker: WorkerId, execution: ExecutionId, open: Open) -> Result<wire::StepSpec, Fault> {
        let name = self.name_of(worker).await?;
        let handed_out = self.preparer.handed_out(open.deployment, open.step, execution, open.number, name).await;
        let HandedOut { spec, keys, purpose } =
            handed_out.map_err(|refusal| Fault::new(Reason::StepRefused, refusal.detail))?;
        self.release.note_keys(execution, &purpose, &keys).await?;
        Ok(spec)
    }

    async fn name_of(&self, worker: WorkerId) -> Result<String, Fault> {
        let row = self.store.read(move |connection| registry::worker::get(connection, &worker.to_string())).await?;
        Ok(row.name)
    }

    async fn grant(
        &self,
        worker: WorkerId,
        execution: ExecutionId,
        open: Open,
    ) -> Result<wire::CredentialGrant, Fault> {
        let name = self.name_of(worker).await?;
        let wanted = self.preparer.wanted(open.deployment, open.step, open.number, name).await;
        let refused = |refusal: Refusal| {
            Fault::new(Reason::named(&refusal.reason).unwrap_or(Reason::StepRefused), refusal.detail)
        };
        let wanted = wanted.map_err(refused)?.ok_or_else(|| {
            Fault::new(Reason::AttemptNotOpen, "The step is nobody in AWS: there is nothing to hand out for it.")
        })?;
        let own_role = self.presence.of(worker).and_then(|heard| heard.identity);
        self.release.release(execution, wanted, own_role.as_ref()).await
    }

    /// Stores what comes and acknowledges what is durable, batch by batch.
    async fn store_events(
        &self,
        worker: WorkerId,
        mut batches: Streaming<EventBatch>,
        acks: &mpsc::Sender<Result<EventAck, Status>>,
    ) -> Result<(), Status> {
        // Asked once for each attempt and stream: an attempt does not change its worker.
        let mut known = BTreeMap::new();
        while let Some(batch) = batches.next().await.transpose()? {
            let execution = execution(&batch.execution_id)?;
            let is_stored = match known.get(&execution) {
                Some(is_stored) => *is_stored,
                None => {
                    let is_stored = self.is_stored(worker, execution).await?;
                    known.insert(execution, is_stored);
                    is_stored
                }
            };
            if !is_stored {
                // Of an attempt that a restored store has never heard of: it holds up no other log, and stays on its worker.
                continue;
            }
            let next_seq = match self.append(execution, batch).await {
                Ok(next_seq) => next_seq,
                // One stream that contradicts itself holds up no other; it is not acknowledged any further.
                Err(fault) if fault.reason == Reason::Internal => {
                    tracing::error!(%worker, %execution, error = %fault, "a log is not taken any further");
                    continue;
                }
                Err(fault) => return Err(to_status(&fault)),
            };
            let ack = EventAck { execution_id: execution.to_string(), next_seq: next_seq.cast_signed() };
            if acks.send(Ok(ack)).await.is_err() {
                return Ok(());
            }
            self.drain.look(worker, execution);
        }
        Ok(())
    }

    async fn append(&self, execution: ExecutionId, batch: EventBatch) -> Result<u64, Fault> {
        if crc32c::crc32c(&batch.frames) != batch.crc32c {
            let sentence = format!("A batch of events of attempt {execution} was damaged on its way.");
            return Err(Fault::new(Reason::InvalidArgument, sentence));
        }
        let first = u64::try_from(batch.first_seq).map_err(|_| negative())?;
        let count = u32::try_from(batch.count).map_err(|_| negative())?;
        Ok(self.logs.append(execution, first, count, batch.frames).await?.next_seq)
    }

    /// No worker writes into another's log.
    async fn ensure_its_own(&self, worker: WorkerId, execution: ExecutionId) -> Result<(), Status> {
        if self.is_stored(worker, execution).await? { Ok(()) } else { Err(never_its_own(execution)) }
    }

    /// Whether the store has the attempt; another worker's is refused.
    async fn is_stored(&self, worker: WorkerId, execution: ExecutionId) -> Result<bool, Status> {
        let row = self
            .store
            .read(move |connection| crate::store::deployments::attempt_state(connection, execution))
            .await
            .map_err(|fault| to_status(&fault))?;
        match row {
            Some(row) if row.worker != worker => Err(never_its_own(execution)),
            row => Ok(row.is_some()),
        }
    }
}

fn never_its_own(execution: ExecutionId) -> Status {
    to_status(&Fault::new(Reason::AttemptNotOpen, format!("The attempt {execution} was never this worker's.")))
}

async fn send_file(mut file: tokio::fs::File, chunks: mpsc::Sender<Result<wire::FileChunk, Status>>) {
    loop {
        let mut chunk = Vec::with_capacity(limits::CHUNK_BYTES);
        let part = match (&mut file).take(limits::CHUNK_BYTES as u64).read_to_end(&mut chunk).await {
            Ok(0) => return,
            Ok(_) => Ok(wire::FileChunk { chunk }),
            Err(error) => Err(Status::unavailable(format!("The file could not be read: {error}."))),
        };
        let is_last = part.is_err();
        if chunks.send(part).await.is_err() || is_last {
            return;
        }
    }
}

fn worker_of<T>(request: &Request<T>) -> Result<WorkerId, Status> {
    Caller::of(request).and_then(|caller| caller.worker()).map_err(|fault| to_status(&fault))
}

fn execution(id: &str) -> Result<ExecutionId, Status> {
    id.parse().map_err(|_| {
        let sentence = format!("\"{}\" is not the id of an attempt.", id.escape_debug());
        to_status(&Fault::new(Reason::InvalidArgument, sentence))
    })
}

fn negative() -> Fault {
    Fault::new(Reason::InvalidArgument, "Sequences and counts of events are not negative.")
}
