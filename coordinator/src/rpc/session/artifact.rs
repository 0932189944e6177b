//! One artifact on its way in from a worker.

use proto::{
    status::to_status,
    worker::{
        ArtifactAnswer, ArtifactOffer, ArtifactPart, ArtifactSettled, artifact_answer::Answer, artifact_part::Part,
    },
};
use shared::{
    id::ExecutionId,
    limits,
    reason::{Fault, Reason},
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::execution;
use crate::artifacts::{Artifacts, Offered, Settled};

/// Where answers go.
pub(super) type Answers = mpsc::Sender<Result<ArtifactAnswer, Status>>;

/// The first part of an upload: which artifact it is.
pub(super) async fn offered(parts: &mut Streaming<ArtifactPart>) -> Result<(ExecutionId, ArtifactOffer), Status> {
    match next(parts).await? {
        Some(Part::Offer(offer)) if offer.artifact.is_some() => Ok((execution(&offer.execution_id)?, offer)),
        _ => Err(unfit("An upload begins with what the artifact is.")),
    }
}

/// Takes an artifact to its end. A chunk is written before the next is read, so that a fast worker waits.
pub(super) async fn receive(
    artifacts: &Artifacts,
    execution: ExecutionId,
    offer: &ArtifactOffer,
    mut parts: Streaming<ArtifactPart>,
    answers: &Answers,
) -> Result<(), Status> {
    let artifact = offer.artifact.clone().unwrap_or_default();
    let mut receiving = match artifacts.offer(execution, &artifact).await.map_err(status)? {
        Offered::Settled(settled) => return say(answers, Answer::Settled(to_wire(settled))).await,
        Offered::Wanted(receiving) => receiving,
    };
    say(answers, Answer::Offset(receiving.offset().cast_signed())).await?;
    while let Some(part) = next(&mut parts).await? {
        match part {
            Part::Chunk(chunk) if chunk.len() <= limits::CHUNK_BYTES => {
                receiving = receiving.push(chunk).await.map_err(status)?;
            }
            Part::Chunk(_) => return Err(unfit("A chunk of an artifact is larger than 256 KiB.")),
            Part::Offer(_) => return Err(unfit("An upload is of one artifact.")),
        }
    }
    let settled = receiving.finish().await.map_err(status)?;
    say(answers, Answer::Settled(to_wire(settled))).await
}

async fn next(parts: &mut Streaming<ArtifactPart>) -> Result<Option<Part>, Status> {
    let part = parts.message().await?;
    part.map(|part| part.part.ok_or_else(|| unfit("A part of an artifact is empty."))).transpose()
}

async fn say(answers: &Answers, answer: Answer) -> Result<(), Status> {
    let gone = |_| Status::cancelled("The worker went away.");
    answers.send(Ok(ArtifactAnswer { answer: Some(answer) })).await.map_err(gone)
}

fn to_wire(settled: Settled) -> ArtifactSettled {
    ArtifactSettled { reason: settled.reason, detail: settled.detail }
}

fn unfit(sentence: &str) -> Status {
    status(Fault::new(Reason::InvalidArgument, sentence))
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn status(fault: Fault) -> Status {
    to_status(&fault)
}
