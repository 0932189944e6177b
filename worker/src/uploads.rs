//! Sends artifacts to the coordinator, one after the other so that they do not crowd out the logs, each from where the coordinator
//! has it. The files are the queue: what is not settled is sent again, over sessions and restarts of both sides.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    io::SeekFrom,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use proto::worker::{
    ArtifactAnswer, ArtifactOffer, ArtifactPart, ArtifactSettled, artifact_answer::Answer, artifact_part::Part,
};
use service::{backoff::Backoff, channel};
use shared::{id::ExecutionId, limits, size};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    sync::{Notify, mpsc},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::{error, info, warn};

use crate::{exec_dir::Artifact, home::Home, preparation::Client, random, wire};

/// 4 chunks between file and connection: enough to keep the connection busy, 1 MiB at most.
const CHUNKS: usize = 4;
/// The first wait after a failure is up to a second.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// 1 minute: how long it takes at most until a coordinator whose disk has room again is found.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Attempts whose artifacts are to be sent. Clones are the same.
#[derive(Clone, Debug)]
pub struct Uploads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<BTreeSet<ExecutionId>>,
    wake: Notify,
    /// Told of each attempt that has none left.
    settled: mpsc::Sender<ExecutionId>,
}

impl Uploads {
    /// None yet; `settled` is told of each attempt whose artifacts are settled.
    #[must_use]
    pub fn new(settled: mpsc::Sender<ExecutionId>) -> Self {
        Self(Arc::new(Shared { waiting: Mutex::default(), wake: Notify::new(), settled }))
    }

    /// An attempt may have artifacts.
    pub fn look(&self, execution: ExecutionId) {
        self.waiting().insert(execution);
        self.0.wake.notify_one();
    }

    /// Sends over one session, until it is dropped.
    pub async fn send(&self, home: &Home, client: Client) -> Infallible {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut last = None;
        loop {
            let Some(execution) = self.next(last) else {
                self.0.wake.notified().await;
                continue;
            };
            last = Some(execution);
            match self.send_all(home, &client, execution).await {
                Ok(()) => {
                    backoff.reset();
                    self.waiting().remove(&execution);
                    // The driver is gone when the agent stops.
                    let _ = self.0.settled.send(execution).await;
                }
                Err(status) => {
                    let wait = backoff.next(random::fraction());
                    warn!(%execution, error = channel::explain(&status), retry_in = ?wait, "an artifact cannot be sent yet");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn send_all(&self, home: &Home, client: &Client, execution: ExecutionId) -> Result<(), Status> {
        let folder = home.exec(execution).artifacts();
        for artifact in folder.unsettled().map_err(|error| unreadable(&error))? {
            let content = folder.content(artifact.number);
            let settled = send(client.clone(), execution, artifact.clone(), content).await?;
            tell(execution, &artifact, &settled);
            folder.settle(artifact.number).map_err(|error| unreadable(&error))?;
        }
        Ok(())
    }

    /// In turn, so that one that cannot be sent does not hold up the others.
    fn next(&self, last: Option<ExecutionId>) -> Option<ExecutionId> {
        let waiting = self.waiting();
        waiting.iter().find(|execution| Some(**execution) > last).or_else(|| waiting.first()).copied()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<ExecutionId>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(execution: ExecutionId, artifact: &Artifact, settled: &ArtifactSettled) {
    let (name, bytes) = (&artifact.name, size::shown(artifact.size));
    if settled.reason.is_empty() {
        info!(%execution, name, bytes, "artifact stored");
    } else {
        error!(%execution, name, bytes, reason = settled.reason, error = settled.detail, "artifact not taken");
    }
}

/// One artifact, to its end.
async fn send(
    mut client: Client,
    execution: ExecutionId,
    artifact: Artifact,
    content: PathBuf,
) -> Result<ArtifactSettled, Status> {
    let (parts, queue) = mpsc::channel(CHUNKS);
    let offer = ArtifactOffer { execution_id: execution.to_string(), artifact: Some(wire::artifact(artifact)) };
    say(&parts, Part::Offer(offer)).await?;
    let mut answers = client.store_artifact(ReceiverStream::new(queue)).await?.into_inner();
    let offset = match next(&mut answers).await? {
        Answer::Settled(settled) => return Ok(settled),
        Answer::Offset(offset) => u64::try_from(offset).unwrap_or(0),
    };
    let pouring = pour(content, offset, parts);
    tokio::pin!(pouring);
    tokio::select! {
        // It may say early that it wants no more.
        answer = next(&mut answers) => return settled(answer?),
        poured = &mut pouring => poured?,
    }
    settled(next(&mut answers).await?)
}

/// Sends the file from an offset on; what it lacks the coordinator notices.
async fn pour(content: PathBuf, offset: u64, parts: mpsc::Sender<ArtifactPart>) -> Result<(), Status> {
    let mut file = File::open(content).await.map_err(|error| unreadable(&error))?;
    file.seek(SeekFrom::Start(offset)).await.map_err(|error| unreadable(&error))?;
    loop {
        let mut chunk = Vec::with_capacity(limits::CHUNK_BYTES);
        let piece = (&mut file).take(limits::CHUNK_BYTES as u64);
        if { piece }.read_to_end(&mut chunk).await.map_err(|error| unreadable(&error))? == 0 {
            return Ok(());
        }
        say(&parts, Part::Chunk(chunk)).await?;
    }
}

async fn say(parts: &mpsc::Sender<ArtifactPart>, part: Part) -> Result<(), Status> {
    let part = ArtifactPart { part: Some(part) };
    parts.send(part).await.map_err(|_| Status::unavailable("The coordinator takes no more of it now."))
}

async fn next(answers: &mut Streaming<ArtifactAnswer>) -> Result<Answer, Status> {
    let answer = answers.message().await?.and_then(|answer| answer.answer);
    answer.ok_or_else(|| Status::unavailable("The coordinator broke off without an answer."))
}

fn settled(answer: Answer) -> Result<ArtifactSettled, Status> {
    match answer {
        Answer::Settled(settled) => Ok(settled),
        Answer::Offset(_) => Err(Status::internal("The coordinator named an offset twice.")),
    }
}

fn unreadable(error: &std::io::Error) -> Status {
    Status::unavailable(format!("A file of the worker's cannot be read: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_take_turns() {
        let (settled, _heard) = mpsc::channel(1);
        let uploads = Uploads::new(settled);
        assert_eq!(uploads.next(None), None);
        let [one, two] = [1, 2].map(|id| ExecutionId(uuid::Uuid::from_u128(id)));
        uploads.look(two);
        uploads.look(one);
        assert_eq!(uploads.next(None), Some(one));
        assert_eq!(uploads.next(Some(one)), Some(two), "one that could not be sent waits for its turn");
        assert_eq!(uploads.next(Some(two)), Some(one));
    }
}
