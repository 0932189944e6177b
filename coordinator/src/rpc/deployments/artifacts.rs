//! The artifacts of a deployment: which there are, and their bytes.

use std::{io::SeekFrom, time::Duration};

use futures_util::{Stream, stream};
use proto::deployment::{
    Artifact, ArtifactChunk, ListArtifactsRequest, ListArtifactsResponse, ReadArtifactRequest, artifact,
};
use shared::{
    limits,
    reason::{Fault, Reason},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::Deployments;
use crate::{
    clock::timestamp,
    registry::artifact::{Row, State},
};

/// 1 minute: longer waits are asked for again, so that a call that nobody awaits any more ends.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Deployments {
    /// # Errors
    /// [`Reason::DeploymentNotFound`]; [`Reason::InvalidArgument`] for a wait that is none.
    pub(super) async fn list_all_artifacts(
        &self,
        request: ListArtifactsRequest,
    ) -> Result<ListArtifactsResponse, Fault> {
        let deployment = self.find(&request.deployment_id).await?;
        let wait = request.wait.map_or(Ok(Duration::ZERO), Duration::try_from).map_err(|_| {
            Fault::new(Reason::InvalidArgument, "`wait` is no span of time: give seconds that are not negative.")
        })?;
        let found = self.artifacts.list_when_settled(deployment, wait.min(LONGEST_WAIT)).await?;
        Ok(ListArtifactsResponse { artifacts: found.into_iter().map(|(row, arrived)| to_wire(row, arrived)).collect() })
    }

    /// # Errors
    /// [`Reason::DeploymentNotFound`], [`Reason::ArtifactNotFound`], [`Reason::ArtifactNotStored`];
    /// [`Reason::InvalidArgument`] for an offset beyond its end.
    pub(super) async fn artifact_reader(
        &self,
        request: ReadArtifactRequest,
    ) -> Result<impl Stream<Item = Result<ArtifactChunk, Fault>> + Send + use<>, Fault> {
        let deployment = self.find(&request.deployment_id).await?;
        let (mut file, size) = self.artifacts.open(deployment, &request.artifact_id).await?;
        let offset = u64::try_from(request.offset).ok().filter(|offset| *offset <= size).ok_or_else(|| {
            let sentence = format!("`offset` is {}; the artifact has {size} bytes.", request.offset);
            Fault::new(Reason::InvalidArgument, sentence)
        })?;
        file.seek(SeekFrom::Start(offset)).await.map_err(|error| unreadable(&error))?;
        Ok(stream::try_unfold(file, next))
    }
}

async fn next(mut file: File) -> Result<Option<(ArtifactChunk, File)>, Fault> {
    let mut chunk = Vec::with_capacity(limits::CHUNK_BYTES);
    let piece = (&mut file).take(limits::CHUNK_BYTES as u64);
    let read = { piece }.read_to_end(&mut chunk).await.map_err(|error| unreadable(&error))?;
    Ok((read > 0).then_some((ArtifactChunk { chunk }, file)))
}

fn unreadable(error: &std::io::Error) -> Fault {
    Fault::new(Reason::StoreUnavailable, format!("The artifact cannot be read: {error}."))
}

fn to_wire(row: Row, arrived: u64) -> Artifact {
    let state = match row.state {
        State::Arriving => artifact::State::Arriving,
        State::Stored => artifact::State::Stored,
        State::Refused => artifact::State::Refused,
        State::Expired => artifact::State::Expired,
    };
    Artifact {
        id: row.id(),
        step: row.step,
        execution_id: row.told.execution.to_string(),
        attempt: row.attempt,
        name: row.told.name,
        size: row.told.size.cast_signed(),
        sha256: row.told.sha256,
        state: state.into(),
        arrived: arrived.cast_signed(),
        reason: row.reason,
        detail: row.detail,
        create_time: Some(timestamp(row.created_at)),
    }
}
