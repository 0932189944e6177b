//! One file on its way in.

use proto::deployment::{UploadFileRequest, upload_file_request::Part};
use shared::{
    limits,
    reason::{Fault, Reason},
};
use tonic::Streaming;

use super::broken_off;
use crate::files::{Files, Upload, blocking};

/// Stores what comes; its size in bytes. A chunk is written before the next is read, so that a fast sender waits.
pub(super) async fn receive(files: &Files, mut parts: Streaming<UploadFileRequest>) -> Result<u64, Fault> {
    let files = files.clone();
    let Some(Part::Sha256(sha256)) = next(&mut parts).await? else {
        return Err(invalid("An upload begins with the file's digest."));
    };
    let mut upload = blocking(move || files.begin(&sha256)).await?;
    while let Some(part) = next(&mut parts).await? {
        let Part::Chunk(chunk) = part else {
            return Err(invalid("An upload has one digest, at its beginning."));
        };
        upload = blocking(move || push(upload, &chunk)).await?;
    }
    blocking(move || upload.finish()).await
}

fn push(mut upload: Upload, chunk: &[u8]) -> Result<Upload, Fault> {
    if chunk.len() > limits::CHUNK_BYTES {
        return Err(invalid("A chunk of a file is larger than 256 KiB."));
    }
    upload.push(chunk)?;
    Ok(upload)
}

async fn next(parts: &mut Streaming<UploadFileRequest>) -> Result<Option<Part>, Fault> {
    let message = parts.message().await.map_err(|status| broken_off(&status))?;
    message.map(|message| message.part.ok_or_else(|| invalid("A message of the upload is empty."))).transpose()
}

fn invalid(sentence: &str) -> Fault {
    Fault::new(Reason::InvalidFile, sentence)
}
